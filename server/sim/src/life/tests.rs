//! The life in simulated time, against a store of a few lines that counts generations as a real one does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::seed::{Scale, audit::complaints, fabric};

/// 2026-11-24, some time in the morning.
const NOW: i64 = 1_795_501_300_000;

/// A store: whole objects, generations, and what has changed.
struct Store {
    objects: BTreeMap<(Kind, String), Value>,
    changed: BTreeSet<(Kind, String)>,
}

impl Store {
    fn new(objects: Vec<Value>) -> Self {
        let mut store = Self { objects: BTreeMap::new(), changed: BTreeSet::new() };
        for mut object in objects {
            object["metadata"]["generation"] = json!(1);
            store.put(object);
        }
        store.changed.clear();
        store
    }

    fn put(&mut self, object: Value) {
        let (kind, name) = identity(&object).unwrap();
        let key = (kind, name.to_owned());
        self.changed.insert(key.clone());
        self.objects.insert(key, object);
    }

    fn patch(&mut self, kind: Kind, name: &str, patch: &Value) {
        let mut object = self.objects[&(kind, name.to_owned())].clone();
        delta::merge(&mut object, patch);
        if object["spec"] != self.objects[&(kind, name.to_owned())]["spec"] {
            object["metadata"]["generation"] =
                json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        self.put(object);
    }

    fn delete(&mut self, kind: Kind, name: &str) {
        let key = (kind, name.to_owned());
        assert!(self.objects.remove(&key).is_some(), "{kind} {name} is there to be deleted");
        self.changed.insert(key);
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Merge { kind, name, patch, .. } => {
                assert!(patch.get("status").is_none());
                self.patch(*kind, name, patch);
            }
            Step::MergeStatus { kind, name, patch, .. } => {
                assert_eq!(patch.as_object().unwrap().len(), 1, "a status patch is of the status");
                assert!(patch["status"].is_object());
                self.patch(*kind, name, patch);
            }
            Step::Create(object) => {
                let mut object = object.clone();
                assert!(
                    !self
                        .objects
                        .contains_key(&identity(&object).map(|(k, n)| (k, n.to_owned())).unwrap())
                );
                object["metadata"]["generation"] = json!(1);
                self.put(object);
            }
            Step::Delete { kind, name, .. } => self.delete(*kind, name),
        }
    }

    fn changes(&mut self) -> Vec<Change> {
        let changed = std::mem::take(&mut self.changed);
        let tell = |key: (Kind, String)| match self.objects.get(&key) {
            Some(object) => Change::Put(object.clone()),
            None => Change::Gone { kind: key.0, name: key.1 },
        };
        changed.into_iter().map(tell).collect()
    }

    fn all(&self) -> Vec<Value> {
        self.objects.values().cloned().collect()
    }

    fn agent(&self, name: &str) -> &Value {
        &self.objects[&(Kind::Agent, name.to_owned())]
    }
}

/// A fabric that lives in simulated time.
struct Run {
    store: Store,
    life: Life,
    now: i64,
    log: Vec<(i64, Step)>,
}

impl Run {
    fn new(scale: Scale, seed: u64, options: LifeOptions) -> Self {
        let objects = fabric(scale, seed, NOW);
        let store = Store::new(objects);
        let life = Life::new(store.all(), seed, options, NOW);
        Self { store, life, now: NOW, log: Vec::new() }
    }

    /// Lives for some seconds, looking four times a second as the driver does.
    fn seconds(&mut self, seconds: i64) {
        let end = self.now + seconds * 1000;
        while self.now < end {
            self.now += 250;
            for change in self.store.changes() {
                self.life.observe(change, self.now);
            }
            for step in self.life.step(self.now) {
                self.store.apply(&step);
                self.log.push((self.now, step));
            }
            assert!(
                self.life.next_due().is_none_or(|due| due > self.now),
                "nothing that is due is left over"
            );
        }
    }

    /// Waits for something, at most a number of seconds; how long it took.
    fn until(&mut self, seconds: i64, what: &str, done: impl Fn(&Store) -> bool) -> i64 {
        let start = self.now;
        while !done(&self.store) {
            assert!(
                self.now - start < seconds * 1000,
                "{what} within {seconds} s; {:?}",
                complaints(&self.store.all())
            );
            self.seconds(1);
        }
        self.now - start
    }
}

