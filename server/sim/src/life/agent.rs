//! The switches: heartbeats, and the way of a plan from seen to applied.
//!
//! Invariant: no heartbeat is sent while a plan is applied, as on a real switch.
//! Invariant: a generation is never said to be applied before it was tried.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use domain::kind::Kind;
use rand::Rng;
use serde_json::{Map, Value, json};

use super::{Life, Step, Task, delta};
use crate::seed::{clock::rfc3339, controller::Index, device, world::set};

/// One switch in so many applies late.
const LATE_ONE_IN: u32 = 8;

/// How far a switch is with a plan that it has not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has heard of it and begins in a moment.
    Heard,
    /// It applies and is silent.
    Applying,
    /// It restarts and is silent.
    Booting,
}

/// A counter that moves on.
fn more(value: &Value, by: u64) -> Value {
    json!(value.as_u64().unwrap_or(0).saturating_add(by))
}

impl Life {
    /// Asks for the first heartbeat of a switch, somewhere in the first interval.
    pub(super) fn start_heart(&mut self, switch: &str, now: i64) {
        if let Some(pause) = self.pause() {
            self.soon(now, 0..pause, Task::Beat(switch.to_owned()));
        }
    }

    /// Milliseconds between heartbeats, none where there are to be none.
    fn pause(&self) -> Option<i64> {
        let pause = i64::try_from(self.options.heartbeat?.as_millis()).ok()?;
        (pause > 0).then_some(pause)
    }

    /// A heartbeat with everything that moves a little.
    pub(super) fn beat(&mut self, switch: String, now: i64, steps: &mut Vec<Step>) {
        let (Some(pause), Some(_)) = (self.pause(), self.world.get(Kind::Agent, &switch)) else {
            return;
        };
        let silent = matches!(self.phases.get(&switch), Some(Phase::Applying | Phase::Booting));
        if !silent && self.status(&switch)["lastHeartbeat"].is_string() {
            let state = self.moved(&switch, pause);
            self.report(&switch, json!({ "lastHeartbeat": rfc3339(now), "state": state }), steps);
        }
        self.at(now + pause, Task::Beat(switch));
    }

    /// Counters and temperatures a heartbeat later.
    fn moved(&mut self, switch: &str, pause: i64) -> Value {
        let seconds = u64::try_from(pause / 1000).unwrap_or_default().max(1);
        let mut state = json!({});
        let now = &self.status(switch)["state"];
        let (ports, temps) = (now["interfaces"].clone(), now["platform"]["temps"].clone());
        let mut moved = Map::new();
        for (name, port) in ports.as_object().into_iter().flatten() {
            if port["oper"] == "up" && port["counters"].is_object() {
                moved.insert(name.clone(), json!({ "counters": self.counted(port, seconds) }));
            }
        }
        set(&mut state, "interfaces", json!(moved));
        let mut warmth = Map::new();
        for (name, sensor) in temps.as_object().into_iter().flatten() {
            let drift = f64::from(self.rng.random_range(-5..=5_i32)) / 10.0;
            let temp = (sensor["temp"].as_f64().unwrap_or(40.0) + drift).clamp(18.0, 72.0);
            warmth.insert(name.clone(), json!({ "temp": (temp * 10.0).round() / 10.0 }));
        }
        if !warmth.is_empty() {
            set(&mut state, "platform", json!({ "temps": warmth }));
        }
        state
    }

    /// The counters of a port after some seconds at a rate that wanders.
    fn counted(&mut self, port: &Value, seconds: u64) -> Value {
        let gigabits: u64 = port["speed"]
            .as_str()
            .and_then(|speed| speed.trim_end_matches('G').parse().ok())
            .unwrap_or(1);
        let line = gigabits * 1_000_000_000;
        let counters = &port["counters"];
        let mut next = |rate: &Value| {
            let rate = rate.as_u64().unwrap_or(line / 100);
            (rate / 100 * self.rng.random_range(92..=108)).clamp(line / 4000, line / 2)
        };
        let (inbound, outbound) = (next(&counters["inbps"]), next(&counters["outbps"]));
        json!({
            "inb": more(&counters["inb"], inbound * seconds), "outb": more(&counters["outb"], outbound * seconds),
            "inbps": inbound, "outbps": outbound, "inpbs": inbound / 6400, "outpps": outbound / 6400,
            "inu": inbound * 100 / line, "outu": outbound * 100 / line,
        })
    }

