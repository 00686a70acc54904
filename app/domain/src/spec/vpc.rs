//! VPC: a routed tenant network with up to 20 subnets.
//!
//! Invariant: an empty mode is a mode, not a missing one.

use std::collections::BTreeMap;

use super::shape::{shape, words};

words! {
    /// How the subnets of a VPC are carried.
    string VpcMode {
        /// Layer 2 between switches: the default, written as the empty text.
        L2Vni = "",
        /// Layer 3 between switches.
        L3Vni = "l3vni",
        /// Refused by the fabric.
        L3Flat = "l3flat",
    }
}

shape! {
    /// What a VPC should be.
    VpcSpec {
        /// How the subnets are carried; empty means `l2vni`.
        mode: VpcMode = "mode",
        /// Subnets by name.
        subnets: BTreeMap<String, VpcSubnet> = "subnets",
        /// Name of the `IPv4Namespace` that the subnets are taken from.
        ipv4_namespace: String = "ipv4Namespace",
        /// Name of the `VLANNamespace` that the VLANs are taken from.
        vlan_namespace: String = "vlanNamespace",
        /// Whether subnets are isolated from each other where they do not say.
        default_isolated: bool = "defaultIsolated",
        /// Whether hosts of a subnet are kept apart where the subnet does not say.
        default_restricted: bool = "defaultRestricted",
        /// Lists of subnets that may talk to each other although isolated.
        permit: Vec<Vec<String>> = "permit",
        /// Routes of the VPC towards addresses behind its hosts.
        static_routes: Vec<VpcStaticRoute> = "staticRoutes",
    }

    /// A subnet of a VPC.
    VpcSubnet {
        /// Block of addresses, CIDR.
        subnet: String = "subnet",
        /// Address of the gateway; the first of the block where it is absent.
        gateway: String = "gateway",
        /// DHCP for the subnet.
        dhcp: Option<VpcDhcp> = "dhcp",
        /// VLAN id.
        vlan: u16 = "vlan",
        /// Whether it is isolated from the other subnets; as the VPC says where it is absent.
        isolated: Option<bool> = "isolated",
        /// Whether its hosts are kept apart; as the VPC says where it is absent.
        restricted: Option<bool> = "restricted",
        /// Whether hosts announce their addresses by BGP.
        host_bgp: bool = "hostBGP",
    }

    /// DHCP for a subnet: the fabric's own server, or a relay.
    VpcDhcp {
        /// Prefix of an external server to relay to, for example `10.0.0.1/32`.
        relay: String = "relay",
        /// Name of the VPC that the external server is in.
        relay_vpc: String = "relayVPC",
        /// Whether the fabric's own server serves the subnet.
        enable: bool = "enable",
        /// Addresses to hand out.
        range: Option<VpcDhcpRange> = "range",
        /// What clients are told.
        options: Option<VpcDhcpOptions> = "options",
        /// Fixed leases by MAC address.
        fixed: BTreeMap<String, VpcDhcpStatic> = "static",
    }

    /// Addresses that a DHCP server hands out.
    VpcDhcpRange {
        /// First address.
        start: String = "start",
        /// Last address.
        end: String = "end",
    }

    /// What DHCP clients are told.
    VpcDhcpOptions {
        /// URL to boot from.
        pxe_url: String = "pxeURL",
        /// Addresses of name servers.
        dns_servers: Vec<String> = "dnsServers",
        /// Addresses of time servers.
        time_servers: Vec<String> = "timeServers",
        /// MTU of the interface, bytes. The fabric fills it in.
        #[schemars(extend("x-required" = true))]
        interface_mtu: u16 = "interfaceMTU",
        /// Lease time, seconds. The fabric fills it in.
        #[schemars(extend("x-required" = true))]
        lease_time_seconds: u32 = "leaseTimeSeconds",
        /// Whether clients get no default route.
        disable_default_route: bool = "disableDefaultRoute",
        /// Further routes for clients.
        advertised_routes: Vec<VpcDhcpRoute> = "advertisedRoutes",
    }

    /// A route that DHCP clients are told.
    VpcDhcpRoute {
        /// Destination, CIDR.
        destination: String = "destination",
        /// Address of the gateway.
        gateway: String = "gateway",
    }

    /// A fixed lease.
    VpcDhcpStatic {
        /// Address that the client gets.
        #[schemars(extend("x-required" = true))]
        ip: String = "ip",
    }

    /// A static route of a VPC.
    VpcStaticRoute {
        /// Destination, CIDR.
        prefix: String = "prefix",
        /// Addresses of next hops.
        next_hops: Vec<String> = "nextHops",
    }
}
