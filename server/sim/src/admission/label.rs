//! The labels that the operator's webhooks put on objects, and the ones they take away.
//!
//! Invariant: labels of people survive as long as their key does not hold the operator's domain.

use std::collections::BTreeMap;

use domain::kind::Kind;
use serde_json::{Map, Value};

/// The operator's domain: every label whose key holds it is the operator's.
const OWN: &str = "fabric.githedgehog.com/";

/// Replaces the operator's labels.
pub(super) fn stick(kind: Kind, object: &mut Value) {
    let ours = of(kind, object.get("spec").unwrap_or(&Value::Null));
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let old = metadata.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    let theirs = old.into_iter().filter(|(key, _)| !key.contains(OWN));
    let all: Map<String, Value> =
        theirs.chain(ours.into_iter().map(|(key, value)| (key, value.into()))).collect();
    if all.is_empty() {
        metadata.remove("labels");
    } else {
        metadata.insert("labels".to_owned(), Value::Object(all));
    }
}

fn text<'a>(spec: &'a Value, pointer: &str) -> &'a str {
    spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Single-valued labels: key and where in the spec its value lies.
const PLAIN: &[(Kind, &str, &str)] = &[
    (Kind::Vpc, "ipv4ns", "/ipv4Namespace"),
    (Kind::Vpc, "vlanns", "/vlanNamespace"),
    (Kind::VpcAttachment, "connection", "/connection"),
    (Kind::External, "ipv4ns", "/ipv4Namespace"),
    (Kind::ExternalAttachment, "connection", "/connection"),
    (Kind::ExternalAttachment, "external", "/external"),
    (Kind::ExternalPeering, "vpc", "/permit/vpc/name"),
    (Kind::ExternalPeering, "external", "/permit/external/name"),
    (Kind::Connection, "vpc", "/staticExternal/withinVPC"),
    (Kind::Switch, "profile", "/profile"),
];

/// The labels of an object.
fn of(kind: Kind, spec: &Value) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (_, key, pointer) in PLAIN.iter().filter(|(whose, ..)| *whose == kind) {
        put(&mut labels, format!("{OWN}{key}"), text(spec, pointer));
    }
    if kind == Kind::VpcAttachment {
        let (vpc, subnet) = text(spec, "/subnet").split_once('/').unwrap_or_default();
        put(&mut labels, format!("{OWN}vpc"), vpc);
        put(&mut labels, format!("{OWN}subnet"), subnet);
        if spec.get("nativeVLAN") == Some(&Value::Bool(true)) {
            put(&mut labels, format!("{OWN}nativevlan"), "true");
        }
    }
    if kind == Kind::Switch {
        marks(&mut labels, "switchgroup", listed(spec, "groups"));
        marks(&mut labels, "vlanns", listed(spec, "vlanNamespaces"));
    }
    if kind == Kind::VpcPeering {
        let first = spec.pointer("/permit/0").and_then(Value::as_object);
        let mut vpcs: Vec<_> = first.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        vpcs.sort_unstable();
        for (number, vpc) in (1..=2).zip(&vpcs) {
            put(&mut labels, format!("{OWN}vpc{number}"), vpc);
        }
        marks(&mut labels, "vpc", vpcs.into_iter());
    }
    if kind == Kind::Connection {
        connection(&mut labels, spec);
    }
    labels
}

fn connection(labels: &mut BTreeMap<String, String>, spec: &Value) {
    let Some((ty, _)) =
        spec.as_object().and_then(|spec| spec.iter().find(|(_, value)| value.is_object()))
    else {
        return;
    };
    let hyphened = |ty: &str| {
        ty.chars().fold(String::new(), |mut text, sign| {
            if sign.is_ascii_uppercase() {
                text.push('-');
            }
            text.push(sign.to_ascii_lowercase());
            text
        })
    };
    put(labels, format!("{OWN}connection-type"), &hyphened(ty));
    let mut open = vec![(String::new(), spec)];
    while let Some((key, value)) = open.pop() {
        if let (Some(device), true) = (
            device(value),
            matches!(
                key.as_str(),
                "switch" | "server" | "spine" | "leaf" | "switch1" | "switch2" | "gateway"
            ),
        ) {
            let role = if key == "server" { "server" } else { "switch" };
            if key != "gateway" {
                marks(labels, role, std::iter::once(device));
            }
        }
        match value {
            Value::Object(map) => open.extend(map.iter().map(|(key, value)| (key.clone(), value))),
            Value::Array(list) => open.extend(list.iter().map(|value| (key.clone(), value))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The device of an end: the part of its port before the slash.
fn device(end: &Value) -> Option<&str> {
    end.get("port")?.as_str()?.split('/').next().filter(|device| !device.is_empty())
}

fn listed<'a>(spec: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    spec.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn marks<'a>(
    labels: &mut BTreeMap<String, String>,
    what: &str,
    names: impl Iterator<Item = &'a str>,
) {
    for name in names {
        put(labels, format!("{what}.{OWN}{name}"), "true");
    }
}

fn put(labels: &mut BTreeMap<String, String>, key: String, value: &str) {
    if !value.is_empty() {
        labels.insert(key, value.to_owned());
    }
}