    /// Starts applying in a moment, where a switch has a plan that it has not applied.
    pub(super) fn look_at_agent(&mut self, switch: &str, now: i64) {
        if self.phases.contains_key(switch) || !self.status(switch)["lastHeartbeat"].is_string() {
            return;
        }
        let wanted = self.generation(switch);
        if wanted > self.status(switch)["lastAppliedGen"].as_i64().unwrap_or(0) {
            self.phases.insert(switch.to_owned(), Phase::Heard);
            self.soon(now, 400..1_800, Task::Attempt(switch.to_owned()));
        }
    }

    /// The generation of the plan of a switch; 0 where the store has not said.
    fn generation(&self, switch: &str) -> i64 {
        let agent = self.world.get(Kind::Agent, switch);
        agent.and_then(|agent| agent["metadata"]["generation"].as_i64()).unwrap_or(0)
    }

    /// A switch begins to apply what it has now, or restarts where it was asked to.
    pub(super) fn attempt(&mut self, switch: String, now: i64, steps: &mut Vec<Step>) {
        if self.world.get(Kind::Agent, &switch).is_none() {
            self.phases.remove(&switch);
            return;
        }
        if self.is_to_restart(&switch) {
            self.phases.insert(switch.clone(), Phase::Booting);
            self.soon(now, 25_000..45_000, Task::Booted(switch));
            return;
        }
        let generation = self.generation(&switch);
        if Some(generation) <= self.status(&switch)["lastAppliedGen"].as_i64() {
            self.phases.remove(&switch);
            return;
        }
        self.phases.insert(switch.clone(), Phase::Applying);
        let status = json!({
            "lastHeartbeat": rfc3339(now), "lastAttemptTime": rfc3339(now), "lastAttemptGen": generation,
            "conditions": [condition("False", "ApplyPending", &format!("Config will be applied, gen={generation}"), now)],
        });
        self.report(&switch, status, steps);
        let late = self.rng.random_ratio(1, LATE_ONE_IN);
        let takes = if late { 20_000..40_000 } else { 2_000..6_000 };
        self.soon(now, takes, Task::Applied(switch, generation));
    }

    /// A switch has applied a generation; there may be a newer one by now.
    pub(super) fn applied(
        &mut self,
        switch: &str,
        generation: i64,
        now: i64,
        steps: &mut Vec<Step>,
    ) {
        self.phases.remove(switch);
        if self.world.get(Kind::Agent, switch).is_none() {
            return;
        }
        let mut status = json!({
            "lastHeartbeat": rfc3339(now), "lastAppliedTime": rfc3339(now), "lastAppliedGen": generation,
            "conditions": [condition("True", "ApplySucceeded", &format!("Config applied, gen={generation}"), now)],
        });
        if let Some(state) = self.rewired(switch, now) {
            set(&mut status, "state", state);
        }
        self.report(switch, status, steps);
        self.look_at_agent(switch, now);
    }

    /// What a switch sees differently after its wiring or its settings have changed; none where all is as before.
    fn rewired(&mut self, switch: &str, now: i64) -> Option<Value> {
        self.world.get(Kind::Switch, switch)?;
        let index = Index::of(&self.world);
        let fresh = device::status(&self.world, &index, switch, now, &mut self.rng);
        let current = &self.status(switch)["state"];
        let fresh = &fresh["state"];
        let mut patch = Map::new();
        let same =
            |old: &Value, new: &Value| old["speed"] == new["speed"] && facing(old) == facing(new);
        if let Some(mut ports) = differing(&current["interfaces"], &fresh["interfaces"], same) {
            for (_, port) in
                ports.as_object_mut().into_iter().flatten().filter(|(_, port)| port.is_object())
            {
                set(port, "change", json!(rfc3339(now)));
            }
            patch.insert("interfaces".into(), ports);
        }
        for part in ["bgpNeighbors", "bfdPeers"] {
            if let Some(vrfs) = differing_vrfs(&current[part], &fresh[part]) {
                patch.insert(part.into(), vrfs);
            }
        }
        for part in ["breakouts", "transceivers"] {
            if let Some(parts) =
                differing(&current[part], &fresh[part], |old, new| old["mode"] == new["mode"])
            {
                patch.insert(part.into(), parts);
            }
        }
        self.keep_dark(switch, &mut patch);
        (!patch.is_empty()).then_some(Value::Object(patch))
    }

