//! The columns that `kubectl get` prints of each kind, as the fabric has them.
//!
//! Invariant: these are the fabric's, mistakes and all; what our lists show is in `columns`.

use serde_json::{Value, json};

use crate::kind::Kind;

/// Name, type, JSON path, and 0 or the priority: only shown when asked for that much width.
type Printed = (&'static str, &'static str, &'static str, u8);

const AGE: Printed = ("Age", "date", ".metadata.creationTimestamp", 0);

/// The columns of a kind's definition.
pub(super) fn printed(kind: Kind) -> Vec<Value> {
    table(kind)
        .iter()
        .map(|&(name, form, path, priority)| {
            let mut column = json!({ "jsonPath": path, "name": name, "type": form });
            if priority > 0 {
                super::insert(&mut column, "priority", priority.into());
            }
            column
        })
        .collect()
}

fn table(kind: Kind) -> &'static [Printed] {
    match kind {
        Kind::Vpc => VPC,
        Kind::VpcAttachment => VPC_ATTACHMENT,
        Kind::VpcPeering => VPC_PEERING,
        Kind::External => EXTERNAL,
        Kind::ExternalAttachment => EXTERNAL_ATTACHMENT,
        Kind::ExternalPeering => EXTERNAL_PEERING,
        Kind::Ipv4Namespace => &[("Subnets", "string", ".spec.subnets", 0), AGE],
        Kind::Switch => SWITCH,
        Kind::Server => SERVER,
        Kind::Connection => CONNECTION,
        Kind::SwitchGroup | Kind::VlanNamespace => &[AGE],
        Kind::Agent => AGENT,
        Kind::SwitchProfile => SWITCH_PROFILE,
        Kind::Catalog | Kind::GatewayGroup => &[],
        Kind::DhcpSubnet => DHCP_SUBNET,
        Kind::Gateway => GATEWAY,
        Kind::GatewayPeering => &[("GatewayGroup", "string", ".spec.gatewayGroup", 0), AGE],
        Kind::VpcInfo => &[("InternalID", "string", ".status.internalID", 0), AGE],
        Kind::GatewayAgent => GATEWAY_AGENT,
    }
}

const VPC: &[Printed] = &[
    ("IPv4NS", "string", ".spec.ipv4Namespace", 0),
    ("VLANNS", "string", ".spec.vlanNamespace", 0),
    ("Subnets", "string", ".spec.subnets", 1),
    ("VNI", "string", ".status.vni", 1),
    AGE,
];

const VPC_ATTACHMENT: &[Printed] = &[
    ("VPCSUBNET", "string", ".spec.subnet", 0),
    ("Connection", "string", ".spec.connection", 0),
    ("NativeVLAN", "string", ".spec.nativeVLAN", 0),
    AGE,
];

const VPC_PEERING: &[Printed] = &[
    ("VPC1", "string", r".metadata.labels.fabric\.githedgehog\.com/vpc1", 0),
    ("VPC2", "string", r".metadata.labels.fabric\.githedgehog\.com/vpc2", 0),
    ("Remote", "string", ".spec.remote", 0),
    AGE,
];

const EXTERNAL: &[Printed] = &[
    ("IPv4NS", "string", ".spec.ipv4Namespace", 0),
    ("InComm", "string", ".spec.inboundCommunity", 0),
    ("OutComm", "string", ".spec.outboundCommunity", 0),
    AGE,
];

const EXTERNAL_ATTACHMENT: &[Printed] = &[
    ("External", "string", ".spec.external", 0),
    ("Connection", "string", ".spec.connection", 0),
    ("SwVLAN", "string", ".spec.switch.vlan", 1),
    ("SwIP", "string", ".spec.switch.ip", 1),
    ("NeighASN", "string", ".spec.neighbor.asn", 1),
    ("NeighIP", "string", ".spec.neighbor.ip", 1),
    AGE,
];

