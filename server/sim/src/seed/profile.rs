//! Switch models: the profiles of the demo, and the ports that a switch has with its settings.
//!
//! Invariant: nothing here is true of a device that its profile does not say.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A model that the demo uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Model {
    /// The virtual switch: 48 ports of 25G in 12 groups.
    Vs,
    /// 32 cages of 100G.
    Ds3000,
    /// 32 cages of 400G: for big spines, carries no VPCs.
    Ds4000,
    /// 48 ports of 25G and 8 cages of 100G: the usual leaf.
    S5248,
    /// As the usual leaf, of another maker: border.
    Dcs203,
}

/// A port as the agent of its switch names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// Name on the switch and in LLDP of its peers (`Ethernet72`).
    pub(crate) nos: String,
    /// Speed it is set to (`25G`).
    pub(crate) speed: String,
    /// Whether it is a cage with optics of its own class.
    pub(crate) cage: bool,
    /// Whether it is the management port.
    pub(crate) management: bool,
}

impl Model {
    /// Name of the SwitchProfile.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vs => "vs",
            Self::Ds3000 => "celestica-ds3000",
            Self::Ds4000 => "celestica-ds4000",
            Self::S5248 => "dell-s5248f-on",
            Self::Dcs203 => "edgecore-dcs203",
        }
    }

    /// The spec of its SwitchProfile.
    pub(crate) fn spec(self) -> Value {
        match self {
            Self::Vs => virtual_switch(),
            Self::Ds3000 => json!({
                "displayName": "Celestica DS3000", "otherNames": ["Celestica Seastone2"],
                "switchSilicon": "Broadcom TD3-X7 3.2T", "nosType": "sonic-bcm-base",
                "platform": "x86_64-cel_seastone_2-r0", "config": {}, "features": features(true),
                "ports": cages(Cages { first: 1, count: 32, base: 0, lanes: 4, per_pipeline: None }, "QSFP28-100G"),
                "portProfiles": { "QSFP28-100G": qsfp28() },
            }),
            Self::Ds4000 => {
                let cages = cages(
                    Cages { first: 1, count: 32, base: 0, lanes: 8, per_pipeline: Some(4) },
                    "QSFPDD-400G",
                );
                let pipelines: Map<String, Value> =
                    (1..=8).map(|n| (n.to_string(), json!({"maxPorts": 18}))).collect();
                json!({
                    "displayName": "Celestica DS4000", "otherNames": ["Celestica Silverstone2"],
                    "switchSilicon": "Broadcom TH3", "nosType": "sonic-bcm-base",
                    "platform": "x86_64-cel_silverstone-r0", "config": {}, "features": features(false),
                    "maxPorts": 144, "pipelines": pipelines, "ports": cages,
                    "portProfiles": { "QSFPDD-400G": qsfp_dd() },
                })
            }
            Self::S5248 => leaf_model("Dell S5248F-ON", &[], "x86_64-dellemc_s5248f_c3538-r0"),
            Self::Dcs203 => leaf_model(
                "Edgecore DCS203",
                &["Edgecore AS7326-56X"],
                "x86_64-accton_as7326_56x-r0",
            ),
        }
    }
}

/// The virtual switch.
fn virtual_switch() -> Value {
    json!({
        "displayName": "Virtual Switch", "switchSilicon": "vs", "nosType": "sonic-bcm-vs",
        "platform": "x86_64-kvm_x86_64-r0", "config": { "maxPathsEBGP": 16 },
        "features": { "subinterfaces": true, "l2vni": true, "l3vni": true, "roce": true, "mclag": true, "eslag": true },
        "ports": grouped_ports(48), "portGroups": groups(12), "portProfiles": { "SFP28-25G": sfp28() },
    })
}

/// A leaf with 48 small ports in groups of four and 8 cages.
fn leaf_model(display: &str, other: &[&str], platform: &str) -> Value {
    let mut ports = grouped_ports(48);
    ports.extend(cages(
        Cages { first: 49, count: 8, base: 48, lanes: 4, per_pipeline: None },
        "QSFP28-100G",
    ));
    let mut spec = json!({
        "displayName": display, "switchSilicon": "Broadcom TD3-X7 3.2T", "nosType": "sonic-bcm-base",
        "platform": platform, "config": {}, "features": features(true), "ports": ports, "portGroups": groups(12),
        "portProfiles": { "SFP28-25G": sfp28(), "QSFP28-100G": qsfp28() },
    });
    if let (Some(spec), false) = (spec.as_object_mut(), other.is_empty()) {
        spec.insert("otherNames".into(), json!(other));
    }
    spec
}

