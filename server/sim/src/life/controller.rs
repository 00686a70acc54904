//! The fabric's controller: answers every change with new plans for the switches concerned.
//!
//! Invariant: it writes nothing while what it would write is already there.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::collections::BTreeSet;

use domain::kind::Kind;
use serde_json::{Value, json};

use super::{Life, Step, Task, delta::delta};
use crate::seed::{
    controller::{self, Index},
    link::links,
    world::{NAMESPACE, identity, object},
};

/// Milliseconds between two rounds of planning, however much changes: many edits make one new plan.
const ROUND: i64 = 2_000;
/// Fields of a plan that others than the controller write.
const FOREIGN: &[&str] = &["reboot", "powerReset", "reinstall", "statusUpdates"];

/// What has changed since the last round.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Switches to plan anew.
    switches: BTreeSet<String>,
    /// All of them, and what goes with VPCs.
    all: bool,
}

impl Life {
    /// Takes note of a change of a spec, `before` being the old one, and asks for a round.
    pub(super) fn note(&mut self, kind: Kind, name: &str, before: Option<&Value>, now: i64) {
        match kind {
            Kind::Switch | Kind::Agent => {
                self.dirty.switches.insert(name.to_owned());
            }
            Kind::Connection => {
                let now = links(self.world.spec(kind, name));
                let old = before.map(links).unwrap_or_default();
                for link in now.iter().chain(&old) {
                    let far = link.far.as_ref().map(|end| end.device.clone());
                    self.dirty.switches.extend([link.near.device.clone()].into_iter().chain(far));
                }
                self.dirty.all |= self.world.spec(kind, name)["staticExternal"].is_object();
            }
            // An edit concerns the switches that have it in their plans; a new VPC or a missing one may concern any.
            Kind::Vpc if before.is_some() && self.world.get(kind, name).is_some() => {
                let plans = self.world.specs(Kind::Agent);
                let carriers = plans.filter(|(_, plan)| plan["vpcs"].get(name).is_some());
                self.dirty.switches.extend(carriers.map(|(switch, _)| switch.to_owned()));
            }
            Kind::Vpc
            | Kind::VpcAttachment
            | Kind::VpcPeering
            | Kind::External
            | Kind::ExternalAttachment
            | Kind::ExternalPeering
            | Kind::Ipv4Namespace
            | Kind::SwitchProfile
            | Kind::Catalog
            | Kind::DhcpSubnet
            | Kind::VpcInfo => self.dirty.all = true,
            // As in the real one: an edit here waits for the next reason to plan.
            Kind::Server
            | Kind::SwitchGroup
            | Kind::VlanNamespace
            | Kind::Gateway
            | Kind::GatewayGroup
            | Kind::GatewayPeering
            | Kind::GatewayAgent => return,
        }
        self.ask_for_round(now);
    }

    /// One round is enough for all that has changed until it begins.
    fn ask_for_round(&mut self, now: i64) {
        if !self.tasks.values().any(|task| *task == Task::Replan) {
            let due = (now + 300).max(self.last_replan.saturating_add(ROUND));
            self.at(due, Task::Replan);
        }
    }

    /// A round: what goes with VPCs first, because plans take their numbers from it.
    pub(super) fn replan(&mut self, now: i64, steps: &mut Vec<Step>) {
        self.last_replan = now;
        let dirty = std::mem::take(&mut self.dirty);
        self.keep_company(steps);
        let index = Index::of(&self.world);
        let switches = if dirty.all {
            self.world.names(Kind::Switch).into_iter().collect()
        } else {
            dirty.switches
        };
        for switch in switches {
            if self.world.get(Kind::Switch, &switch).is_some() {
                self.plan_switch(&index, &switch, now, steps);
            }
        }
    }

    /// The plan of one switch.
    fn plan_switch(&mut self, index: &Index, switch: &str, now: i64, steps: &mut Vec<Step>) {
        let mut plan = controller::plan(&self.world, index, switch);
        if self.world.get(Kind::Agent, switch).is_none() {
            self.emit(Step::Create(object(Kind::Agent, switch, plan)), steps);
            self.start_heart(switch, now);
            return self.soon(now, 4_000..9_000, Task::Register(switch.to_owned()));
        }
        let old = self.world.spec(Kind::Agent, switch);
        for field in FOREIGN {
            if let (Some(plan), Some(value)) = (plan.as_object_mut(), old.get(field)) {
                plan.insert((*field).to_owned(), value.clone());
            }
        }
        if let Some(change) = delta(old, &plan) {
            self.merge(Kind::Agent, switch, json!({ "spec": change }), steps);
        }
    }

    /// Catalogs, VPC infos and DHCP subnets as they must be.
    fn keep_company(&mut self, steps: &mut Vec<Step>) {
        let mut wanted: BTreeSet<(Kind, String)> = BTreeSet::new();
        for object in controller::company(&self.world) {
            let Some((kind, name)) = identity(&object) else { continue };
            let name = name.to_owned();
            if self.world.get(kind, &name).is_none() {
                self.emit(Step::Create(object), steps);
            } else if let Some(change) = delta(self.world.spec(kind, &name), &object["spec"]) {
                self.merge(kind, &name, json!({ "spec": change }), steps);
            }
            wanted.insert((kind, name));
        }
        for kind in [Kind::Catalog, Kind::VpcInfo, Kind::DhcpSubnet] {
            for name in self.world.names(kind) {
                if !wanted.contains(&(kind, name.clone())) {
                    self.emit(Step::Delete { kind, namespace: NAMESPACE.to_owned(), name }, steps);
                }
            }
        }
    }
}
