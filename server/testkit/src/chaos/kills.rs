//! The server's deaths: killed or asked to end, away for a while, back on the same data.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::time::{Instant, sleep};

use super::{Lab, PATIENCE, Plan, report::Report};

/// How the server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By SIGKILL.
    Kill,
    /// By SIGTERM.
    Terminate,
}

/// A planned death.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death {
    /// After so much of the storm.
    pub(super) after: Duration,
    /// How.
    pub(super) how: How,
    /// How long nobody serves.
    pub(super) away: Duration,
}

/// Deaths spread evenly over the storm, in random order.
pub(super) fn schedule(plan: &Plan) -> Vec<Death> {
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0xdead);
    let kills = std::iter::repeat_n(How::Kill, plan.kills as usize);
    let mut hows: Vec<How> =
        kills.chain(std::iter::repeat_n(How::Terminate, plan.restarts as usize)).collect();
    hows.shuffle(&mut rng);
    let n = u32::try_from(hows.len()).unwrap_or(u32::MAX);
    let every = plan.storm / n.max(1);
    let deaths = (0_u32..).zip(hows).map(|(at, how)| Death {
        after: every * at + every.mul_f64(rng.random_range(0.3..0.7)),
        how,
        away: plan.away.mul_f64(rng.random_range(0.0..=1.0)),
    });
    deaths.collect()
}

/// Lets the server die and come back, and waits until all clients are live again.
pub(super) async fn die(
    lab: &mut Lab,
    report: &mut Report,
    death: Death,
    ready: bool,
) -> anyhow::Result<()> {
    let died = Instant::now();
    match death.how {
        How::Kill => lab.hnp.kill(&lab.ground).await?,
        How::Terminate => lab.hnp.terminate(&lab.ground).await?,
    }
    sleep(death.away).await;
    lab.hnp.come_back(&lab.ground).await?;
    let back = Instant::now();
    let all = lab.crew.all_live(PATIENCE).await;
    report.death(death.how, ready && all, back.duration_since(died), lab.crew.back_after(died));
    let word = if death.how == How::Kill { "killed" } else { "asked to end" };
    lab.say(&format!(
        "{word}; served again after {} ms, all live after {} ms",
        back.duration_since(died).as_millis(),
        died.elapsed().as_millis()
    ));
    Ok(())
}
