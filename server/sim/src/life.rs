//! The life of a demo fabric: what its switches, its controller and its people would do, as a step machine.
//!
//! Start at [`Life`]: it is told what changed in the store ([`Life::observe`]), asked when it wants to act
//! ([`Life::next_due`]) and for its acts ([`Life::step`]). [`drive::live`] connects it with a store and a clock.
//!
//! Invariant: no clock and no I/O here; the same seed, observations and times give the same steps.
//! Invariant: nothing that this machine does by itself makes a valid fabric invalid.
//! Invariant: it reacts to changes by anyone, its own included, only through [`Life::observe`].

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

mod agent;
mod controller;
mod delta;
pub mod drive;
pub mod ground;
mod port;
mod whim;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::kind::Kind;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use self::{agent::Phase, port::Cable};
use crate::seed::world::{NAMESPACE, World, identity, set};

/// How lively a fabric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LifeOptions {
    /// Time between two heartbeats of an Agent; none or zero stops them. 15 s on a real switch.
    pub heartbeat: Option<Duration>,
    /// Harmless edits per second over random objects, on top of the natural life.
    /// None: only the natural life. Zero: nothing changes by itself except heartbeats.
    pub churn_per_second: Option<f64>,
}

impl Default for LifeOptions {
    fn default() -> Self {
        Self { heartbeat: Some(Duration::from_secs(15)), churn_per_second: None }
    }
}

/// One act, to be carried out on the store. All objects are in the namespace of the field.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A JSON merge patch of the main resource.
    Merge {
        /// Kind of the object.
        kind: Kind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The whole patch: `{"spec": …}` or `{"metadata": …}`.
        patch: Value,
    },
    /// A JSON merge patch of the status.
    MergeStatus {
        /// Kind of the object.
        kind: Kind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The whole patch: `{"status": …}`.
        patch: Value,
    },
    /// A new object.
    Create(Value),
    /// An object that goes.
    Delete {
        /// Kind of the object.
        kind: Kind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Step {
    /// The kind of the object that it is about.
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Merge { kind, .. }
            | Self::MergeStatus { kind, .. }
            | Self::Delete { kind, .. } => Some(*kind),
            Self::Create(object) => identity(object).map(|(kind, _)| kind),
        }
    }
}

/// Something that happened in the store, whoever did it.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An object as it is now.
    Put(Value),
    /// An object that is gone.
    Gone {
        /// Kind of the object.
        kind: Kind,
        /// Its name, in the namespace `default`.
        name: String,
    },
    /// All objects of a kind, where it is not known which of them have changed.
    Whole {
        /// The kind.
        kind: Kind,
        /// Every object of it.
        objects: Vec<Value>,
    },
}

/// What is to be done at a time.
#[derive(Debug, Clone, PartialEq)]
enum Task {
    /// A switch says that it lives.
    Beat(String),
    /// A switch begins to apply its plan.
    Attempt(String),
    /// A switch has applied this generation of its plan.
    Applied(String, i64),
    /// A new switch reports for the first time.
    Register(String),
    /// A switch is back after a restart.
    Booted(String),
    /// The controller looks at what has changed.
    Replan,
    /// Some port loses its light.
    Flap,
    /// A port has its light again.
    Restore(Cable),
    /// Somebody edits a VPC.
    EditVpc,
    /// Somebody attaches a subnet.
    Attach,
    /// Somebody takes an attachment away again.
    Detach(String),
    /// Edits for load.
    Churn,
}

/// The machine.
#[derive(Debug)]
pub struct Life {
    world: World,
    rng: ChaCha8Rng,
    options: LifeOptions,
    /// What is to be done, by time in milliseconds and by order of asking.
    tasks: BTreeMap<(i64, u64), Task>,
    asked: u64,
    /// Switches that are about to apply, or doing so.
    phases: BTreeMap<String, Phase>,
    /// Cables without light: switch and port as the agent names it.
    dark: BTreeSet<(String, String)>,
    /// What the controller has to plan anew.
    dirty: controller::Dirty,
    last_replan: i64,
    /// Edits so far, for texts that differ.
    edits: u64,
    /// Fractions of edits that are still owed.
    owed: f64,
    /// When edits for load were last counted.
    last_churn: i64,
}

