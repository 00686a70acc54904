//! What a switch reports of itself: ports, neighbours, optics, sensors; and what the DHCP server has given out.
//!
//! Invariant: no neighbour is reported that the wiring does not have, none is missing while everything is up.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::{collections::BTreeMap, net::Ipv4Addr};

use domain::kind::Kind;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::{
    clock::rfc3339,
    controller::{AGENT_VERSION, DEPLOYMENT, Index},
    link::{End, Link, Union, address},
    profile::{self, Port},
    world::{World, set},
};

/// An hour in milliseconds.
const HOUR: i64 = 3_600_000;

/// A switch with what is needed to speak for it.
struct Device<'a> {
    world: &'a World,
    links: &'a [(String, Link)],
    name: &'a str,
    spec: &'a Value,
    ports: BTreeMap<String, Port>,
    /// When it booted, milliseconds since the epoch.
    booted: i64,
    now: i64,
}

/// The status of the Agent of a switch that is well and has applied its first plan.
pub(crate) fn status(
    world: &World,
    index: &Index,
    switch: &str,
    now: i64,
    rng: &mut ChaCha8Rng,
) -> Value {
    let spec = world.spec(Kind::Switch, switch);
    let profile = world.spec(Kind::SwitchProfile, spec["profile"].as_str().unwrap_or_default());
    let links = index.links.get(switch).map_or(&[][..], Vec::as_slice);
    let booted = now - rng.random_range(30..2000) * HOUR;
    let device = Device {
        world,
        links,
        name: switch,
        spec,
        ports: profile::ports(profile, spec),
        booted,
        now,
    };
    let applied = now - rng.random_range(60_000..HOUR);
    let heartbeat = now - rng.random_range(0..15_000);
    json!({
        "version": AGENT_VERSION,
        "installID": id(rng), "bootID": id(rng), "runID": id(rng),
        "lastHeartbeat": rfc3339(heartbeat),
        "lastAttemptTime": rfc3339(applied - 7000), "lastAttemptGen": 1,
        "lastAppliedTime": rfc3339(applied), "lastAppliedGen": 1,
        "rebootRequired": false,
        "conditions": [{
            "type": "Applied", "status": "True", "reason": "ApplySucceeded", "message": "Config applied, gen=1",
            "lastTransitionTime": rfc3339(applied),
        }],
        "state": {
            "nos": nos(&device, profile, rng),
            "interfaces": interfaces(&device, rng),
            "breakouts": breakouts(profile, spec),
            "transceivers": transceivers(&device, rng),
            "bgpNeighbors": bgp(&device, rng),
            "bfdPeers": bfd(&device),
            "platform": platform(profile, rng),
            "criticalResources": resources(rng),
            "firmware": { "bios": "3.54.0.1-9", "cpld": "1.8" },
            "roce": spec["roce"].as_bool().unwrap_or(false),
        },
    })
}

/// A random id of the shape that systemd gives.
fn id(rng: &mut ChaCha8Rng) -> String {
    format!("{:032x}", rng.random::<u128>())
}

/// The operating system and the hardware.
fn nos(device: &Device<'_>, profile: &Value, rng: &mut ChaCha8Rng) -> Value {
    let hours = (device.now - device.booted) / HOUR;
    let serial = device.spec["boot"]["serial"]
        .as_str()
        .map_or_else(|| format!("V{:09}", rng.random_range(0..999_999_999)), str::to_owned);
    json!({
        "asicVersion": profile["switchSilicon"], "hwskuVersion": profile["displayName"], "platformName": profile["platform"],
        "productDescription": profile["displayName"], "serialNumber": serial, "softwareVersion": "4.5.0-Enterprise_Base",
        "kernelVersion": "5.10.0-21-amd64", "distributionVersion": "11.7", "mfgName": "Hedgehog demo",
        "uptime": format!("up {} days, {}:{:02}", hours / 24, hours % 24, 17),
    })
}

