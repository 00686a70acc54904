//! What the fabric's own controller writes: the plan of each switch, numbers handed out, DHCP subnets, VPC infos.
//!
//! Used to make the demo and, while it lives, to answer changes by anyone.
//!
//! Invariant: no number that a catalog holds is ever given to something else while its owner exists.
//! Invariant: nothing is planned from names, only from specs.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::collections::{BTreeMap, BTreeSet};

use domain::kind::Kind;
use serde_json::{Map, Value, json};

use super::{
    link::{self, Link, Union},
    world::{World, object},
};

/// First layer-3 VNI; a VPC takes a hundred, its subnets the numbers after it.
const VNI_STEP: u64 = 100;
/// First VLAN used for routing inside a switch.
const FIRST_IRB_VLAN: u64 = 3000;
/// Version of the agents that the controller wants.
pub(crate) const AGENT_VERSION: &str = "v0.129.1";
/// What the fabric calls itself in LLDP.
pub(crate) const DEPLOYMENT: &str = "hnp-demo";

/// Who is connected with whom, found once for many plans.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Links with the name of their connection, by switch.
    pub(crate) links: BTreeMap<String, Vec<(String, Link)>>,
    /// Attachments (name, VPC, subnet) by connection.
    pub(crate) attached: BTreeMap<String, Vec<(String, String, String)>>,
    /// External attachments by connection.
    pub(crate) outside: BTreeMap<String, Vec<String>>,
    /// VPCs that may talk, both ways.
    peers: BTreeMap<String, BTreeSet<String>>,
    /// VPCs that reach an External.
    reaching: BTreeMap<String, BTreeSet<String>>,
}

/// A text, empty where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The keys of an object.
fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}

impl Index {
    /// Looks through a world.
    pub(crate) fn of(world: &World) -> Self {
        let mut index = Self::default();
        for (name, spec) in world.specs(Kind::Connection) {
            for link in link::links(spec) {
                let ends = [Some(&link.near), link.far.as_ref()];
                for end in ends.into_iter().flatten() {
                    index
                        .links
                        .entry(end.device.clone())
                        .or_default()
                        .push((name.to_owned(), link.clone()));
                }
            }
        }
        for (name, spec) in world.specs(Kind::VpcAttachment) {
            let (vpc, subnet) =
                text(&spec["subnet"]).split_once('/').unwrap_or((text(&spec["subnet"]), "default"));
            let entry = (name.to_owned(), vpc.to_owned(), subnet.to_owned());
            index.attached.entry(text(&spec["connection"]).to_owned()).or_default().push(entry);
        }
        for (name, spec) in world.specs(Kind::ExternalAttachment) {
            index
                .outside
                .entry(text(&spec["connection"]).to_owned())
                .or_default()
                .push(name.to_owned());
        }
        for (_, spec) in world.specs(Kind::VpcPeering) {
            index.note_peering(spec);
        }
        for (_, spec) in world.specs(Kind::ExternalPeering) {
            let (vpc, external) =
                (&spec["permit"]["vpc"]["name"], &spec["permit"]["external"]["name"]);
            index
                .reaching
                .entry(text(external).to_owned())
                .or_default()
                .insert(text(vpc).to_owned());
        }
        index
    }

    /// Notes both directions of a peering.
    fn note_peering(&mut self, spec: &Value) {
        for entry in spec["permit"].as_array().into_iter().flatten() {
            for one in keys(entry) {
                let others = keys(entry).filter(|other| *other != one).map(str::to_owned);
                self.peers.entry(one.to_owned()).or_default().extend(others);
            }
        }
    }