const EXTERNAL_PEERING: &[Printed] = &[
    ("VPC", "string", ".spec.permit.vpc.name", 0),
    ("VPCSubnets", "string", ".spec.permit.vpc.subnets", 1),
    ("External", "string", ".spec.permit.external.name", 0),
    ("ExtPrefixes", "string", ".spec.permit.external.prefixes", 1),
    AGE,
];

const SWITCH: &[Printed] = &[
    ("Profile", "string", ".spec.profile", 0),
    ("Role", "string", ".spec.role", 0),
    ("Descr", "string", ".spec.description", 0),
    ("Groups", "string", ".spec.groups", 0),
    ("Redundancy", "string", ".spec.redundancy", 1),
    ("Boot", "string", ".spec.boot", 1),
    AGE,
];

const SERVER: &[Printed] =
    &[("Type", "string", ".spec.type", 0), ("Descr", "string", ".spec.description", 0), AGE];

const CONNECTION: &[Printed] =
    &[("Type", "string", r".metadata.labels.fabric\.githedgehog\.com/connection-type", 0), AGE];

const AGENT: &[Printed] = &[
    ("Role", "string", ".spec.role", 0),
    ("Descr", "string", ".spec.description", 0),
    ("HWSKU", "string", ".status.state.nos.hwskuVersion", 1),
    ("Heartbeat", "date", ".status.lastHeartbeat", 1),
    ("Applied", "date", ".status.lastAppliedTime", 0),
    ("AppliedG", "integer", ".status.lastAppliedGen", 0),
    ("CurrentG", "integer", ".metadata.generation", 0),
    ("Version", "string", ".status.version", 0),
    ("RebootReq", "string", ".status.rebootRequired", 0),
    ("Software", "string", ".status.state.nos.softwareVersion", 1),
    ("Attempt", "date", ".status.lastAttemptTime", 2),
    ("AttemptG", "integer", ".status.lastAttemptGen", 2),
    ("RoCE", "boolean", ".spec.switch.roce", 3),
    ("CurrRoCE", "boolean", ".status.state.roce", 3),
    ("ECMPQPN", "boolean", ".spec.switch.ecmp.roceQPN", 3),
    ("Age", "date", ".metadata.creationTimestamp", 10),
];

const SWITCH_PROFILE: &[Printed] = &[
    ("DisplayName", "string", ".spec.displayName", 0),
    ("OtherNames", "string", ".spec.otherNames", 0),
    ("Ports", "string", r".metadata.annotations.fabric\.githedgehog\.com/ports", 0),
    AGE,
];

const DHCP_SUBNET: &[Printed] = &[
    ("Subnet", "string", ".spec.subnet", 0),
    ("CIDRBlock", "string", ".spec.cidrBlock", 0),
    ("Gateway", "string", ".spec.gateway", 0),
    ("StartIP", "string", ".spec.startIP", 0),
    ("EndIP", "string", ".spec.endIP", 0),
    ("VRF", "string", ".spec.vrf", 1),
    ("CircuitID", "string", ".spec.circuitID", 1),
    ("DNSServers", "string", ".spec.dnsServers", 1),
    ("TimeServers", "string", ".spec.timeServers", 1),
    ("InterfaceMTU", "integer", ".spec.interfaceMTU", 1),
    AGE,
];

const GATEWAY: &[Printed] = &[
    ("ProtoIP", "string", ".spec.protocolIP", 0),
    ("VTEPIP", "string", ".spec.vtepIP", 0),
    ("Groups", "string", ".spec.groups", 1),
    AGE,
];

const GATEWAY_AGENT: &[Printed] = &[
    ("Applied", "date", ".status.lastAppliedTime", 0),
    ("AppliedG", "integer", ".status.lastAppliedGen", 0),
    ("CurrentG", "integer", ".metadata.generation", 0),
    ("Version", "string", ".status.agentVersion", 0),
    ("ProtoIP", "string", ".spec.gateway.protocolIP", 1),
    ("VTEPIP", "string", ".spec.gateway.vtepIP", 1),
    AGE,
];
