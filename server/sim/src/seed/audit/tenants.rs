//! Judges networks: VPCs, attachments, peerings, the ways out.
//!
//! Invariant: labels are never consulted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Book, Net, entries, interface, ip, is_reserved, list, net, set, text, unique, wiring::sides,
};

/// Everything about networks.
pub(super) fn judge(book: &Book<'_>, found: &mut Vec<String>) {
    for (name, spec) in book.specs("IPv4Namespace") {
        let blocks: Vec<_> =
            list(&spec["subnets"]).iter().map(|subnet| net(text(subnet))).collect();
        if blocks.is_empty()
            || blocks.len() > 10
            || blocks.iter().any(|block| block.is_none_or(|block| is_reserved(&block)))
        {
            found.push(format!("IPv4Namespace {name}: bad blocks"));
        }
    }
    for (name, spec) in book.specs("VPC") {
        vpc(book, name, spec, &mut |text| found.push(format!("VPC {name}: {text}")));
    }
    between_vpcs(book, found);
    for (name, spec) in book.specs("VPCAttachment") {
        attachment(book, spec, &mut |text| found.push(format!("VPCAttachment {name}: {text}")));
    }
    let of =
        |spec: &Value| (text(&spec["connection"]).to_owned(), text(&spec["subnet"]).to_owned());
    unique("attachment", book.specs("VPCAttachment").map(|(name, spec)| (name, of(spec))), found);
    let native = book.specs("VPCAttachment").filter(|(_, spec)| spec["nativeVLAN"] == true);
    unique(
        "untagged subnet on",
        native.map(|(name, spec)| (name, text(&spec["connection"]))),
        found,
    );
    for (name, spec) in book.specs("VPCPeering") {
        peering(book, spec, &mut |text| found.push(format!("VPCPeering {name}: {text}")));
    }
    externals(book, found);
    served(book, found);
}

/// One VPC by itself and with its namespaces.
fn vpc(book: &Book<'_>, name: &str, spec: &Value, bad: &mut dyn FnMut(String)) {
    let count = entries(&spec["subnets"]).count();
    if name.starts_with("ext.")
        || count == 0
        || count > 20
        || !matches!(text(&spec["mode"]), "" | "l3vni")
    {
        bad("name, number of subnets or mode".into());
    }
    let space = book
        .spec("IPv4Namespace", text(&spec["ipv4Namespace"]))
        .map(|spec| list(&spec["subnets"]))
        .unwrap_or_default();
    let vlans = book
        .spec("VLANNamespace", text(&spec["vlanNamespace"]))
        .map(|spec| list(&spec["ranges"]))
        .unwrap_or_default();
    for (subnet, body) in entries(&spec["subnets"]) {
        let Some(block) = net(text(&body["subnet"])) else {
            return bad(format!("{subnet} has no block"));
        };
        if !space.iter().filter_map(|space| net(text(space))).any(|space| block.within(&space))
            || is_reserved(&block)
            || block.length > 30
        {
            bad(format!("{subnet} is outside of its address space"));
        }
        let vlan = body["vlan"].as_u64().unwrap_or(0);
        if !vlans
            .iter()
            .any(|range| range["from"].as_u64() <= Some(vlan) && Some(vlan) <= range["to"].as_u64())
        {
            bad(format!("VLAN {vlan} of {subnet} is outside of its namespace"));
        }
        if body["hostBGP"] == true {
            if !body["gateway"].is_null() || !body["dhcp"].is_null() {
                bad(format!(
                    "{subnet} has a gateway or DHCP although its hosts announce themselves"
                ));
            }
        } else if !ip(text(&body["gateway"])).is_some_and(|gateway| block.holds(gateway)) {
            bad(format!("the gateway of {subnet} is elsewhere"));
        }
        dhcp(book, body, &block, &mut |text| bad(format!("{subnet}: {text}")));
    }
    talk(spec, bad);
}