/// Nothing by itself, not even heartbeats.
const STILL: LifeOptions = LifeOptions { heartbeat: None, churn_per_second: Some(0.0) };

#[test]
fn every_agent_beats_four_times_a_minute() {
    let options = LifeOptions { churn_per_second: Some(0.0), ..LifeOptions::default() };
    let mut run = Run::new(Scale::Vlab, 3, options);
    let before =
        run.store.agent("leaf-01")["status"]["state"]["interfaces"]["E1/1"]["counters"].clone();
    run.seconds(60);
    let mut beats: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, step) in &run.log {
        let Step::MergeStatus { kind: Kind::Agent, name, .. } = step else {
            panic!("only heartbeats, not {step:?}")
        };
        *beats.entry(name).or_default() += 1;
    }
    assert_eq!(beats.len(), 7);
    assert!(beats.values().all(|count| *count == 4), "{beats:?}");
    let agent = run.store.agent("leaf-01");
    assert!(
        agent["status"]["state"]["interfaces"]["E1/1"]["counters"]["inb"].as_u64()
            > before["inb"].as_u64()
    );
    assert_eq!(agent["metadata"]["generation"], 1, "a heartbeat is no new plan");
}

#[test]
fn nothing_at_all_happens_where_nothing_may() {
    for scale in [Scale::Small, Scale::Vlab] {
        let mut run = Run::new(scale, 3, STILL);
        assert_eq!(run.life.next_due(), None);
        run.seconds(600);
        assert_eq!(run.log, Vec::new());
    }
}

#[test]
fn the_same_seed_lives_the_same_life_and_another_seed_another() {
    let log = |seed| {
        let mut run = Run::new(Scale::Vlab, seed, LifeOptions::default());
        run.seconds(180);
        run.log
    };
    assert_eq!(log(4), log(4));
    assert_ne!(log(4), log(5));
}

#[test]
fn a_port_that_goes_dark_is_lit_again() {
    let options = LifeOptions { heartbeat: None, churn_per_second: None };
    let mut run = Run::new(Scale::Vlab, 11, options);
    let mut open: BTreeMap<(String, String), i64> = BTreeMap::new();
    let (mut flaps, mut sessions) = (0, 0);
    for _ in 0..1200 {
        let seen = run.log.len();
        run.seconds(1);
        for (at, step) in &run.log[seen..] {
            let Step::MergeStatus { name, patch, .. } = step else { continue };
            let state = &patch["status"]["state"];
            sessions += usize::from(state["bgpNeighbors"].is_object());
            for (port, change) in state["interfaces"].as_object().into_iter().flatten() {
                let key = (name.clone(), port.clone());
                match change["oper"].as_str() {
                    Some("down") => {
                        flaps += 1;
                        assert!(change["linkFlapCount"].as_u64() > Some(0));
                        assert_eq!(change["lldpNeighbors"], json!([]));
                        assert_eq!(open.insert(key, *at), None);
                    }
                    Some("up") => assert!(at - open.remove(&key).unwrap() <= 13_000),
                    _ => {}
                }
            }
        }
        assert!(open.values().all(|since| run.now - since <= 13_000), "still dark: {open:?}");
    }
    assert!(flaps >= 10, "{flaps}");
    assert!(sessions >= 4, "cables between switches take their BGP sessions along: {sessions}");
}

/// Whether every Agent has applied what it was given.
fn has_converged(store: &Store) -> bool {
    let agents = store.objects.iter().filter(|((kind, _), _)| *kind == Kind::Agent);
    let mut agents = agents.map(|(_, agent)| agent);
    agents.all(|agent| agent["status"]["lastAppliedGen"] == agent["metadata"]["generation"])
}

