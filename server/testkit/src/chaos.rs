//! The fault lab: the real binary between an embedded cluster that fails and clients whose network fails, under
//! load, and at the end the question whether everybody knows the truth.
//!
//! What must hold once the faults are over: each client's map of each topic equals the API server's, values
//! included; nothing deleted is still shown; every client is live; each feed was heard in order and without an
//! untold hole; what was acknowledged as recorded is still recorded after each death, each history ends as the cluster
//! does, and the database is whole; and `lost` counts the frames that the proxy lost on purpose, no more and no less.
//!
//! Invariant: all faults come from one seed, which the report names; no time is a failure, except of what never comes.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;

mod checks;
mod counts;
mod crew;
mod ground;
mod hnp;
mod kills;
mod load;
mod planted;
mod records;
mod report;
mod storm;
mod trouble;

pub use report::{Outcome, Report};

use checks::Truth;
use counts::Counts;
use crew::Crew;
use ground::Ground;
use hnp::Hnp;
use load::Load;
use records::Records;

/// Longest wait for anything to come right once it can: a loaded machine is no failure.
const PATIENCE: Duration = Duration::from_mins(2);
/// Name of the fabric.
pub(crate) const FABRIC: &str = "chaos";

/// A run of the lab.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `hnp` to be run.
    pub binary: PathBuf,
    /// From what all faults are drawn.
    pub seed: u64,
    /// Clients, each with its own topics.
    pub clients: usize,
    /// Changes per second.
    pub rate: f64,
    /// Time without faults, before the storm and after it, in which latency is measured.
    pub calm: Duration,
    /// Time with faults.
    pub storm: Duration,
    /// Mean time between two faults of clients' connections.
    pub cuts_every: Duration,
    /// Mean time between two faults of the cluster.
    pub troubles_every: Duration,
    /// How often the server is killed, spread over the storm.
    pub kills: u32,
    /// How often it is asked to end, spread alike.
    pub restarts: u32,
    /// Longest time that the server stays away after either.
    pub away: Duration,
    /// Time that clients have to be live before a death: their retries begin small again after ten seconds.
    pub settled: Duration,
    /// Frames lost on purpose after the storm, one after the other.
    pub planted: u32,
    /// Whether progress is printed.
    pub talks: bool,
}

impl Plan {
    /// What the promise says, per minute: 50 clients, 200 changes/s, cuts and two kills.
    pub fn minutes(binary: PathBuf, seed: u64, minutes: u32) -> Self {
        Self {
            binary,
            seed,
            clients: 50,
            rate: 200.0,
            calm: Duration::from_secs(5),
            storm: Duration::from_mins(1) * minutes,
            cuts_every: Duration::from_millis(250),
            troubles_every: Duration::from_secs(4),
            kills: 2 * minutes,
            restarts: minutes,
            away: Duration::from_secs(2),
            settled: Duration::from_secs(11),
            planted: 3,
            talks: true,
        }
    }

    /// The short form, for every day.
    pub fn short(binary: PathBuf, seed: u64) -> Self {
        Self {
            clients: 10,
            rate: 50.0,
            calm: Duration::from_millis(500),
            storm: Duration::from_secs(6),
            kills: 1,
            restarts: 0,
            away: Duration::from_millis(500),
            settled: Duration::ZERO,
            planted: 1,
            talks: false,
            troubles_every: Duration::from_secs(2),
            ..Self::minutes(binary, seed, 1)
        }
    }
}

/// What a run works with.
pub(crate) struct Lab {
    pub(crate) plan: Plan,
    pub(crate) ground: Arc<Ground>,
    pub(crate) hnp: Hnp,
    pub(crate) crew: Crew,
    pub(crate) load: Load,
    pub(crate) records: Records,
    pub(crate) counts: Arc<Counts>,
}

/// Runs a plan to its end. An error means that the lab itself did not work; what the product did is in the outcome.
pub async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let ground = Arc::new(Ground::start(plan.seed).await.context("prepare the ground")?);
    let hnp = Hnp::start(&plan.binary, &ground).await;
    let hnp = hnp.with_context(|| format!("start the server; it said: {}", ground.last_words()))?;
    let crew = Crew::connect(&plan, &ground);
    let load = Load::start(&ground, plan.seed, plan.rate);
    let counts = Arc::<Counts>::default();
    let records = Records::follow(&ground);
    let mut lab = Lab { plan, ground, hnp, crew, load, records, counts };
    let mut report = Report::new(&lab.plan);
    lab.say("waiting for the first picture");
    let mut failures = Vec::new();
    if !lab.crew.all_live(PATIENCE).await {
        failures.push("not every client came live before any fault".to_owned());
        return Ok(Outcome { report, failures });
    }
    lab.calm(&mut report).await;
    lab.say("the storm");
    let raged = storm::rage(&mut lab, &mut report).await;
    raged.with_context(|| format!("the storm; the server said: {}", lab.ground.last_words()))?;
    lab.say("the storm is over; waiting for the truth");
    failures.extend(lab.settle("after the storm").await);
    // While nothing changed, a watch that still waits for its next try could not be told from one that works.
    tokio::time::sleep(lab.plan.settled).await;
    lab.calm(&mut report).await;
    failures.extend(planted::lose(&mut lab).await);
    lab.load.stop().await;
    failures.extend(lab.settle("at the end").await);
    failures.extend(lab.crew.feeds());
    failures.extend(lab.records.missing(&lab.ground).await);
    failures.extend(Records::unfinished(&lab.ground).await);
    failures.extend(lab.crew.lost_other_than(&lab.crew.planted()));
    report.finish(&lab, begun.elapsed());
    Ok(Outcome { report, failures })
}

impl Lab {
    /// A time without faults, in which latency is measured.
    async fn calm(&self, report: &mut Report) {
        self.crew.record(true);
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(self.plan.calm).await;
        // What was written until now may still be under way.
        let until = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.crew.record(false);
        report.latencies(self.crew.latencies(&self.load, begun, until));
    }

    /// Stops the load, waits until everybody knows the truth, and goes on; what is wrong if that never comes.
    async fn settle(&mut self, when: &str) -> Vec<String> {
        self.load.pause(true);
        let deadline = Instant::now() + PATIENCE;
        let wrong = loop {
            let wrong = match Truth::read(&self.ground, self.hnp.address()).await {
                Ok(truth) => self.crew.check(&truth),
                Err(error) => vec![format!("the server cannot be asked: {error:#}")],
            };
            if wrong.is_empty() || Instant::now() > deadline {
                break wrong;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        self.load.pause(false);
        wrong.into_iter().map(|wrong| format!("{when}: {wrong}")).collect()
    }

    /// Says how far we are.
    #[expect(clippy::print_stdout, reason = "for who watches a lab of minutes")]
    pub(crate) fn say(&self, line: &str) {
        if self.plan.talks {
            println!("  {line}");
        }
    }
}
