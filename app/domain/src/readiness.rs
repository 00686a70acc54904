//! Whether a switch runs what the cluster wants of it, from its Agent.
//!
//! An agent that applies sends no heartbeat, and one that fails to apply dies, is started again,
//! applies its last good configuration from its own disk and tries anew. So "silent" waits while an
//! attempt is fresh, and "stuck" is told by how long the apply is pending, not by the last attempt.
//!
//! Invariant: nothing here reads a clock; the answer is a function of a digest and of `now`.
//! Invariant: between `now` and `next_change_ms` the answer does not change by time alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Timestamp;

/// A heartbeat comes every 15 s; four missed ones in a row mean that the switch does not speak.
pub const HEARTBEAT_FRESH_MS: i64 = 60_000;
/// An apply of a full configuration takes minutes; one that takes longer than this will not end.
pub const APPLY_PATIENCE_MS: i64 = 300_000;
/// Starts of an agent within ten minutes that mean it dies over its configuration.
pub const CRASH_LOOP_STARTS: u32 = 3;

/// Whether a switch runs what the cluster wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Applied generation and agent version are as wanted, and it speaks.
    Ready,
    /// It speaks, and something newer waits for it.
    Converging,
    /// It is applying; it sends no heartbeat meanwhile.
    Applying,
    /// It attempts again and again, or for too long.
    Stuck,
    /// It does not speak.
    Silent,
    /// It has no Agent, or the Agent says nothing of what is wanted.
    Unknown,
}

/// What of an Agent decides readiness.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AgentDigest {
    /// `metadata.generation`: the plan that the controller wrote.
    pub generation: Option<i64>,
    /// `status.lastAppliedGen`.
    pub applied_generation: Option<i64>,
    /// `status.lastAttemptGen`.
    pub attempted_generation: Option<i64>,
    /// `status.lastAttemptTime`, Unix milliseconds.
    pub attempted_ms: Option<i64>,
    /// `status.lastAppliedTime`, Unix milliseconds. An agent that starts sets it anew.
    pub applied_ms: Option<i64>,
    /// `status.lastHeartbeat`, Unix milliseconds, by the clock of the switch.
    pub heartbeat_ms: Option<i64>,
    /// Since when the condition `Applied` is false, Unix milliseconds; absent while it is not.
    pub pending_since_ms: Option<i64>,
    /// `status.version`: the agent that runs.
    pub version: Option<String>,
    /// `spec.version.override`, else `spec.version.default`: the agent that should run.
    pub wanted_version: Option<String>,
    /// `status.runID`: changes when the agent starts.
    pub run_id: Option<String>,
    /// `status.rebootRequired`.
    pub reboot_required: bool,
    /// Starts of the agent in the last ten minutes, counted by whoever saw `run_id` change; 0 where
    /// nobody counted.
    pub recent_starts: u32,
}

/// Readiness with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The state.
    pub state: Readiness,
    /// Why, and what it waits for, for people.
    pub reason: String,
    /// Since when, Unix milliseconds, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// When the answer may change by time alone, Unix milliseconds; always after `now`. Absent:
    /// only news from the cluster can change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_change_ms: Option<i64>,
}

