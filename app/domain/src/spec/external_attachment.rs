//! External attachment: where and how an external is reached.
//!
//! Invariant: `switch` and `neighbor` may be absent here, although the schema demands them: the
//! fabric adds empty ones before the schema is asked.

use super::shape::{shape, words};

words! {
    /// What a rule does with traffic.
    string AclAction {
        /// Let pass.
        Permit = "permit",
        /// Refuse.
        Deny = "deny",
        /// Drop without a word.
        Discard = "discard",
        /// Let transit.
        Transit = "transit",
    }

    /// Which protocol a rule is about.
    string AclProtocol {
        /// Any.
        Ip = "ip",
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// ICMP.
        Icmp = "icmp",
    }
}

shape! {
    /// What an external attachment should be.
    ExternalAttachmentSpec {
        /// Name of the external.
        external: String = "external",
        /// Name of the connection, of type external.
        connection: String = "connection",
        /// The switch's side of a BGP external.
        #[schemars(extend("x-required" = true))]
        switch: Option<ExternalAttachmentSwitch> = "switch",
        /// The other side of a BGP external.
        #[schemars(extend("x-required" = true))]
        neighbor: Option<ExternalAttachmentNeighbor> = "neighbor",
        /// Both sides of a static external.
        fixed: Option<ExternalAttachmentStatic> = "static",
        /// Rules for traffic that comes in.
        inbound_acl: Option<Acl> = "inboundACL",
    }

    /// The switch's side.
    ExternalAttachmentSwitch {
        /// VLAN id; 0 or absent for untagged.
        vlan: Option<u16> = "vlan",
        /// Address of the switch, CIDR.
        ip: String = "ip",
    }

    /// The other side.
    ExternalAttachmentNeighbor {
        /// ASN of the neighbour.
        asn: u32 = "asn",
        /// Address of the neighbour, without a length.
        ip: String = "ip",
    }

    /// A static attachment.
    ExternalAttachmentStatic {
        /// Next hop towards the external.
        #[schemars(extend("x-required" = true))]
        remote_ip: String = "remoteIP",
        /// VLAN id; 0 or absent for untagged.
        vlan: Option<u16> = "vlan",
        /// Address of the switch, CIDR, without proxy.
        ip: String = "ip",
        /// Whether the switch answers for the other side, for gateways.
        proxy: bool = "proxy",
    }

    /// A list of rules.
    Acl {
        /// Rules, in the order of their numbers.
        statements: Vec<AclStatement> = "statements",
    }

    /// One rule.
    AclStatement {
        /// Number of the rule; lower ones are asked first.
        seq: u16 => "seq",
        /// What happens to traffic that fits.
        action: AclAction => "action",
        /// Which protocol fits.
        protocol: AclProtocol => "protocol",
        /// Which sources fit: `any` or CIDR.
        src_prefix: String => "srcPrefix",
        /// Which destinations fit: `any` or CIDR.
        dst_prefix: String => "dstPrefix",
        /// First port that fits.
        port_range_begin: Option<u16> = "portRangeBegin",
        /// Last port that fits.
        port_range_end: Option<u16> = "portRangeEnd",
        /// Which TCP flags fit.
        tcp_filters: Option<AclTcpFilters> = "tcpFilters",
        /// Which type of ICMP fits.
        icmp_type: Option<u8> = "icmpType",
        /// Which code of ICMP fits.
        icmp_code: Option<u8> = "icmpCode",
    }

    /// Which TCP flags must or must not be set.
    AclTcpFilters {
        /// Part of a connection that exists.
        established: bool = "established",
        /// FIN is set.
        fin: bool = "fin",
        /// FIN is not set.
        not_fin: bool = "notFin",
        /// SYN is set.
        syn: bool = "syn",
        /// SYN is not set.
        not_syn: bool = "notSyn",
        /// RST is set.
        rst: bool = "rst",
        /// RST is not set.
        not_rst: bool = "notRst",
        /// PSH is set.
        psh: bool = "psh",
        /// PSH is not set.
        not_psh: bool = "notPsh",
        /// ACK is set.
        ack: bool = "ack",
        /// ACK is not set.
        not_ack: bool = "notAck",
        /// URG is set.
        urg: bool = "urg",
        /// URG is not set.
        not_urg: bool = "notUrg",
    }
}