/// The mode of every cage.
fn breakouts(profile: &Value, spec: &Value) -> Map<String, Value> {
    let modes = profile::modes(profile, spec);
    modes
        .into_iter()
        .map(|(port, mode)| (port, json!({ "mode": mode, "status": "Completed" })))
        .collect()
}

/// All ports, and the port channels.
fn interfaces(device: &Device<'_>, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let mut all = Map::new();
    let base = rng.random::<u16>();
    for (n, (name, port)) in device.ports.iter().enumerate() {
        let mac = format!("3c:2c:30:{:02x}:{:02x}:{n:02x}", base >> 8, base & 0xff);
        all.insert(name.clone(), idle(device, port, &mac));
    }
    for (connection, link) in device.links {
        let Some((own, peer)) = link.seen_from(device.name) else { continue };
        let Some((name, port)) = profile::interface(&device.ports, &own.port) else { continue };
        if let Some(interface) = all.get_mut(name) {
            bring_up(device, interface, port, rng);
            set(
                interface,
                "lldpNeighbors",
                json!([neighbour(device.world, connection, link.union, peer)]),
            );
        }
    }
    all.extend(port_channels(device));
    all
}

/// A port without a cable; the management port always has one.
fn idle(device: &Device<'_>, port: &Port, mac: &str) -> Value {
    let (enabled, word) = if port.management { (true, "up") } else { (false, "down") };
    json!({
        "enabled": enabled, "admin": word, "oper": word, "mac": mac, "speed": port.speed,
        "change": rfc3339(device.booted + 90_000),
    })
}

/// A port with a cable that carries traffic.
fn bring_up(device: &Device<'_>, interface: &mut Value, port: &Port, rng: &mut ChaCha8Rng) {
    for (key, value) in [
        ("enabled", json!(true)),
        ("admin", json!("up")),
        ("oper", json!("up")),
        ("auto", json!(false)),
        ("fec", json!(if port.cage { "rs" } else { "none" })),
        ("errDisabled", json!(false)),
        ("linkFlapCount", json!(0)),
        ("change", json!(rfc3339(device.booted + 120_000))),
        ("counters", counters(device, &port.speed, rng)),
    ] {
        set(interface, key, value);
    }
}

/// Traffic up to a third of the line rate, in bits, and the totals that come of it.
fn counters(device: &Device<'_>, speed: &str, rng: &mut ChaCha8Rng) -> Value {
    let gigabits: u64 = speed.trim_end_matches('G').parse().unwrap_or(1);
    let line = gigabits * 1_000_000_000;
    let (inbound, outbound) =
        (rng.random_range(line / 2000..line / 3), rng.random_range(line / 2000..line / 3));
    let seconds = u64::try_from((device.now - device.booted) / 1000).unwrap_or_default();
    json!({
        "clear": rfc3339(device.booted),
        "inb": inbound.saturating_mul(seconds) / 4, "outb": outbound.saturating_mul(seconds) / 4,
        "inbps": inbound, "outbps": outbound, "inpbs": inbound / 6400, "outpps": outbound / 6400,
        "inu": inbound * 100 / line, "outu": outbound * 100 / line, "ine": 0, "oute": 0, "ind": 0, "outd": 0,
        "queues": { "UC0": { "p": outbound.saturating_mul(seconds) / 25_600, "b": outbound.saturating_mul(seconds) / 32,
            "pps": outbound / 6400, "bps": outbound, "dp": 0, "db": 0 } },
    })
}