impl AgentDigest {
    /// Takes the digest of an Agent. What is malformed is absent.
    pub fn of(agent: &Value) -> Self {
        let text = |pointer: &str| {
            let text = agent.pointer(pointer).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let number = |pointer: &str| agent.pointer(pointer).and_then(Value::as_i64);
        let time = |pointer: &str| instant(agent.pointer(pointer)?);
        Self {
            generation: number("/metadata/generation"),
            applied_generation: number("/status/lastAppliedGen"),
            attempted_generation: number("/status/lastAttemptGen"),
            attempted_ms: time("/status/lastAttemptTime"),
            applied_ms: time("/status/lastAppliedTime"),
            heartbeat_ms: time("/status/lastHeartbeat"),
            pending_since_ms: pending_since(agent),
            version: text("/status/version"),
            wanted_version: text("/spec/version/override")
                .or_else(|| text("/spec/version/default")),
            run_id: text("/status/runID"),
            reboot_required: agent.pointer("/status/rebootRequired").and_then(Value::as_bool)
                == Some(true),
            recent_starts: 0,
        }
    }
}

fn instant(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(Timestamp::unix_ms)
}

fn pending_since(agent: &Value) -> Option<i64> {
    let conditions = agent.pointer("/status/conditions")?.as_array()?;
    let is = |condition: &Value, field: &str, wanted: &str| {
        condition.get(field).and_then(Value::as_str) == Some(wanted)
    };
    let applied = conditions.iter().find(|condition| is(condition, "type", "Applied"))?;
    if !is(applied, "status", "False") {
        return None;
    }
    instant(applied.get("lastTransitionTime")?)
}

/// The readiness of a switch at `now_ms` (Unix milliseconds), from the digest of its Agent.
pub fn readiness(agent: Option<&AgentDigest>, now_ms: i64) -> Assessment {
    let Some(agent) = agent else { return unknown("it has no Agent") };
    let Some(generation) = agent.generation.filter(|&generation| generation > 0) else {
        return unknown("its Agent has no generation");
    };
    let behind = agent.applied_generation != Some(generation);
    // Clocks differ: what seems to come from the future is as fresh as can be.
    let heard = agent.heartbeat_ms.map(|at| Fresh::new(at, HEARTBEAT_FRESH_MS, now_ms));
    let attempt = agent.attempted_ms.map(|at| Fresh::new(at, APPLY_PATIENCE_MS, now_ms));
    if behind
        && let Some(attempt) = attempt.filter(|attempt| attempt.holds)
        && let Some(assessment) = attempting(agent, generation, attempt, now_ms)
    {
        return assessment;
    }
    // While it attempts something, it may still be found to have done so for too long.
    let patience = agent.pending_since_ms.map(|at| at.saturating_add(APPLY_PATIENCE_MS));
    let attempts = behind && attempt.is_some_and(|attempt| attempt.holds);
    let next_change_ms = patience.filter(|&at| attempts && at > now_ms);
    let Some(heard) = heard else {
        let silent = silent("it has never sent a heartbeat", None);
        return Assessment { next_change_ms, ..silent };
    };
    if !heard.holds {
        let silent = silent("its last heartbeat is older than a minute", Some(heard.at));
        return Assessment { next_change_ms, ..silent };
    }
    if behind {
        return waiting(agent, generation, heard, now_ms);
    }
    speaking(agent, generation, heard)
}

/// Whether an instant is less than some time ago, and until when.
#[derive(Clone, Copy)]
struct Fresh {
    at: i64,
    until: i64,
    holds: bool,
}

impl Fresh {
    fn new(at: i64, lasts_ms: i64, now_ms: i64) -> Self {
        let until = at.saturating_add(lasts_ms);
        Self { at, until, holds: now_ms < until }
    }
}

fn unknown(reason: &str) -> Assessment {
    Assessment {
        state: Readiness::Unknown,
        reason: reason.to_owned(),
        since_ms: None,
        next_change_ms: None,
    }
}

fn silent(reason: &str, since_ms: Option<i64>) -> Assessment {
    Assessment {
        state: Readiness::Silent,
        reason: reason.to_owned(),
        since_ms,
        next_change_ms: None,
    }
}

fn earliest(now_ms: i64, times: [Option<i64>; 3]) -> Option<i64> {
    times.into_iter().flatten().filter(|&at| at > now_ms).min()
}

/// Behind, with a fresh attempt: it applies, or it keeps trying in vain.
fn attempting(
    agent: &AgentDigest,
    generation: i64,
    attempt: Fresh,
    now_ms: i64,
) -> Option<Assessment> {
    let heard_until = agent.heartbeat_ms.map(|at| at.saturating_add(HEARTBEAT_FRESH_MS));
    let patience = agent.pending_since_ms.map(|at| at.saturating_add(APPLY_PATIENCE_MS));
    let lost_patience = patience.is_some_and(|until| now_ms >= until);
    if lost_patience || agent.recent_starts >= CRASH_LOOP_STARTS {
        let reason = if agent.recent_starts >= CRASH_LOOP_STARTS {
            format!("its agent keeps restarting over generation {generation}")
        } else {
            format!("it has been trying to apply generation {generation} for over 5 minutes")
        };
        return Some(Assessment {
            state: Readiness::Stuck,
            reason,
            since_ms: agent.pending_since_ms.or(Some(attempt.at)),
            next_change_ms: earliest(now_ms, [Some(attempt.until), heard_until, patience]),
        });
    }
    if agent.attempted_generation != Some(generation) {
        return None;
    }
    Some(Assessment {
        state: Readiness::Applying,
        reason: format!("it is applying generation {generation}"),
        since_ms: Some(attempt.at),
        next_change_ms: earliest(now_ms, [Some(attempt.until), patience, None]),
    })
}

/// Behind, speaking, and no fresh attempt at what is wanted.
fn waiting(agent: &AgentDigest, generation: i64, heard: Fresh, now_ms: i64) -> Assessment {
    let runs = agent
        .applied_generation
        .map_or_else(|| "nothing yet".to_owned(), |applied| format!("generation {applied}"));
    let attempt = agent.attempted_ms.map(|at| at.saturating_add(APPLY_PATIENCE_MS));
    let patience = agent.pending_since_ms.map(|at| at.saturating_add(APPLY_PATIENCE_MS));
    let next_change_ms = earliest(now_ms, [Some(heard.until), attempt, patience]);
    if agent.attempted_generation == Some(generation) {
        return Assessment {
            state: Readiness::Stuck,
            reason: format!("it tried to apply generation {generation} and still runs {runs}"),
            since_ms: agent.pending_since_ms.or(agent.attempted_ms),
            next_change_ms,
        };
    }
    Assessment {
        state: Readiness::Converging,
        reason: format!("it runs {runs} and has yet to pick up generation {generation}"),
        since_ms: None,
        next_change_ms,
    }
}

/// Applied what is wanted, and speaking.
fn speaking(agent: &AgentDigest, generation: i64, heard: Fresh) -> Assessment {
    if let Some(wanted) = &agent.wanted_version
        && agent.version.as_ref() != Some(wanted)
    {
        let runs = agent.version.as_deref().unwrap_or("an unknown one");
        return Assessment {
            state: Readiness::Converging,
            reason: format!("its agent should be {wanted} and is {runs}"),
            since_ms: None,
            next_change_ms: Some(heard.until),
        };
    }
    let mut reason = format!("it runs generation {generation}");
    if agent.reboot_required {
        reason.push_str(" and wants a reboot");
    }
    Assessment {
        state: Readiness::Ready,
        reason,
        since_ms: agent.applied_ms,
        next_change_ms: Some(heard.until),
    }
}

#[cfg(test)]
mod tests;
