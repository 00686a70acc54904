//! Connection: links between devices. One of eleven shapes is meant to be set.
//!
//! Invariant: several shapes may be set here, and none; which of them counts is
//! [`ConnectionSpec::set`].

use super::shape::shape;

/// Dotted quad with a length, as the schema has it.
const IPV4_CIDR: &str = r"^((25[0-5]|(2[0-4]|1\d|[1-9]|)\d)\.?\b){4}/([1-2]?[0-9]|3[0-2])$";
/// Dotted quad, as the schema has it.
const IPV4: &str = r"^((25[0-5]|(2[0-4]|1\d|[1-9]|)\d)\.?\b){4}$";

impl ConnectionSpec {
    /// The shapes that are set, by the names of their fields, in the order in which the fabric looks
    /// for them: the first is what it takes the connection for.
    pub fn set(&self) -> Vec<&'static str> {
        let set = [
            ("unbundled", self.unbundled.is_some()),
            ("bundled", self.bundled.is_some()),
            ("eslag", self.eslag.is_some()),
            ("fabric", self.fabric.is_some()),
            ("mesh", self.mesh.is_some()),
            ("gateway", self.gateway.is_some()),
            ("vpcLoopback", self.vpc_loopback.is_some()),
            ("external", self.external.is_some()),
            ("staticExternal", self.static_external.is_some()),
            ("mclag", self.mclag.is_some()),
            ("mclagDomain", self.mclag_domain.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }
}

shape! {
    /// What a connection should be: one of these.
    ConnectionSpec {
        /// A server and a switch, one link.
        unbundled: Option<ConnUnbundled> = "unbundled",
        /// A server and a switch, a bundle of links.
        bundled: Option<ConnBundled> = "bundled",
        /// A server and several switches of a group, a bundle of links.
        eslag: Option<ConnMultihomed> = "eslag",
        /// A spine and a leaf.
        fabric: Option<ConnFabric> = "fabric",
        /// Two leaves.
        mesh: Option<ConnMesh> = "mesh",
        /// A switch and a gateway.
        gateway: Option<ConnGateway> = "gateway",
        /// A switch and itself; a leftover.
        vpc_loopback: Option<ConnVpcLoopback> = "vpcLoopback",
        /// A switch and the outside, for external attachments.
        external: Option<ConnExternal> = "external",
        /// A switch and the outside, with static routes.
        static_external: Option<ConnStaticExternal> = "staticExternal",
        /// A server and two switches; dead.
        mclag: Option<ConnMultihomed> = "mclag",
        /// Two switches; dead.
        mclag_domain: Option<ConnMclagDomain> = "mclagDomain",
    }

    /// One link between a server and a switch.
    ConnUnbundled {
        /// The link.
        link: Option<ServerLink> = "link",
        /// MTU, bytes; 0 means the default.
        mtu: u16 = "mtu",
    }

    /// A bundle of links between a server and a switch.
    ConnBundled {
        /// The links.
        links: Vec<ServerLink> = "links",
        /// MTU, bytes; 0 means the default.
        mtu: u16 = "mtu",
        /// Whether one link may come up without LACP.
        fallback: bool = "fallback",
    }

    /// A bundle of links between a server and several switches.
    ConnMultihomed {
        /// The links.
        #[schemars(extend("minItems" = 2))]
        links: Vec<ServerLink> = "links",
        /// MTU, bytes; 0 means the default.
        mtu: u16 = "mtu",
        /// Whether one link may come up without LACP.
        fallback: bool = "fallback",
    }

    /// A link between a server and a switch.
    ServerLink {
        /// The server's end.
        server: Option<PortEnd> = "server",
        /// The switch's end.
        switch: Option<PortEnd> = "switch",
    }

    /// An end of a link.
    PortEnd {
        /// `device/port`, split at the first slash.
        port: String = "port",
    }

    /// An end of a link with an address.
    AddressedEnd {
        /// `device/port`, split at the first slash.
        port: String = "port",
        /// Address, CIDR.
        #[schemars(extend("pattern" = IPV4_CIDR))]
        ip: String = "ip",
    }

    /// Links between a spine and a leaf.
    ConnFabric {
        /// The links.
        #[schemars(extend("minItems" = 1))]
        links: Vec<FabricLink> = "links",
    }

    /// A link between a spine and a leaf.
    FabricLink {
        /// The spine's end.
        spine: Option<AddressedEnd> = "spine",
        /// The leaf's end.
        leaf: Option<AddressedEnd> = "leaf",
    }

    /// Links between two leaves.
    ConnMesh {
        /// The links.
        #[schemars(extend("minItems" = 1))]
        links: Vec<MeshLink> = "links",
    }

    /// A link between two leaves.
    MeshLink {
        /// One end.
        leaf1: Option<AddressedEnd> = "leaf1",
        /// The other end.
        leaf2: Option<AddressedEnd> = "leaf2",
    }

    /// Links between a switch and a gateway.
    ConnGateway {
        /// The links.
        #[schemars(extend("minItems" = 1))]
        links: Vec<GatewayLink> = "links",
    }

    /// A link between a switch and a gateway.
    GatewayLink {
        /// The switch's end.
        switch: Option<AddressedEnd> = "switch",
        /// The gateway's end.
        gateway: Option<AddressedEnd> = "gateway",
    }

    /// Links between a switch and itself.
    ConnVpcLoopback {
        /// The links.
        #[schemars(extend("minItems" = 1))]
        links: Vec<SwitchLink> = "links",
    }

    /// A link between two switch ports.
    SwitchLink {
        /// One end.
        switch1: Option<PortEnd> = "switch1",
        /// The other end.
        switch2: Option<PortEnd> = "switch2",
    }

    /// A port to the outside.
    ConnExternal {
        /// The link.
        link: Option<ExternalLink> = "link",
    }

    /// A link to the outside.
    ExternalLink {
        /// The switch's end.
        switch: Option<PortEnd> = "switch",
    }

    /// A port to the outside with static routes.
    ConnStaticExternal {
        /// Name of the VPC that the outside is part of; absent means the whole fabric.
        within_vpc: String = "withinVPC",
        /// The link.
        link: Option<StaticExternalLink> = "link",
    }

    /// A link to the outside with static routes.
    StaticExternalLink {
        /// The switch's end.
        switch: Option<StaticExternalEnd> = "switch",
    }

    /// The switch's end of a link with static routes.
    StaticExternalEnd {
        /// `device/port`, split at the first slash.
        port: String = "port",
        /// Address of the switch, CIDR.
        #[schemars(extend("pattern" = IPV4_CIDR))]
        ip: String = "ip",
        /// Address of the next hop.
        #[schemars(extend("pattern" = IPV4))]
        next_hop: String = "nextHop",
        /// Destinations behind the next hop, CIDR.
        subnets: Vec<String> = "subnets",
        /// VLAN id; 0 or absent for untagged.
        vlan: Option<u16> = "vlan",
    }

    /// Links between two MCLAG switches; dead.
    ConnMclagDomain {
        /// Links for traffic.
        #[schemars(extend("minItems" = 1))]
        peer_links: Vec<SwitchLink> = "peerLinks",
        /// Links for the session.
        #[schemars(extend("minItems" = 1))]
        session_links: Vec<SwitchLink> = "sessionLinks",
    }
}
