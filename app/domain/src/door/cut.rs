//! The allow-lists of the door, and the knife.
//!
//! Invariant: an `Agent` and a `GatewayAgent` are cut by what is named, never by what is known to
//! be secret; a field that a later release adds stays outside until someone writes it down here.

use serde_json::{Map, Value};

use crate::kind::Kind;

/// What may stay of a value.
enum Keep {
    /// All of it, save what [`sweep`] takes.
    Whole,
    /// Of an object, only these members; anything else than an object is dropped.
    Only(&'static [(&'static str, Self)]),
}

use Keep::{Only, Whole};

/// `metadata` of a kind that is cut. `annotations` are thinned further by [`annotations`].
const METADATA: Keep = Only(&[
    ("annotations", Whole),
    ("creationTimestamp", Whole),
    ("deletionGracePeriodSeconds", Whole),
    ("deletionTimestamp", Whole),
    ("finalizers", Whole),
    ("generation", Whole),
    ("labels", Whole),
    ("name", Whole),
    ("namespace", Whole),
    ("ownerReferences", Whole),
    ("resourceVersion", Whole),
    ("uid", Whole),
]);

/// Fabric-wide numbers an agent is given. Not here: `alloy` (targets with credentials).
const AGENT_CONFIG: Keep = Only(&[
    ("baseVPCCommunity", Whole),
    ("controlVIP", Whole),
    ("defaultMaxPathsEBGP", Whole),
    ("deploymentID", Whole),
    ("disableBFD", Whole),
    ("eslagESIPrefix", Whole),
    ("eslagMACBase", Whole),
    ("fabricMTU", Whole),
    ("fabricSubnet", Whole),
    ("gatewayASN", Whole),
    ("gatewayBFD", Whole),
    ("gatewayCommunities", Whole),
    ("loopbackWorkaround", Whole),
    ("mclagSessionSubnet", Whole),
    ("protocolSubnet", Whole),
    ("proxyExternalSubnet", Whole),
    ("serverFacingMTUOffset", Whole),
    ("spineASN", Whole),
    ("spineLeaf", Whole),
    ("vpcLoopbackSubnet", Whole),
    ("vpcPeeringDisabled", Whole),
    ("vtepSubnet", Whole),
]);

/// The plan of a switch. Not here: `users` (password hashes, keys), `alloy` (credentials), and of
/// `version` the registry and its login.
const AGENT_SPEC: Keep = Only(&[
    ("attachedVPCs", Whole),
    ("catalog", Whole),
    ("config", AGENT_CONFIG),
    ("configuredVPCSubnets", Whole),
    ("connections", Whole),
    ("description", Whole),
    ("externalAttachments", Whole),
    ("externalPeerings", Whole),
    ("externals", Whole),
    ("ipv4Namespaces", Whole),
    ("powerReset", Whole),
    ("reboot", Whole),
    ("redundancyGroupPeers", Whole),
    ("reinstall", Whole),
    ("role", Whole),
    ("statusUpdates", Whole),
    ("switch", Whole),
    ("switchProfile", Whole),
    ("switches", Whole),
    ("version", Only(&[("default", Whole), ("override", Whole)])),
    ("vlanNamespaces", Whole),
    ("vpcAttachments", Whole),
    ("vpcPeers", Whole),
    ("vpcs", Whole),
]);

/// What a switch says of itself.
const AGENT_STATUS: Keep = Only(&[
    ("bootID", Whole),
    ("conditions", Whole),
    ("installID", Whole),
    ("lastAppliedGen", Whole),
    ("lastAppliedTime", Whole),
    ("lastAttemptGen", Whole),
    ("lastAttemptTime", Whole),
    ("lastHeartbeat", Whole),
    ("rebootRequired", Whole),
    ("runID", Whole),
    ("state", Whole),
    ("statusUpdates", Whole),
    ("version", Whole),
]);

const AGENT: Keep = Only(&[
    ("apiVersion", Whole),
    ("kind", Whole),
    ("metadata", METADATA),
    ("spec", AGENT_SPEC),
    ("status", AGENT_STATUS),
]);

