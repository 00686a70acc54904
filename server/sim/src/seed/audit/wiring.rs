//! Judges devices and cables.
//!
//! Invariant: no Connection is excused because of its name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Book, entries, interface, list, net, ports, set, text, unique};

/// Switches, connections, gateways.
pub(super) fn judge(book: &Book<'_>, found: &mut Vec<String>) {
    pools(book, found);
    for (name, spec) in book.specs("Switch") {
        switch(book, name, spec, found);
    }
    cables(book, found);
    addresses(book, found);
    for (name, spec) in book.specs("Connection") {
        shape(book, name, spec, found);
    }
    for (name, spec) in book.specs("VLANNamespace") {
        let mut taken = vec![(3000, 3999)];
        for range in list(&spec["ranges"]) {
            let (from, to) =
                (range["from"].as_u64().unwrap_or(0), range["to"].as_u64().unwrap_or(0));
            if from < 1
                || from > to
                || to > 4094
                || taken.iter().any(|(a, b)| from <= *b && *a <= to)
            {
                found.push(format!("VLANNamespace {name}: bad range {from} to {to}"));
            }
            taken.push((from, to));
        }
    }
}

/// Numbers that each device has for itself.
fn pools(book: &Book<'_>, found: &mut Vec<String>) {
    let devices = || book.specs("Switch").chain(book.specs("Gateway"));
    unique("router id", devices().map(|(name, spec)| (name, text(&spec["protocolIP"]))), found);
    unique(
        "tunnel end",
        devices().filter(|(_, s)| s["vtepIP"].is_string()).map(|(n, s)| (n, text(&s["vtepIP"]))),
        found,
    );
    unique(
        "management address",
        book.specs("Switch").map(|(n, s)| (n, interface(text(&s["ip"])).map(|i| i.0))),
        found,
    );
    unique("serial", book.specs("Switch").map(|(n, s)| (n, s["boot"].to_string())), found);
    let leaves = book.specs("Switch").filter(|(_, spec)| spec["role"] != "spine");
    unique("AS number", leaves.map(|(name, spec)| (name, spec["asn"].as_u64())), found);
    for (name, spec) in devices() {
        for (field, pool) in [("protocolIP", "172.30.8.0/22"), ("vtepIP", "172.30.12.0/22")] {
            let value = text(&spec[field]);
            let inside = |value: &str| {
                interface(value)
                    .is_some_and(|(ip, length)| length == 32 && net(pool).unwrap().holds(ip))
            };
            if !(inside(value) || (field == "vtepIP" && spec[field].is_null())) {
                found.push(format!("{name}: {field} {value} is not a /32 of {pool}"));
            }
        }
    }
}

/// One switch.
fn switch(book: &Book<'_>, name: &str, spec: &Value, found: &mut Vec<String>) {
    let mut bad = |text: String| found.push(format!("Switch {name}: {text}"));
    let spine = spec["role"] == "spine";
    let asn = spec["asn"].as_u64().unwrap_or(0);
    if if spine { asn != 65_100 } else { !(65_101..=65_533).contains(&asn) } {
        bad(format!("AS number {asn}"));
    }
    if spine != spec["vtepIP"].is_null() {
        bad("tunnel end on a spine, or none on a leaf".into());
    }
    let low = interface(text(&spec["ip"])).is_some_and(|(ip, length)| {
        length == 21
            && net("172.30.0.0/22").unwrap().holds(ip)
            && ip > net("172.30.0.1/32").unwrap().last
    });
    if !low {
        bad(format!("management address {}", spec["ip"]));
    }
    for group in list(&spec["groups"]).iter().chain(spec["redundancy"].get("group")) {
        if !book.has("SwitchGroup", text(group)) {
            bad(format!("no group {group}"));
        }
    }
    if spec["redundancy"]["group"].is_string()
        && !list(&spec["groups"]).contains(&spec["redundancy"]["group"])
    {
        bad("redundancy group that is not among its groups".into());
    }
    if spec["redundancy"]["group"].is_null() != spec["redundancy"]["type"].is_null() {
        bad("redundancy group without type".into());
    }
    for space in list(&spec["vlanNamespaces"]) {
        if !book.has("VLANNamespace", text(space)) {
            bad(format!("no VLAN namespace {space}"));
        }
    }
    match book.spec("SwitchProfile", text(&spec["profile"])) {
        Some(profile) => settings(profile, spec, &mut bad),
        None => bad("no such profile".into()),
    }
}

