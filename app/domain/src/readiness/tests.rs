//! The readiness that an operator is told.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn ready() -> AgentDigest {
    AgentDigest {
        generation: Some(7),
        applied_generation: Some(7),
        attempted_generation: Some(7),
        attempted_ms: Some(NOW - 3_600_000),
        applied_ms: Some(NOW - 3_590_000),
        heartbeat_ms: Some(NOW - 10_000),
        version: Some("v1".into()),
        wanted_version: Some("v1".into()),
        ..AgentDigest::default()
    }
}

fn state(agent: &AgentDigest) -> Readiness {
    readiness(Some(agent), NOW).state
}

#[test]
fn a_switch_is_ready_when_it_runs_what_is_wanted_and_speaks() {
    let found = readiness(Some(&ready()), NOW);
    assert_eq!(found.state, Readiness::Ready);
    assert_eq!(found.next_change_ms, Some(NOW + 50_000), "when its heartbeat grows old");
    assert_eq!(found.since_ms, Some(NOW - 3_590_000));
}

#[test]
fn a_minute_without_a_heartbeat_is_silence() {
    let at = |age| state(&AgentDigest { heartbeat_ms: Some(NOW - age), ..ready() });
    assert_eq!(at(59_999), Readiness::Ready);
    assert_eq!(at(60_000), Readiness::Silent);
    assert_eq!(at(-5_000), Readiness::Ready, "clocks differ");
    assert_eq!(state(&AgentDigest { heartbeat_ms: None, ..ready() }), Readiness::Silent);
}

#[test]
fn silence_while_it_applies_is_no_silence() {
    let applying = AgentDigest {
        applied_generation: Some(6),
        attempted_ms: Some(NOW - 120_000),
        heartbeat_ms: Some(NOW - 125_000),
        pending_since_ms: Some(NOW - 120_000),
        ..ready()
    };
    let found = readiness(Some(&applying), NOW);
    assert_eq!(found.state, Readiness::Applying);
    assert_eq!(found.next_change_ms, Some(NOW + 180_000));
    let later = readiness(Some(&applying), NOW + 180_000);
    assert_eq!(later.state, Readiness::Silent, "it never came back");
}

#[test]
fn an_apply_that_does_not_end_is_stuck() {
    let agent =
        AgentDigest { applied_generation: Some(6), attempted_ms: Some(NOW - 300_000), ..ready() };
    assert_eq!(state(&agent), Readiness::Stuck);
    let repeats = AgentDigest {
        attempted_ms: Some(NOW - 5_000),
        pending_since_ms: Some(NOW - 300_000),
        ..agent.clone()
    };
    assert_eq!(state(&repeats), Readiness::Stuck, "fresh attempts, pending for long");
    let restarts = AgentDigest {
        attempted_ms: Some(NOW - 5_000),
        attempted_generation: Some(6),
        recent_starts: 3,
        ..agent
    };
    assert_eq!(state(&restarts), Readiness::Stuck, "it dies and retries");
}

#[test]
fn what_waits_is_named() {
    let behind =
        AgentDigest { applied_generation: Some(6), attempted_generation: Some(6), ..ready() };
    let found = readiness(Some(&behind), NOW);
    assert_eq!(found.state, Readiness::Converging);
    assert!(found.reason.contains("generation 6") && found.reason.contains("generation 7"));
    let old = AgentDigest { version: Some("v0".into()), ..ready() };
    let found = readiness(Some(&old), NOW);
    assert_eq!(found.state, Readiness::Converging);
    assert!(found.reason.contains("v0") && found.reason.contains("v1"));
}

#[test]
fn without_an_agent_nothing_is_known() {
    assert_eq!(readiness(None, NOW).state, Readiness::Unknown);
    assert_eq!(state(&AgentDigest { generation: None, ..ready() }), Readiness::Unknown);
}

#[test]
fn a_digest_is_taken_of_what_is_well_formed() {
    let agent = json!({
        "metadata": { "generation": 3 },
        "spec": { "version": { "default": "v1", "override": "v2" } },
        "status": {
            "version": "v1", "runID": "r", "lastAppliedGen": 2, "lastAttemptGen": "three",
            "lastHeartbeat": "1970-01-01T00:00:01Z", "lastAttemptTime": "yesterday",
            "rebootRequired": true,
            "conditions": [{ "type": "Applied", "status": "False",
                "lastTransitionTime": "1970-01-01T00:00:02Z" }],
        },
    });
    let digest = AgentDigest::of(&agent);
    assert_eq!(
        digest,
        AgentDigest {
            generation: Some(3),
            applied_generation: Some(2),
            heartbeat_ms: Some(1_000),
            pending_since_ms: Some(2_000),
            version: Some("v1".into()),
            wanted_version: Some("v2".into()),
            run_id: Some("r".into()),
            reboot_required: true,
            ..AgentDigest::default()
        }
    );
    assert_eq!(AgentDigest::of(&json!([])), AgentDigest::default());
}

#[test]
fn a_silent_agent_that_attempts_something_else_is_stuck_once_it_did_so_for_too_long() {
    let agent = AgentDigest {
        generation: Some(1),
        attempted_ms: Some(NOW),
        pending_since_ms: Some(NOW - 81_752),
        ..AgentDigest::default()
    };
    let found = readiness(Some(&agent), NOW);
    assert_eq!(found.state, Readiness::Silent);
    let then = found.next_change_ms.unwrap();
    assert_eq!(readiness(Some(&agent), then - 1).state, Readiness::Silent);
    assert_eq!(readiness(Some(&agent), then).state, Readiness::Stuck);
}

fn instant_near_now() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of((-700_000..700_000_i64).prop_map(|ms| NOW + ms))
}

fn digest() -> impl Strategy<Value = AgentDigest> {
    let generation = || proptest::option::of(0..3_i64);
    let version = || proptest::option::of("v[01]");
    (
        (generation(), generation(), generation(), 0..5_u32),
        (instant_near_now(), instant_near_now(), instant_near_now(), instant_near_now()),
        (version(), version()),
    )
        .prop_map(|(generations, times, versions)| AgentDigest {
            generation: generations.0,
            applied_generation: generations.1,
            attempted_generation: generations.2,
            recent_starts: generations.3,
            attempted_ms: times.0,
            applied_ms: times.1,
            heartbeat_ms: times.2,
            pending_since_ms: times.3,
            version: versions.0,
            wanted_version: versions.1,
            ..AgentDigest::default()
        })
}

proptest! {
    #[test]
    fn the_answer_holds_until_the_time_it_names(
        agent in digest(), after_ms in -700_000..700_000_i64, step in 0.0..1.0_f64,
    ) {
        let now = NOW + after_ms;
        let found = readiness(Some(&agent), now);
        prop_assert!(found.next_change_ms.is_none_or(|at| at > now));
        let until = found.next_change_ms.unwrap_or(now + 2_000_000);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss,
            reason = "a point between two close instants; rounding is fine")]
        let then = now + ((until - 1 - now) as f64 * step) as i64;
        let later = readiness(Some(&agent), then);
        prop_assert_eq!((later.state, later.since_ms), (found.state, found.since_ms));
        let last = readiness(Some(&agent), until - 1);
        prop_assert_eq!((last.state, last.since_ms), (found.state, found.since_ms));
    }
}
