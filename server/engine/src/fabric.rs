//! A fabric that runs: its keeper, its probe and the watch of each kind, started and stopped together.
//!
//! Invariant: starting one asks nobody and cannot fail; each ends alone, and takes its topics along
//! unless it hands them over.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{
    connection::{Kinds, LabelSelector, Namespace, WatchPlan},
    kind::Kind,
    topic::FabricId,
};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cluster::{
        access::AccessError,
        canary::Canary,
        gate::{Gate, Prober},
        merge::MergedWatcher,
        request::{Extent, Scope},
        seen::{Event, Outlet},
        target::Target,
        watch::KindWatcher,
    },
    hub::{Hub, feed::FeedTopic},
    keeper::{Keep, Keeper, OBSERVATIONS, Start, Tapped},
    recorder::{Beginning, Opened, Recorder, clerk::Clerk},
};

/// Whether a fabric's cluster can be asked at all.
#[derive(Debug, Clone)]
pub enum Reach {
    /// It can.
    Ready(Box<Target>),
    /// It cannot, as it is configured: why, and what to do.
    Unusable(String),
}

impl From<Result<Target, AccessError>> for Reach {
    fn from(made: Result<Target, AccessError>) -> Self {
        match made {
            Ok(target) => Self::Ready(Box::new(target)),
            Err(error) => Self::Unusable(error.reason()),
        }
    }
}

/// What a fabric is watched with.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub id: FabricId,
    /// Its cluster.
    pub reach: Reach,
    /// What of it is watched.
    pub watch: WatchPlan,
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
        Self::of(id, Reach::Ready(Box::new(target)), WatchPlan::default())
    }

    /// Of a registered fabric.
    pub fn of(id: FabricId, reach: Reach, watch: WatchPlan) -> Self {
        Self { id, reach, watch, tap: None, canary: false, records: None }
    }

    /// Of these kinds only; none named: all.
    #[must_use]
    pub fn only(mut self, kinds: &[Kind]) -> Self {
        if !kinds.is_empty() {
            self.watch.kinds = Kinds::Only(kinds.iter().copied().collect());
        }
        self
    }
}

/// A fabric that was started.
#[derive(Debug)]
pub struct Running {
    id: FabricId,
    cancel: CancellationToken,
    tasks: TaskTracker,
    /// Whether its topics are left for another one of the same name.
    handed_over: Arc<AtomicBool>,
}

impl Running {
    /// Its name.
    pub fn id(&self) -> &FabricId {
        &self.id
    }

    /// Lets the keeper work; its topics go with it, unless they are handed over.
    fn keep(&self, keeper: Keeper, hub: &Arc<Hub>) {
        let (handed_over, cancel) = (Arc::clone(&self.handed_over), self.cancel.child_token());
        let (hub, id) = (Arc::clone(hub), self.id.clone());
        self.tasks.spawn(async move {
            keeper.keep(cancel).await;
            if !handed_over.load(Ordering::Acquire) {
                hub.remove(&id);
            }
        });
    }

    /// Ends it, waits until all of its tasks ended (records are written, the lease is given back), and takes
    /// its topics away. Another one of the same name may be started then.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.wait().await;
    }

    /// Ends it as [`Self::stop`] does, but leaves its topics: whoever looks at them goes on with those of the
    /// fabric that is started next under this name, instead of being told that it is gone. If none is, take
    /// them away with [`Hub::remove`].
    pub async fn hand_over(self) {
        self.handed_over.store(true, Ordering::Release);
        self.stop().await;
    }
}