#[test]
fn a_changed_vpc_reaches_exactly_the_switches_that_carry_it() {
    let mut run = Run::new(Scale::Vlab, 2, STILL);
    let patch = json!({ "spec": { "subnets": { "web": { "dhcp": { "options": { "leaseTimeSeconds": 1234 } } } } } });
    run.store.patch(Kind::Vpc, "shop", &patch);
    run.until(5, "the plan", |store| store.agent("leaf-01")["metadata"]["generation"] == 2);
    let agent = run.store.agent("leaf-01");
    let copy =
        &agent["spec"]["vpcs"]["shop"]["subnets"]["web"]["dhcp"]["options"]["leaseTimeSeconds"];
    assert_eq!((copy.as_u64(), agent["status"]["lastAppliedGen"].as_u64()), (Some(1234), Some(1)));
    run.until(10, "the attempt", |store| store.agent("leaf-01")["status"]["lastAttemptGen"] == 2);
    run.until(60, "all switches", has_converged);
    assert_eq!(run.store.agent("spine-01")["metadata"]["generation"], 1, "a spine carries no VPC");
    assert_eq!(run.store.agent("leaf-01")["status"]["conditions"][0]["status"], "True");
    assert_eq!(
        run.store.objects[&(Kind::DhcpSubnet, "shop--web".into())]["spec"]["leaseTimeSeconds"],
        1234
    );
    assert_eq!(complaints(&run.store.all()), Vec::<String>::new());
    let steps = run.log.len();
    run.seconds(120);
    assert_eq!(run.log.len(), steps, "then it is quiet");
}

#[test]
fn a_late_switch_converges_within_a_minute() {
    let mut slowest = 0;
    for seed in 0..30 {
        let mut run = Run::new(Scale::Vlab, seed, STILL);
        run.store.patch(Kind::Switch, "leaf-03", &json!({ "spec": { "description": "moved" } }));
        run.until(5, "the plan", |store| store.agent("leaf-03")["metadata"]["generation"] == 2);
        slowest = slowest.max(run.until(60, "the switch", has_converged));
        assert_eq!(
            run.store.agent("leaf-01")["metadata"]["generation"],
            1,
            "other switches keep their plans"
        );
    }
    assert!(slowest > 15_000, "none of thirty was late: {slowest} ms");
}

#[test]
fn a_new_cable_shows_up_on_its_switch_and_one_that_is_pulled_disappears() {
    let mut run = Run::new(Scale::Vlab, 6, STILL);
    run.store.put(crate::seed::world::object(
        Kind::Server,
        "server-99",
        json!({ "description": "new" }),
    ));
    let link = json!({ "server": { "port": "server-99/enp4s0f0" }, "switch": { "port": "leaf-02/E1/40" } });
    run.store.put(crate::seed::world::object(
        Kind::Connection,
        "server-99--unbundled--leaf-02",
        json!({ "unbundled": { "link": link } }),
    ));
    let port =
        |store: &Store| store.agent("leaf-02")["status"]["state"]["interfaces"]["E1/40"].clone();
    run.until(60, "light", |store| port(store)["lldpNeighbors"][0]["sysName"] == "server-99");
    run.until(60, "convergence", has_converged);
    assert_eq!(complaints(&run.store.all()), Vec::<String>::new());
    run.store.delete(Kind::Connection, "server-99--unbundled--leaf-02");
    run.until(60, "darkness", |store| port(store)["oper"] == "down");
    run.until(60, "convergence", has_converged);
    assert_eq!(complaints(&run.store.all()), Vec::<String>::new());
}

#[test]
fn a_new_vpc_gets_its_numbers_and_a_deleted_one_leaves_nothing() {
    let mut run = Run::new(Scale::Vlab, 6, STILL);
    let pool =
        run.store.objects[&(Kind::Ipv4Namespace, "default".into())]["spec"]["subnets"][0].clone();
    let net = pool.as_str().unwrap().replace(".0.0/12", ".200");
    let dhcp = json!({ "enable": true, "range": { "start": format!("{net}.5"), "end": format!("{net}.9") },
        "options": { "interfaceMTU": 9036, "leaseTimeSeconds": 60 } });
    let subnets = json!({ "one": { "subnet": format!("{net}.0/24"), "gateway": format!("{net}.1"), "vlan": 2000, "dhcp": dhcp } });
    let spec =
        json!({ "ipv4Namespace": "default", "vlanNamespace": "default", "subnets": subnets });
    run.store.put(crate::seed::world::object(Kind::Vpc, "fresh", spec));
    run.until(10, "its DHCP subnet", |store| {
        store.objects.contains_key(&(Kind::DhcpSubnet, "fresh--one".into()))
    });
    run.until(60, "convergence", has_converged);
    assert_eq!(complaints(&run.store.all()), Vec::<String>::new());
    run.store.delete(Kind::Vpc, "fresh");
    run.until(10, "its DHCP subnet", |store| {
        !store.objects.contains_key(&(Kind::DhcpSubnet, "fresh--one".into()))
    });
    run.until(60, "convergence", has_converged);
    assert_eq!(complaints(&run.store.all()), Vec::<String>::new());
}

