//! DHCP subnet: what the fabric's DHCP server serves, and its leases.
//!
//! Invariant: fields that the controller always writes are written even if empty.

use std::collections::BTreeMap;

use super::{shape::shape, vpc::VpcDhcpRoute};

shape! {
    /// What the DHCP server should serve.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    DhcpSubnetSpec {
        /// `vpc/subnet`.
        subnet: String => "subnet",
        /// Block of addresses, CIDR.
        cidr_block: String => "cidrBlock",
        /// Address of the gateway.
        gateway: String => "gateway",
        /// First address to hand out.
        start_ip: String => "startIP",
        /// Last address to hand out.
        end_ip: String => "endIP",
        /// Lease time, seconds.
        lease_time_seconds: u32 => "leaseTimeSeconds",
        /// VRF on the switch, for example `VrfVvpc-1`.
        vrf: String => "vrf",
        /// VLAN on the switch, for example `Vlan1000`.
        circuit_id: String => "circuitID",
        /// URL to boot from.
        pxe_url: String => "pxeURL",
        /// Addresses of name servers.
        dns_servers: Vec<String> => "dnsServers",
        /// Addresses of time servers.
        time_servers: Vec<String> => "timeServers",
        /// MTU that clients are told, bytes.
        interface_mtu: u16 => "interfaceMTU",
        /// URL of option 114.
        default_url: String => "defaultURL",
        /// Whether clients get no default route.
        disable_default_route: bool = "disableDefaultRoute",
        /// Further routes for clients.
        advertised_routes: Vec<VpcDhcpRoute> = "advertisedRoutes",
        /// Whether clients are told single addresses: for VPCs of layer 3.
        l3_mode: bool = "l3Mode",
        /// Fixed leases by MAC address.
        fixed: BTreeMap<String, DhcpSubnetStatic> = "static",
        /// Whether only installers are served.
        onie_only: bool = "onieOnly",
        /// URL of zero-touch provisioning.
        ztp_base_url: String = "ztpBaseURL",
    }

    /// A fixed lease.
    DhcpSubnetStatic {
        /// Address that the client gets.
        ip: String => "ip",
    }

    /// What the DHCP server has handed out.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    DhcpSubnetStatus {
        /// Leases by MAC address.
        allocated: BTreeMap<String, DhcpLease> = "allocated",
    }

    /// A lease.
    DhcpLease {
        /// Address.
        ip: String => "ip",
        /// When it ends, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        expiry: Option<String> = "expiry",
        /// Name that the client gave.
        hostname: Option<String> = "hostname",
        /// Whether it was only offered.
        discover: Option<bool> = "discover",
    }
}
