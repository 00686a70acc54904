//! Judges what controller and devices wrote: plans, statuses, DHCP subnets, catalogs.
//!
//! Invariant: a status is compared with the wiring, never with the plan alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Book, entries, list, ports, text, unique, wiring::sides};

/// Everything that no person writes.
pub(super) fn judge(book: &Book<'_>, found: &mut Vec<String>) {
    for (name, spec) in book.specs("Switch") {
        match book.by_kind.get("Agent").and_then(|agents| agents.get(name)) {
            Some(agent) => {
                plan(book, spec, &agent["spec"], name, found);
                status(book, agent, name, found);
            }
            None => found.push(format!("Switch {name}: nobody speaks for it")),
        }
    }
    for (name, _) in book.specs("Agent").filter(|(name, _)| !book.has("Switch", name)) {
        found.push(format!("Agent {name}: an orphan"));
    }
    company(book, found);
}

/// The connections of a switch.
fn connections<'a>(book: &Book<'a>, switch: &str) -> BTreeMap<&'a str, &'a Value> {
    let prefix = format!("{switch}/");
    book.specs("Connection")
        .filter(|(_, spec)| {
            sides(spec).iter().any(|(_, end)| text(&end["port"]).starts_with(&prefix))
        })
        .collect()
}

/// The plan holds copies of what concerns the switch.
fn plan(book: &Book<'_>, spec: &Value, plan: &Value, name: &str, found: &mut Vec<String>) {
    let mut bad = |text: &str| found.push(format!("Agent {name}: the plan differs in {text}"));
    if plan["switch"] != *spec || plan["role"] != spec["role"] {
        bad("the switch itself");
    }
    let cables = connections(book, name);
    let same = |copies: &Value, kind: &str| {
        entries(copies).all(|(name, copy)| book.spec(kind, name) == Some(copy))
    };
    if entries(&plan["connections"]).map(|(name, _)| name).ne(cables.keys().copied())
        || !same(&plan["connections"], "Connection")
    {
        bad("connections");
    }
    let here: BTreeMap<&str, &Value> = book
        .specs("VPCAttachment")
        .filter(|(_, spec)| cables.contains_key(text(&spec["connection"])))
        .collect();
    if entries(&plan["vpcAttachments"]).ne(here.iter().map(|(name, spec)| (*name, *spec))) {
        bad("attachments");
    }
    let needed = here.values().filter_map(|spec| text(&spec["subnet"]).split('/').next());
    if needed.into_iter().any(|vpc| plan["vpcs"][vpc].is_null()) || !same(&plan["vpcs"], "VPC") {
        bad("VPCs");
    }
    for (field, kind) in [
        ("externals", "External"),
        ("externalPeerings", "ExternalPeering"),
        ("vpcPeers", "VPCPeering"),
        ("ipv4Namespaces", "IPv4Namespace"),
    ] {
        if !same(&plan[field], kind) {
            bad(field);
        }
    }
    for (vpc, _) in entries(&plan["vpcs"])
        .filter(|(vpc, _)| plan["catalog"]["vpcVNIs"][*vpc].as_u64().is_none())
    {
        bad(&format!("the VNI of {vpc}"));
    }
}

/// A device that is well.
fn status(book: &Book<'_>, agent: &Value, name: &str, found: &mut Vec<String>) {
    let mut bad = |text: String| found.push(format!("Agent {name}: {text}"));
    let status = &agent["status"];
    let generation = agent["metadata"]["generation"].as_u64().unwrap_or(1);
    let (tried, applied) = (status["lastAttemptGen"].as_u64(), status["lastAppliedGen"].as_u64());
    if tried > Some(generation) || applied > tried || applied.is_none() {
        bad("applied a generation that is not there".into());
    }
    let condition = &status["conditions"][0];
    if condition["type"] != "Applied" || status["lastHeartbeat"].is_null() {
        bad("no condition or no heartbeat".into());
    }
    let interfaces = &status["state"]["interfaces"];
    let legal: BTreeSet<String> = ports(book, name).into_values().collect();
    let physical: BTreeSet<String> = entries(interfaces)
        .map(|(port, _)| port.to_owned())
        .filter(|port| port.starts_with("E1/"))
        .collect();
    if legal != physical {
        bad("its ports are not those of its model".into());
    }
    cabled(book, interfaces, name, &mut bad);
    sessions(book, agent, name, &mut bad);
}