/// Port settings against the profile.
fn settings(profile: &Value, spec: &Value, bad: &mut impl FnMut(String)) {
    for (port, mode) in entries(&spec["portBreakouts"]) {
        let class = text(&profile["ports"][port]["profile"]);
        if profile["portProfiles"][class]["breakout"]["supported"][text(mode)].is_null() {
            bad(format!("breakout {mode} of {port}"));
        }
    }
    for (group, speed) in entries(&spec["portGroupSpeeds"]) {
        let class = text(&profile["portGroups"][group]["profile"]);
        if !list(&profile["portProfiles"][class]["speed"]["supported"]).contains(speed) {
            bad(format!("speed {speed} of group {group}"));
        }
    }
    let mut lanes: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, port) in entries(&profile["ports"]).filter(|(_, port)| port["management"] != true) {
        let breakout = &profile["portProfiles"][text(&port["profile"])]["breakout"];
        let mode = spec["portBreakouts"][name].as_str().unwrap_or(text(&breakout["default"]));
        let count = list(&breakout["supported"][mode]["offsets"]).len().max(1);
        *lanes.entry("").or_default() += count;
        *lanes.entry(port["pipeline"].as_str().unwrap_or("none")).or_default() += count;
    }
    for (pipeline, count) in lanes {
        let limit = if pipeline.is_empty() {
            &profile["maxPorts"]
        } else {
            &profile["pipelines"][pipeline]["maxPorts"]
        };
        if limit.as_u64().is_some_and(|limit| u64::try_from(count).unwrap() > limit) {
            bad(format!("{count} ports after breakout on pipeline `{pipeline}`"));
        }
    }
    if spec["redundancy"]["type"] == "eslag" && profile["features"]["eslag"] != true {
        bad("the model cannot do ESLAG groups".into());
    }
}

/// The pairs of ends of a connection: the sides' names and their bodies.
pub(super) fn sides(spec: &Value) -> Vec<(&str, &Value)> {
    let mut all = Vec::new();
    for (_, body) in entries(spec) {
        for link in list(&body["links"]).iter().chain(body.get("link")) {
            all.extend(entries(link));
        }
    }
    all
}

/// No port is used twice, and each exists.
fn cables(book: &Book<'_>, found: &mut Vec<String>) {
    let legal: BTreeMap<&str, BTreeMap<String, String>> =
        book.specs("Switch").map(|(name, _)| (name, ports(book, name))).collect();
    let mut used = Vec::new();
    for (connection, spec) in book.specs("Connection") {
        for (side, end) in sides(spec) {
            let Some((device, port)) = text(&end["port"]).split_once('/') else {
                found.push(format!("Connection {connection}: {} is no port", end["port"]));
                continue;
            };
            let known = match side {
                "server" => book.has("Server", device),
                "gateway" => book
                    .spec("Gateway", device)
                    .is_some_and(|gateway| gateway["interfaces"][port].is_object()),
                _ => book.has("Switch", device),
            };
            let real =
                legal.get(device).map_or(Some(port), |ports| ports.get(port).map(String::as_str));
            match (known, real) {
                (true, Some(real)) => used.push((connection, format!("{device}/{real}"))),
                (true, None) => {
                    found.push(format!("Connection {connection}: {device} has no port {port}"));
                }
                (false, _) => found.push(format!("Connection {connection}: no device {device}")),
            }
        }
    }
    unique("port", used.into_iter(), found);
}