/// Which subnets may talk to each other, and the way to elsewhere.
fn talk(spec: &Value, bad: &mut dyn FnMut(String)) {
    for group in list(&spec["permit"]) {
        let names = set(list(group).iter().map(text));
        if names.len() < 2
            || names.len() != list(group).len()
            || names.iter().any(|name| spec["subnets"][*name].is_null())
        {
            bad(format!("permit {group}"));
        }
    }
    for route in list(&spec["staticRoutes"]) {
        if net(text(&route["prefix"])).is_none()
            || list(&route["nextHops"]).iter().any(|hop| ip(text(hop)).is_none())
            || list(&route["nextHops"]).is_empty()
        {
            bad(format!("static route {route}"));
        }
    }
}

/// How a subnet gives out addresses.
fn dhcp(book: &Book<'_>, body: &Value, block: &Net, bad: &mut dyn FnMut(String)) {
    let dhcp = &body["dhcp"];
    let gateway = ip(text(&body["gateway"]));
    let usable = |value: &Value| {
        ip(text(value)).filter(|ip| block.first < *ip && *ip < block.last && Some(*ip) != gateway)
    };
    if dhcp["enable"] == true {
        let (start, end) = (usable(&dhcp["range"]["start"]), usable(&dhcp["range"]["end"]));
        if start.is_none() || end.is_none() || start >= end || dhcp["relay"].is_string() {
            bad("range of addresses, or a relay beside it".into());
        }
        let mtu = dhcp["options"]["interfaceMTU"].as_u64().unwrap_or(0);
        if !(96..=9036).contains(&mtu)
            || dhcp["options"]["leaseTimeSeconds"].as_u64().unwrap_or(0) == 0
        {
            bad("MTU or lease time".into());
        }
        for server in
            list(&dhcp["options"]["dnsServers"]).iter().chain(list(&dhcp["options"]["timeServers"]))
        {
            if ip(text(server)).is_none() {
                bad(format!("{server} is no address"));
            }
        }
    } else if !dhcp["range"].is_null() || !dhcp["options"].is_null() || !dhcp["static"].is_null() {
        bad("range, options or leases without a DHCP server".into());
    }
    let fixed: Vec<_> =
        entries(&dhcp["static"]).map(|(mac, lease)| (mac, usable(&lease["ip"]))).collect();
    let distinct: BTreeSet<_> = fixed.iter().map(|(_, ip)| *ip).collect();
    let mac = |mac: &str| {
        mac.split(':')
            .filter(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok())
            .count()
            == 6
    };
    if distinct.len() != fixed.len() || fixed.iter().any(|(key, ip)| ip.is_none() || !mac(key)) {
        bad("fixed leases".into());
    }
    if let Some(vpc) = dhcp["relayVPC"].as_str()
        && !(book.has("VPC", vpc)
            && dhcp["relay"].as_str().is_some_and(|relay| net(relay).is_some()))
    {
        bad(format!("relay into {vpc}"));
    }
}

/// Blocks and VLANs of all VPCs.
fn between_vpcs(book: &Book<'_>, found: &mut Vec<String>) {
    let mut vlans: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    let mut blocks: BTreeMap<&str, Vec<(Net, &str)>> = BTreeMap::new();
    for (name, spec) in book.specs("VPC") {
        for (_, body) in entries(&spec["subnets"]) {
            vlans
                .entry(text(&spec["vlanNamespace"]))
                .or_default()
                .push((name, body["vlan"].as_u64().unwrap_or(0)));
            blocks
                .entry(text(&spec["ipv4Namespace"]))
                .or_default()
                .extend(net(text(&body["subnet"])).map(|block| (block, name)));
        }
    }
    for used in vlans.into_values() {
        unique("VLAN", used.into_iter(), found);
    }
    for mut used in blocks.into_values() {
        used.sort_unstable();
        for pair in used.windows(2).filter(|pair| pair[0].0.overlaps(&pair[1].0)) {
            found.push(format!("VPC {}: a subnet overlaps one of {}", pair[1].1, pair[0].1));
        }
    }
}

