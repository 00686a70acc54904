//! What can go wrong on request, and which of it is going wrong now.
//!
//! Some faults happen once (watches end, the history goes), others last until [`Fault::Heal`].
//!
//! Invariant: without a fault, nothing here changes an answer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{policy::Forbidden, resource::ResourceId};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The body ends as it should.
    Clean,
    /// The connection breaks.
    Abrupt,
}

/// What every request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// 401.
    Unauthorized,
    /// 500.
    ServerError,
    /// 429 with `Retry-After` in seconds.
    TooMany(u32),
}

/// What one watch gets instead of its next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Malformed {
    /// A line that is not JSON; the watch goes on.
    NotJson,
    /// Half a line, and the watch ends.
    HalfLine,
    /// An event whose object has a text for a spec; the watch goes on.
    Unparsable,
    /// An event whose object has no spec; the watch goes on.
    NoSpec,
}

/// How a watch from a forgotten version is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoneAs {
    /// As an `ERROR` event, as servers with a watch cache do.
    #[default]
    Event,
    /// As the HTTP status.
    Status,
}

/// A fault. In JSON: `{"fault": "drop_watches", "end": "clean"}`; resources are spelled `switches.wiring.githedgehog.com`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// All watches end now.
    DropWatches {
        /// How.
        end: End,
    },
    /// The history goes now: watches must catch up from a list.
    Compact,
    /// Everything is answered alike, until healed.
    AnswerAll {
        /// With this.
        with: Answer,
    },
    /// Requests are taken and never answered, and watches fall silent, until healed.
    Hang {
        /// Of this resource, or of all.
        resource: Option<ResourceId>,
    },
    /// A right is taken away, until healed or given back.
    Forbid {
        /// From this user, or from everybody.
        user: Option<String>,
        /// To this resource.
        resource: ResourceId,
    },
    /// A right is given back.
    Permit {
        /// To whom it was taken from.
        user: Option<String>,
        /// To this resource.
        resource: ResourceId,
    },
    /// A custom resource definition goes, with its objects.
    RemoveCrd {
        /// Of this resource.
        resource: ResourceId,
    },
    /// A removed definition comes back, without objects.
    RestoreCrd {
        /// Of this resource.
        resource: ResourceId,
    },
    /// Every request waits, until healed.
    Latency {
        /// So many milliseconds.
        millis: u64,
    },
    /// One watch gets something odd instead of its next event, at once.
    Malformed {
        /// A watch of this resource.
        resource: ResourceId,
        /// What it gets.
        with: Malformed,
    },
    /// Watches pause before each event, until healed.
    SlowStream {
        /// So many milliseconds.
        millis: u64,
    },
    /// The state and the version go back, as after a restored backup; watches end.
    Rewind {
        /// By so many versions.
        versions: u64,
    },
    /// The last event of a resource is sent again to every watch of it.
    Replay {
        /// Of this resource.
        resource: ResourceId,
    },
    /// Another cluster under the same address: everything is gone, and the uid of `kube-system` is new.
    ChangeIdentity {
        /// Seed of the new cluster.
        seed: u64,
    },
    /// The listener closes and all connections with it, until healed.
    Refuse,
    /// The next writes are answered 409.
    Conflict {
        /// So many.
        writes: u32,
    },
    /// How watches from a forgotten version are refused, until healed.
    Gone {
        /// In this way.
        how: GoneAs,
    },
    /// Everything that lasts ends.
    Heal,
}

/// What is going wrong now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// What everything is answered.
    pub answer: Option<Answer>,
    /// Whether nothing is answered.
    pub hang_all: bool,
    /// Resources of which nothing is answered.
    pub hang: BTreeSet<ResourceId>,
    /// Rights that were taken away.
    pub forbidden: Forbidden,
    /// Milliseconds each request waits.
    pub latency_millis: u64,
    /// Milliseconds between two events of a watch.
    pub slow_millis: u64,
    /// Whether connections are refused.
    pub refuse: bool,
    /// Writes still to be answered 409.
    pub conflicts: u32,
    /// How watches from a forgotten version are refused.
    pub gone: GoneAs,
}

impl Conditions {
    /// Whether requests for this resource hang.
    pub fn hangs(&self, resource: Option<&ResourceId>) -> bool {
        self.hang_all || resource.is_some_and(|id| self.hang.contains(id))
    }

    /// Takes note of a fault that lasts; faults that happen once change nothing here.
    pub fn take(&mut self, fault: &Fault) {
        match fault {
            Fault::AnswerAll { with } => self.answer = Some(*with),
            Fault::Hang { resource: None } => self.hang_all = true,
            Fault::Hang { resource: Some(id) } => drop(self.hang.insert(id.clone())),
            Fault::Forbid { user, resource } => {
                self.forbidden.insert((user.clone(), resource.clone()));
            }
            Fault::Permit { user, resource } => {
                self.forbidden.remove(&(user.clone(), resource.clone()));
            }
            Fault::Latency { millis } => self.latency_millis = *millis,
            Fault::SlowStream { millis } => self.slow_millis = *millis,
            Fault::Refuse => self.refuse = true,
            Fault::Conflict { writes } => self.conflicts = *writes,
            Fault::Gone { how } => self.gone = *how,
            Fault::Heal => *self = Self::default(),
            Fault::DropWatches { .. }
            | Fault::Compact
            | Fault::RemoveCrd { .. }
            | Fault::RestoreCrd { .. }
            | Fault::Malformed { .. }
            | Fault::Rewind { .. }
            | Fault::Replay { .. }
            | Fault::ChangeIdentity { .. } => {}
        }
    }
}