    /// The names of the connections of a switch.
    pub(crate) fn connections(&self, switch: &str) -> BTreeSet<&str> {
        self.links.get(switch).into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// The attachments on a switch: name, VPC, subnet.
    pub(crate) fn attachments(
        &self,
        switch: &str,
    ) -> impl Iterator<Item = &(String, String, String)> {
        self.connections(switch).into_iter().filter_map(|name| self.attached.get(name)).flatten()
    }

    /// The external attachments on a switch.
    fn externals(&self, switch: &str) -> impl Iterator<Item = &String> {
        self.connections(switch).into_iter().filter_map(|name| self.outside.get(name)).flatten()
    }

    /// The VPCs that a switch must know: its own, relay targets, partners of these, those that leave through it.
    fn vpcs(&self, world: &World, switch: &str) -> BTreeSet<String> {
        let mut own: BTreeSet<String> =
            self.attachments(switch).map(|(_, vpc, _)| vpc.clone()).collect();
        for name in self.connections(switch) {
            if let Some(vpc) =
                world.spec(Kind::Connection, name)["staticExternal"]["withinVPC"].as_str()
            {
                own.insert(vpc.to_owned());
            }
        }
        for vpc in own.clone() {
            let subnets = world.spec(Kind::Vpc, &vpc)["subnets"].as_object();
            let targets = subnets
                .into_iter()
                .flatten()
                .filter_map(|(_, subnet)| subnet["dhcp"]["relayVPC"].as_str());
            own.extend(targets.map(str::to_owned));
        }
        for vpc in own.clone() {
            own.extend(self.peers.get(&vpc).into_iter().flatten().cloned());
        }
        for name in self.externals(switch) {
            let external = text(&world.spec(Kind::ExternalAttachment, name)["external"]);
            own.extend(self.reaching.get(external).into_iter().flatten().cloned());
        }
        own.retain(|vpc| world.get(Kind::Vpc, vpc).is_some());
        own
    }
}

/// The spec of the Agent of a switch.
pub(crate) fn plan(world: &World, index: &Index, switch: &str) -> Value {
    let spec = world.spec(Kind::Switch, switch);
    let vpcs = index.vpcs(world, switch);
    let connections: BTreeSet<&str> = index.connections(switch);
    let attachments = index.attachments(switch).map(|(name, ..)| name.as_str());
    let outside = index.externals(switch).map(String::as_str);
    let among = |(_, spec): &(&str, &Value)| keys(&spec["permit"][0]).any(|vpc| vpcs.contains(vpc));
    let peerings = world.specs(Kind::VpcPeering).filter(among).map(|(name, _)| name);
    let leaving = world
        .specs(Kind::ExternalPeering)
        .filter(|(_, spec)| vpcs.contains(text(&spec["permit"]["vpc"]["name"])));
    let own_vlans = spec["vlanNamespaces"].as_array().into_iter().flatten().map(text);
    json!({
        "role": spec["role"], "description": spec["description"], "switch": spec,
        "switchProfile": world.spec(Kind::SwitchProfile, text(&spec["profile"])),
        "switches": copies(world, Kind::Switch, neighbours(index, switch).into_iter()),
        "redundancyGroupPeers": group_peers(world, switch),
        "connections": copies(world, Kind::Connection, connections.into_iter()),
        "vpcs": copies(world, Kind::Vpc, vpcs.iter().map(String::as_str)),
        "vpcAttachments": copies(world, Kind::VpcAttachment, attachments),
        "vpcPeers": copies(world, Kind::VpcPeering, peerings),
        "ipv4Namespaces": copies(world, Kind::Ipv4Namespace, world.all(Kind::Ipv4Namespace).map(|(name, _)| name)),
        "vlanNamespaces": copies(world, Kind::VlanNamespace, own_vlans),
        "externals": copies(world, Kind::External, world.all(Kind::External).map(|(name, _)| name)),
        "externalAttachments": copies(world, Kind::ExternalAttachment, outside),
        "externalPeerings": copies(world, Kind::ExternalPeering, leaving.map(|(name, _)| name)),
        "attachedVPCs": flags(index.attachments(switch).map(|(_, vpc, _)| vpc.clone())),
        "configuredVPCSubnets": flags(index.attachments(switch).map(|(_, vpc, subnet)| format!("{vpc}/{subnet}"))),
        "catalog": catalog_of(world, switch, &vpcs),
        "config": fabric_config(),
        "users": [{ "name": "admin", "role": "admin", "password": "$5$demo$no-such-password", "sshKeys": [] }],
        "version": { "default": AGENT_VERSION, "repo": "172.30.0.1:31000/githedgehog/fabric/agent", "username": "demo", "password": "not-a-secret" },
    })
}

/// Copies of the specs of those that exist, by name.
fn copies<'a>(
    world: &World,
    kind: Kind,
    names: impl Iterator<Item = &'a str>,
) -> Map<String, Value> {
    names
        .filter_map(|name| {
            world.get(kind, name).map(|object| (name.to_owned(), object["spec"].clone()))
        })
        .collect()
}

/// A set as the API writes it.
fn flags(names: impl Iterator<Item = String>) -> BTreeMap<String, bool> {
    names.map(|name| (name, true)).collect()
}