/// What the silicon can do; the overlay (VPCs) or only transit.
fn features(overlay: bool) -> Value {
    if overlay {
        json!({ "subinterfaces": true, "acls": true, "l2vni": true, "l3vni": true, "roce": true, "mclag": true, "eslag": true })
    } else {
        json!({ "acls": true, "roce": true })
    }
}

/// The management port, which every model has.
fn management() -> (String, Value) {
    ("M1".into(), json!({ "nos": "Management0", "management": true, "oniePortName": "eth0" }))
}

/// `count` small ports in groups of four, and the management port.
fn grouped_ports(count: u32) -> Map<String, Value> {
    let port = |n: u32| {
        let body = json!({ "nos": format!("Ethernet{}", n - 1), "label": n.to_string(), "group": ((n - 1) / 4 + 1).to_string() });
        (format!("E1/{n}"), body)
    };
    std::iter::once(management()).chain((1..=count).map(port)).collect()
}

/// A row of cages on the front of a switch.
#[derive(Debug, Clone, Copy)]
struct Cages {
    /// Number of the first.
    first: u32,
    /// How many.
    count: u32,
    /// NOS number of the first lane.
    base: u32,
    /// Lanes of each.
    lanes: u32,
    /// Cages that share a pipeline of the silicon.
    per_pipeline: Option<u32>,
}

/// Ports for a row of cages, and the management port.
fn cages(row: Cages, profile: &str) -> Map<String, Value> {
    let port = |i: u32| {
        let n = row.first + i;
        let mut body = json!({
            "nos": format!("1/{n}"), "baseNOSName": format!("Ethernet{}", row.base + i * row.lanes),
            "label": n.to_string(), "profile": profile,
        });
        if let (Some(per), Some(body)) = (row.per_pipeline, body.as_object_mut()) {
            body.insert("pipeline".into(), json!((i / per + 1).to_string()));
        }
        (format!("E1/{n}"), body)
    };
    std::iter::once(management()).chain((0..row.count).map(port)).collect()
}

/// Speed groups `1` to `count`.
fn groups(count: u32) -> Map<String, Value> {
    (1..=count)
        .map(|n| (n.to_string(), json!({ "nos": n.to_string(), "profile": "SFP28-25G" })))
        .collect()
}

/// Small ports: one speed for a group.
fn sfp28() -> Value {
    json!({ "speed": { "default": "25G", "supported": ["10G", "25G"] } })
}

/// Four lanes.
fn qsfp28() -> Value {
    breakouts(
        "1x100G",
        &[
            ("1x100G", 0),
            ("1x50G", 0),
            ("1x40G", 0),
            ("1x25G", 0),
            ("1x10G", 0),
            ("2x50G", 2),
            ("4x25G", 1),
            ("4x10G", 1),
        ],
    )
}

/// Eight lanes.
fn qsfp_dd() -> Value {
    breakouts(
        "1x400G",
        &[
            ("1x400G", 0),
            ("1x200G", 0),
            ("1x100G", 0),
            ("2x200G", 4),
            ("2x100G", 4),
            ("4x100G", 2),
            ("8x50G", 1),
        ],
    )
}

/// A breakout profile: each mode with the distance between its ports in lanes.
fn breakouts(default: &str, modes: &[(&str, u32)]) -> Value {
    let supported: Map<String, Value> = modes
        .iter()
        .map(|(mode, step)| {
            let offsets: Vec<String> =
                (0..lanes(mode)).map(|lane| (lane * step).to_string()).collect();
            ((*mode).to_owned(), json!({ "offsets": offsets }))
        })
        .collect();
    json!({ "breakout": { "default": default, "supported": supported } })
}

/// How many ports a mode such as `4x25G` makes.
fn lanes(mode: &str) -> u32 {
    mode.split_once('x').and_then(|(count, _)| count.parse().ok()).unwrap_or(1)
}

/// The ports of a switch with these settings, by the names that its agent reports: cages always with their lane.
pub(crate) fn ports(profile: &Value, switch: &Value) -> BTreeMap<String, Port> {
    let mut found = BTreeMap::new();
    for (name, port) in profile["ports"].as_object().into_iter().flatten() {
        let class = &profile["portProfiles"][text(&port["profile"])];
        if class["breakout"].is_object() {
            found.extend(lanes_of(name, port, &class["breakout"], switch));
            continue;
        }
        let management = port["management"].as_bool().unwrap_or(false);
        let speed = if management { "1G" } else { small_speed(profile, switch, name, port) };
        let nos = text(&port["nos"]).to_owned();
        found.insert(name.clone(), Port { nos, speed: speed.to_owned(), cage: false, management });
    }
    found
}

