//! An independent judge of whole fabrics, for tests: the rules that a schema cannot see.
//!
//! It shares no code with the generator. Each complaint names the object and the rule in words.
//!
//! Invariant: it reads objects only; it never repairs, and nothing outside of tests uses it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde_json::Value;

mod schema;
mod tenants;
mod trace;
mod wiring;

/// All complaints about a fabric; none is what a demo must have.
pub(crate) fn complaints(objects: &[Value]) -> Vec<String> {
    let book = Book::of(objects);
    let mut found = book.twice.clone();
    common(&book, &mut found);
    wiring::judge(&book, &mut found);
    tenants::judge(&book, &mut found);
    trace::judge(&book, &mut found);
    found
}

/// Objects by kind and name.
struct Book<'a> {
    by_kind: BTreeMap<&'a str, BTreeMap<&'a str, &'a Value>>,
    twice: Vec<String>,
}

impl<'a> Book<'a> {
    fn of(objects: &'a [Value]) -> Self {
        let mut book = Self { by_kind: BTreeMap::new(), twice: Vec::new() };
        for object in objects {
            let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
            if book.by_kind.entry(kind).or_default().insert(name, object).is_some() {
                book.twice.push(format!("{kind} {name}: exists twice"));
            }
        }
        book
    }

    fn specs(&self, kind: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.by_kind.get(kind).into_iter().flatten().map(|(name, object)| (*name, &object["spec"]))
    }

    fn spec(&self, kind: &str, name: &str) -> Option<&'a Value> {
        self.by_kind.get(kind)?.get(name).map(|object| &object["spec"])
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.spec(kind, name).is_some()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// A block of addresses: first, last, length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Net {
    first: u32,
    last: u32,
    length: u32,
}

/// A canonical prefix.
fn net(value: &str) -> Option<Net> {
    let (ip, length) = value.split_once('/')?;
    let (ip, length): (Ipv4Addr, u32) = (ip.parse().ok()?, length.parse().ok()?);
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    (length <= 32 && ip.to_bits() & host == 0).then(|| Net {
        first: ip.to_bits(),
        last: ip.to_bits() | host,
        length,
    })
}

/// The address part of `ip/length`, and the length.
fn interface(value: &str) -> Option<(u32, u32)> {
    let (ip, length) = value.split_once('/')?;
    Some((ip.parse::<Ipv4Addr>().ok()?.to_bits(), length.parse().ok()?))
}

fn ip(value: &str) -> Option<u32> {
    value.parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits)
}

impl Net {
    fn holds(&self, ip: u32) -> bool {
        self.first <= ip && ip <= self.last
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn within(&self, other: &Self) -> bool {
        other.first <= self.first && self.last <= other.last
    }
}

/// What the installer reserves.
const RESERVED: &[&str] = &[
    "172.30.0.0/21",
    "172.30.8.0/22",
    "172.30.12.0/22",
    "172.30.16.0/22",
    "172.30.95.0/31",
    "172.30.96.0/19",
    "172.30.128.0/17",
];

fn is_reserved(block: &Net) -> bool {
    RESERVED.iter().filter_map(|reserved| net(reserved)).any(|reserved| reserved.overlaps(block))
}

/// Names and labels of all objects, the order of creation excepted.
fn common(book: &Book<'_>, found: &mut Vec<String>) {
    for (kind, objects) in &book.by_kind {
        let limit = match *kind {
            "VPC" | "External" | "IPv4Namespace" => 11,
            "VPCAttachment" | "VPCPeering" | "ExternalAttachment" | "ExternalPeering"
            | "DHCPSubnet" | "Catalog" => 253,
            _ => 63,
        };
        for (name, object) in objects {
            let part = |part: &str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    && !part.starts_with('-')
                    && !part.ends_with('-')
            };
            if name.len() > limit || !name.split('.').all(part) {
                found.push(format!("{kind} {name}: not a legal name"));
            }
            if object["metadata"]["namespace"] != "default" {
                found.push(format!("{kind} {name}: not in the namespace `default`"));
            }
            for (key, value) in entries(&object["metadata"]["labels"]) {
                let own = key.rsplit('/').next().unwrap_or_default();
                if own.len() > 63 || text(value).len() > 63 {
                    found.push(format!("{kind} {name}: the label {key} is too long"));
                }
            }
            if object["status"].is_object() && !matches!(*kind, "Agent" | "DHCPSubnet") {
                found.push(format!("{kind} {name}: this kind has no status"));
            }
        }
    }
}

/// Complains of values that occur twice.
fn unique<'a, T: Ord + std::fmt::Debug>(
    what: &str,
    values: impl Iterator<Item = (&'a str, T)>,
    found: &mut Vec<String>,
) {
    let mut seen: BTreeMap<T, &str> = BTreeMap::new();
    for (owner, value) in values {
        if let Some(other) = seen.get(&value) {
            found.push(format!("{owner}: {what} {value:?} also belongs to {other}"));
        } else {
            seen.insert(value, owner);
        }
    }
}

/// The ports that a switch has, by every name that is legal for it, to the names that exclude each other.
fn ports(book: &Book<'_>, switch: &str) -> BTreeMap<String, String> {
    let mut legal = BTreeMap::new();
    let Some(spec) = book.spec("Switch", switch) else { return legal };
    let Some(profile) = book.spec("SwitchProfile", text(&spec["profile"])) else { return legal };
    for (name, port) in entries(&profile["ports"]) {
        if port["management"] == true {
            continue;
        }
        let breakout = &profile["portProfiles"][text(&port["profile"])]["breakout"];
        if breakout.is_null() {
            legal.insert(name.to_owned(), name.to_owned());
            continue;
        }
        let mode = spec["portBreakouts"][name].as_str().unwrap_or(text(&breakout["default"]));
        let lanes = list(&breakout["supported"][mode]["offsets"]).len();
        legal.insert(name.to_owned(), format!("{name}/1"));
        for lane in 1..=lanes {
            legal.insert(format!("{name}/{lane}"), format!("{name}/{lane}"));
        }
    }
    legal
}

