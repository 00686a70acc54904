//! A fabric that runs: its keeper, its probe and the watch of each kind, started and stopped together.

use std::sync::Arc;

use domain::{kind::Kind, topic::FabricId};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cluster::{gate::Prober, kubeconfig::Target, watch::KindWatcher},
    hub::Hub,
    keeper::{Keep, Keeper, OBSERVATIONS, Tapped},
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
}

impl Plan {
    /// All kinds, nobody listens in.
    pub fn new(id: FabricId, target: Target) -> Self {
        Self { id, target, kinds: Kind::ALL.to_vec(), tap: None }
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
    let Plan { id, target, kinds, tap } = plan;
    let (events, inbox) = mpsc::channel(OBSERVATIONS);
    let paused = Kind::ALL.iter().copied().filter(|kind| !kinds.contains(kind)).collect();
    let keep = Keep {
        fabric: id,
        server: target.server.clone(),
        process: process.to_owned(),
        paused,
        tap,
    };
    let keeper = Keeper::new(keep, hub, inbox);
    let (prober, gate) = Prober::new(target.clone(), events.clone());
    tasks.spawn(keeper.run(cancel.child_token()));
    tasks.spawn(prober.run(cancel.child_token()));
    for kind in kinds {
        let watcher = KindWatcher::new(target.clone(), kind, gate.clone(), events.clone());
        tasks.spawn(watcher.run(cancel.child_token()));
    }
}
