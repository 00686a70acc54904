//! The yard: devices and the cables between them, for each scale.
//!
//! Invariant: no port is handed out twice, and none that the model does not have.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::collections::BTreeMap;

use domain::kind::Kind;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{
    Scale,
    pool::{GATEWAY_ASN, Pools, SPINE_ASN},
    profile::Model,
    world::{World, set},
};

/// Places in which a demo fabric may stand.
const SITES: &[&str] =
    &["Turku", "Ghent", "Porto", "Graz", "Leeds", "Lyon", "Bergen", "Malaga", "Brno", "Cork"];

/// How many of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    spines: u32,
    spine: Model,
    pairs: u32,
    leaf: Model,
    borders: u32,
    border: Model,
    /// Cables between a spine and a leaf.
    cables: u32,
    /// First uplink port of a leaf.
    uplink: u32,
    gateways: u32,
    /// Servers on both leaves of a pair, for each pair.
    eslag: u32,
    /// Servers with a port channel to one leaf, for each pair.
    bundled: u32,
    /// Servers with one cable, for each pair.
    unbundled: u32,
}

impl Shape {
    /// The shape of a scale.
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Small => Self {
                spines: 1,
                spine: Model::Vs,
                pairs: 1,
                leaf: Model::Vs,
                borders: 0,
                border: Model::Vs,
                cables: 2,
                uplink: 45,
                gateways: 0,
                eslag: 1,
                bundled: 1,
                unbundled: 1,
            },
            Scale::Vlab => Self {
                spines: 2,
                spine: Model::Ds3000,
                pairs: 2,
                leaf: Model::S5248,
                borders: 1,
                border: Model::Dcs203,
                cables: 2,
                uplink: 49,
                gateways: 1,
                eslag: 2,
                bundled: 1,
                unbundled: 1,
            },
            Scale::Large => Self {
                spines: 8,
                spine: Model::Ds4000,
                pairs: 47,
                leaf: Model::S5248,
                borders: 2,
                border: Model::Dcs203,
                cables: 1,
                uplink: 49,
                gateways: 2,
                eslag: 30,
                bundled: 5,
                unbundled: 8,
            },
        }
    }

    /// All leaves, borders with them.
    fn leaves(&self) -> u32 {
        2 * self.pairs + self.borders
    }
}

/// A server with the connection that it hangs on.
#[derive(Debug, Clone)]
pub(crate) struct Berth {
    /// Server.
    pub(crate) server: String,
    /// Connection.
    pub(crate) connection: String,
    /// Whether members of a group share it, which only carries layer-2 VPCs.
    pub(crate) shared: bool,
    /// Number of the pair of leaves, from 0; the borders come after the last.
    pub(crate) rack: u32,
}

/// A fabric while it is laid out.
#[derive(Debug)]
pub(crate) struct Yard {
    /// What has been built.
    pub(crate) world: World,
    /// The source of all variety.
    pub(crate) rng: ChaCha8Rng,
    /// Servers in the order of their numbers.
    pub(crate) berths: Vec<Berth>,
    /// The border leaves, or the last leaf where there are none.
    pub(crate) borders: Vec<String>,
    scale: Scale,
    shape: Shape,
    pools: Pools,
    site: &'static str,
    next_port: BTreeMap<String, u32>,
}

impl Yard {
    /// An empty yard.
    pub(crate) fn new(scale: Scale, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let site = SITES.choose(&mut rng).copied().unwrap_or("Turku");
        Self {
            world: World::default(),
            rng,
            berths: Vec::new(),
            borders: Vec::new(),
            scale,
            shape: Shape::of(scale),
            pools: Pools::default(),
            site,
            next_port: BTreeMap::new(),
        }
    }

    /// What was built, and the source of variety for what follows.
    pub(crate) fn into_parts(self) -> (World, ChaCha8Rng) {
        (self.world, self.rng)
    }

    /// Builds all devices and cables.
    pub(crate) fn lay_out(&mut self) {
        self.basics();
        for n in 1..=self.shape.spines {
            self.spine(n);
        }
        for n in 1..=self.shape.leaves() {
            self.leaf(n);
        }
        self.underlay();
        for n in 1..=self.shape.gateways {
            self.gateway(n);
        }
        for rack in 0..self.shape.pairs {
            self.rack(rack);
        }
        if self.scale == Scale::Vlab {
            self.specials();
        }
    }

    /// Models, groups and the pools of VLANs.
    fn basics(&mut self) {
        for model in [self.shape.spine, self.shape.leaf, self.shape.border] {
            self.world.add(Kind::SwitchProfile, model.name(), model.spec());
        }
        self.world.add(
            Kind::VlanNamespace,
            "default",
            json!({ "ranges": [{ "from": 1000, "to": 2399 }] }),
        );
        if self.scale == Scale::Vlab {
            let ranges = json!([{ "from": 2400, "to": 2799 }, { "from": 2900, "to": 2950 }]);
            self.world.add(Kind::VlanNamespace, "partner", json!({ "ranges": ranges }));
        }
        for pair in 1..=self.shape.pairs {
            self.world.add(Kind::SwitchGroup, &pair_name(pair), json!({}));
        }
        if self.shape.borders > 0 {
            self.world.add(Kind::SwitchGroup, "edge", json!({}));
        }
    }