/// What LLDP says about the other end.
pub(crate) fn neighbour(
    world: &World,
    connection: &str,
    union: Union,
    peer: Option<&End>,
) -> Value {
    let Some(peer) = peer else {
        let system = format!("{}-edge", connection.rsplit("--").next().unwrap_or("outside"));
        return json!({ "name": system, "sysName": system, "chassis": "00:1c:73:aa:00:01", "sysDescr": "Edge router", "portID": "et-0/0/1", "portDescr": "et-0/0/1" });
    };
    let (port, describe) = match union {
        Union::Fabric | Union::Mesh => {
            (nos_name(world, peer), format!("Hedgehog Fabric {DEPLOYMENT}"))
        }
        Union::Gateway => (peer.port.clone(), "Hedgehog Gateway".to_owned()),
        Union::Unbundled
        | Union::Bundled
        | Union::Eslag
        | Union::External
        | Union::StaticExternal => (peer.port.clone(), "Debian GNU/Linux 13 (trixie)".to_owned()),
    };
    json!({
        "name": peer.device, "sysName": peer.device, "chassis": chassis(&peer.device), "sysDescr": describe,
        "portID": port, "portDescr": peer.port,
    })
}

/// The name that a peer switch itself has for a port.
fn nos_name(world: &World, peer: &End) -> String {
    let spec = world.spec(Kind::Switch, &peer.device);
    let profile = world.spec(Kind::SwitchProfile, spec["profile"].as_str().unwrap_or_default());
    let ports = profile::ports(profile, spec);
    profile::interface(&ports, &peer.port)
        .map_or_else(|| peer.port.clone(), |(_, port)| port.nos.clone())
}

