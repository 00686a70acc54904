//! A fabric that runs: its keeper, its probe and the watch of each kind, started and stopped together.

use std::{collections::BTreeMap, sync::Arc};

use domain::{kind::Kind, topic::FabricId};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cluster::{canary::Canary, gate::Prober, kubeconfig::Target, watch::KindWatcher},
    hub::{Hub, feed::FeedTopic},
    keeper::{Keep, Keeper, OBSERVATIONS, Tapped},
    recorder::{Beginning, Opened, Recorder, clerk::Clerk},
};

/// What a fabric is watched with.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub id: FabricId,
    /// Its cluster.
    pub target: Target,
    /// The kinds to watch.
    pub kinds: Vec<Kind>,
    /// Who listens in on every observation.
    pub tap: Option<mpsc::Sender<Tapped>>,
    /// Whether delivery lag is measured by writing a Lease.
    pub canary: bool,
    /// Where it is recorded; none: its feed is kept in memory only.
    pub records: Option<Opened>,
}

impl Plan {
    /// All kinds; nobody listens in, nothing is measured or recorded.
    pub fn new(id: FabricId, target: Target) -> Self {
        Self { id, target, kinds: Kind::ALL.to_vec(), tap: None, canary: false, records: None }
    }
}

/// Starts a fabric's tasks; they end when `cancel` does. `process` is the epoch of what has no number of
/// the cluster's.
pub fn start(
    plan: Plan,
    hub: &Arc<Hub>,
    process: &str,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let Plan { id, target, kinds, tap, canary, records } = plan;
    let (events, inbox) = mpsc::channel(OBSERVATIONS);
    let paused = Kind::ALL.iter().copied().filter(|kind| !kinds.contains(kind)).collect();
    let (feed, origins, clerk) = match records {
        Some(Opened { store, holder, pace, feed, origins }) => {
            let (clerk, ends) = Clerk::new(id.clone(), store, holder, pace, feed.head());
            tasks.spawn(clerk.run());
            (feed, origins, Some(ends))
        }
        None => (Arc::new(FeedTopic::new(process.into())), BTreeMap::new(), None),
    };
    let beginning = Beginning {
        fabric: id.clone(),
        hub: Arc::clone(hub),
        feed: Arc::clone(&feed),
        keeper: events.clone(),
        clerk,
    };
    // It ends when the keeper is gone, and the clerk when it is.
    let (recorder, scribe) = Recorder::new(beginning);
    tasks.spawn(recorder.run());
    let keep = Keep {
        fabric: id,
        feed,
        scribe,
        origins,
        server: target.server.clone(),
        process: process.to_owned(),
        paused,
        tap,
    };
    let keeper = Keeper::new(keep, hub, inbox);
    let (prober, gate) = Prober::new(target.clone(), events.clone());
    tasks.spawn(keeper.run(cancel.child_token()));
    tasks.spawn(prober.run(cancel.child_token()));
    if canary {
        let canary = Canary::new(&target, gate.clone(), events.clone(), process.to_owned());
        tasks.spawn(canary.run(cancel.child_token()));
    }
    for kind in kinds {
        let watcher = KindWatcher::new(target.clone(), kind, gate.clone(), events.clone());
        tasks.spawn(watcher.run(cancel.child_token()));
    }
}