    /// A spine.
    fn spine(&mut self, n: u32) {
        let mut spec = json!({
            "role": "spine", "description": format!("{} row A spine {n}", self.site), "profile": self.shape.spine.name(),
            "asn": SPINE_ASN, "ip": self.pools.management(), "protocolIP": self.pools.protocol(),
            "boot": self.boot(), "vlanNamespaces": ["default"],
        });
        if self.shape.spine == Model::Ds4000 {
            let cages = (self.shape.leaves() + self.shape.gateways).div_ceil(4);
            let modes: BTreeMap<String, &str> =
                (1..=cages).map(|cage| (format!("E1/{cage}"), "4x100G")).collect();
            set(&mut spec, "portBreakouts", json!(modes));
        }
        self.world.add(Kind::Switch, &spine_name(n), spec);
    }

    /// A leaf: members of pairs first, borders last.
    fn leaf(&mut self, n: u32) {
        let pair = (n - 1) / 2 + 1;
        let name = leaf_name(n);
        let paired = pair <= self.shape.pairs;
        let (role, model) = match (paired, self.scale) {
            (true, _) => ("server-leaf", self.shape.leaf),
            (false, Scale::Vlab) => ("mixed-leaf", self.shape.border),
            (false, _) => ("border-leaf", self.shape.border),
        };
        let mut spec = json!({
            "role": role, "description": format!("{} rack {:02} leaf {n}", self.site, pair + 1), "profile": model.name(),
            "asn": self.pools.leaf_asn(), "ip": self.pools.management(), "protocolIP": self.pools.protocol(),
            "vtepIP": self.pools.vtep(), "boot": self.boot(), "vlanNamespaces": ["default"],
            "linkFlapErrDisable": { "flapThreshold": 3, "samplingInterval": 30, "recoveryInterval": 300 },
        });
        if paired {
            let group = pair_name(pair);
            set(&mut spec, "groups", json!([group]));
            set(&mut spec, "redundancy", json!({ "group": group, "type": "eslag" }));
        } else {
            set(&mut spec, "groups", json!(["edge"]));
            set(&mut spec, "portGroupSpeeds", json!({ "12": "10G" }));
            self.borders.push(name.clone());
        }
        if self.scale == Scale::Vlab && pair == 2 {
            set(&mut spec, "vlanNamespaces", json!(["default", "partner"]));
        }
        if self.scale == Scale::Vlab && n == 1 {
            set(&mut spec, "portBreakouts", json!({ "E1/56": "4x25G" }));
        }
        if n == self.shape.leaves() && self.borders.is_empty() {
            self.borders.push(name.clone());
        }
        self.world.add(Kind::Switch, &name, spec);
    }

    /// By what a device is known when it boots.
    fn boot(&mut self) -> Value {
        if self.shape.spine == Model::Vs {
            let tail: [u8; 3] = self.rng.random();
            return json!({ "mac": format!("0c:9a:3c:{:02x}:{:02x}:{:02x}", tail[0], tail[1], tail[2]) });
        }
        json!({ "serial": format!("HX{:010}", self.rng.random_range(0..9_999_999_999_u64)) })
    }

    /// Every leaf to every spine.
    fn underlay(&mut self) {
        for spine in 1..=self.shape.spines {
            for leaf in 1..=self.shape.leaves() {
                let links: Vec<Value> = (0..self.shape.cables)
                    .map(|cable| self.fabric_link(spine, leaf, cable))
                    .collect();
                let name = format!("{}--fabric--{}", spine_name(spine), leaf_name(leaf));
                self.world.add(Kind::Connection, &name, json!({ "fabric": { "links": links } }));
            }
        }
    }

    /// One cable from a spine to a leaf.
    fn fabric_link(&mut self, spine: u32, leaf: u32, cable: u32) -> Value {
        let (even, odd) = self.pools.link();
        let down = self.spine_port((leaf - 1) * self.shape.cables + cable);
        let up = self.shape.uplink + (spine - 1) * self.shape.cables + cable;
        json!({
            "spine": { "port": format!("{}/{down}", spine_name(spine)), "ip": even },
            "leaf": { "port": format!("{}/E1/{up}", leaf_name(leaf)), "ip": odd },
        })
    }

    /// The n-th port of a spine, from 0; four to a cage on the big model.
    fn spine_port(&self, n: u32) -> String {
        match self.shape.spine {
            Model::Ds4000 => format!("E1/{}/{}", n / 4 + 1, n % 4 + 1),
            Model::Vs | Model::Ds3000 | Model::S5248 | Model::Dcs203 => format!("E1/{}", n + 1),
        }
    }