/// Every cable shows up as the neighbour that it should be, and nothing else does.
fn cabled(book: &Book<'_>, interfaces: &Value, name: &str, bad: &mut dyn FnMut(String)) {
    let legal = ports(book, name);
    let mut expected: BTreeMap<String, Option<&str>> = BTreeMap::new();
    for spec in connections(book, name).into_values() {
        for (_, body) in entries(spec) {
            for link in list(&body["links"]).iter().chain(body.get("link")) {
                let ends: Vec<_> = entries(link)
                    .filter_map(|(_, end)| text(&end["port"]).split_once('/'))
                    .collect();
                let Some((_, port)) = ends.iter().find(|(device, _)| *device == name) else {
                    continue;
                };
                let peer =
                    ends.iter().find(|(device, _)| *device != name).map(|(device, _)| *device);
                expected.insert(legal.get(*port).cloned().unwrap_or_default(), peer);
            }
        }
    }
    for (port, interface) in entries(interfaces).filter(|(port, _)| port.starts_with("E1/")) {
        let neighbours = list(&interface["lldpNeighbors"]);
        let up = interface["oper"] == "up";
        let right = match expected.get(port) {
            Some(Some(peer)) => {
                neighbours.iter().all(|seen| seen["sysName"] == *peer)
                    && neighbours.is_empty() != up
            }
            Some(None) => neighbours.is_empty() != up,
            None => neighbours.is_empty() && !up,
        };
        if !right {
            bad(format!("wrong neighbour on {port}"));
        }
    }
}

/// BGP: each link and each router id behind it, each neighbour outside.
fn sessions(book: &Book<'_>, agent: &Value, name: &str, bad: &mut dyn FnMut(String)) {
    let seen = &agent["status"]["state"]["bgpNeighbors"];
    let mut expected: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (connection, spec) in connections(book, name) {
        for (kind, body) in entries(spec).filter(|(kind, _)| matches!(*kind, "fabric" | "gateway"))
        {
            for end in list(&body["links"]).iter().flat_map(entries).map(|(_, end)| end) {
                let peer = text(&end["port"]).split('/').next().unwrap_or_default();
                if peer == name {
                    continue;
                }
                let Some(spec) =
                    book.spec(if book.has("Switch", peer) { "Switch" } else { "Gateway" }, peer)
                else {
                    continue;
                };
                let sessions = expected.entry("default").or_default();
                let asn = spec["asn"].as_u64().unwrap_or(0);
                sessions.insert(text(&end["ip"]).split('/').next().unwrap_or_default(), asn);
                if kind == "fabric" {
                    sessions.insert(
                        text(&spec["protocolIP"]).split('/').next().unwrap_or_default(),
                        asn,
                    );
                }
            }
        }
        for (_, spec) in book.specs("ExternalAttachment").filter(|(_, spec)| {
            spec["connection"] == connection && spec["neighbor"]["ip"].is_string()
        }) {
            let vrf = seen.as_object().and_then(|vrfs| {
                vrfs.keys().find(|vrf| vrf.strip_prefix("VrfE") == spec["external"].as_str())
            });
            expected.entry(vrf.map_or("missing", String::as_str)).or_default().insert(
                text(&spec["neighbor"]["ip"]),
                spec["neighbor"]["asn"].as_u64().unwrap_or(0),
            );
        }
    }
    let found: BTreeMap<&str, BTreeMap<&str, u64>> = entries(seen)
        .map(|(vrf, sessions)| {
            (
                vrf,
                entries(sessions)
                    .map(|(ip, session)| (ip, session["peerAS"].as_u64().unwrap_or(0)))
                    .collect(),
            )
        })
        .collect();
    if found != expected {
        bad("its BGP neighbours are not those of the wiring".into());
    }
}

/// DHCP subnets, infos and numbers go with the VPCs.
fn company(book: &Book<'_>, found: &mut Vec<String>) {
    let mut wanted = BTreeSet::from(["management".to_owned()]);
    for (vpc, spec) in book.specs("VPC") {
        let vni = book.spec("VPCInfo", vpc).and_then(|info| info["vni"].as_u64());
        if vni.is_none_or(|vni| vni % 100 != 0) {
            found.push(format!("VPC {vpc}: no VPC info"));
        }
        for (name, body) in
            entries(&spec["subnets"]).filter(|(_, body)| body["dhcp"]["enable"] == true)
        {
            let dhcp = book.spec("DHCPSubnet", &format!("{vpc}--{name}"));
            let range = &body["dhcp"]["range"];
            if !dhcp.is_some_and(|dhcp| {
                dhcp["cidrBlock"] == body["subnet"]
                    && dhcp["startIP"] == range["start"]
                    && dhcp["endIP"] == range["end"]
            }) {
                found.push(format!("VPC {vpc}: the DHCP server does not know {name} as it is"));
            }
            wanted.insert(format!("{vpc}--{name}"));
        }
    }
    for (name, _) in book.specs("DHCPSubnet").filter(|(name, _)| !wanted.contains(*name)) {
        found.push(format!("DHCPSubnet {name}: an orphan"));
    }
    let vnis = book.specs("VPCInfo").map(|(name, spec)| (name, spec["vni"].as_u64()));
    unique("VNI", vnis, found);
    for (name, spec) in book.specs("VPCInfo") {
        if !book.has("VPC", name)
            || book
                .spec("Catalog", "vpcs")
                .is_none_or(|catalog| catalog["vpcVNIs"][name] != spec["vni"])
        {
            found.push(format!("VPCInfo {name}: an orphan, or another VNI than in the catalog"));
        }
    }
}
