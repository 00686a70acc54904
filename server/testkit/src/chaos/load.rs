//! Changes of the cluster at a steady rate: updates, relabels, creations, deletes, objects made anew.
//!
//! They are made past the cluster's faults, as by a controller on its own machine.
//!
//! Invariant: every change is noted with its version and its moment; nothing is retried.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::kind::Kind;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::ground::Ground;

/// Objects that come and go.
const GUESTS: usize = 60;
/// What objects are labelled with.
const COLOURS: [&str; 3] = ["red", "green", "blue"];
/// Kinds that are changed, beside the servers that come and go.
const RESIDENTS: [Kind; 3] = [Kind::Switch, Kind::Connection, Kind::Server];

/// What was written.
#[derive(Debug, Default)]
struct Written {
    at: BTreeMap<u64, Instant>,
    refused: u64,
    deletes: u64,
}

/// Names of the servers that come and go.
pub(crate) fn guests() -> impl Iterator<Item = String> {
    (0..GUESTS).map(|n| format!("guest-{n}"))
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Load {
    written: Arc<Mutex<Written>>,
    paused: watch::Sender<bool>,
    task: JoinSet<()>,
}

fn lock(written: &Mutex<Written>) -> MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    /// Begins at once.
    pub(crate) fn start(ground: &Arc<Ground>, seed: u64, rate: f64) -> Self {
        let written = Arc::<Mutex<Written>>::default();
        let paused = watch::Sender::new(false);
        let mut task = JoinSet::new();
        let writer = Writer {
            ground: Arc::clone(ground),
            rng: StdRng::seed_from_u64(seed ^ 0x10ad),
            written: Arc::clone(&written),
            n: 0,
        };
        task.spawn(writer.run(rate, paused.subscribe()));
        Self { written, paused, task }
    }

    /// Holds the changes, or lets them go on.
    pub(crate) fn pause(&self, paused: bool) {
        let _ = self.paused.send(paused);
    }

    /// Ends it.
    pub(crate) async fn stop(&mut self) {
        self.task.shutdown().await;
    }

    /// When a version was written.
    pub(crate) fn at(&self, version: u64) -> Option<Instant> {
        lock(&self.written).at.get(&version).copied()
    }

    /// Changes made, deletes among them, and changes that the cluster refused.
    pub(crate) fn counts(&self) -> (usize, u64, u64) {
        let written = lock(&self.written);
        (written.at.len(), written.deletes, written.refused)
    }
}

struct Writer {
    ground: Arc<Ground>,
    rng: StdRng,
    written: Arc<Mutex<Written>>,
    n: u64,
}

impl Writer {
    async fn run(mut self, rate: f64, mut paused: watch::Receiver<bool>) {
        let step = Duration::from_secs_f64(1.0 / rate.max(0.1));
        let residents: Vec<(Kind, String)> = RESIDENTS
            .iter()
            .flat_map(|kind| self.ground.cluster.list(*kind).into_iter().map(|one| (*kind, one)))
            .filter_map(|(kind, one)| {
                let name = one.pointer("/metadata/name")?.as_str()?;
                Some((kind, name.to_owned()))
            })
            .collect();
        let mut due = Instant::now();
        loop {
            // The sender lives in the handle that is this task's parent.
            if paused.wait_for(|paused| !*paused).await.is_err() {
                return;
            }
            // After a pause nothing is made up for.
            due = (due + step).max(Instant::now() - Duration::from_millis(50));
            sleep_until(due).await;
            // The pause may have begun meanwhile, and whoever ordered it may be looking already.
            if *paused.borrow() {
                continue;
            }
            self.n += 1;
            let dice = self.rng.random_range(0..10);
            if dice < 6 {
                self.change(&residents);
            } else {
                self.visit();
            }
        }
    }

    /// Changes one of those that stay.
    fn change(&mut self, residents: &[(Kind, String)]) {
        let at = self.rng.random_range(0..residents.len().max(1));
        let Some((kind, name)) = residents.get(at) else { return };
        let patch = match self.rng.random_range(0..4) {
            0 => json!({"metadata": {"labels": {"chaos": self.colour()}}}),
            1 => json!({"metadata": {"annotations": {"chaos.hnp.dev/note": self.note()}}}),
            _ => json!({"spec": {"description": self.note()}}),
        };
        let written = self.ground.cluster.patch_merge(*kind, "default", name, patch);
        self.take_note(written.ok().as_ref());
    }

    /// Makes, changes or deletes one of those that come and go; the name comes back, with another uid.
    fn visit(&mut self) {
        let name = format!("guest-{}", self.rng.random_range(0..GUESTS));
        let cluster = self.ground.cluster.clone();
        if cluster.get(Kind::Server, "default", &name).is_err() {
            let object = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
                "metadata": {"name": name, "namespace": "default", "labels": {"chaos": self.colour()}},
                "spec": {"description": self.note()}});
            self.take_note(cluster.apply(object).ok().as_ref());
        } else if self.rng.random_bool(0.5) {
            let deleted = cluster.delete(Kind::Server, "default", &name).is_ok();
            lock(&self.written).deletes += u64::from(deleted);
        } else {
            let patch = json!({"metadata": {"labels": {"chaos": self.colour()}}, "spec": {"description": self.note()}});
            self.take_note(
                cluster.patch_merge(Kind::Server, "default", &name, patch).ok().as_ref(),
            );
        }
    }

    fn colour(&mut self) -> &'static str {
        COLOURS.get(self.rng.random_range(0..COLOURS.len())).copied().unwrap_or_default()
    }

    /// A text that is new, short or long.
    fn note(&mut self) -> String {
        let long = self.rng.random_range(0..200);
        format!("change {} {}", self.n, "x".repeat(long))
    }

    fn take_note(&self, written: Option<&Value>) {
        let version = written
            .and_then(|object| object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok());
        let mut all = lock(&self.written);
        match version {
            Some(version) => drop(all.at.insert(version, Instant::now())),
            None => all.refused += 1,
        }
    }
}