impl Life {
    /// A machine for a fabric that is now in the store as given.
    ///
    /// `now_ms`: milliseconds since the Unix epoch.
    pub fn new(
        objects: impl IntoIterator<Item = Value>,
        seed: u64,
        options: LifeOptions,
        now_ms: i64,
    ) -> Self {
        let mut life = Self {
            world: objects.into_iter().collect(),
            // Another stream than the one that made the fabric from the same seed.
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x11fe_11fe),
            options,
            tasks: BTreeMap::new(),
            asked: 0,
            phases: BTreeMap::new(),
            dark: BTreeSet::new(),
            dirty: controller::Dirty::default(),
            last_replan: i64::MIN,
            edits: 0,
            owed: 0.0,
            last_churn: now_ms,
        };
        life.begin(now_ms);
        life
    }

    /// Asks for everything that happens by itself.
    fn begin(&mut self, now: i64) {
        for name in self.world.names(Kind::Agent) {
            self.start_heart(&name, now);
            self.look_at_agent(&name, now);
        }
        if self.is_still() {
            return;
        }
        self.soon(now, 8_000..20_000, Task::Flap);
        self.soon(now, 15_000..40_000, Task::EditVpc);
        self.soon(now, 25_000..60_000, Task::Attach);
        if self.churn() > 0.0 {
            self.at(now + self.churn_pause(), Task::Churn);
        }
    }

    /// When it wants to act next, milliseconds since the epoch; none while there is nothing to do.
    pub fn next_due(&self) -> Option<i64> {
        self.tasks.keys().next().map(|(due, _)| *due)
    }

    /// Everything that is due, in the order in which it was to happen.
    #[must_use = "steps that are not carried out have not happened"]
    pub fn step(&mut self, now_ms: i64) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(entry) = self.tasks.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let task = entry.remove();
            self.act(task, now_ms, &mut steps);
        }
        steps
    }

    /// Tells it what happened in the store.
    pub fn observe(&mut self, change: Change, now_ms: i64) {
        match change {
            Change::Put(object) => self.observe_put(object, now_ms),
            Change::Gone { kind, name } => self.observe_gone(kind, &name, now_ms),
            Change::Whole { kind, objects } => self.observe_whole(kind, objects, now_ms),
        }
    }

    /// Does one thing.
    fn act(&mut self, task: Task, now: i64, steps: &mut Vec<Step>) {
        match task {
            Task::Beat(switch) => self.beat(switch, now, steps),
            Task::Attempt(switch) => self.attempt(switch, now, steps),
            Task::Applied(switch, generation) => self.applied(&switch, generation, now, steps),
            Task::Register(switch) => self.register(&switch, now, steps),
            Task::Booted(switch) => self.booted(&switch, now, steps),
            Task::Replan => self.replan(now, steps),
            Task::Flap => self.flap(now, steps),
            Task::Restore(cable) => self.restore(&cable, now, steps),
            Task::EditVpc => self.edit_vpc_now_and_then(now, steps),
            Task::Attach => self.attach_for_a_while(now, steps),
            Task::Detach(name) => self.detach(&name, steps),
            Task::Churn => self.churn_some(now, steps),
        }
    }

    /// Whether nothing may change by itself except heartbeats.
    fn is_still(&self) -> bool {
        self.options.churn_per_second.is_some_and(|rate| rate <= 0.0)
    }

    /// Asks for something at a time.
    fn at(&mut self, due: i64, task: Task) {
        self.tasks.insert((due, self.asked), task);
        self.asked += 1;
    }

    /// Asks for something after a random number of milliseconds.
    fn soon(&mut self, now: i64, after: std::ops::Range<i64>, task: Task) {
        let after = self.rng.random_range(after);
        self.at(now + after, task);
    }

    /// Keeps a step for the store. What only machines write is carried out on what we know as well, so that
    /// later steps build on it; what people write becomes known when the store has taken it.
    fn emit(&mut self, step: Step, steps: &mut Vec<Step>) {
        if !step.kind().is_some_and(Kind::is_primary) {
            self.carry_out(&step);
        }
        steps.push(step);
    }

    /// Does to what we know what the store will do.
    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Merge { kind, name, patch, .. } | Step::MergeStatus { kind, name, patch, .. } => {
                if let Some(object) = self.world.get_mut(*kind, name) {
                    delta::merge(object, patch);
                }
            }
            Step::Create(object) => self.world.put(object.clone()),
            Step::Delete { kind, name, .. } => {
                self.world.remove(*kind, name);
            }
        }
    }

    /// A patch of the main resource.
    fn merge(&mut self, kind: Kind, name: &str, patch: Value, steps: &mut Vec<Step>) {
        let (namespace, name) = (NAMESPACE.to_owned(), name.to_owned());
        self.emit(Step::Merge { kind, namespace, name, patch }, steps);
    }

    /// A patch of the status of an Agent.
    fn report(&mut self, switch: &str, status: Value, steps: &mut Vec<Step>) {
        let mut patch = serde_json::json!({});
        set(&mut patch, "status", status);
        let (namespace, name) = (NAMESPACE.to_owned(), switch.to_owned());
        self.emit(Step::MergeStatus { kind: Kind::Agent, namespace, name, patch }, steps);
    }

    /// The status of an Agent, null where there is none.
    fn status(&self, switch: &str) -> &Value {
        static NOTHING: Value = Value::Null;
        self.world.get(Kind::Agent, switch).map_or(&NOTHING, |agent| &agent["status"])
    }

    /// Takes in an object as it is.
    fn observe_put(&mut self, object: Value, now: i64) {
        let Some((kind, name)) = identity(&object) else { return };
        let name = name.to_owned();
        let before = self.world.get(kind, &name).map(|old| old["spec"].clone());
        let new = kind == Kind::Agent && before.is_none();
        self.world.put(object);
        if kind == Kind::Agent {
            if new {
                self.start_heart(&name, now);
            }
            return self.look_at_agent(&name, now);
        }
        if before.as_ref() != Some(self.world.spec(kind, &name)) {
            self.note(kind, &name, before.as_ref(), now);
        }
    }

    /// Takes in all objects of a kind; those that we know and that are not among them are gone.
    fn observe_whole(&mut self, kind: Kind, objects: Vec<Value>, now: i64) {
        let mut gone: BTreeSet<String> = self.world.names(kind).into_iter().collect();
        for object in objects {
            if let Some((_, name)) = identity(&object) {
                gone.remove(name);
            }
            self.observe_put(object, now);
        }
        for name in gone {
            self.observe_gone(kind, &name, now);
        }
    }

    /// Takes note that an object is gone.
    fn observe_gone(&mut self, kind: Kind, name: &str, now: i64) {
        let before = self.world.remove(kind, name).map(|object| object["spec"].clone());
        if kind == Kind::Agent {
            self.phases.remove(name);
        }
        self.note(kind, name, before.as_ref(), now);
    }
}
