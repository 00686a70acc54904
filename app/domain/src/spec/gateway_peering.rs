//! Gateway peering: traffic between two VPCs, or a VPC and an external, through a gateway.
//!
//! Invariant: parties are kept by the names they are written with, `ext.` and all.

use std::collections::BTreeMap;

use super::shape::{shape, words};

words! {
    /// What happens to traffic that no rule fits.
    enum GatewayAclDefault {
        /// Refused.
        Deny = "deny",
        /// Refused, unless it is exposed.
        DenyUnlessExposed = "deny-unless-exposed",
        /// As the gateway sees fit.
        Unset = "",
    }

    /// What a rule does with traffic.
    enum GatewayAclAction {
        /// Refuse.
        Deny = "deny",
        /// Let pass.
        Allow = "allow",
    }

    /// What a rule is asked for.
    enum GatewayAclScope {
        /// Each flow.
        Flow = "flow",
        /// Each packet.
        Packet = "packet",
        /// Each flow, too.
        Unset = "",
    }

    /// Protocol of a forwarded port.
    enum PortForwardProtocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// Both.
        Any = "",
    }
}

shape! {
    /// What a gateway peering should be.
    GatewayPeeringSpec {
        /// Name of the gateway group that carries it.
        gateway_group: String = "gatewayGroup",
        /// Parties by name of VPC, or of external behind `ext.`.
        peering: BTreeMap<String, PeeringParty> = "peering",
        /// Rules.
        acl: Option<GatewayAcl> = "acl",
    }

    /// One party.
    PeeringParty {
        /// What it exposes to the other.
        expose: Vec<PeeringExpose> = "expose",
    }

    /// Addresses that a party exposes.
    PeeringExpose {
        /// Addresses inside.
        ips: Vec<PeeringIp> = "ips",
        /// Addresses as the other party sees them.
        seen_as: Vec<PeeringAs> = "as",
        /// Whether everything else is exposed.
        default: bool = "default",
        /// Translation.
        nat: Option<PeeringNat> = "nat",
    }

    /// A block of addresses inside; one of these.
    PeeringIp {
        /// Included, CIDR.
        cidr: String = "cidr",
        /// Excluded, CIDR.
        not: String = "not",
        /// Included, by the name of a subnet of the VPC.
        vpc_subnet: String = "vpcSubnet",
    }

    /// A block of addresses outside; one of these.
    PeeringAs {
        /// Included, CIDR.
        cidr: String = "cidr",
        /// Excluded, CIDR.
        not: String = "not",
    }

    /// Translation of addresses; one of these.
    PeeringNat {
        /// Many behind one.
        masquerade: Option<PeeringMasquerade> = "masquerade",
        /// Ports of one to ports of another.
        port_forward: Option<PeeringPortForward> = "portForward",
        /// One to one.
        fixed: Option<PeeringStaticNat> = "static",
    }

    /// Many behind one.
    PeeringMasquerade {
        /// When a flow without packets is forgotten, as a Go duration.
        idle_timeout: String = "idleTimeout",
    }

    /// One to one.
    PeeringStaticNat {}

    /// Ports of one to ports of another.
    PeeringPortForward {
        /// When a flow without packets is forgotten, as a Go duration.
        idle_timeout: String = "idleTimeout",
        /// The ports.
        ports: Vec<PeeringPort> = "ports",
    }

    /// A forwarded port.
    PeeringPort {
        /// Protocol.
        proto: PortForwardProtocol = "proto",
        /// Port or range inside.
        port: String = "port",
        /// Port or range outside.
        seen_as: String = "as",
    }

    /// Rules of a peering.
    GatewayAcl {
        /// What happens to traffic that no rule fits.
        default: GatewayAclDefault => "default",
        /// The rules, first match wins.
        rules: Vec<GatewayAclRule> = "rules",
    }

    /// One rule.
    GatewayAclRule {
        /// For people.
        name: String = "name",
        /// What happens to traffic that fits.
        action: GatewayAclAction => "action",
        /// Party it comes from.
        from: String = "from",
        /// Party it goes to.
        to: String = "to",
        /// What it is asked for.
        scope: GatewayAclScope = "scope",
        /// Whether a match is logged.
        log: bool = "log",
        /// Which traffic fits; absent means all.
        matching: Option<GatewayAclMatch> = "match",
    }

    /// Which traffic fits.
    GatewayAclMatch {
        /// Protocol by name or number.
        proto: String = "proto",
        /// Sources.
        src: Vec<GatewayAclEnd> = "src",
        /// Destinations.
        dst: Vec<GatewayAclEnd> = "dst",
    }

    /// Addresses and ports that fit.
    GatewayAclEnd {
        /// Block of addresses, CIDR.
        cidr: String = "cidr",
        /// Subnet of the VPC, by name.
        vpc_subnet: String = "vpcSubnet",
        /// Ports and ranges.
        ports: Vec<String> = "ports",
    }
}