/// One attachment with its VPC, its connection and the switches below.
fn attachment(book: &Book<'_>, spec: &Value, bad: &mut dyn FnMut(String)) {
    let Some((vpc, subnet)) = text(&spec["subnet"]).split_once('/') else {
        return bad("no subnet".into());
    };
    let Some(network) = book.spec("VPC", vpc) else { return bad(format!("no VPC {vpc}")) };
    let body = &network["subnets"][subnet];
    if body.is_null() {
        bad(format!("{vpc} has no subnet {subnet}"));
    }
    let Some(connection) = book.spec("Connection", text(&spec["connection"])) else {
        return bad("no such connection".into());
    };
    let kind = entries(connection).next().map_or("", |(kind, _)| kind);
    match kind {
        "eslag" if !text(&network["mode"]).is_empty() => {
            bad("only layer 2 goes to a shared bundle".into());
        }
        "eslag" | "bundled" if body["hostBGP"] == true => {
            bad("hosts that announce themselves need a single cable".into());
        }
        "eslag" | "bundled" | "unbundled" => {}
        other => bad(format!("{other} does not lead to a server")),
    }
    for (_, end) in sides(connection).into_iter().filter(|(side, _)| *side == "switch") {
        let name = text(&end["port"]).split('/').next().unwrap_or_default();
        let Some(switch) = book.spec("Switch", name) else { continue };
        let features = book
            .spec("SwitchProfile", text(&switch["profile"]))
            .map(|profile| &profile["features"]);
        let able = features.is_some_and(|features| {
            features["l3vni"] == true && (network["mode"] == "l3vni" || features["l2vni"] == true)
        });
        if !list(&switch["vlanNamespaces"]).contains(&network["vlanNamespace"]) {
            bad(format!("{name} does not serve the VLAN namespace of {vpc}"));
        }
        if !able {
            bad(format!("the model of {name} cannot carry {vpc}"));
        }
    }
}

/// One peering.
fn peering(book: &Book<'_>, spec: &Value, bad: &mut dyn FnMut(String)) {
    let pairs: BTreeSet<Vec<&str>> = list(&spec["permit"])
        .iter()
        .map(|entry| entries(entry).map(|(name, _)| name).collect())
        .collect();
    let pair = pairs.first().cloned().unwrap_or_default();
    if pairs.len() != 1 || pair.len() != 2 {
        return bad("does not name exactly two VPCs".into());
    }
    let vpcs: Vec<_> = pair.iter().filter_map(|name| book.spec("VPC", name)).collect();
    let [one, other] = vpcs.as_slice() else { return bad("a VPC does not exist".into()) };
    if one["ipv4Namespace"] != other["ipv4Namespace"]
        || one["vlanNamespace"] != other["vlanNamespace"]
    {
        bad("VPCs of different namespaces".into());
    }
    for (name, side) in list(&spec["permit"]).iter().flat_map(entries) {
        let known = book.spec("VPC", name);
        if list(&side["subnets"])
            .iter()
            .any(|subnet| known.is_none_or(|vpc| vpc["subnets"][text(subnet)].is_null()))
        {
            bad(format!("names a subnet that {name} does not have"));
        }
    }
}

