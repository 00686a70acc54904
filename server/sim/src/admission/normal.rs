//! The normal form of a spec: what the operator's mutating webhooks make of it.
//!
//! Invariant: what cannot be understood (an address that is none) is left alone.

use std::net::Ipv4Addr;

use domain::kind::Kind;
use serde_json::{Map, Value, json};

/// Rewrites a spec.
pub(super) fn normalise(kind: Kind, spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    for (_, key) in DEFAULTED.iter().filter(|(whose, _)| *whose == kind) {
        default_name(map, key);
    }
    if kind == Kind::Switch {
        switch(map);
    }
    if kind == Kind::VlanNamespace {
        vlan_ranges(map);
    }
    if kind == Kind::Vpc {
        for subnet in map
            .get_mut("subnets")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(Map::values_mut)
        {
            vpc_subnet(subnet);
        }
    }
    if kind == Kind::VpcAttachment
        && let Some(Value::String(subnet)) = map.get_mut("subnet")
        && !subnet.is_empty()
        && !subnet.contains('/')
    {
        subnet.push_str("/default");
    }
    for (_, pointer) in SORTED.iter().filter(|(whose, _)| *whose == kind) {
        sort(spec.pointer_mut(pointer));
    }
    if kind == Kind::ExternalPeering {
        let prefixes = spec.pointer_mut("/permit/external/prefixes").and_then(Value::as_array_mut);
        if let Some(prefixes) = prefixes {
            prefixes.sort_by_key(|entry| {
                entry.get("prefix").and_then(Value::as_str).unwrap_or_default().to_owned()
            });
        }
    }
}

/// Names of pools that become `default` when empty.
const DEFAULTED: &[(Kind, &str)] = &[
    (Kind::Vpc, "ipv4Namespace"),
    (Kind::Vpc, "vlanNamespace"),
    (Kind::External, "ipv4Namespace"),
];

/// Lists of texts that are kept sorted.
const SORTED: &[(Kind, &str)] = &[
    (Kind::ExternalPeering, "/permit/vpc/subnets"),
    (Kind::Ipv4Namespace, "/subnets"),
    (Kind::Switch, "/groups"),
    (Kind::Switch, "/vlanNamespaces"),
];

fn default_name(map: &mut Map<String, Value>, key: &str) {
    if map.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
        map.insert(key.to_owned(), "default".into());
    }
}

fn sort(list: Option<&mut Value>) {
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.sort_by_key(|item| item.as_str().unwrap_or_default().to_owned());
    }
}

fn switch(map: &mut Map<String, Value>) {
    if map.get("vlanNamespaces").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        map.insert("vlanNamespaces".to_owned(), json!(["default"]));
    }
    let group = map.get("redundancy").and_then(|redundancy| redundancy.get("group")).cloned();
    if let Some(group) = group.filter(|group| group.as_str().is_some_and(|name| !name.is_empty())) {
        let groups = map.entry("groups").or_insert_with(|| json!([]));
        if let Some(groups) = groups.as_array_mut().filter(|groups| !groups.contains(&group)) {
            groups.push(group);
        }
    }
    for key in ["portSpeeds", "portGroupSpeeds"] {
        for speed in
            map.get_mut(key).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
        {
            if let Some(short) = speed.as_str().and_then(|speed| speed.strip_prefix("SPEED_")) {
                *speed = short.to_owned().into();
            }
        }
    }
}

/// Fills in the upper end of ranges and sorts them; one bad range empties the list, as the operator does.
fn vlan_ranges(map: &mut Map<String, Value>) {
    let Some(ranges) = map.get_mut("ranges").and_then(Value::as_array_mut) else { return };
    let number =
        |range: &Value, key: &str| range.get(key).and_then(Value::as_u64).unwrap_or_default();
    for range in ranges.iter_mut() {
        let (from, to) = (number(range, "from"), number(range, "to"));
        if let (0, Some(range)) = (to, range.as_object_mut()) {
            range.insert("to".to_owned(), from.into());
        }
    }
    ranges.sort_by_key(|range| (number(range, "from"), number(range, "to")));
    let is_good = |range: &Value| {
        let (from, to) = (number(range, "from"), number(range, "to"));
        from >= 1 && from <= to && to <= 4094
    };
    if !ranges.iter().all(is_good) {
        ranges.clear();
    }
}

fn vpc_subnet(subnet: &mut Value) {
    let host_bgp = subnet.get("hostBGP") == Some(&Value::Bool(true));
    let parsed = subnet.get("subnet").and_then(Value::as_str).and_then(network);
    let (Some((first, last)), Some(map)) = (parsed, subnet.as_object_mut()) else { return };
    let no_gateway = map.get("gateway").and_then(Value::as_str).unwrap_or_default().is_empty();
    if !host_bgp && no_gateway {
        map.insert("gateway".to_owned(), address(first, 1).into());
    }
    let Some(dhcp) = map.get_mut("dhcp").and_then(Value::as_object_mut) else { return };
    if dhcp.get("enable") != Some(&Value::Bool(true)) {
        dhcp.remove("range");
        dhcp.remove("options");
        return;
    }
    let range = dhcp.entry("range").or_insert_with(|| json!({}));
    if let Some(range) = range.as_object_mut() {
        range.entry("start").or_insert_with(|| address(first, 2).into());
        range.entry("end").or_insert_with(|| address(last, 0).into());
    }
    options(dhcp);
}

/// Completes the options of a DHCP server; empty ones go.
fn options(dhcp: &mut Map<String, Value>) {
    let Some(options) = dhcp.get_mut("options").and_then(Value::as_object_mut) else { return };
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    if options.values().all(is_empty) {
        dhcp.remove("options");
        return;
    }
    for (key, value) in [("interfaceMTU", 9036), ("leaseTimeSeconds", 3600)] {
        if options.get(key).is_none_or(is_empty) {
            options.insert(key.to_owned(), value.into());
        }
    }
    for key in ["dnsServers", "timeServers", "advertisedRoutes"] {
        let list = options.entry(key).or_insert_with(|| json!([]));
        if list.is_null() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut() {
            list.sort_by_key(ToString::to_string);
        }
    }
}

/// First and last address of a network of at most /30.
fn network(cidr: &str) -> Option<(u32, u32)> {
    let (ip, bits) = cidr.split_once('/')?;
    let (ip, bits): (Ipv4Addr, u32) =
        (ip.parse().ok()?, bits.parse().ok().filter(|bits| *bits <= 30)?);
    let hosts = u32::MAX.checked_shr(bits).unwrap_or_default();
    let first = u32::from(ip) & !hosts;
    Some((first, first | hosts))
}

fn address(base: u32, offset: u32) -> String {
    Ipv4Addr::from(base.saturating_add(offset)).to_string()
}
