//! What a run did and what came of it, as people read it.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Lab, Plan, kills::How};

/// Within this time after a death everybody should be live again,
const LIVE_WITHIN_MS: f64 = 5_000.0;
/// if the server served again after this time.
const AWAY_MS: f64 = 2_000.0;

/// What a run did and what came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Figures.
    pub report: Report,
    /// What did not hold; nothing, if all did.
    pub failures: Vec<String>,
}

/// One death of the server.
#[derive(Debug)]
struct Died {
    how: How,
    /// Whether all clients were live before and came back.
    whole: bool,
    away_ms: f64,
    /// Milliseconds from the death until each client was live.
    back_ms: Vec<f64>,
}

/// Figures of a run.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    deaths: Vec<Died>,
    /// In milliseconds.
    latencies: Vec<f64>,
    faults: BTreeMap<&'static str, u64>,
    recovered: BTreeMap<&'static str, u64>,
    dials: BTreeMap<&'static str, u64>,
    connections: u64,
    changes: (usize, u64, u64),
    lost: (u64, u64),
    acknowledged: usize,
    took: Duration,
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            deaths: Vec::new(),
            latencies: Vec::new(),
            faults: BTreeMap::new(),
            recovered: BTreeMap::new(),
            dials: BTreeMap::new(),
            connections: 0,
            changes: (0, 0, 0),
            lost: (0, 0),
            acknowledged: 0,
            took: Duration::ZERO,
        }
    }

    pub(super) fn death(&mut self, how: How, whole: bool, away: Duration, back: Vec<Option<f64>>) {
        let whole = whole && back.iter().all(Option::is_some);
        let mut back_ms: Vec<f64> = back.into_iter().flatten().collect();
        back_ms.sort_by(f64::total_cmp);
        self.deaths.push(Died { how, whole, away_ms: away.as_secs_f64() * 1e3, back_ms });
    }

    pub(super) fn latencies(&mut self, more: Vec<f64>) {
        self.latencies.extend(more);
    }

    pub(super) fn finish(&mut self, lab: &Lab, took: Duration) {
        self.faults = lab.counts.all();
        (self.dials, self.recovered) = lab.crew.resumes();
        self.connections = lab.ground.proxy.opened();
        self.changes = lab.load.counts();
        self.lost = (lab.ground.proxy.lost(), lab.crew.lost());
        self.acknowledged = lab.records.acknowledged();
        self.took = took;
        self.latencies.sort_by(f64::total_cmp);
    }

    /// Milliseconds from each death until the last client was live, and how long the server was away.
    pub fn deaths_ms(&self) -> Vec<(f64, f64)> {
        let last = |died: &Died| died.back_ms.last().copied().unwrap_or_default();
        self.deaths.iter().map(|died| (last(died), died.away_ms)).collect()
    }

    /// Frames that the proxy lost on purpose, and losses that clients count.
    pub fn lost(&self) -> (u64, u64) {
        self.lost
    }

    /// Faults injected, deaths not included.
    pub fn faults(&self) -> u64 {
        self.faults.values().sum()
    }
}

fn words(counts: &BTreeMap<&'static str, u64>) -> String {
    let words: Vec<_> = counts.iter().map(|(word, n)| format!("{word} {n}")).collect();
    words.join(", ")
}

/// Whether a promise was kept that holds for short deaths only.
fn verdict(away_ms: f64, last_ms: f64) -> &'static str {
    match (away_ms <= AWAY_MS, last_ms <= LIVE_WITHIN_MS) {
        (_, true) => "kept",
        (true, false) => "missed",
        (false, false) => "away for longer than promised",
    }
}

/// The value below which a share of sorted values lies.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place within the values"
    )]
    let at = ((sorted.len() as f64 * share).ceil() as usize).max(1) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let (made, deletes, refused) = self.changes;
        writeln!(
            f,
            "seed {}, {} clients, {} changes/s, a storm of {:?}; took {:.1?}",
            plan.seed, plan.clients, plan.rate, plan.storm, self.took
        )?;
        writeln!(f, "changes made: {made}, deletes: {deletes}, refused by the cluster: {refused}")?;
        writeln!(f, "\nfaults injected")?;
        for (name, n) in &self.faults {
            writeln!(f, "  {n:>6}  {name}")?;
        }
        writeln!(
            f,
            "\ndialled: {}; {} connections reached the proxy",
            words(&self.dials),
            self.connections
        )?;
        writeln!(f, "topics completed by: {}", words(&self.recovered))?;
        writeln!(
            f,
            "\ndeaths of the server: away, then live again after (median, last client), from the death"
        )?;
        for died in &self.deaths {
            let how = if died.how == How::Kill { "kill -9" } else { "SIGTERM" };
            let last = died.back_ms.last().copied().unwrap_or(f64::NAN);
            writeln!(
                f,
                "  {how}  away {:>5.0} ms  median {:>5.0} ms  last {last:>5.0} ms  {}{}",
                died.away_ms,
                percentile(&died.back_ms, 0.5),
                verdict(died.away_ms, last),
                if died.whole { "" } else { "  (not everybody was live before, or came back)" }
            )?;
        }
        writeln!(
            f,
            "\nlatency outside of faults, write to client, by WebSocket: p50 {:.2} ms, p99 {:.2} ms ({} arrivals)",
            percentile(&self.latencies, 0.5),
            percentile(&self.latencies, 0.99),
            self.latencies.len()
        )?;
        writeln!(
            f,
            "events acknowledged as recorded, all still there unless said below: {}",
            self.acknowledged
        )?;
        let (planted, told) = self.lost;
        writeln!(f, "frames lost on purpose: {planted}; losses that clients count: {told}")
    }
}
