//! Gateway agent: what the controller tells a gateway to be, and what the gateway says of itself.
//!
//! Invariant: a figure that the gateway does not report is absent, never zero.

use std::collections::BTreeMap;

use serde_json::Number;

use super::{
    gateway::{GatewaySpec, VpcInfoSubnet},
    gateway_peering::GatewayPeeringSpec,
    shape::{shape, words},
};

words! {
    /// State of a BGP session of a gateway.
    enum GatewayBgpState {
        /// Not known yet.
        Unset = "unset",
        /// Not started.
        Idle = "idle",
        /// Connecting.
        Connect = "connect",
        /// Trying again.
        Active = "active",
        /// Saying hello.
        Open = "open",
        /// Exchanging routes.
        Established = "established",
    }
}

shape! {
    /// What a gateway is told to be.
    #[schemars(extend("x-open" = true, "x-kubernetes-map-type" = "atomic"))]
    GatewayAgentSpec {
        /// Which agent should run.
        agent_version: String = "agentVersion",
        /// The gateway itself.
        gateway: Option<GatewaySpec> = "gateway",
        /// VPCs and externals, by name.
        vpcs: BTreeMap<String, GatewayAgentVpc> = "vpcs",
        /// Peerings by name.
        peerings: BTreeMap<String, GatewayPeeringSpec> = "peerings",
        /// Groups it belongs to, by name.
        groups: BTreeMap<String, GatewayAgentGroup> = "groups",
        /// Community by priority.
        communities: BTreeMap<String, String> = "communities",
        /// Fabric-wide settings.
        config: Option<GatewayAgentConfig> = "config",
    }

    /// A VPC or an external, as the gateway is told.
    GatewayAgentVpc {
        /// Subnets by name.
        subnets: BTreeMap<String, VpcInfoSubnet> = "subnets",
        /// VNI.
        vni: u32 = "vni",
        /// Id inside the gateway.
        internal_id: String = "internalID",
    }

    /// A group, as the gateway is told.
    GatewayAgentGroup {
        /// Its members.
        members: Vec<GatewayAgentMember> = "members",
    }

    /// A member of a group.
    GatewayAgentMember {
        /// Name of the gateway.
        name: String => "name",
        /// Priority in the group.
        priority: u32 => "priority",
        /// VTEP address, CIDR.
        vtep_ip: String => "vtepIP",
    }

    /// Fabric-wide settings.
    #[schemars(extend("x-open" = true))]
    GatewayAgentConfig {
        /// Whether the fabric uses BFD.
        fabric_bfd: bool = "fabricBFD",
    }

    /// What a gateway says of itself.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    GatewayAgentStatus {
        /// Version of the agent that runs.
        agent_version: Option<String> = "agentVersion",
        /// When the last apply succeeded, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_applied_time: Option<String> = "lastAppliedTime",
        /// Generation of the last apply that succeeded, of the dataplane.
        last_applied_gen: Option<i64> = "lastAppliedGen",
        /// Last sign of life, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_heartbeat: Option<String> = "lastHeartbeat",
        /// What it sees.
        state: Option<GatewayState> = "state",
    }

    /// What a gateway sees.
    GatewayState {
        /// When it was collected, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_collected_time: Option<String> = "lastCollectedTime",
        /// The dataplane.
        dataplane: Option<GatewayDataplane> = "dataplane",
        /// The routing daemon.
        frr: Option<GatewayFrr> = "frr",
        /// BGP.
        bgp: Option<GatewayBgp> = "bgp",
        /// Traffic by VPC.
        vpcs: BTreeMap<String, GatewayVpcTraffic> = "vpcs",
        /// Traffic by peering.
        peerings: BTreeMap<String, GatewayPeeringTraffic> = "peerings",
    }

    /// The dataplane.
    GatewayDataplane {
        /// Version.
        version: Option<String> = "version",
    }

    /// The routing daemon.
    GatewayFrr {
        /// Generation of the last apply that succeeded.
        last_applied_gen: Option<i64> = "lastAppliedGen",
    }

    /// BGP of a gateway.
    GatewayBgp {
        /// VRFs by name.
        vrfs: BTreeMap<String, GatewayVrf> = "vrfs",
    }

    /// A VRF of a gateway.
    GatewayVrf {
        /// Neighbours by address.
        neighbors: BTreeMap<String, GatewayBgpNeighbor> = "neighbors",
    }

    /// A BGP neighbour of a gateway.
    GatewayBgpNeighbor {
        /// Whether it is on.
        enabled: Option<bool> = "enabled",
        /// State of the session.
        session_state: Option<GatewayBgpState> = "sessionState",
        /// Own ASN.
        local_as: Option<u32> = "localAS",
        /// ASN of the other side.
        peer_as: Option<u32> = "peerAS",
        /// Router id of the other side.
        remote_router_id: Option<String> = "remoteRouterID",
        /// How many times the session dropped.
        dropped: Option<u64> = "connectionsDropped",
        /// How many times it was established.
        established: Option<u64> = "establishedTransitions",
        /// Why it last reset.
        last_reset_reason: Option<String> = "lastResetReason",
        /// Messages.
        messages: Option<GatewayBgpMessages> = "messages",
        /// Prefixes of IPv4.
        ipv4_unicast_prefixes: Option<GatewayBgpPrefixes> = "ipv4UnicastPrefixes",
        /// Prefixes of IPv6.
        ipv6_unicast_prefixes: Option<GatewayBgpPrefixes> = "ipv6UnicastPrefixes",
        /// Prefixes of EVPN.
        l2vpn_evpn_prefixes: Option<GatewayBgpPrefixes> = "l2VPNEVPNPrefixes",
    }

    /// Messages of a BGP session.
    GatewayBgpMessages {
        /// Heard.
        received: Option<GatewayBgpMessageCounts> = "received",
        /// Sent.
        sent: Option<GatewayBgpMessageCounts> = "sent",
    }

    /// Messages by type.
    GatewayBgpMessageCounts {
        /// Capability.
        capability: Option<u64> = "capability",
        /// Keepalive.
        keepalive: Option<u64> = "keepalive",
        /// Notification.
        notification: Option<u64> = "notification",
        /// Open.
        open: Option<u64> = "open",
        /// Route refresh.
        route_refresh: Option<u64> = "routeRefresh",
        /// Update.
        update: Option<u64> = "update",
    }

    /// Prefixes of an address family.
    GatewayBgpPrefixes {
        /// Accepted.
        received: Option<u32> = "received",
        /// Heard.
        received_pre_policy: Option<u32> = "receivedPrePolicy",
        /// Sent.
        sent: Option<u32> = "sent",
    }

    /// Traffic of a VPC.
    GatewayVpcTraffic {
        /// Bytes.
        bytes: Option<u64> = "b",
        /// Drops.
        drops: Option<u64> = "d",
        /// Packets.
        packets: Option<u64> = "p",
    }

    /// Traffic of a peering.
    GatewayPeeringTraffic {
        /// Bytes.
        bytes: Option<u64> = "b",
        /// Bytes per second.
        bytes_per_second: Option<Number> = "bps",
        /// Drops.
        drops: Option<u64> = "d",
        /// Packets.
        packets: Option<u64> = "p",
        /// Packets per second.
        packets_per_second: Option<Number> = "pps",
    }
}