#[test]
fn a_switch_restarts_when_its_plan_names_its_boot() {
    let mut run = Run::new(Scale::Vlab, 6, STILL);
    let boot = run.store.agent("leaf-04")["status"]["bootID"].clone();
    run.store.patch(Kind::Agent, "leaf-04", &json!({ "spec": { "reboot": boot } }));
    run.until(60, "another boot", |store| store.agent("leaf-04")["status"]["bootID"] != boot);
    run.until(60, "convergence", has_converged);
    run.store.patch(Kind::Switch, "leaf-04", &json!({ "spec": { "description": "moved" } }));
    run.until(10, "a new plan", |store| store.agent("leaf-04")["spec"]["description"] == "moved");
    assert_eq!(
        run.store.agent("leaf-04")["spec"]["reboot"],
        boot,
        "the controller leaves the wish alone"
    );
    run.until(60, "convergence", has_converged);
}

#[test]
fn a_new_switch_finds_its_controller_and_a_deleted_one_leaves_its_agent() {
    let mut run = Run::new(Scale::Vlab, 6, STILL);
    let mut spec = run.store.objects[&(Kind::Switch, "leaf-05".into())]["spec"].clone();
    for (key, value) in [
        ("asn", json!(65_200)),
        ("ip", json!("172.30.1.9/21")),
        ("protocolIP", json!("172.30.9.9/32")),
        ("vtepIP", json!("172.30.13.9/32")),
        ("boot", json!({ "serial": "NEW" })),
        ("groups", json!([])),
    ] {
        spec[key] = value;
    }
    run.store.put(crate::seed::world::object(Kind::Switch, "leaf-09", spec));
    run.until(20, "its Agent", |store| {
        store.objects.contains_key(&(Kind::Agent, "leaf-09".into()))
    });
    run.until(60, "its report", |store| {
        store.agent("leaf-09")["status"]["lastHeartbeat"].is_string()
    });
    run.until(60, "convergence", has_converged);
    assert_eq!(complaints(&run.store.all()), Vec::<String>::new());
    run.store.delete(Kind::Switch, "leaf-09");
    run.seconds(30);
    assert!(run.store.objects.contains_key(&(Kind::Agent, "leaf-09".into())));
}

#[test]
fn after_ten_minutes_everything_is_still_valid() {
    for seed in [1, 8] {
        let mut run = Run::new(Scale::Vlab, seed, LifeOptions::default());
        run.seconds(600);
        run.until(120, "a valid moment", |store| complaints(&store.all()).is_empty());
        let attached =
            |step: &Step| matches!(step, Step::Create(object) if object["kind"] == "VPCAttachment");
        let edited = |step: &Step| matches!(step, Step::Merge { kind: Kind::Vpc, .. });
        for (what, count) in [
            ("attachments", run.log.iter().filter(|(_, step)| attached(step)).count()),
            ("edits", run.log.iter().filter(|(_, step)| edited(step)).count()),
        ] {
            assert!(count >= 3, "{count} {what} in ten minutes");
        }
    }
}

#[test]
fn load_is_as_heavy_as_asked_and_harmless() {
    let options = LifeOptions { heartbeat: None, churn_per_second: Some(40.0) };
    let mut run = Run::new(Scale::Vlab, 1, options);
    run.seconds(60);
    let edits =
        run.log.iter().filter(|(_, step)| step.kind().is_some_and(Kind::is_primary)).count();
    assert!((2350..=2450).contains(&edits), "{edits} in a minute at 40 per second");
    run.until(60, "a valid moment", |store| {
        let plans = |text: &String| !text.starts_with("Agent");
        complaints(&store.all()).iter().filter(|text| plans(text)).count() == 0
    });
}
