//! The networks on a fabric: VPCs, what hangs on them, whom they may talk to, and the ways out.
//!
//! Invariant: no two subnets of a pool overlap, no VLAN is used twice in its namespace.

use std::collections::{BTreeMap, BTreeSet};

use domain::kind::Kind;
use rand::Rng;
use serde_json::{Value, json};

use super::{
    Scale,
    world::set,
    yard::{Berth, Yard},
};

/// VPCs of the large fabric; three VNIs' worth of room below every limit.
const MANY: u32 = 300;

/// How a subnet gets its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dhcp {
    Off,
    Server,
    /// By a server in the first subnet of another VPC.
    Relay(&'static str),
    /// Servers announce their own addresses: no gateway, no DHCP.
    HostBgp,
}

/// Who in a subnet may talk to whom, where it differs from the VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fence {
    Open,
    Isolated,
    Restricted,
    Both,
}

/// A subnet of the demo.
type Subnet = (&'static str, Dhcp, Fence);

/// A VPC of the demo.
struct Tenant {
    name: &'static str,
    mode: &'static str,
    space: &'static str,
    subnets: &'static [Subnet],
    permit: &'static [&'static [&'static str]],
}

/// The VPCs of the demo; the smallest fabric has the first two.
const TENANTS: &[Tenant] = &[
    Tenant {
        name: "ops",
        mode: "",
        space: "default",
        subnets: &[("mgmt", Dhcp::Server, Fence::Open), ("oob", Dhcp::Off, Fence::Restricted)],
        permit: &[],
    },
    Tenant {
        name: "shop",
        mode: "",
        space: "default",
        subnets: &[
            ("web", Dhcp::Server, Fence::Isolated),
            ("app", Dhcp::Server, Fence::Isolated),
            ("db", Dhcp::Off, Fence::Both),
        ],
        permit: &[&["web", "app"], &["app", "db"]],
    },
    Tenant {
        name: "ledger",
        mode: "",
        space: "default",
        subnets: &[
            ("core", Dhcp::Relay("ops"), Fence::Open),
            ("audit", Dhcp::Server, Fence::Restricted),
        ],
        permit: &[],
    },
    Tenant {
        name: "ml-train",
        mode: "l3vni",
        space: "default",
        subnets: &[("gpu", Dhcp::Server, Fence::Open), ("store", Dhcp::Off, Fence::Open)],
        permit: &[],
    },
    Tenant {
        name: "anycast",
        mode: "",
        space: "default",
        subnets: &[("dns", Dhcp::HostBgp, Fence::Open)],
        permit: &[],
    },
    Tenant {
        name: "acme",
        mode: "",
        space: "partner",
        subnets: &[
            ("floor", Dhcp::Server, Fence::Open),
            ("guests", Dhcp::Server, Fence::Restricted),
        ],
        permit: &[],
    },
];

/// Attachments of the smallest fabric: subnet, number of the server, untagged.
const FEW: &[(&str, usize, bool)] =
    &[("shop/web", 1, false), ("shop/app", 1, false), ("shop/db", 2, false), ("ops/mgmt", 3, true)];

/// Attachments of the middle fabric.
const SOME: &[(&str, usize, bool)] = &[
    ("shop/web", 1, true),
    ("shop/web", 2, false),
    ("shop/app", 2, false),
    ("shop/app", 6, false),
    ("shop/db", 7, false),
    ("ops/mgmt", 3, true),
    ("ops/mgmt", 10, false),
    ("ledger/core", 7, true),
    ("ledger/audit", 8, false),
    ("ml-train/gpu", 4, true),
    ("ml-train/gpu", 9, true),
    ("ml-train/store", 8, false),
    ("anycast/dns", 5, false),
    ("acme/floor", 6, true),
];

/// The next free numbers of one address space.
#[derive(Debug)]
struct Space {
    second: u32,
    net: u32,
    vlan: u32,
}

impl Space {
    /// The next block of 256 addresses: `10.a.b`.
    fn block(&mut self) -> String {
        let n = self.net;
        self.net += 1;
        format!("10.{}.{}", self.second + n / 256, n % 256)
    }

    /// The next VLAN.
    fn vlan(&mut self) -> u32 {
        self.vlan += 1;
        self.vlan - 1
    }
}

/// Puts the networks of a scale on what the yard has built.
pub(crate) fn settle(yard: &mut Yard, scale: Scale) {
    let second = 16 * yard.rng.random_range(1..=6_u32);
    let (net, vlan) = (yard.rng.random_range(1..40), 1001 + yard.rng.random_range(0..50));
    yard.world.add(
        Kind::Ipv4Namespace,
        "default",
        json!({ "subnets": [format!("10.{second}.0.0/12")] }),
    );
    let mut spaces = BTreeMap::from([("default", Space { second, net, vlan })]);
    if scale == Scale::Vlab {
        // The partner brought addresses of its own, which happen to be ours as well: that is what namespaces are for.
        yard.world.add(
            Kind::Ipv4Namespace,
            "partner",
            json!({ "subnets": [format!("10.{second}.0.0/16")] }),
        );
        spaces.insert("partner", Space { second, net, vlan: 2400 });
    }
    match scale {
        Scale::Small => demo(yard, &mut spaces, TENANTS.get(..2).unwrap_or_default(), FEW),
        Scale::Vlab => demo(yard, &mut spaces, TENANTS, SOME),
        Scale::Large => crowd(yard, &mut spaces),
    }
    outside(yard, scale);
}

/// The hand-made VPCs.
fn demo(
    yard: &mut Yard,
    spaces: &mut BTreeMap<&str, Space>,
    tenants: &[Tenant],
    attached: &[(&str, usize, bool)],
) {
    for tenant in tenants {
        let Some(space) = spaces.get_mut(tenant.space) else { continue };
        let mut subnets: BTreeMap<String, Value> = BTreeMap::new();
        for &(name, dhcp, fence) in tenant.subnets {
            let relay = relay_target(yard, dhcp);
            subnets.insert(name.to_owned(), subnet(space, dhcp, fence, relay.as_deref()));
        }
        let mut spec = json!({ "ipv4Namespace": tenant.space, "vlanNamespace": tenant.space, "subnets": subnets });
        if !tenant.mode.is_empty() {
            set(&mut spec, "mode", json!(tenant.mode));
        }
        if !tenant.permit.is_empty() {
            set(&mut spec, "permit", json!(tenant.permit));
        }
        yard.world.add(Kind::Vpc, tenant.name, spec);
    }
    for &(subnet, server, native) in attached {
        if let Some(berth) = yard.berths.get(server - 1).cloned() {
            attach(yard, subnet, &berth, native);
        }
    }
    pin_leases(yard);
    peer(yard, &json!({ "shop": { "subnets": ["app", "web"] }, "ops": { "subnets": ["mgmt"] } }));
    if tenants.len() > 2 {
        peer(yard, &json!({ "ledger": {}, "ops": {} }));
        peer(yard, &json!({ "ml-train": { "subnets": ["gpu"] }, "shop": { "subnets": ["db"] } }));
        gateway_peering(yard, ("ledger", "core"), ("ml-train", "gpu"));
    }
}

/// Where a relay sends requests: an address of the first subnet of the target.
fn relay_target(yard: &Yard, dhcp: Dhcp) -> Option<String> {
    let Dhcp::Relay(vpc) = dhcp else { return None };
    let subnets = yard.world.spec(Kind::Vpc, vpc)["subnets"].as_object()?;
    let net = subnets.values().next()?["subnet"].as_str()?.strip_suffix(".0/24")?;
    Some(format!("{net}.2/32"))
}

/// A subnet in the form that the fabric stores.
fn subnet(space: &mut Space, dhcp: Dhcp, fence: Fence, relay: Option<&str>) -> Value {
    let net = space.block();
    let mut body = json!({ "subnet": format!("{net}.0/24"), "vlan": space.vlan() });
    match dhcp {
        Dhcp::HostBgp => {
            set(&mut body, "hostBGP", json!(true));
            return body;
        }
        Dhcp::Server => set(&mut body, "dhcp", dhcp_server(&net)),
        Dhcp::Relay(vpc) => set(&mut body, "dhcp", json!({ "relay": relay, "relayVPC": vpc })),
        Dhcp::Off => {}
    }
    set(&mut body, "gateway", json!(format!("{net}.1")));
    if matches!(fence, Fence::Isolated | Fence::Both) {
        set(&mut body, "isolated", json!(true));
    }
    if matches!(fence, Fence::Restricted | Fence::Both) {
        set(&mut body, "restricted", json!(true));
    }
    body
}

/// The built-in DHCP server with all its options.
fn dhcp_server(net: &str) -> Value {
    json!({
        "enable": true,
        "range": { "start": format!("{net}.20"), "end": format!("{net}.239") },
        "options": {
            "dnsServers": [format!("{net}.2"), "9.9.9.9"], "timeServers": [format!("{net}.3")],
            "interfaceMTU": 9036, "leaseTimeSeconds": 3600, "advertisedRoutes": [],
        },
    })
}

/// Two hosts of the first shop subnet have their addresses for good.
fn pin_leases(yard: &mut Yard) {
    let mac =
        format!("52:54:00:{:02x}:{:02x}:0a", yard.rng.random::<u8>(), yard.rng.random::<u8>());
    let Some(web) =
        yard.world.get_mut(Kind::Vpc, "shop").and_then(|vpc| vpc.pointer_mut("/spec/subnets/web"))
    else {
        return;
    };
    let net = web["subnet"].as_str().unwrap_or_default().trim_end_matches(".0/24").to_owned();
    if let Some(dhcp) = web.get_mut("dhcp") {
        set(dhcp, "static", json!({ mac: { "ip": format!("{net}.11") } }));
    }
}

/// Puts a subnet on the connection of a server.
fn attach(yard: &mut Yard, subnet: &str, berth: &Berth, native: bool) {
    let name = format!("{}--{}", subnet.replace('/', "--"), berth.server);
    let mut spec = json!({ "subnet": subnet, "connection": berth.connection });
    if native {
        set(&mut spec, "nativeVLAN", json!(true));
    }
    yard.world.add(Kind::VpcAttachment, &name, spec);
}

/// Lets two VPCs talk.
fn peer(yard: &mut Yard, permit: &Value) {
    let names: Vec<&str> =
        permit.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    yard.world.add(Kind::VpcPeering, &names.join("--"), json!({ "permit": [permit] }));
}

/// Lets two VPCs talk through the gateways.
fn gateway_peering(yard: &mut Yard, one: (&str, &str), other: (&str, &str)) {
    let expose = |subnet: &str| json!({ "expose": [{ "ips": [{ "vpcSubnet": subnet }] }] });
    let peering = BTreeMap::from([(one.0, expose(one.1)), (other.0, expose(other.1))]);
    let name = format!("{}--{}", one.0, other.0);
    yard.world.add(
        Kind::GatewayPeering,
        &name,
        json!({ "gatewayGroup": "default", "peering": peering }),
    );
}

/// Hundreds of VPCs, each at home in a few racks.
fn crowd(yard: &mut Yard, spaces: &mut BTreeMap<&str, Space>) {
    let Some(space) = spaces.get_mut("default") else { return };
    for n in 0..MANY {
        let mut subnets = BTreeMap::new();
        for (i, name) in
            ["front", "back", "data"].iter().enumerate().take(if n % 3 == 0 { 3 } else { 2 })
        {
            let dhcp = if i < 2 { Dhcp::Server } else { Dhcp::Off };
            let fence = if n % 7 == 0 { Fence::Isolated } else { Fence::Open };
            subnets.insert((*name).to_owned(), subnet(space, dhcp, fence, None));
        }
        let mut spec =
            json!({ "ipv4Namespace": "default", "vlanNamespace": "default", "subnets": subnets });
        if n % 7 == 0 {
            set(&mut spec, "permit", json!([["front", "back"]]));
        }
        if is_routed(n) {
            set(&mut spec, "mode", json!("l3vni"));
        }
        yard.world.add(Kind::Vpc, &crowd_name(n), spec);
    }
    for n in (0..MANY).step_by(2) {
        peer(yard, &json!({ crowd_name(n): { "subnets": ["front"] }, crowd_name(n + 1): {} }));
    }
    for berth in yard.berths.clone() {
        crowd_attachments(yard, &berth);
    }
}

/// Two or three subnets of the VPCs that are at home in the rack, one of them untagged.
fn crowd_attachments(yard: &mut Yard, berth: &Berth) {
    let wanted = yard.rng.random_range(2..=3_usize);
    let mut chosen = BTreeSet::new();
    while chosen.len() < wanted {
        let n = (berth.rack * 6 + yard.rng.random_range(0..9)) % MANY;
        if !(berth.shared && is_routed(n)) {
            let subnet = if yard.rng.random_bool(0.6) { "front" } else { "back" };
            chosen.insert(format!("{}/{subnet}", crowd_name(n)));
        }
    }
    for (i, subnet) in chosen.iter().enumerate() {
        attach(yard, subnet, berth, i == 0);
    }
}

/// Name of the n-th of many.
fn crowd_name(n: u32) -> String {
    format!("app-{:03}", n + 1)
}

/// Whether the n-th of many is a layer-3 VPC.
fn is_routed(n: u32) -> bool {
    n % 10 == 9
}

/// The ways out, on the border leaves.
fn outside(yard: &mut Yard, scale: Scale) {
    let isp = json!({ "ipv4Namespace": "default", "inboundCommunity": "64900:110", "outboundCommunity": "50000:50110" });
    yard.world.add(Kind::External, "isp-north", isp);
    let prefixes = json!({ "prefixes": ["192.0.2.0/24", "198.18.16.0/20"] });
    yard.world.add(
        Kind::External,
        "dc-legacy",
        json!({ "ipv4Namespace": "default", "static": prefixes }),
    );
    let first_port = if scale == Scale::Small { 41 } else { 45 };
    for (n, leaf) in (0_u32..).zip(yard.borders.clone()) {
        uplinks(yard, n, &leaf, first_port);
    }
    match scale {
        Scale::Small => let_out(yard, "shop", "web", "isp-north", "0.0.0.0/0"),
        Scale::Vlab => {
            fixed_route(yard, first_port + 2);
            let_out(yard, "shop", "web", "isp-north", "0.0.0.0/0");
            let_out(yard, "ml-train", "gpu", "isp-north", "0.0.0.0/0");
            let_out(yard, "ops", "mgmt", "dc-legacy", "192.0.2.0/24");
        }
        Scale::Large => {
            for n in (0..MANY).step_by(3) {
                let (external, prefix) = if n % 2 == 0 {
                    ("isp-north", "0.0.0.0/0")
                } else {
                    ("dc-legacy", "198.18.16.0/20")
                };
                let_out(yard, &crowd_name(n), "front", external, prefix);
            }
        }
    }
}

/// The two cables of a border leaf to the outside, with what runs over them.
fn uplinks(yard: &mut Yard, n: u32, leaf: &str, first_port: u32) {
    let (isp, legacy) = (format!("{leaf}--external--isp"), format!("{leaf}--external--legacy"));
    for (name, port) in [(&isp, first_port), (&legacy, first_port + 1)] {
        let link = json!({ "switch": { "port": format!("{leaf}/E1/{port}") } });
        yard.world.add(Kind::Connection, name, json!({ "external": { "link": link } }));
    }
    let spec = json!({
        "external": "isp-north", "connection": isp,
        "switch": { "vlan": 110, "ip": format!("100.66.{n}.1/29") },
        "neighbor": { "asn": 64_900, "ip": format!("100.66.{n}.2") },
        "inboundACL": { "statements": [
            { "seq": 20, "action": "deny", "protocol": "tcp", "srcPrefix": "any", "dstPrefix": "any", "portRangeBegin": 23, "portRangeEnd": 23 },
            { "seq": 900, "action": "permit", "protocol": "ip", "srcPrefix": "any", "dstPrefix": "any" },
        ] },
    });
    yard.world.add(Kind::ExternalAttachment, &format!("{leaf}--isp-north"), spec);
    let spec = json!({
        "external": "dc-legacy", "connection": legacy, "switch": {}, "neighbor": {},
        "static": { "vlan": 310, "remoteIP": format!("100.67.{n}.1"), "ip": format!("100.67.{n}.2/29") },
    });
    yard.world.add(Kind::ExternalAttachment, &format!("{leaf}--dc-legacy"), spec);
}

/// A cable with fixed routes inside the operators' VPC.
fn fixed_route(yard: &mut Yard, port: u32) {
    let Some(leaf) = yard.borders.first().cloned() else { return };
    let switch = json!({
        "port": format!("{leaf}/E1/{port}"), "ip": "100.68.0.2/30", "nextHop": "100.68.0.1", "subnets": ["198.19.64.0/20"],
    });
    let spec = json!({ "staticExternal": { "link": { "switch": switch }, "withinVPC": "ops" } });
    yard.world.add(Kind::Connection, &format!("{leaf}--static-external"), spec);
}

/// Lets a subnet reach a prefix outside.
fn let_out(yard: &mut Yard, vpc: &str, subnet: &str, external: &str, prefix: &str) {
    let permit = json!({
        "vpc": { "name": vpc, "subnets": [subnet] },
        "external": { "name": external, "prefixes": [{ "prefix": prefix }] },
    });
    yard.world.add(
        Kind::ExternalPeering,
        &format!("{vpc}--{external}"),
        json!({ "permit": permit }),
    );
}