    /// A gateway on every spine.
    fn gateway(&mut self, n: u32) {
        let name = format!("gateway-{n}");
        let mut interfaces = BTreeMap::new();
        let mut neighbors = Vec::new();
        for spine in 1..=self.shape.spines {
            let (even, odd) = self.pools.link();
            let port = self.spine_port(self.shape.leaves() * self.shape.cables + n - 1);
            let nic = format!("enp7s{spine}");
            let link = json!({
                "switch": { "port": format!("{}/{port}", spine_name(spine)), "ip": even },
                "gateway": { "port": format!("{name}/{nic}"), "ip": odd },
            });
            let connection = format!("{}--gateway--{name}", spine_name(spine));
            self.world.add(
                Kind::Connection,
                &connection,
                json!({ "gateway": { "links": [link] } }),
            );
            neighbors.push(
                json!({ "source": nic, "ip": super::link::address(&even), "asn": SPINE_ASN }),
            );
            interfaces.insert(nic, json!({ "ips": [odd], "mtu": 9100 }));
        }
        self.world.add(Kind::GatewayGroup, "default", json!({}));
        let spec = json!({
            "asn": GATEWAY_ASN, "protocolIP": self.pools.protocol(), "vtepIP": self.pools.vtep(),
            "vtepMAC": format!("ca:fe:0d:00:00:{n:02x}"), "vtepMTU": 9036, "workers": 4,
            "groups": [{ "name": "default", "priority": 20 * n }], "interfaces": interfaces, "neighbors": neighbors,
        });
        self.world.add(Kind::Gateway, &name, spec);
    }

    /// The servers of a pair of leaves.
    fn rack(&mut self, rack: u32) {
        let (left, right) = (leaf_name(2 * rack + 1), leaf_name(2 * rack + 2));
        for _ in 0..self.shape.eslag {
            let server = self.server(rack);
            let links = json!([self.cable(&server, 0, &left), self.cable(&server, 1, &right)]);
            let name = format!("{server}--eslag--{left}--{right}");
            self.berth(server, name, json!({ "eslag": { "links": links, "mtu": 9036 } }), rack);
        }
        for n in 0..self.shape.bundled {
            self.bundle(if n % 2 == 0 { &left } else { &right }, rack);
        }
        for n in 0..self.shape.unbundled {
            let leaf = if n % 2 == 0 { &right } else { &left };
            let server = self.server(rack);
            let link = self.cable(&server, 0, leaf);
            let name = format!("{server}--unbundled--{leaf}");
            self.berth(server, name, json!({ "unbundled": { "link": link } }), rack);
        }
        if self.scale == Scale::Vlab && rack == 0 {
            let server = self.server(rack);
            let link = json!({ "server": { "port": format!("{server}/eth0") }, "switch": { "port": format!("{left}/E1/56/1") } });
            let name = format!("{server}--unbundled--{left}");
            self.berth(server, name, json!({ "unbundled": { "link": link } }), rack);
        }
    }

    /// A server with two cables to one leaf.
    fn bundle(&mut self, leaf: &str, rack: u32) {
        let server = self.server(rack);
        let links = json!([self.cable(&server, 0, leaf), self.cable(&server, 1, leaf)]);
        let name = format!("{server}--bundled--{leaf}");
        self.berth(server, name, json!({ "bundled": { "links": links, "fallback": true } }), rack);
    }

    /// What only the demo of the middle size has: a server on the border.
    fn specials(&mut self) {
        let border = leaf_name(self.shape.leaves());
        self.bundle(&border, self.shape.pairs);
    }

    /// A new server.
    fn server(&mut self, rack: u32) -> String {
        let n = self.berths.len() + 1;
        let name = if self.scale == Scale::Large {
            format!("server-{n:04}")
        } else {
            format!("server-{n:02}")
        };
        let use_of = ["hypervisor", "database host", "build agent", "GPU node", "storage node"]
            .choose(&mut self.rng);
        let description =
            format!("{} rack {:02} {}", self.site, rack + 2, use_of.unwrap_or(&"host"));
        self.world.add(Kind::Server, &name, json!({ "description": description }));
        name
    }

    /// A cable from the n-th network card of a server to the next free port of a switch.
    fn cable(&mut self, server: &str, nic: u32, switch: &str) -> Value {
        let port = self.next_port.entry(switch.to_owned()).or_insert(1);
        let n = *port;
        *port += 1;
        json!({
            "server": { "port": format!("{server}/enp4s0f{nic}") },
            "switch": { "port": format!("{switch}/E1/{n}") },
        })
    }

    /// Notes the connection of a server.
    fn berth(&mut self, server: String, connection: String, spec: Value, rack: u32) {
        let shared = spec["eslag"].is_object();
        self.world.add(Kind::Connection, &connection, spec);
        self.berths.push(Berth { server, connection, shared, rack });
    }
}

/// `spine-01`
fn spine_name(n: u32) -> String {
    format!("spine-{n:02}")
}

/// `leaf-01`
fn leaf_name(n: u32) -> String {
    format!("leaf-{n:02}")
}

/// The redundancy group of a pair.
fn pair_name(n: u32) -> String {
    format!("pair-{n:02}")
}