/// The ports that a cage makes in the mode it is set to.
fn lanes_of(name: &str, port: &Value, breakout: &Value, switch: &Value) -> Vec<(String, Port)> {
    let mode = mode_of(name, breakout, switch);
    let base = text(&port["baseNOSName"]);
    let first: u32 = base.trim_start_matches("Ethernet").parse().unwrap_or(0);
    let speed = mode.split_once('x').map_or(mode, |(_, speed)| speed);
    let offsets = breakout["supported"][mode]["offsets"].as_array();
    (1..)
        .zip(offsets.into_iter().flatten())
        .map(|(lane, offset)| {
            let offset: u32 = text(offset).parse().unwrap_or(0);
            let nos = format!("Ethernet{}", first + offset);
            let port = Port { nos, speed: speed.to_owned(), cage: true, management: false };
            (format!("{name}/{lane}"), port)
        })
        .collect()
}

/// The breakout mode of a cage.
fn mode_of<'a>(name: &str, breakout: &'a Value, switch: &'a Value) -> &'a str {
    switch["portBreakouts"][name].as_str().unwrap_or_else(|| text(&breakout["default"]))
}

/// The breakout mode of every cage of a switch, by port.
pub(crate) fn modes(profile: &Value, switch: &Value) -> BTreeMap<String, String> {
    let ports = profile["ports"].as_object();
    ports
        .into_iter()
        .flatten()
        .filter_map(|(name, port)| {
            let breakout = &profile["portProfiles"][text(&port["profile"])]["breakout"];
            breakout.is_object().then(|| (name.clone(), mode_of(name, breakout, switch).to_owned()))
        })
        .collect()
}

/// Speed of a port that is not a cage: of its group, or its own.
fn small_speed<'a>(profile: &'a Value, switch: &'a Value, name: &str, port: &Value) -> &'a str {
    if let Some(group) = port["group"].as_str() {
        let class = text(&profile["portGroups"][group]["profile"]);
        let default = &profile["portProfiles"][class]["speed"]["default"];
        return switch["portGroupSpeeds"][group].as_str().unwrap_or_else(|| text(default));
    }
    let default = &profile["portProfiles"][text(&port["profile"])]["speed"]["default"];
    switch["portSpeeds"][name].as_str().unwrap_or_else(|| text(default))
}

/// The name under which an agent reports a port that a Connection names: cages get their first lane.
pub(crate) fn interface<'a>(
    ports: &'a BTreeMap<String, Port>,
    port: &str,
) -> Option<(&'a str, &'a Port)> {
    let lane = format!("{port}/1");
    ports
        .get_key_value(port)
        .or_else(|| ports.get_key_value(&lane))
        .map(|(name, port)| (name.as_str(), port))
}

/// A text, empty where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cage_is_named_by_its_lane_and_a_small_port_is_not() {
        let profile = Model::S5248.spec();
        let ports = ports(
            &profile,
            &json!({ "portBreakouts": { "E1/56": "4x25G" }, "portGroupSpeeds": { "1": "10G" } }),
        );
        assert_eq!(ports["E1/1"].speed, "10G");
        assert_eq!(ports["E1/5"].speed, "25G");
        assert_eq!(
            (ports["E1/49/1"].nos.as_str(), ports["E1/49/1"].speed.as_str()),
            ("Ethernet48", "100G")
        );
        assert_eq!(
            (ports["E1/56/3"].nos.as_str(), ports["E1/56/3"].speed.as_str()),
            ("Ethernet78", "25G")
        );
        assert_eq!(interface(&ports, "E1/49").map(|(name, _)| name), Some("E1/49/1"));
        assert_eq!(interface(&ports, "E1/57"), None);
        assert!(ports["M1"].management);
    }

    #[test]
    fn no_two_ports_of_a_model_share_a_name_on_the_device() {
        for model in [Model::Vs, Model::Ds3000, Model::Ds4000, Model::S5248, Model::Dcs203] {
            let ports = ports(&model.spec(), &json!({}));
            let names: std::collections::BTreeSet<_> =
                ports.values().map(|port| &port.nos).collect();
            assert_eq!(names.len(), ports.len(), "{}", model.name());
        }
    }
}
