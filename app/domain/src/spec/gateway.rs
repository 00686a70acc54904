//! Gateway, gateway group and VPC info: who carries traffic between VPCs, and what it knows of them.
//!
//! Invariant: a gateway's interfaces and neighbours are kept as written; nothing is looked up.

use std::collections::BTreeMap;

use super::shape::shape;

shape! {
    /// What a gateway should be.
    GatewaySpec {
        /// Groups it belongs to.
        groups: Vec<GatewayMembership> = "groups",
        /// Router id, CIDR.
        protocol_ip: String = "protocolIP",
        /// VTEP address, CIDR.
        vtep_ip: String = "vtepIP",
        /// VTEP MAC address.
        vtep_mac: String = "vtepMAC",
        /// MTU of the VTEP, bytes.
        vtep_mtu: u32 = "vtepMTU",
        /// ASN.
        asn: u32 = "asn",
        /// Interfaces by name.
        interfaces: BTreeMap<String, GatewayInterface> = "interfaces",
        /// BGP neighbours.
        neighbors: Vec<GatewayNeighbor> = "neighbors",
        /// What it logs.
        logs: Option<GatewayLogs> = "logs",
        /// Profiling.
        profiling: Option<GatewayProfiling> = "profiling",
        /// Threads of the dataplane.
        workers: u8 = "workers",
        /// Most flows.
        flow_table_capacity: u32 = "flowTableCapacity",
    }

    /// Membership in a group.
    GatewayMembership {
        /// Name of the gateway group.
        name: String = "name",
        /// Priority in the group.
        priority: u32 = "priority",
    }

    /// An interface of a gateway.
    GatewayInterface {
        /// Addresses, CIDR.
        ips: Vec<String> = "ips",
        /// MTU, bytes.
        mtu: u32 = "mtu",
        /// PCI address, for DPDK.
        pci: String = "pci",
        /// Name in the kernel.
        kernel: String = "kernel",
    }

    /// A BGP neighbour of a gateway.
    GatewayNeighbor {
        /// Interface it is reached through.
        source: String = "source",
        /// Its address.
        ip: String = "ip",
        /// Its ASN.
        asn: u32 = "asn",
    }

    /// What a gateway logs.
    GatewayLogs {
        /// Level where nothing else is said.
        default: String = "default",
        /// Level by part.
        tags: BTreeMap<String, String> = "tags",
        /// Limit of messages.
        rate_limit: Option<GatewayLogRate> = "rateLimit",
    }

    /// Limit of messages.
    GatewayLogRate {
        /// Most at once.
        #[schemars(extend("x-minimum" = 0))]
        burst: Option<u32> = "burst",
        /// How many more each second.
        #[schemars(extend("x-minimum" = 0))]
        replenish_per_second: Option<u32> = "replenishPerSecond",
    }

    /// Profiling of a gateway.
    GatewayProfiling {
        /// Whether it is on.
        enabled: bool = "enabled",
    }

    /// What a gateway group should be: nothing but there.
    GatewayGroupSpec {}

    /// What a gateway knows of a VPC or an external.
    VpcInfoSpec {
        /// Subnets by name.
        subnets: BTreeMap<String, VpcInfoSubnet> = "subnets",
        /// VNI.
        vni: u32 = "vni",
    }

    /// A subnet that a gateway knows.
    VpcInfoSubnet {
        /// Block of addresses, CIDR.
        cidr: String = "cidr",
    }

    /// What the gateway has given it.
    VpcInfoStatus {
        /// Id inside the gateway.
        internal_id: String = "internalID",
    }
}
