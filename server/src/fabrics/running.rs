//! The running fabrics: kept equal to the registered ones, whoever changes them.
//!
//! One task looks at the directory and tells each fabric's steward what is wanted; the stewards start, stop
//! and restart, each for itself. What another process on the same database does is noticed within a second.
//!
//! Invariant: no fabric waits for another; a fabric that cannot be asked is there and says why; nothing of a
//! removed fabric is written after its records were forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{connection::WatchPlan, topic::FabricId};
use engine::{
    cluster::access,
    fabric::{self, Plan, Reach, Running},
    hub::Hub,
    recorder::{self, clerk::Pace},
    store::{StoreError, directory::Fabric},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{register::Register, settings::Settings};

/// How often the directory is asked whether anything changed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After this time a fabric is tried again whose records or credentials could not be opened.
const TRY_AGAIN: Duration = Duration::from_secs(3);

/// With what fabrics are run.
#[derive(Debug)]
pub struct Means {
    /// The registered fabrics.
    pub register: Register,
    /// Where their topics go.
    pub hub: Arc<Hub>,
    /// Names this process in leases.
    pub holder: String,
    /// Epoch of what has no number of a cluster's, together with something of each start's own.
    pub process: String,
    /// Whether delivery lag is measured.
    pub canary: bool,
    /// Parent of all tasks.
    pub tracker: TaskTracker,
}

/// A fabric's steward, as the owner knows it.
struct Steward {
    wanted: watch::Sender<Option<Fabric>>,
    /// Whether it has nothing left to do.
    idle: Arc<AtomicBool>,
}

/// Keeps the running fabrics equal to the registered ones until the process ends.
pub async fn keep(means: Means, cancel: CancellationToken) -> anyhow::Result<()> {
    let means = Arc::new(means);
    let mut stewards = BTreeMap::new();
    let mut orders = means.register.orders();
    let mut due = interval(LOOK_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut known, mut failing) = (None, false);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            _ = due.tick() => {}
            Ok(()) = orders.changed() => {}
        }
        match look(&means, &mut stewards, &mut known, &cancel).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "the registered fabrics could not be looked up; those that run go on");
            }
            Err(_) => {}
        }
    }
}

/// Looks once.
async fn look(
    means: &Arc<Means>,
    stewards: &mut BTreeMap<FabricId, Steward>,
    known: &mut Option<u64>,
    cancel: &CancellationToken,
) -> Result<(), StoreError> {
    // Only the owner wants things, so who is idle and unwanted stays so.
    stewards.retain(|_, steward| {
        !(steward.idle.load(Ordering::Acquire) && steward.wanted.borrow().is_none())
    });
    let directory = means.register.registrar().directory();
    let generation = directory.generation().await?;
    if *known == Some(generation) {
        return Ok(());
    }
    let mut registered = BTreeSet::new();
    for fabric in directory.fabrics().await? {
        let id = fabric.id.clone();
        if means.register.is_given(&id) {
            if known.is_none() {
                tracing::warn!(fabric = %id, "a registered fabric is not watched: one of this name was given on the command line");
            }
            continue;
        }
        registered.insert(id.clone());
        match stewards.get(&id) {
            Some(steward) => want(steward, Some(fabric)),
            None => drop(stewards.insert(id, appoint(means, fabric, cancel))),
        }
    }
    for (id, steward) in &*stewards {
        if !registered.contains(id) {
            want(steward, None);
        }
    }
    *known = Some(generation);
    Ok(())
}

fn want(steward: &Steward, fabric: Option<Fabric>) {
    steward.wanted.send_if_modified(|held| {
        let changes = *held != fabric;
        if changes {
            steward.idle.store(false, Ordering::Release);
            *held = fabric;
        }
        changes
    });
}

/// Starts a steward.
fn appoint(means: &Arc<Means>, fabric: Fabric, cancel: &CancellationToken) -> Steward {
    let id = fabric.id.clone();
    let idle = Arc::new(AtomicBool::new(false));
    let (wanted, wishes) = watch::channel(Some(fabric));
    let office =
        Office { means: Arc::clone(means), id, idle: Arc::clone(&idle), cancel: cancel.clone() };
    means.tracker.spawn(office.serve(wishes));
    Steward { wanted, idle }
}

