//! Which objects the fields of an object name: the edges of the fabric, one table.
//!
//! Edges come from fields that people and controllers write, as JSON pointers with `*` for any
//! member or item; labels are a controller's opinion and may be missing.
//!
//! Invariant: no label is read here, and nothing is derived from how an object is called, except
//! for the kinds whose name is defined to be that of another object.
//! Invariant: whether the named object exists is not asked here.

mod walk;

use serde_json::Value;

use crate::{
    kind::Kind,
    object::{ObjectKey, ObjectRef, Reference},
};

/// The types of a connection in the order in which the fabric looks for one when several are set,
/// then the dead ones. Names of the fields in its spec.
pub const CONNECTION_TYPES: &[&str] = &[
    "unbundled",
    "bundled",
    "eslag",
    "fabric",
    "mesh",
    "gateway",
    "vpcLoopback",
    "external",
    "staticExternal",
    "mclag",
    "mclagDomain",
];

/// How a field names its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// The text is the name.
    Name,
    /// The text is the name; where the field is absent or empty, the fabric fills in `default`.
    NameOrDefault,
    /// The key of the member is the name.
    Key,
    /// The text is `vpc/subnet`, or a VPC alone, which means its subnet `default`.
    VpcSubnet,
    /// The text is `name/part`; anything without a slash names nothing.
    Split,
    /// The text is a part of the object named by the key this many levels up the path.
    PartOfKey(usize),
    /// The text is a part of the object named by the text at this pointer.
    PartOf(&'static str),
    /// The key of the member is the name of an external behind `ext.`.
    ExternalKey,
    /// The text is the name of an external behind `ext.`.
    ExternalName,
    /// The text is a name behind this text.
    Behind(&'static str),
}

/// One row of the table.
struct Edge {
    from: Kind,
    path: &'static str,
    how: How,
    to: Kind,
}

macro_rules! edges {
    ($($from:ident $path:literal $how:expr => $to:ident;)+) => {
        const EDGES: &[Edge] = &[
            $(Edge { from: Kind::$from, path: $path, how: $how, to: Kind::$to }),+
        ];
    };
}

use How::{
    Behind, ExternalKey, ExternalName, Key, Name, NameOrDefault, PartOf, PartOfKey, Split,
    VpcSubnet,
};

edges! {
    Vpc "/spec/ipv4Namespace" NameOrDefault => Ipv4Namespace;
    Vpc "/spec/vlanNamespace" NameOrDefault => VlanNamespace;
    Vpc "/spec/subnets/*/dhcp/relayVPC" Name => Vpc;
    VpcAttachment "/spec/subnet" VpcSubnet => Vpc;
    VpcAttachment "/spec/connection" Name => Connection;
    VpcPeering "/spec/permit/*/*" Key => Vpc;
    VpcPeering "/spec/permit/*/*/subnets/*" PartOfKey(2) => Vpc;
    External "/spec/ipv4Namespace" NameOrDefault => Ipv4Namespace;
    ExternalAttachment "/spec/external" Name => External;
    ExternalAttachment "/spec/connection" Name => Connection;
    ExternalPeering "/spec/permit/vpc/name" Name => Vpc;
    ExternalPeering "/spec/permit/vpc/subnets/*" PartOf("/spec/permit/vpc/name") => Vpc;
    ExternalPeering "/spec/permit/external/name" Name => External;
    Switch "/spec/profile" Name => SwitchProfile;
    Switch "/spec/groups/*" Name => SwitchGroup;
    Switch "/spec/redundancy/group" Name => SwitchGroup;
    Switch "/spec/vlanNamespaces/*" NameOrDefault => VlanNamespace;
    Connection "/spec/*/link/switch/port" Split => Switch;
    Connection "/spec/*/link/server/port" Split => Server;
    Connection "/spec/*/links/*/switch/port" Split => Switch;
    Connection "/spec/*/links/*/server/port" Split => Server;
    Connection "/spec/*/links/*/spine/port" Split => Switch;
    Connection "/spec/*/links/*/leaf/port" Split => Switch;
    Connection "/spec/*/links/*/leaf1/port" Split => Switch;
    Connection "/spec/*/links/*/leaf2/port" Split => Switch;
    Connection "/spec/*/links/*/gateway/port" Split => Gateway;
    Connection "/spec/*/links/*/switch1/port" Split => Switch;
    Connection "/spec/*/links/*/switch2/port" Split => Switch;
    Connection "/spec/mclagDomain/peerLinks/*/switch1/port" Split => Switch;
    Connection "/spec/mclagDomain/peerLinks/*/switch2/port" Split => Switch;
    Connection "/spec/mclagDomain/sessionLinks/*/switch1/port" Split => Switch;
    Connection "/spec/mclagDomain/sessionLinks/*/switch2/port" Split => Switch;
    Connection "/spec/staticExternal/withinVPC" Name => Vpc;
    Agent "/metadata/name" Name => Switch;
    Agent "/spec/redundancyGroupPeers/*" Name => Switch;
    Catalog "/metadata/name" Behind("switch.") => Switch;
    Catalog "/metadata/name" Behind("redundancy.") => SwitchGroup;
    DhcpSubnet "/spec/subnet" Split => Vpc;
    Gateway "/spec/groups/*/name" Name => GatewayGroup;
    GatewayPeering "/spec/gatewayGroup" Name => GatewayGroup;
    GatewayPeering "/spec/peering/*" Key => Vpc;
    GatewayPeering "/spec/peering/*" ExternalKey => External;
    GatewayPeering "/spec/peering/*/expose/*/ips/*/vpcSubnet" PartOfKey(5) => Vpc;
    VpcInfo "/metadata/name" Name => Vpc;
    VpcInfo "/metadata/name" ExternalName => External;
    GatewayAgent "/metadata/name" Name => Gateway;
}

/// What stands before the name of an external where VPCs and externals share a field.
const EXTERNAL: &str = "ext.";

/// The VPC and the subnet that an attachment's `vpc/subnet` names; a VPC alone means `default`.
pub fn vpc_subnet(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or((text, "default"))
}

/// The objects that an object's fields name, in the order of the table and of the object.
///
/// What is named lives in the namespace of the object that names it.
pub fn outgoing(kind: Kind, key: &ObjectKey, object: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    for edge in EDGES.iter().filter(|edge| edge.from == kind) {
        let before = found.len();
        walk::each(object, edge.path, &mut |at| {
            found.extend(
                target(edge, object, at)
                    .and_then(|(name, part)| reference(key, edge.to, at.pointer(), name, part)),
            );
        });
        if edge.how == NameOrDefault && found.len() == before && object.get("spec").is_some() {
            let field = edge.path.trim_end_matches("/*").to_owned();
            found.extend(reference(key, edge.to, field, "default", None));
        }
    }
    found
}

/// The kinds that fields of a kind may name, in display order.
pub fn may_refer_to(kind: Kind) -> Vec<Kind> {
    let named = |to: &Kind| EDGES.iter().any(|edge| edge.from == kind && edge.to == *to);
    Kind::ALL.iter().copied().filter(named).collect()
}

/// The kinds whose fields may name a kind, in display order.
pub fn may_be_named_by(kind: Kind) -> Vec<Kind> {
    let names = |from: &Kind| EDGES.iter().any(|edge| edge.to == kind && edge.from == *from);
    Kind::ALL.iter().copied().filter(names).collect()
}

fn reference(
    key: &ObjectKey,
    kind: Kind,
    field: String,
    name: &str,
    part: Option<&str>,
) -> Option<Reference> {
    let key = ObjectKey::new(key.namespace(), name).ok()?;
    Some(Reference { field, to: ObjectRef { kind, key }, part: part.map(str::to_owned) })
}

/// The name and the part that a place in an object names, if it names anything.
fn target<'a>(
    edge: &Edge,
    object: &'a Value,
    at: &walk::Place<'a, '_>,
) -> Option<(&'a str, Option<&'a str>)> {
    let text = at.value.as_str();
    match edge.how {
        Name | NameOrDefault => Some((vpc_only(edge.to, text?)?, None)),
        Key => Some((vpc_only(edge.to, at.key(0)?)?, None)),
        VpcSubnet => {
            let (vpc, subnet) = vpc_subnet(text?);
            Some((vpc, Some(subnet)))
        }
        Split => {
            let (name, part) = text?.split_once('/')?;
            Some((name, Some(part)))
        }
        PartOfKey(up) => Some((vpc_only(edge.to, at.key(up)?)?, Some(text?))),
        PartOf(pointer) => Some((object.pointer(pointer)?.as_str()?, Some(text?))),
        ExternalKey => Some((at.key(0)?.strip_prefix(EXTERNAL)?, None)),
        ExternalName => Some((text?.strip_prefix(EXTERNAL)?, None)),
        Behind(prefix) => Some((text?.strip_prefix(prefix)?, None)),
    }
}

/// A name, unless a VPC is wanted and it is that of an external: no VPC is called `ext.…`.
fn vpc_only(to: Kind, name: &str) -> Option<&str> {
    (to != Kind::Vpc || !name.starts_with(EXTERNAL)).then_some(name)
}

#[cfg(test)]
mod tests;