/// The switches at the other end of routed links.
fn neighbours<'a>(index: &'a Index, switch: &str) -> BTreeSet<&'a str> {
    let links = index.links.get(switch).into_iter().flatten();
    links
        .filter(|(_, link)| matches!(link.union, Union::Fabric | Union::Mesh))
        .filter_map(|(_, link)| link.seen_from(switch)?.1)
        .map(|end| end.device.as_str())
        .collect()
}

/// The other members of the redundancy group.
fn group_peers(world: &World, switch: &str) -> Vec<String> {
    let Some(group) = world.spec(Kind::Switch, switch)["redundancy"]["group"].as_str() else {
        return Vec::new();
    };
    world
        .specs(Kind::Switch)
        .filter(|(name, spec)| *name != switch && spec["redundancy"]["group"] == group)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The numbers that concern a switch, out of the catalogs.
fn catalog_of(world: &World, switch: &str, vpcs: &BTreeSet<String>) -> Value {
    let all = world.spec(Kind::Catalog, "vpcs");
    let pick = |from: &Value| -> Map<String, Value> {
        vpcs.iter().filter_map(|vpc| Some((vpc.clone(), from.get(vpc)?.clone()))).collect()
    };
    let own = world.spec(Kind::Catalog, &catalog_name(world, switch));
    json!({
        "vpcVNIs": pick(&all["vpcVNIs"]), "vpcSubnetVNIs": pick(&all["vpcSubnetVNIs"]),
        "irbVLANs": pick(&own["irbVLANs"]), "portChannelIDs": or_empty(&own["portChannelIDs"]),
    })
}

/// An object, empty where there is none.
fn or_empty(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({}) }
}

/// The catalog that a switch shares with its redundancy group, or has for itself.
fn catalog_name(world: &World, switch: &str) -> String {
    world.spec(Kind::Switch, switch)["redundancy"]["group"]
        .as_str()
        .map_or_else(|| format!("switch.{switch}"), |group| format!("redundancy.{group}"))
}

/// The fabric-wide numbers.
fn fabric_config() -> Value {
    json!({
        "deploymentID": DEPLOYMENT, "controlVIP": "172.30.0.1/32", "baseVPCCommunity": "50000:0", "fabricMTU": 9100,
        "serverFacingMTUOffset": 64, "spineLeaf": {}, "spineASN": super::pool::SPINE_ASN,
        "gatewayASN": super::pool::GATEWAY_ASN, "protocolSubnet": "172.30.8.0/22", "vtepSubnet": "172.30.12.0/22",
        "fabricSubnet": "172.30.128.0/17", "defaultMaxPathsEBGP": 64,
        "eslagMACBase": "f2:00:00:00:00:00", "eslagESIPrefix": "00:f2:00:00:",
    })
}

/// Every object besides the Agents that the controller keeps: catalogs, VPC infos, DHCP subnets.
pub(crate) fn company(world: &World) -> Vec<Value> {
    let mut all = catalogs(world, &Index::of(world));
    let vnis = all.first().map(|catalog| catalog["spec"]["vpcVNIs"].clone()).unwrap_or_default();
    for (vpc, spec) in world.specs(Kind::Vpc) {
        let mut subnets = Map::new();
        for (name, subnet) in spec["subnets"].as_object().into_iter().flatten() {
            subnets.insert(name.clone(), json!({ "cidr": subnet["subnet"] }));
            if subnet["dhcp"]["enable"] == true {
                all.push(object(
                    Kind::DhcpSubnet,
                    &format!("{vpc}--{name}"),
                    dhcp_subnet(vpc, name, subnet, spec),
                ));
            }
        }
        all.push(object(Kind::VpcInfo, vpc, json!({ "vni": vnis[vpc], "subnets": subnets })));
    }
    all.push(object(Kind::DhcpSubnet, "management", management_dhcp()));
    all
}

