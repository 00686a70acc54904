//! The storm: random faults of the clients' connections and of the cluster, and the server's deaths.
//!
//! Everything suffers all the time but around the server's deaths, so that these can be measured by themselves.
//!
//! Invariant: once it is over everything is healed.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use domain::kind::Kind;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sim::{
    Fault,
    fault::{Answer, End, GoneAs, Malformed},
};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{Lab, PATIENCE, counts::Counts, ground::Ground, kills, report::Report, trouble};
use crate::proxy::{Cut, Way, Weather};

/// How long everything may need to come right before a death.
const STILL: Duration = Duration::from_secs(30);

/// Held by whoever injects a fault, and by whoever wants none.
pub(super) type Peace = Arc<Mutex<()>>;

/// Draws faults of one sort.
pub(super) struct Fate {
    pub(super) ground: Arc<Ground>,
    pub(super) counts: Arc<Counts>,
    pub(super) rng: StdRng,
    pub(super) peace: Peace,
    /// Mean time between two.
    pub(super) mean: Duration,
}

impl Fate {
    /// Waits for the next moment.
    pub(super) async fn pause(&mut self) {
        let share: f64 = self.rng.random_range(0.05..1.95);
        sleep(self.mean.mul_f64(share)).await;
    }
}

/// Rages for as long as planned.
pub(super) async fn rage(lab: &mut Lab, report: &mut Report) -> anyhow::Result<()> {
    let peace = Peace::default();
    let fate = |salt, mean| Fate {
        ground: Arc::clone(&lab.ground),
        counts: Arc::clone(&lab.counts),
        rng: StdRng::seed_from_u64(lab.plan.seed ^ salt),
        peace: Arc::clone(&peace),
        mean,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(trouble::of_connections(fate(0xc07, lab.plan.cuts_every)));
    tasks.spawn(of_the_cluster(fate(0x7207, lab.plan.troubles_every)));
    let begun = Instant::now();
    let mut paused = Duration::ZERO;
    for death in kills::schedule(&lab.plan) {
        sleep_until(begun + death.after + paused).await;
        ensure!(lab.hnp.is_alive(), "the server ended by itself");
        let still = Instant::now();
        let quiet = peace.lock().await;
        heal(&lab.ground);
        let ready = lab.crew.all_live(STILL).await;
        sleep(lab.plan.settled).await;
        kills::die(lab, report, death, ready).await?;
        drop(quiet);
        paused += still.elapsed();
    }
    sleep_until(begun + lab.plan.storm + paused).await;
    tasks.shutdown().await;
    heal(&lab.ground);
    ensure!(lab.hnp.is_alive(), "the server ended by itself");
    if !lab.crew.all_live(PATIENCE).await {
        lab.say("not every client came back");
    }
    Ok(())
}

/// Ends all faults. What swallowed bytes cannot go on and is cut.
fn heal(ground: &Ground) {
    ground.fault(&Fault::Heal);
    ground.proxy.door(crate::proxy::Door::Open);
    ground.proxy.on_all(|weather| {
        if weather.up == Way::Swallowed || weather.down == Way::Swallowed {
            weather.cut = Some(Cut::Reset);
        }
        let Weather { lose_changes, cut_after, cut, .. } = *weather;
        *weather = Weather { lose_changes, cut_after, cut, ..Weather::default() };
    });
}

/// Faults of the cluster, until dropped.
async fn of_the_cluster(mut fate: Fate) {
    loop {
        fate.pause().await;
        let peace = Arc::clone(&fate.peace);
        let injecting = peace.lock().await;
        let lasts = Duration::from_millis(fate.rng.random_range(200..3_000));
        let lasting = cluster_fault(&mut fate);
        drop(injecting);
        if lasting {
            sleep(lasts).await;
            fate.ground.fault(&Fault::Heal);
        }
    }
}

/// One fault of the cluster; whether it lasts.
fn cluster_fault(fate: &mut Fate) -> bool {
    let end = if fate.rng.random_bool(0.5) { End::Clean } else { End::Abrupt };
    let millis = fate.rng.random_range(5..200);
    let other = fate.rng.random_bool(0.5);
    let drop_watches = Fault::DropWatches { end };
    let server = || Kind::Server.into();
    let (name, faults, lasting) = match fate.rng.random_range(0..12) {
        0..3 => ("cluster: watches dropped", vec![drop_watches], false),
        3..5 => {
            let how = if other { GoneAs::Event } else { GoneAs::Status };
            let faults = vec![Fault::Gone { how }, Fault::Compact, drop_watches];
            ("cluster: history forgotten (410)", faults, false)
        }
        5 => {
            let with = if other { Malformed::NotJson } else { Malformed::HalfLine };
            let fault = Fault::Malformed { resource: server(), with };
            ("cluster: a line that cannot be read", vec![fault], false)
        }
        6 => ("cluster: an event twice", vec![Fault::Replay { resource: server() }], false),
        // As an overloaded server would, it ends its watches, too.
        7 => {
            let with = Answer::ServerError;
            ("cluster: 500", vec![Fault::AnswerAll { with }, drop_watches], true)
        }
        8 => {
            let with = Answer::TooMany(1);
            ("cluster: 429", vec![Fault::AnswerAll { with }, drop_watches], true)
        }
        9 => ("cluster: slow", vec![Fault::Latency { millis }], true),
        10 => ("cluster: hangs, half-open watches", vec![Fault::Hang { resource: None }], true),
        _ => ("cluster: restarted, its storage kept", vec![Fault::Refuse], true),
    };
    for fault in &faults {
        fate.ground.fault(fault);
    }
    fate.counts.add(name);
    lasting
}