/// What decides whether a running fabric is still the wanted one.
#[derive(Debug, PartialEq, Eq)]
struct Basis {
    /// Which of those that had this name.
    created_ms: i64,
    watch: WatchPlan,
    access: Result<domain::connection::Access, String>,
}

/// A steward at work.
struct Office {
    means: Arc<Means>,
    id: FabricId,
    idle: Arc<AtomicBool>,
    cancel: CancellationToken,
}

impl Office {
    async fn serve(self, mut wishes: watch::Receiver<Option<Fabric>>) {
        let mut held: Option<(Basis, Option<Running>)> = None;
        loop {
            let wanted = wishes.borrow_and_update().clone();
            let again = self.fulfil(&mut held, wanted).await;
            tokio::select! {
                () = self.cancel.cancelled() => break,
                changed = wishes.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                () = sleep(TRY_AGAIN), if again => {}
            }
        }
        if let Some((_, Some(running))) = held {
            running.stop().await;
        }
    }

    /// Makes what runs what is wanted; says whether to try again soon.
    async fn fulfil(
        &self,
        held: &mut Option<(Basis, Option<Running>)>,
        wanted: Option<Fabric>,
    ) -> bool {
        let basis = wanted.as_ref().map(|fabric| Basis {
            created_ms: fabric.created_ms,
            watch: Settings::of(fabric).watch,
            access: self.means.register.access(fabric),
        });
        let sealed = basis.as_ref().is_some_and(|basis| basis.access.is_err());
        if held.as_ref().map(|(basis, _)| basis) == basis.as_ref()
            && held.as_ref().is_none_or(|(_, running)| running.is_some())
        {
            self.idle.store(wanted.is_none(), Ordering::Release);
            return sealed;
        }
        if let Some((before, running)) = held.take() {
            if let Some(running) = running {
                // Changed, it is the same fabric for whoever looks; made anew under its name, it is not.
                let goes_on =
                    basis.as_ref().is_some_and(|basis| basis.created_ms == before.created_ms);
                if goes_on {
                    running.hand_over().await;
                } else {
                    running.stop().await;
                }
            }
            // What was removed leaves nothing behind, whatever its tasks wrote last.
            if basis.as_ref().is_none_or(|basis| basis.created_ms != before.created_ms) {
                self.forget().await;
            }
        }
        let Some(basis) = basis else {
            self.idle.store(true, Ordering::Release);
            return false;
        };
        let running = self.start(&basis).await;
        if running.is_none() {
            // What the one before left behind is kept by nobody.
            self.means.hub.remove(&self.id);
        }
        let again = sealed || running.is_none();
        *held = Some((basis, running));
        again
    }

    /// Starts the fabric; none: its records could not be opened.
    async fn start(&self, basis: &Basis) -> Option<Running> {
        let Means { register, hub, holder, process, canary, tracker } = &*self.means;
        let records = Arc::clone(register.records());
        let opened = recorder::open(records, &self.id, holder.clone(), Pace::default()).await;
        let records = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(fabric = %self.id, %error, "its records could not be opened; it is tried again");
                return None;
            }
        };
        let reach = match &basis.access {
            Ok(access) => Reach::from(access::target(access, register.permissions()).await),
            Err(reason) => Reach::Unusable(reason.clone()),
        };
        let mut plan = Plan::of(self.id.clone(), reach, basis.watch.clone());
        plan.records = Some(records);
        plan.canary = *canary;
        // What is counted by ourselves counts anew with each start. A number of the start would tell readers how
        // many other fabrics there are.
        let process = format!("{process}.{:08x}", rand::random::<u32>());
        Some(fabric::start(plan, hub, &process, tracker, &self.cancel))
    }

    async fn forget(&self) {
        if let Err(error) = self.means.register.records().forget(&self.id).await {
            tracing::warn!(fabric = %self.id, %error, "what was recorded last of a removed fabric could not be forgotten");
        }
    }
}