/// Catalogs: the VNIs first, then the numbers local to switches or groups.
fn catalogs(world: &World, index: &Index) -> Vec<Value> {
    let vpcs = world.names(Kind::Vpc);
    let old = world.spec(Kind::Catalog, "vpcs");
    let vnis = allot(&old["vpcVNIs"], vpcs.iter().cloned(), VNI_STEP, VNI_STEP);
    let mut subnets: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for (vpc, vni) in &vnis {
        let names = keys(&world.spec(Kind::Vpc, vpc)["subnets"]).map(str::to_owned);
        subnets.insert(vpc, allot(&old["vpcSubnetVNIs"][vpc], names, vni + 1, 1));
    }
    let mut all =
        vec![object(Kind::Catalog, "vpcs", json!({ "vpcVNIs": vnis, "vpcSubnetVNIs": subnets }))];
    let old = world.spec(Kind::Catalog, "connections");
    let attachable = world
        .specs(Kind::Connection)
        .filter(|(_, spec)| link::union(spec).is_some_and(Union::is_server_facing));
    let ids = allot(&old["connectionIDs"], attachable.map(|(name, _)| name.to_owned()), 1, 1);
    all.push(object(Kind::Catalog, "connections", json!({ "connectionIDs": ids })));
    let mut shared: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for (switch, _) in world.specs(Kind::Switch).filter(|(_, spec)| spec["role"] != "spine") {
        let (known, channels) = shared.entry(catalog_name(world, switch)).or_default();
        known.extend(index.vpcs(world, switch));
        let links = index.links.get(switch).into_iter().flatten();
        let bundles = links.filter(|(_, link)| matches!(link.union, Union::Bundled | Union::Eslag));
        channels.extend(bundles.map(|(name, _)| name.clone()));
    }
    for (name, (known, channels)) in shared {
        let old = world.spec(Kind::Catalog, &name);
        let irb = allot(&old["irbVLANs"], known.into_iter(), FIRST_IRB_VLAN, 1);
        let channels = allot(&old["portChannelIDs"], channels.into_iter(), 1, 1);
        all.push(object(
            Kind::Catalog,
            &name,
            json!({ "irbVLANs": irb, "portChannelIDs": channels }),
        ));
    }
    all
}

/// Numbers for names: the old ones where they are known, the lowest free ones for the rest.
fn allot(
    old: &Value,
    names: impl Iterator<Item = String>,
    first: u64,
    step: u64,
) -> BTreeMap<String, u64> {
    let names: BTreeSet<String> = names.collect();
    let mut numbers: BTreeMap<String, u64> =
        names.iter().filter_map(|name| Some((name.clone(), old[name].as_u64()?))).collect();
    let mut taken: BTreeSet<u64> = numbers.values().copied().collect();
    let mut next = first;
    for name in names {
        if numbers.contains_key(&name) {
            continue;
        }
        while taken.contains(&next) {
            next += step;
        }
        taken.insert(next);
        numbers.insert(name, next);
    }
    numbers
}

/// The DHCP server's view of a subnet.
fn dhcp_subnet(vpc: &str, name: &str, subnet: &Value, spec: &Value) -> Value {
    let dhcp = &subnet["dhcp"];
    let options = &dhcp["options"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut body = json!({
        "subnet": format!("{vpc}/{name}"), "cidrBlock": subnet["subnet"], "gateway": text(&subnet["gateway"]),
        "startIP": text(&dhcp["range"]["start"]), "endIP": text(&dhcp["range"]["end"]),
        "vrf": format!("VrfV{vpc}"), "circuitID": format!("Vlan{}", subnet["vlan"]),
        "leaseTimeSeconds": options["leaseTimeSeconds"].as_u64().unwrap_or(3600),
        "interfaceMTU": options["interfaceMTU"].as_u64().unwrap_or(9036),
        "dnsServers": list(&options["dnsServers"]), "timeServers": list(&options["timeServers"]),
        "pxeURL": text(&options["pxeURL"]), "defaultURL": "",
    });
    if let Some(body) = body.as_object_mut() {
        if dhcp["static"].is_object() {
            body.insert("static".into(), dhcp["static"].clone());
        }
        if spec["mode"] == "l3vni" {
            body.insert("l3Mode".into(), json!(true));
        }
    }
    body
}

/// The management network of the switches themselves.
fn management_dhcp() -> Value {
    json!({
        "subnet": "management", "cidrBlock": "172.30.0.0/21", "gateway": "172.30.0.1", "startIP": "172.30.4.0",
        "endIP": "172.30.7.254", "vrf": "", "circuitID": "", "leaseTimeSeconds": 3600, "interfaceMTU": 1500,
        "dnsServers": [], "timeServers": [], "pxeURL": "", "defaultURL": "http://172.30.0.1:32000/onie", "onieOnly": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_with_their_owners() {
        let names = |list: &[&str]| {
            list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().into_iter()
        };
        let first = allot(&Value::Null, names(&["b", "c"]), 100, 100);
        assert_eq!(first, BTreeMap::from([("b".into(), 100), ("c".into(), 200)]));
        let second = allot(&json!(first), names(&["a", "c", "d"]), 100, 100);
        assert_eq!(
            second,
            BTreeMap::from([("a".into(), 100), ("c".into(), 200), ("d".into(), 300)])
        );
    }
}