/// Externals with their attachments and peerings.
fn externals(book: &Book<'_>, found: &mut Vec<String>) {
    for (name, spec) in book.specs("External") {
        let mut blocks: Vec<_> =
            list(&spec["static"]["prefixes"]).iter().map(|prefix| net(text(prefix))).collect();
        blocks.sort_unstable();
        let apart = blocks
            .windows(2)
            .all(|pair| matches!((pair[0], pair[1]), (Some(a), Some(b)) if !a.overlaps(&b)));
        if !apart
            || (spec["static"].is_object()
                && (blocks.is_empty() || spec["inboundCommunity"].is_string()))
        {
            found.push(format!("External {name}: its prefixes overlap, or it is of two kinds"));
        }
        if !book.has("IPv4Namespace", text(&spec["ipv4Namespace"])) {
            found.push(format!("External {name}: no such address space"));
        }
    }
    let key = |spec: &Value| {
        let vlan = if spec["static"].is_object() {
            &spec["static"]["vlan"]
        } else {
            &spec["switch"]["vlan"]
        };
        (text(&spec["connection"]).to_owned(), vlan.as_u64().unwrap_or(0))
    };
    unique("VLAN", book.specs("ExternalAttachment").map(|(name, spec)| (name, key(spec))), found);
    for (name, spec) in book.specs("ExternalAttachment") {
        external_attachment(book, spec, &mut |text| {
            found.push(format!("ExternalAttachment {name}: {text}"));
        });
    }
    for (name, spec) in book.specs("ExternalPeering") {
        let (vpc, external) = (&spec["permit"]["vpc"], &spec["permit"]["external"]);
        let (network, outside) =
            (book.spec("VPC", text(&vpc["name"])), book.spec("External", text(&external["name"])));
        let (Some(network), Some(outside)) = (network, outside) else {
            found.push(format!("ExternalPeering {name}: an end does not exist"));
            continue;
        };
        let reached =
            book.specs("ExternalAttachment").any(|(_, spec)| spec["external"] == external["name"]);
        if network["ipv4Namespace"] != outside["ipv4Namespace"] || !reached {
            found.push(format!(
                "ExternalPeering {name}: different address spaces, or the External hangs nowhere"
            ));
        }
        let subnets = list(&vpc["subnets"]);
        if subnets.is_empty()
            || subnets.iter().any(|subnet| network["subnets"][text(subnet)].is_null())
        {
            found.push(format!("ExternalPeering {name}: a subnet that is not there"));
        }
        let prefixes = list(&external["prefixes"]);
        if prefixes.is_empty()
            || prefixes.iter().any(|prefix| net(text(&prefix["prefix"])).is_none())
        {
            found.push(format!("ExternalPeering {name}: prefixes"));
        }
    }
}

/// One external attachment.
fn external_attachment(book: &Book<'_>, spec: &Value, bad: &mut dyn FnMut(String)) {
    if !book
        .spec("Connection", text(&spec["connection"]))
        .is_some_and(|connection| connection["external"].is_object())
    {
        bad("its connection is not external".into());
    }
    let Some(external) = book.spec("External", text(&spec["external"])) else {
        return bad("no such External".into());
    };
    let fixed = &spec["static"];
    if fixed.is_object() != external["static"].is_object() {
        bad("BGP on a static External or the reverse".into());
    }
    let near = |interface_text: &Value, other: &Value| {
        let (Some((own, length)), Some(other)) = (interface(text(interface_text)), ip(text(other)))
        else {
            return false;
        };
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        own & !host == other & !host && own != other
    };
    let reachable = if fixed.is_object() {
        near(&fixed["ip"], &fixed["remoteIP"])
    } else {
        near(&spec["switch"]["ip"], &spec["neighbor"]["ip"])
    };
    if !reachable || !spec["switch"].is_object() || !spec["neighbor"].is_object() {
        bad("the neighbour is not in reach".into());
    }
    let seqs = list(&spec["inboundACL"]["statements"])
        .iter()
        .map(|statement| statement["seq"].as_u64().unwrap_or(0));
    let seqs: Vec<u64> = seqs.collect();
    if seqs.iter().any(|seq| *seq < 10) || seqs.windows(2).any(|pair| pair[0] >= pair[1]) {
        bad("order of the access list".into());
    }
}

/// A border leaf must serve the VLAN namespace of every VPC that leaves through it.
fn served(book: &Book<'_>, found: &mut Vec<String>) {
    for (name, spec) in book.specs("ExternalPeering") {
        let vlans =
            book.spec("VPC", text(&spec["permit"]["vpc"]["name"])).map(|vpc| &vpc["vlanNamespace"]);
        let external = &spec["permit"]["external"]["name"];
        for (_, attachment) in book
            .specs("ExternalAttachment")
            .filter(|(_, attachment)| attachment["external"] == *external)
        {
            let connection = book.spec("Connection", text(&attachment["connection"]));
            let port = connection
                .map(|connection| text(&connection["external"]["link"]["switch"]["port"]))
                .unwrap_or_default();
            let switch = book.spec("Switch", port.split('/').next().unwrap_or_default());
            if !switch.is_some_and(|switch| {
                vlans.is_some_and(|vlans| list(&switch["vlanNamespaces"]).contains(vlans))
            }) {
                found.push(format!(
                    "ExternalPeering {name}: a border switch does not serve its VLAN namespace"
                ));
            }
        }
    }
}
