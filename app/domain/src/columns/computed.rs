//! Cells that are put together from several fields of an object.
//!
//! Invariant: nothing here indexes or trusts a shape; what does not fit makes no cell.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shown;
use crate::{object::Cell, references};

/// The text at a pointer, if there is one that is not empty.
fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The members of the object at a pointer; none if there is no object.
fn members<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// The items of the list at a pointer; none if there is no list.
fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn list(texts: impl IntoIterator<Item = String>) -> Option<Cell> {
    let texts: Vec<_> = texts.into_iter().collect();
    (!texts.is_empty()).then_some(Cell::List(texts))
}

/// `VPC.spec.mode`, where empty is a name of the default.
pub(super) fn vpc_mode(object: &Value) -> Option<Cell> {
    object.get("spec")?;
    Some(Cell::Text(text(object, "/spec/mode").unwrap_or("l2vni").to_owned()))
}

/// Each subnet of a VPC: `web 10.0.1.0/24 vlan 1001`.
pub(super) fn vpc_subnets(object: &Value) -> Option<Cell> {
    list(members(object, "/spec/subnets").map(|(name, subnet)| {
        let mut shape = name.clone();
        for (label, field) in [("", "subnet"), ("vlan ", "vlan")] {
            if let Some(value) = subnet.get(field).filter(|value| !value.is_null()) {
                shape.push(' ');
                shape.push_str(label);
                shape.push_str(&shown(value));
            }
        }
        if subnet.get("hostBGP").and_then(Value::as_bool) == Some(true) {
            shape.push_str(" host BGP");
        }
        shape
    }))
}

/// Each subnet of a VPC that has DHCP: `web server`, `db relay 10.0.0.1/32`.
pub(super) fn vpc_dhcp(object: &Value) -> Option<Cell> {
    list(members(object, "/spec/subnets").filter_map(|(name, subnet)| {
        if subnet.pointer("/dhcp/enable").and_then(Value::as_bool) == Some(true) {
            return Some(format!("{name} server"));
        }
        Some(format!("{name} relay {}", text(subnet, "/dhcp/relay")?))
    }))
}

/// The VPC of an attachment.
pub(super) fn attached_vpc(object: &Value) -> Option<Cell> {
    let (vpc, _) = references::vpc_subnet(text(object, "/spec/subnet")?);
    Some(Cell::Text(vpc.to_owned()))
}

/// The subnet of an attachment.
pub(super) fn attached_subnet(object: &Value) -> Option<Cell> {
    let (_, subnet) = references::vpc_subnet(text(object, "/spec/subnet")?);
    Some(Cell::Text(subnet.to_owned()))
}

/// The VPCs that a peering names, each once.
pub(super) fn peered_vpcs(object: &Value) -> Option<Cell> {
    let entries = items(object, "/spec/permit").filter_map(Value::as_object);
    let vpcs: BTreeSet<_> = entries.flat_map(|entry| entry.keys().cloned()).collect();
    list(vpcs)
}

/// `static` or `bgp`.
pub(super) fn external_type(object: &Value) -> Option<Cell> {
    let is_static = object.get("spec")?.get("static").is_some_and(|value| !value.is_null());
    Some(Cell::Text(if is_static { "static" } else { "bgp" }.to_owned()))
}

fn external_side(object: &Value, field: &str) -> Option<Value> {
    let mut sides = ["/spec/static", "/spec/switch"].into_iter();
    sides.find_map(|side| object.pointer(side)?.get(field)).cloned()
}

/// The VLAN of an external attachment, static or not.
pub(super) fn external_vlan(object: &Value) -> Option<Cell> {
    external_side(object, "vlan")?.as_i64().map(Cell::Number)
}

/// The address of the switch on an external attachment, static or not.
pub(super) fn external_switch_ip(object: &Value) -> Option<Cell> {
    let ip = external_side(object, "ip")?;
    ip.as_str().filter(|ip| !ip.is_empty()).map(|ip| Cell::Text(ip.to_owned()))
}

