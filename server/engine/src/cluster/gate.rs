//! The gate of a cluster: whether it answers at all. One probe for all kinds, one backoff for all retries.
//!
//! Watches wait at the gate instead of each retrying by itself, so a cluster that is away costs one
//! small request every few seconds, and its return wakes all kinds at once.
//!
//! Invariant: the keeper learns that the gate opens, and under which identity, before any watch does.

use std::time::Duration;

use domain::state::Cause;
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    error::ClusterError,
    request::{self, PROBE_DEADLINE},
    seen::Event,
    target::Target,
    wire,
};
use crate::clock::now_ms;

/// Pause between probes of a cluster that answers.
pub const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Clocks that differ by more than this many milliseconds cannot be compared: heartbeats are judged by ours.
pub const MOST_SKEW_MS: i64 = 30_000;
/// First step of the backoff.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// Largest step at first: with the list that follows, a cluster is live again within 5 s of its return.
const BACKOFF_MOST: Duration = Duration::from_millis(2_500);
/// Largest step once the cluster has been away for long.
const BACKOFF_LONG: Duration = Duration::from_secs(30);
/// What "for long" means.
const LONG_AFTER_MS: i64 = 5 * 60 * 1000;

/// Whether a cluster answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Not known yet: the first probe is under way.
    Unknown,
    /// It answers.
    Open(Open),
    /// It does not.
    Shut(Shut),
}

/// What the probe learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// What the API server calls its version.
    pub version: String,
    /// Stands for the cluster's storage.
    pub identity: String,
    /// When it answered, Unix milliseconds.
    pub at_ms: i64,
    /// By how much its clock is ahead of ours, in milliseconds, give or take a second; none where it named no time.
    pub ahead_ms: Option<i64>,
}

/// Why the probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// As a word.
    pub cause: Cause,
    /// In a sentence.
    pub reason: String,
    /// Failed attempts in a row.
    pub attempt: u32,
    /// When the next attempt is due, Unix milliseconds.
    pub next_try_ms: i64,
}

/// Probes a cluster until cancelled.
#[derive(Debug)]
pub struct Prober {
    target: Target,
    gate: watch::Sender<Gate>,
    keeper: mpsc::Sender<Event>,
    attempt: u32,
    away_since: Option<i64>,
}

impl Prober {
    /// A prober of `target`, and the gate that it works.
    pub fn new(target: Target, keeper: mpsc::Sender<Event>) -> (Self, watch::Receiver<Gate>) {
        let (gate, receiver) = watch::channel(Gate::Unknown);
        (Self { target, gate, keeper, attempt: 0, away_since: None }, receiver)
    }

    /// Probes until cancelled or nobody listens.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let (gate, pause) = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                looked = self.look() => looked,
            };
            // The keeper first: what watches then report belongs to the identity that it knows.
            let told = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                told = self.keeper.send(Event::Gate(gate.clone())) => told,
            };
            if told.is_err() {
                return;
            }
            self.gate.send_replace(gate);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Probes once; says what was found and how long to wait.
    async fn look(&mut self) -> (Gate, Duration) {
        match self.probe().await {
            Ok(open) => {
                self.attempt = 0;
                self.away_since = None;
                (Gate::Open(open), PROBE_EVERY)
            }
            Err(error) => {
                let reason = wire::explain(&self.target.endpoint, &error).await;
                self.shut(&error, reason)
            }
        }
    }

    async fn probe(&self) -> Result<Open, ClusterError> {
        let request::Introduced { version, ahead_ms } = request::version(&self.target).await?;
        let identity = match &*self.gate.borrow() {
            Gate::Open(open) => Some(open.identity.clone()),
            Gate::Unknown | Gate::Shut(_) => None,
        };
        // Whoever answers after a silence may be another cluster under the same address.
        let identity = match identity {
            Some(identity) => identity,
            None => request::identity(&self.target)
                .await?
                .unwrap_or_else(|| self.target.fallback_identity.clone()),
        };
        Ok(Open { version, identity, at_ms: now_ms(), ahead_ms })
    }

    fn shut(&mut self, error: &ClusterError, reason: String) -> (Gate, Duration) {
        let now = now_ms();
        let away_since = *self.away_since.get_or_insert(now);
        let most = if now - away_since > LONG_AFTER_MS { BACKOFF_LONG } else { BACKOFF_MOST };
        let pause = backoff(self.attempt, most);
        self.attempt = self.attempt.saturating_add(1);
        if self.attempt == 1 {
            tracing::warn!(server = self.target.server, error = %crate::chain::Chain(error), "cluster does not answer, will retry");
        }
        let next_try_ms = now + i64::try_from(pause.as_millis()).unwrap_or_default();
        (
            Gate::Shut(Shut { cause: error.cause(), reason, attempt: self.attempt, next_try_ms }),
            pause,
        )
    }
}

/// A random pause that grows with the attempts: half to all of `min(most, 250 ms × 2ⁿ)`.
pub fn backoff(attempt: u32, most: Duration) -> Duration {
    let ceiling = BACKOFF_FIRST.saturating_mul(1 << attempt.min(12)).min(most);
    ceiling.mul_f64(rand::random_range(0.5..=1.0))
}

/// Longest time from a cluster's silence to a shut gate: a pause and a probe's deadline.
pub const NOTICED_WITHIN: Duration =
    Duration::from_secs(PROBE_EVERY.as_secs() + PROBE_DEADLINE.as_secs());