/// Starts a fabric's tasks; they end when `cancel` does, or when it is stopped. `process` is the epoch of what
/// has no number of the cluster's: another one for each start, since such counts begin anew.
pub fn start(
    plan: Plan,
    hub: &Arc<Hub>,
    process: &str,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Running {
    let Plan { id, reach, watch, tap, canary, records } = plan;
    let running = Running {
        id: id.clone(),
        cancel: cancel.child_token(),
        tasks: TaskTracker::new(),
        handed_over: Arc::default(),
    };
    let (events, inbox) = mpsc::channel(OBSERVATIONS);
    let (feed, origins, clerk) = match records {
        Some(Opened { store, holder, pace, feed, origins }) => {
            let (clerk, ends) = Clerk::new(id.clone(), store, holder, pace, feed.head());
            running.tasks.spawn(clerk.run());
            (feed, origins, Some(ends))
        }
        None => (Arc::new(FeedTopic::new(process.into())), BTreeMap::new(), None),
    };
    let beginning = Beginning {
        fabric: id.clone(),
        hub: Arc::clone(hub),
        feed: Arc::clone(&feed),
        coverage: watch.coverage(),
        keeper: events.clone(),
        clerk,
    };
    // It ends when the keeper is gone, and the clerk when it is.
    let (recorder, scribe) = Recorder::new(beginning);
    running.tasks.spawn(recorder.run());
    let numbered = watch.namespaces.len() > 1;
    let (server, start) = match &reach {
        _ if !watch.enabled => (String::new(), Start::Disabled),
        Reach::Ready(target) => (target.server.clone(), Start::Connecting),
        Reach::Unusable(reason) => (String::new(), Start::Unusable(reason.clone())),
    };
    let keep = Keep {
        fabric: id,
        server,
        process: process.to_owned(),
        start,
        paused: Kind::ALL.iter().copied().filter(|kind| !watch.watches(*kind)).collect(),
        view: view(&watch, process),
        numbered,
        feed,
        scribe,
        origins,
        tap,
    };
    let keeper = Keeper::new(keep, hub, inbox);
    running.keep(keeper, hub);
    if let (true, Reach::Ready(target)) = (watch.enabled, reach) {
        let measured = canary.then(|| process.to_owned());
        ask(&target, &watch, measured, &events, &running);
    }
    // The house waits for whatever it started.
    running.tasks.close();
    let all = running.tasks.clone();
    tasks.spawn(async move { all.wait().await });
    running
}

/// What makes the epoch of a fabric's topics another one: what of it is watched, and who counts.
fn view(watch: &WatchPlan, process: &str) -> String {
    let coverage = watch.coverage().text();
    if watch.namespaces.len() > 1 { format!("{coverage};{process}") } else { coverage }
}

/// Starts whatever asks the cluster.
fn ask(
    target: &Target,
    plan: &WatchPlan,
    measured: Option<String>,
    events: &mpsc::Sender<Event>,
    running: &Running,
) {
    let (prober, gate) = Prober::new(target.clone(), events.clone());
    running.tasks.spawn(prober.run(running.cancel.child_token()));
    if let Some(holder) = measured {
        let canary = Canary::new(target, gate.clone(), events.clone(), holder);
        running.tasks.spawn(canary.run(running.cancel.child_token()));
    }
    for kind in plan.watched() {
        follow(target, (kind, plan), gate.clone(), events.clone(), running);
    }
}

/// Starts the watch of a kind: one for all namespaces or for the only one, else one for each, put together.
fn follow(
    target: &Target,
    (kind, plan): (Kind, &WatchPlan),
    gate: watch::Receiver<Gate>,
    events: mpsc::Sender<Event>,
    running: &Running,
) {
    let labels: Option<Arc<str>> = plan.labels.as_ref().map(LabelSelector::as_str).map(Arc::from);
    let cancel = running.cancel.child_token();
    let mut names: Vec<String> = plan.namespaces.iter().map(Namespace::to_string).collect();
    if names.len() > 1 {
        let watcher = MergedWatcher::new(target.clone(), kind, (names, labels), gate, events);
        running.tasks.spawn(watcher.run(cancel));
        return;
    }
    let scope = names.pop().map_or(Scope::Cluster, Scope::Namespace);
    let extent = Extent { scope, labels };
    let watcher = KindWatcher::new(target.clone(), kind, extent, gate, Outlet::Keeper(events));
    running.tasks.spawn(watcher.run(cancel));
}