    /// Leaves ports alone that have just lost their light; they come back by themselves.
    fn keep_dark(&self, switch: &str, patch: &mut Map<String, Value>) {
        let Some(ports) = patch.get_mut("interfaces").and_then(Value::as_object_mut) else {
            return;
        };
        ports.retain(|port, _| !self.dark.contains(&(switch.to_owned(), port.clone())));
        if ports.is_empty() {
            patch.remove("interfaces");
        }
    }

    /// A new switch has found its controller.
    pub(super) fn register(&mut self, switch: &str, now: i64, steps: &mut Vec<Step>) {
        if self.world.get(Kind::Agent, switch).is_none()
            || self.world.get(Kind::Switch, switch).is_none()
        {
            return;
        }
        let index = Index::of(&self.world);
        let mut status = device::status(&self.world, &index, switch, now, &mut self.rng);
        set(&mut status, "lastHeartbeat", json!(rfc3339(now)));
        self.report(switch, status, steps);
        self.look_at_agent(switch, now);
    }

    /// Whether the plan asks for the restart of exactly this boot or installation.
    fn is_to_restart(&self, switch: &str) -> bool {
        let (spec, status) = (self.world.spec(Kind::Agent, switch), self.status(switch));
        let asks = |field: &str, id: &str| spec[field].is_string() && spec[field] == status[id];
        asks("reboot", "bootID") || asks("powerReset", "bootID") || asks("reinstall", "installID")
    }

    /// A switch is back with new ids, and then looks at its plan.
    pub(super) fn booted(&mut self, switch: &str, now: i64, steps: &mut Vec<Step>) {
        self.phases.remove(switch);
        let (spec, status) = (self.world.spec(Kind::Agent, switch), self.status(switch));
        let installed = spec["reinstall"].is_string() && spec["reinstall"] == status["installID"];
        let mut id = || json!(format!("{:032x}", self.rng.random::<u128>()));
        let mut status = json!({ "bootID": id(), "runID": id(), "lastHeartbeat": rfc3339(now), "rebootRequired": false });
        if installed {
            set(&mut status, "installID", id());
        }
        self.report(switch, status, steps);
        self.look_at_agent(switch, now);
    }
}

/// The condition that every Agent has.
fn condition(status: &str, reason: &str, message: &str, now: i64) -> Value {
    json!({ "type": "Applied", "status": status, "reason": reason, "message": message, "lastTransitionTime": rfc3339(now) })
}

/// Who is at the other end of a port.
fn facing(port: &Value) -> Option<&Value> {
    port["lldpNeighbors"].get(0).and_then(|neighbour| neighbour.get("sysName"))
}

/// A patch for the entries that are new, gone or not the same.
fn differing(old: &Value, new: &Value, same: impl Fn(&Value, &Value) -> bool) -> Option<Value> {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key) && key.as_str() != "M1") {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) if same(before, value) => {}
            Some(before) => {
                let mut value = value.clone();
                keep(&mut value, before, "mac");
                patch.extend(delta::delta(before, &value).map(|change| (key.clone(), change)));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// The same, one level down: neighbours by VRF; those that stay keep their state.
fn differing_vrfs(old: &Value, new: &Value) -> Option<Value> {
    let mut patch = Map::new();
    let vrfs = old.as_object().into_iter().chain(new.as_object()).flatten().map(|(vrf, _)| vrf);
    for vrf in vrfs {
        if let Some(change) =
            differing(&old[vrf], &new[vrf], |before, after| before["peerAS"] == after["peerAS"])
        {
            let whole_gone = new[vrf].is_null();
            patch.insert(vrf.clone(), if whole_gone { Value::Null } else { change });
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Leaves a field as it was.
fn keep(value: &mut Value, before: &Value, field: &str) {
    if let Some(old) = before.get(field) {
        set(value, field, old.clone());
    }
}