/// `eslag eslag-1`.
pub(super) fn redundancy(object: &Value) -> Option<Cell> {
    let parts = ["/spec/redundancy/type", "/spec/redundancy/group"];
    let found: Vec<_> = parts.into_iter().filter_map(|part| text(object, part)).collect();
    (!found.is_empty()).then(|| Cell::Text(found.join(" ")))
}

/// How a switch is recognised when it boots: its serial number, else its MAC address.
pub(super) fn boot(object: &Value) -> Option<Cell> {
    let found = text(object, "/spec/boot/serial").or_else(|| text(object, "/spec/boot/mac"))?;
    Some(Cell::Text(found.to_owned()))
}

/// The type that the fabric takes a connection for, and its body.
fn connection(object: &Value) -> Option<(&'static str, &Value)> {
    references::CONNECTION_TYPES
        .iter()
        .find_map(|&name| Some((name, object.get("spec")?.get(name)?)))
        .filter(|(_, body)| body.is_object())
}

/// The type of a connection, as its field in the spec is called.
pub(super) fn connection_type(object: &Value) -> Option<Cell> {
    connection(object).map(|(name, _)| Cell::Text(name.to_owned()))
}

/// Every port that a connection names, in its order: `leaf-01/E1/5`.
fn ports(object: &Value) -> Vec<&str> {
    let Some((_, body)) = connection(object) else { return Vec::new() };
    let sides = links(body).filter_map(Value::as_object).flat_map(|link| link.values());
    sides.filter_map(|side| side.get("port")?.as_str()).collect()
}

fn links(body: &Value) -> impl Iterator<Item = &Value> {
    let many = ["/links", "/peerLinks", "/sessionLinks"].into_iter();
    body.get("link").into_iter().chain(many.flat_map(|pointer| items(body, pointer)))
}

/// The devices of a connection, each once, in its order.
pub(super) fn connection_ends(object: &Value) -> Option<Cell> {
    let mut ends: Vec<String> = Vec::new();
    for port in ports(object) {
        let device = port.split_once('/').map_or(port, |(device, _)| device);
        if !ends.iter().any(|known| known == device) {
            ends.push(device.to_owned());
        }
    }
    list(ends)
}

/// The ports of a connection.
pub(super) fn connection_ports(object: &Value) -> Option<Cell> {
    list(ports(object).into_iter().map(str::to_owned))
}

/// How many links a connection has.
pub(super) fn connection_links(object: &Value) -> Option<Cell> {
    let (_, body) = connection(object)?;
    Some(Cell::Number(i64::try_from(links(body).count()).unwrap_or(i64::MAX)))
}

/// The MTU of a server-facing connection, where it is set.
pub(super) fn connection_mtu(object: &Value) -> Option<Cell> {
    let (_, body) = connection(object)?;
    body.get("mtu")?.as_i64().filter(|&mtu| mtu != 0).map(Cell::Number)
}

/// Each range of a VLAN namespace: `1000-2999`, or `100` for one.
pub(super) fn vlan_ranges(object: &Value) -> Option<Cell> {
    list(items(object, "/spec/ranges").map(|range| {
        let from = range.get("from").map(shown).unwrap_or_default();
        match range.get("to").filter(|to| to.as_i64() != Some(0)).map(shown) {
            Some(to) if to != from => format!("{from}-{to}"),
            _ => from,
        }
    }))
}

/// Each condition of an agent: `Applied=True`.
pub(super) fn conditions(object: &Value) -> Option<Cell> {
    list(items(object, "/status/conditions").filter_map(|condition| {
        Some(format!("{}={}", text(condition, "/type")?, text(condition, "/status")?))
    }))
}

/// The features that a switch profile has.
pub(super) fn features(object: &Value) -> Option<Cell> {
    let features = members(object, "/spec/features");
    list(features.filter(|(_, has)| has.as_bool() == Some(true)).map(|(name, _)| name.clone()))
}

/// Each subnet of a VPC info: `web 10.0.1.0/24`.
pub(super) fn info_subnets(object: &Value) -> Option<Cell> {
    list(members(object, "/spec/subnets").map(|(name, subnet)| match text(subnet, "/cidr") {
        Some(cidr) => format!("{name} {cidr}"),
        None => name.clone(),
    }))
}