/// Addresses of links: pairs, inside the pool, each once.
fn addresses(book: &Book<'_>, found: &mut Vec<String>) {
    let pool = net("172.30.128.0/17").unwrap();
    let mut used = Vec::new();
    for (name, spec) in book.specs("Connection") {
        for (kind, body) in
            entries(spec).filter(|(kind, _)| matches!(*kind, "fabric" | "mesh" | "gateway"))
        {
            for link in list(&body["links"]) {
                let ips: Vec<_> =
                    entries(link).filter_map(|(_, end)| interface(text(&end["ip"]))).collect();
                let pair = ips.len() == 2
                    && ips.iter().all(|(ip, length)| *length == 31 && pool.holds(*ip))
                    && ips[0].0 ^ ips[1].0 == 1;
                if !pair {
                    found.push(format!(
                        "Connection {name}: the addresses of a {kind} link are no pair of {pool:?}"
                    ));
                }
                used.extend(ips.into_iter().map(|(ip, _)| (name, ip)));
            }
        }
    }
    unique("link address", used.into_iter(), found);
}

/// How many of what a connection of its type joins.
fn shape(book: &Book<'_>, name: &str, spec: &Value, found: &mut Vec<String>) {
    let mut bad = |text: String| found.push(format!("Connection {name}: {text}"));
    let types: Vec<&str> = entries(spec).map(|(key, _)| key).collect();
    let [kind] = types.as_slice() else {
        return bad(format!("{} types instead of one", types.len()));
    };
    let all = sides(spec);
    let of = |side: &str| {
        set(all
            .iter()
            .filter(|(name, _)| *name == side)
            .filter_map(|(_, end)| Some(text(&end["port"]).split_once('/')?.0)))
    };
    let (switches, servers, links) =
        (of("switch"), of("server"), list(&spec[*kind]["links"]).len());
    let spine = |name: &&str| book.spec("Switch", name).is_some_and(|spec| spec["role"] == "spine");
    let right = match *kind {
        "unbundled" => switches.len() == 1 && servers.len() == 1,
        "bundled" => switches.len() == 1 && servers.len() == 1 && links >= 2,
        "eslag" => (2..=4).contains(&switches.len()) && servers.len() == 1 && links >= 2,
        "fabric" => {
            of("spine").len() == 1
                && of("leaf").len() == 1
                && of("spine").iter().all(spine)
                && !of("leaf").iter().any(spine)
        }
        "gateway" => switches.len() == 1 && of("gateway").len() == 1 && switches.iter().all(spine),
        "external" => switches.len() == 1 && servers.is_empty(),
        "staticExternal" => static_external(book, &spec["staticExternal"]),
        _ => false,
    };
    if !right {
        bad(format!("not a proper {kind}"));
    }
    if spec[*kind]["mtu"].as_u64().is_some_and(|mtu| mtu > 9036) {
        bad("MTU".into());
    }
    if *kind == "eslag" {
        let groups: Vec<&Value> = switches
            .iter()
            .filter_map(|name| Some(&book.spec("Switch", name)?["redundancy"]))
            .collect();
        let same = groups.windows(2).all(|pair| pair[0] == pair[1])
            && groups.iter().all(|group| group["type"] == "eslag");
        if !same {
            bad("its switches are not of one ESLAG group".into());
        }
    }
}

/// Addresses of fixed routes.
fn static_external(book: &Book<'_>, spec: &Value) -> bool {
    let end = &spec["link"]["switch"];
    let Some((ip, length)) = interface(text(&end["ip"])) else { return false };
    let hop = super::ip(text(&end["nextHop"])).unwrap_or(0);
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    let free = list(&end["subnets"])
        .iter()
        .all(|subnet| net(text(subnet)).is_some_and(|block| !super::is_reserved(&block)));
    hop & !host == ip & !host && hop != ip && free && book.has("VPC", text(&spec["withinVPC"]))
}