/// A MAC address that belongs to a name.
fn chassis(name: &str) -> String {
    let sum = name
        .bytes()
        .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = sum.to_be_bytes();
    format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// One port channel for each bundle, numbered as the catalog says in the order of names.
fn port_channels(device: &Device<'_>) -> Map<String, Value> {
    let group = device.spec["redundancy"]["group"].as_str();
    let catalog = group
        .map_or_else(|| format!("switch.{}", device.name), |group| format!("redundancy.{group}"));
    let ids = &device.world.spec(Kind::Catalog, &catalog)["portChannelIDs"];
    let mut channels = Map::new();
    for (connection, link) in device.links {
        let Some(id) = ids[connection].as_u64() else { continue };
        let speed = profile::interface(&device.ports, &link.near.port)
            .map_or("25G", |(_, port)| port.speed.as_str());
        let body = json!({
            "enabled": true, "admin": "up", "oper": "up", "mac": chassis(device.name), "speed": speed,
            "change": rfc3339(device.booted + 125_000),
        });
        channels.insert(format!("PortChannel{id}"), body);
    }
    channels
}

/// Optics and copper in the ports that have a cable.
fn transceivers(device: &Device<'_>, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let mut all = Map::new();
    if device.spec["profile"] == "vs" {
        return all;
    }
    for (_, link) in device.links {
        let Some((own, _)) = link.seen_from(device.name) else { continue };
        let Some((name, port)) = profile::interface(&device.ports, &own.port) else { continue };
        let cage =
            if port.cage { name.rsplit_once('/').map_or(name, |(cage, _)| cage) } else { name };
        let class = if port.cage { "QSFP28" } else { "SFP28" };
        let serial = format!("TX{:08}", rng.random_range(0..99_999_999));
        let mut body = json!({
            "formFactor": class, "present": "PRESENT", "oper": "up", "vendor": "Nordlys Optics", "vendorOUI": "00-17-6a",
            "vendorRev": "B", "serial": serial, "temp": tenth(rng, 290, 410), "voltage": tenth(rng, 32, 34),
        });
        if port.cage {
            let channels: Map<String, Value> =
                (1..=4).map(|lane: u8| (lane.to_string(), light(rng))).collect();
            for (key, value) in [
                ("descr", json!(format!("{}BASE-SR4", port.speed))),
                ("cable", json!("FIBER")),
                ("connType", json!("MPO")),
                ("vendorPart", json!("NO-Q28-SR4")),
                ("length", json!(30)),
                ("channels", json!(channels)),
            ] {
                set(&mut body, key, value);
            }
        } else {
            set(&mut body, "descr", json!(format!("{}BASE-CR", port.speed)));
            set(&mut body, "cable", json!("COPPER"));
            set(&mut body, "vendorPart", json!("NO-DAC-3M"));
        }
        all.insert(cage.to_owned(), body);
    }
    all
}

/// Healthy levels of a lane: dBm and milliamperes.
fn light(rng: &mut ChaCha8Rng) -> Value {
    json!({ "in": -tenth(rng, 8, 35), "out": -tenth(rng, 2, 20), "bias": tenth(rng, 65, 78) })
}

/// A random number with one decimal, from tenths.
fn tenth(rng: &mut ChaCha8Rng, from: i32, to: i32) -> f64 {
    f64::from(rng.random_range(from..to)) / 10.0
}

/// BGP sessions: the links, the router ids behind them, and the neighbours outside.
fn bgp(device: &Device<'_>, rng: &mut ChaCha8Rng) -> Value {
    let mut vrfs: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (connection, link) in device.links {
        if link.union == Union::External {
            outside(device, connection, &mut vrfs, rng);
        }
        let Some((_, Some(peer))) = link.seen_from(device.name) else { continue };
        if !link.union.is_routed() {
            continue;
        }
        let kind = if link.union == Union::Gateway { Kind::Gateway } else { Kind::Switch };
        let remote = device.world.spec(kind, &peer.device);
        let sessions = vrfs.entry("default".to_owned()).or_default();
        if let Some(ip) = &peer.ip {
            sessions.insert(address(ip).to_owned(), session(device, remote, rng));
        }
        if let (Kind::Switch, Some(id)) = (kind, remote["protocolIP"].as_str()) {
            sessions.insert(address(id).to_owned(), session(device, remote, rng));
        }
    }
    json!(vrfs)
}

/// The BGP neighbours of the external attachments of a connection.
fn outside(
    device: &Device<'_>,
    connection: &str,
    vrfs: &mut BTreeMap<String, Map<String, Value>>,
    rng: &mut ChaCha8Rng,
) {
    for (_, attachment) in device
        .world
        .specs(Kind::ExternalAttachment)
        .filter(|(_, spec)| spec["connection"] == connection)
    {
        let (Some(external), Some(ip)) =
            (attachment["external"].as_str(), attachment["neighbor"]["ip"].as_str())
        else {
            continue;
        };
        let body = session(device, &attachment["neighbor"], rng);
        vrfs.entry(format!("VrfE{external}")).or_default().insert(ip.to_owned(), body);
    }
}

/// An established session with a neighbour that has an AS number.
fn session(device: &Device<'_>, remote: &Value, rng: &mut ChaCha8Rng) -> Value {
    let received = rng.random_range(8..60);
    json!({
        "enabled": true, "state": "established", "localAS": device.spec["asn"], "peerAS": remote["asn"], "peerType": "external",
        "peerPort": 179, "estabTrans": 1, "connDropped": 0,
        "lastEstab": rfc3339(device.booted + 150_000), "lastRead": rfc3339(device.now - 1000), "lastWrite": rfc3339(device.now - 1000),
        "prefixes": {
            "IPV4_UNICAST": { "rec": received, "recPre": received, "sent": rng.random_range(8..60) },
            "L2VPN_EVPN": { "rec": received * 6, "recPre": received * 6, "sent": rng.random_range(40..300) },
        },
    })
}

/// BFD on the links.
fn bfd(device: &Device<'_>) -> Value {
    let peers: Map<String, Value> = device
        .links
        .iter()
        .filter(|(_, link)| link.union.is_routed())
        .filter_map(|(_, link)| link.seen_from(device.name)?.1?.ip.as_deref())
        .map(|ip| {
            let body = json!({ "state": "up", "fails": 0, "lastUpTime": rfc3339(device.booted + 150_000), "profile": "fabric" });
            (address(ip).to_owned(), body)
        })
        .collect();
    if peers.is_empty() { json!({}) } else { json!({ "default": peers }) }
}

/// Fans, power supplies and temperatures; the virtual switch has none.
fn platform(profile: &Value, rng: &mut ChaCha8Rng) -> Value {
    if profile["switchSilicon"] == "vs" {
        return json!({});
    }
    let fans: Map<String, Value> = (1..=6)
        .map(|n| (format!("Fan{n}"), json!({ "dir": "exhaust", "speed": rng.random_range(9200..10_400), "presence": true, "status": true })))
        .collect();
    let psus: Map<String, Value> = (1..=2).map(|n| (format!("PSU {n}"), power(rng))).collect();
    let temps: Map<String, Value> = [("CPU", 380, 470), ("Inlet", 230, 280), ("Outlet", 300, 370), ("Switch ASIC", 480, 590)]
        .into_iter()
        .map(|(name, from, to)| {
            let body = json!({
                "temp": tenth(rng, from, to), "highThreshold": 80, "critHighThreshold": 95, "lowThreshold": 0,
                "critLowThreshold": -10, "alarms": "False",
            });
            (name.to_owned(), body)
        })
        .collect();
    json!({ "fans": fans, "psus": psus, "temps": temps })
}

/// A working power supply.
fn power(rng: &mut ChaCha8Rng) -> Value {
    let watts = tenth(rng, 1100, 1600);
    json!({
        "presence": true, "status": true, "inVoltage": tenth(rng, 2270, 2330), "inPower": watts,
        "inCurrent": (watts / 2.3).round() / 100.0, "outVoltage": 12.0, "outPower": (watts * 9.1).round() / 10.0,
        "outCurrent": (watts * 7.6).round() / 100.0,
    })
}

/// How full the tables of the silicon are.
fn resources(rng: &mut ChaCha8Rng) -> Value {
    let mut stats = Map::new();
    for (name, size) in [
        ("ipv4Routes", 131_072),
        ("ipv4Nexthops", 32_768),
        ("ipv4Neighbors", 32_768),
        ("fdbEntries", 81_920),
        ("nexthopGroups", 512),
        ("nexthopGroupMembers", 16_384),
    ] {
        let used = rng.random_range(size / 400..size / 20);
        stats.insert(format!("{name}Used"), json!(used));
        stats.insert(format!("{name}Available"), json!(size - used));
    }
    json!({ "stats": stats, "aclStats": {} })
}

/// The status of a DHCP subnet: a lease for each server on it.
pub(crate) fn leases(
    world: &World,
    index: &Index,
    name: &str,
    now: i64,
    rng: &mut ChaCha8Rng,
) -> Value {
    let spec = world.spec(Kind::DhcpSubnet, name);
    let start = spec["startIP"]
        .as_str()
        .and_then(|ip| ip.parse::<Ipv4Addr>().ok())
        .map_or(0, Ipv4Addr::to_bits);
    let here = |(_, vpc, subnet): &(String, String, String)| {
        spec["subnet"] == format!("{vpc}/{subnet}").as_str()
    };
    let mut allocated = Map::new();
    let connections = index.attached.iter().filter(|(_, attachments)| attachments.iter().any(here));
    for ((connection, _), n) in connections.zip(0_u32..) {
        let Some(server) = server_of(world, connection) else { continue };
        let ip = Ipv4Addr::from_bits(start + n).to_string();
        let expiry = rfc3339(now + rng.random_range(600_000..HOUR));
        allocated
            .insert(chassis(&server), json!({ "ip": ip, "expiry": expiry, "hostname": server }));
    }
    json!({ "allocated": allocated })
}

/// The server of a connection.
fn server_of(world: &World, connection: &str) -> Option<String> {
    let links = super::link::links(world.spec(Kind::Connection, connection));
    let link = links.first().filter(|link| link.union.is_server_facing())?;
    Some(link.far.as_ref()?.device.clone())
}
