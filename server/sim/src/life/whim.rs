//! What people do for no reason that the fabric knows: small edits, an attachment that comes and goes.
//!
//! Invariant: no edit here changes who may talk to whom for good.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use domain::kind::Kind;
use rand::{Rng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{Life, Step, Task};
use crate::seed::{
    label::stick_on,
    link::links,
    world::{NAMESPACE, object},
};

/// Milliseconds between two bursts of edits for load at high rates.
const SHORTEST: i64 = 20;
/// Edits of one burst at most: a machine that slept does not make up for all it has missed.
const BURST: f64 = 1_000.0;
/// Between the text of a person and the number that an edit for load puts behind it.
const MARK: &str = " · check ";

impl Life {
    /// Edits per second for load.
    pub(super) fn churn(&self) -> f64 {
        self.options.churn_per_second.unwrap_or(0.0)
    }

    /// Milliseconds until the next edits for load.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to an hour before the cast")]
    pub(super) fn churn_pause(&self) -> i64 {
        ((1000.0 / self.churn()).clamp(1.0, 3_600_000.0) as i64).max(SHORTEST)
    }

    /// As many edits for load as have come due, each on a random object.
    pub(super) fn churn_some(&mut self, now: i64, steps: &mut Vec<Step>) {
        let pause = self.churn_pause();
        self.at(now + pause, Task::Churn);
        let passed = f64::from(i32::try_from(now - self.last_churn).unwrap_or(i32::MAX));
        self.last_churn = now;
        self.owed = (self.owed + self.churn() * passed / 1000.0).min(BURST);
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            let before = steps.len();
            // Few of VPCs: each makes several switches apply a new plan, which is load of another kind.
            match self.rng.random_range(0..50) {
                0 => self.edit_vpc(steps),
                1..15 => self.annotate(Kind::VpcAttachment, steps),
                15..30 => self.annotate(Kind::Connection, steps),
                _ => {}
            }
            if steps.len() == before {
                self.rename_server(steps);
            }
        }
    }

    /// The name of a random object.
    fn any(&mut self, kind: Kind) -> Option<String> {
        let count = self.world.count(kind);
        if count == 0 {
            return None;
        }
        let n = self.rng.random_range(0..count);
        self.world.all(kind).nth(n).map(|(name, _)| name.to_owned())
    }

    /// Puts another number behind the description of a server.
    fn rename_server(&mut self, steps: &mut Vec<Step>) {
        let Some(name) = self.any(Kind::Server) else { return };
        self.edits += 1;
        let old = self.world.spec(Kind::Server, &name)["description"].as_str().unwrap_or_default();
        let own = old.split(MARK).next().unwrap_or_default();
        let description = format!("{own}{MARK}{}", self.edits);
        self.merge(Kind::Server, &name, json!({ "spec": { "description": description } }), steps);
    }

    /// Writes a number into an annotation.
    fn annotate(&mut self, kind: Kind, steps: &mut Vec<Step>) {
        let Some(name) = self.any(kind) else { return };
        self.edits += 1;
        let annotations = json!({ "demo.hnp.dev/check": self.edits.to_string() });
        self.merge(kind, &name, json!({ "metadata": { "annotations": annotations } }), steps);
    }

    /// Somebody edits a VPC, now and again later.
    pub(super) fn edit_vpc_now_and_then(&mut self, now: i64, steps: &mut Vec<Step>) {
        self.soon(now, 40_000..90_000, Task::EditVpc);
        self.edit_vpc(steps);
    }

    /// Another lease time or another end of the range of a subnet with DHCP.
    fn edit_vpc(&mut self, steps: &mut Vec<Step>) {
        let Some(vpc) = self.any(Kind::Vpc) else { return };
        let subnets = self.world.spec(Kind::Vpc, &vpc)["subnets"].as_object();
        let served = subnets
            .into_iter()
            .flatten()
            .filter(|(_, subnet)| subnet["dhcp"]["options"].is_object());
        let served: Vec<(String, Value)> =
            served.map(|(name, subnet)| (name.clone(), subnet["dhcp"].clone())).collect();
        let Some((subnet, dhcp)) = served.choose(&mut self.rng) else { return };
        let lease = dhcp["options"]["leaseTimeSeconds"].as_u64().unwrap_or(3600);
        let others: Vec<u64> =
            [1800, 3600, 5400, 7200].into_iter().filter(|time| *time != lease).collect();
        let lease = others.choose(&mut self.rng).copied().unwrap_or(3600);
        let patch = json!({ "spec": { "subnets": { subnet.as_str(): { "dhcp": { "options": { "leaseTimeSeconds": lease } } } } } });
        self.merge(Kind::Vpc, &vpc, patch, steps);
    }

    /// Attaches one more subnet of a VPC where the VPC already is, for half a minute.
    pub(super) fn attach_for_a_while(&mut self, now: i64, steps: &mut Vec<Step>) {
        self.soon(now, 60_000..120_000, Task::Attach);
        let Some(name) = self.any(Kind::VpcAttachment) else { return };
        let spec = self.world.spec(Kind::VpcAttachment, &name);
        let Some((vpc, _)) = spec["subnet"].as_str().and_then(|text| text.split_once('/')) else {
            return;
        };
        let Some(connection) = spec["connection"].as_str() else { return };
        let Some(server) = links(self.world.spec(Kind::Connection, connection))
            .into_iter()
            .find_map(|link| link.far)
        else {
            return;
        };
        let taken = |subnet: &str| {
            let wanted = format!("{vpc}/{subnet}");
            let mut all = self.world.specs(Kind::VpcAttachment);
            all.any(|(_, other)| {
                other["connection"] == connection && other["subnet"] == wanted.as_str()
            })
        };
        let subnets = self.world.spec(Kind::Vpc, vpc)["subnets"].as_object();
        let free = subnets
            .into_iter()
            .flatten()
            .find(|(name, subnet)| subnet["hostBGP"] != true && !taken(name));
        let Some((subnet, _)) = free else { return };
        let name = format!("{vpc}--{subnet}--{}", server.device);
        if self.world.get(Kind::VpcAttachment, &name).is_some() {
            return;
        }
        let spec = json!({ "subnet": format!("{vpc}/{subnet}"), "connection": connection });
        let mut attachment = object(Kind::VpcAttachment, &name, spec);
        stick_on(Kind::VpcAttachment, &mut attachment);
        self.emit(Step::Create(attachment), steps);
        self.soon(now, 20_000..45_000, Task::Detach(name));
    }

    /// Takes an attachment away, where nobody was faster.
    pub(super) fn detach(&mut self, name: &str, steps: &mut Vec<Step>) {
        if self.world.get(Kind::VpcAttachment, name).is_some() {
            let name = name.to_owned();
            self.emit(
                Step::Delete { kind: Kind::VpcAttachment, namespace: NAMESPACE.to_owned(), name },
                steps,
            );
        }
    }
}