const GATEWAY_AGENT: Keep = Only(&[
    ("apiVersion", Whole),
    ("kind", Whole),
    ("metadata", METADATA),
    (
        "spec",
        Only(&[
            ("agentVersion", Whole),
            ("communities", Whole),
            ("config", Only(&[("fabricBFD", Whole)])),
            ("gateway", Whole),
            ("groups", Whole),
            ("peerings", Whole),
            ("vpcs", Whole),
        ]),
    ),
    (
        "status",
        Only(&[
            ("agentVersion", Whole),
            ("lastAppliedGen", Whole),
            ("lastAppliedTime", Whole),
            ("lastHeartbeat", Whole),
            ("state", Whole),
        ]),
    ),
]);

/// The copy of an object that `kubectl apply` leaves behind; it would hold what was cut.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Names that are never kept in a kind that is cut, at any depth, when they hold a text or a list of
/// texts: a second lock behind the allow-list, for parts that are kept whole. A VPC may well be
/// called `token`; the maps that are keyed by such names hold objects, flags and numbers.
const SECRET: &[&str] = &[
    "basicAuth",
    "bearerToken",
    "caPEM",
    "certPEM",
    "keyPEM",
    "password",
    "secret",
    "sshKeys",
    "token",
];

/// Cuts an object, given by its members, to what may leave the server.
pub(super) fn harmless(kind: Kind, object: &mut Map<String, Value>) {
    match kind {
        Kind::Agent => keep_only(object, &AGENT),
        Kind::GatewayAgent => keep_only(object, &GATEWAY_AGENT),
        Kind::Vpc
        | Kind::VpcAttachment
        | Kind::VpcPeering
        | Kind::External
        | Kind::ExternalAttachment
        | Kind::ExternalPeering
        | Kind::Ipv4Namespace
        | Kind::Switch
        | Kind::Server
        | Kind::Connection
        | Kind::SwitchGroup
        | Kind::VlanNamespace => {}
        Kind::SwitchProfile
        | Kind::Catalog
        | Kind::DhcpSubnet
        | Kind::Gateway
        | Kind::GatewayGroup
        | Kind::GatewayPeering
        | Kind::VpcInfo => annotations(object, |name| name != LAST_APPLIED),
    }
}

fn keep_only(object: &mut Map<String, Value>, keep: &Keep) {
    cut(object, keep);
    // Controllers leave whole copies of an object in annotations, under names of their own. The
    // fabric's own say nothing secret, except for outlets, whose addresses may hold a login.
    annotations(object, |name| name.contains("githedgehog.com/") && !name.starts_with("power."));
    for part in ["spec", "status"] {
        if let Some(value) = object.get_mut(part) {
            sweep(value);
        }
    }
}

fn cut(object: &mut Map<String, Value>, keep: &Keep) {
    let Only(members) = keep else { return };
    object.retain(|name, value| {
        let member = members.iter().find(|(known, _)| known == name);
        match (member, value) {
            (Some((_, Whole)), _) => true,
            (Some((_, only)), Value::Object(inner)) => {
                cut(inner, only);
                true
            }
            _ => false,
        }
    });
}

fn annotations(object: &mut Map<String, Value>, keep: impl Fn(&str) -> bool) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    match metadata.get_mut("annotations") {
        Some(Value::Object(found)) => found.retain(|name, _| keep(name)),
        Some(_) => {
            metadata.remove("annotations");
        }
        None => {}
    }
}

fn sweep(value: &mut Value) {
    match value {
        Value::Object(members) => members.retain(|name, inner| {
            if is_secret(name, inner) {
                return false;
            }
            sweep(inner);
            true
        }),
        Value::Array(items) => items.iter_mut().for_each(sweep),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text, a list with a text in it, or the one object that is a login.
fn is_secret(name: &str, value: &Value) -> bool {
    SECRET.contains(&name)
        && match value {
            Value::String(_) => true,
            Value::Array(items) => items.iter().any(Value::is_string),
            Value::Object(_) => name == "basicAuth",
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
}