/// A set of texts.
fn set<'a>(values: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    values.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::complaints;
    use crate::seed::{Scale, fabric};

    /// 2026-11-24, some time in the morning.
    pub(super) const NOW: i64 = 1_795_501_300_000;

    #[test]
    fn every_demo_fabric_is_valid_by_all_the_rules() {
        for scale in [Scale::Small, Scale::Vlab] {
            for seed in 0..8 {
                assert_eq!(
                    complaints(&fabric(scale, seed, NOW)),
                    Vec::<String>::new(),
                    "{scale:?} {seed}"
                );
            }
        }
        let large = complaints(&fabric(Scale::Large, 99, NOW));
        assert_eq!(large, Vec::<String>::new());
    }

    /// Changes one place of one object of a valid fabric; the judge must say why that is wrong.
    fn spoiled(kind: &str, name: &str, pointer: &str, value: serde_json::Value) -> String {
        let mut objects = fabric(Scale::Vlab, 7, NOW);
        let object = objects
            .iter_mut()
            .find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
            .expect(name);
        *object.pointer_mut(pointer).expect(pointer) = value;
        complaints(&objects).join("\n")
    }

    /// Spoils one place after the other.
    fn each(cases: &[(&str, &str, &str, serde_json::Value, &str)]) {
        for (kind, name, pointer, value, says) in cases {
            let complaint = spoiled(kind, name, pointer, value.clone());
            assert!(
                complaint.contains(says),
                "{kind} {name} {pointer}: {complaint:?} does not say `{says}`"
            );
        }
    }

    #[test]
    fn the_judge_sees_what_is_wrong_with_devices_and_cables() {
        each(&[
            ("Switch", "leaf-02", "/spec/asn", json!(65101), "AS number"),
            ("Switch", "leaf-02", "/spec/ip", json!("172.30.4.9/21"), "management"),
            ("Switch", "leaf-02", "/spec/vtepIP", json!("172.30.12.4/32"), "tunnel"),
            ("Switch", "leaf-02", "/spec/redundancy/group", json!("pair-02"), "group"),
            ("Switch", "leaf-01", "/spec/portBreakouts/E1~156", json!("9x1G"), "breakout"),
            ("Switch", "leaf-03", "/spec/vlanNamespaces", json!(["default"]), "VLAN namespace"),
            (
                "Connection",
                "server-03--bundled--leaf-01",
                "/spec/bundled/links/0/switch/port",
                json!("leaf-01/E1/1"),
                "port",
            ),
            (
                "Connection",
                "server-03--bundled--leaf-01",
                "/spec/bundled/links/0/switch/port",
                json!("leaf-01/E9/1"),
                "no port",
            ),
            (
                "Connection",
                "spine-01--fabric--leaf-01",
                "/spec/fabric/links/0/leaf/ip",
                json!("172.30.128.2/31"),
                "pair",
            ),
        ]);
    }

    #[test]
    fn the_judge_sees_what_is_wrong_with_networks() {
        each(&[
            ("VPC", "shop", "/spec/subnets/web/vlan", json!(2400), "VLAN"),
            ("VPC", "shop", "/spec/subnets/web/subnet", json!("172.16.0.0/24"), "address space"),
            ("VPC", "shop", "/spec/subnets/web/dhcp/range/end", json!("10.0.0.9"), "range"),
            ("VPC", "shop", "/spec/permit", json!([["web", "nix"]]), "permit"),
            ("VPCPeering", "ops--shop", "/spec/permit", json!([{"shop": {}}]), "two"),
            (
                "VPCPeering",
                "ops--shop",
                "/spec/permit",
                json!([{"shop": {"subnets": ["nix"]}, "ops": {}}]),
                "subnet",
            ),
            (
                "VPCAttachment",
                "shop--web--server-02",
                "/spec/subnet",
                json!("ml-train/gpu"),
                "layer 2",
            ),
            (
                "VPCAttachment",
                "shop--web--server-02",
                "/spec/connection",
                json!("leaf-05--external--isp"),
                "server",
            ),
            (
                "ExternalAttachment",
                "leaf-05--isp-north",
                "/spec/connection",
                json!("server-03--bundled--leaf-01"),
                "external",
            ),
            (
                "ExternalPeering",
                "shop--isp-north",
                "/spec/permit/vpc/subnets",
                json!(["nix"]),
                "subnet",
            ),
            (
                "External",
                "dc-legacy",
                "/spec/static/prefixes",
                json!(["10.0.0.0/8", "10.1.0.0/16"]),
                "overlap",
            ),
        ]);
    }

    #[test]
    fn the_judge_sees_what_is_wrong_with_reports() {
        each(&[
            ("Agent", "leaf-01", "/spec/connections", json!({}), "plan"),
            (
                "Agent",
                "leaf-01",
                "/status/state/interfaces/E1~149~11/lldpNeighbors/0/sysName",
                json!("x"),
                "neighbour",
            ),
            ("Agent", "leaf-01", "/status/state/bgpNeighbors/default", json!({}), "BGP"),
            ("Agent", "leaf-01", "/status/lastAppliedGen", json!(9), "generation"),
            ("DHCPSubnet", "shop--web", "/spec/startIP", json!("1.2.3.4"), "DHCP"),
        ]);
    }
}
