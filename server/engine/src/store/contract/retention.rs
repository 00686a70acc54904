//! Clauses about what is kept how long.

use std::{fmt::Write, sync::Arc};

use domain::{
    history::{Content, Moment},
    kind::Kind,
    topic::FabricId,
};
use serde_json::json;

use super::{BEGAN, change, changes, claimed, event, events, fabric, key, put};
use crate::store::{Batch, Claim, EventQuery, Mark, Retention, Store, Upkeep};

const HOUR: i64 = 3_600_000;
const ALL: EventQuery = EventQuery {
    after: None,
    before: None,
    kinds: Vec::new(),
    subject: None,
    newest_first: false,
    limit: usize::MAX,
};

fn aged(max_age_ms: i64) -> Retention {
    Retention { max_age_ms, max_bytes: u64::MAX }
}

/// An event and a change of one object each hour: its `n` is the hour.
async fn hours(store: &dyn Store, fabric: &FabricId, claim: Claim, hours: i64) {
    for hour in 0..hours {
        let at = BEGAN + hour * HOUR;
        let version = u64::try_from(hour + 1).unwrap();
        let value = json!({ "n": hour, "text": "x".repeat(300) });
        let one = match hour {
            0 => put(Kind::Vpc, "v", version, at, value),
            _ => change(Kind::Vpc, "v", version, at, Content::Patch(json!({ "n": hour }))),
        };
        let mark = Mark { kind: Kind::Vpc, at_ms: at, live: hour % 2 == 0 };
        claimed(store, fabric, "a", at).await;
        let events = vec![event(version, at)];
        let batch = Batch { events, changes: vec![one], marks: vec![mark], ..Batch::default() };
        store.append(fabric, claim, &batch).await.unwrap();
    }
}

/// Upkeep until it has nothing more to do; each does some and returns.
async fn kept_up(store: &dyn Store, retention: Retention, now: i64) -> Upkeep {
    let mut sum = Upkeep::default();
    loop {
        let done = store.upkeep(retention, now).await.unwrap();
        sum.events += done.events;
        sum.changes += done.changes;
        sum.checkpoints += done.checkpoints;
        sum.bytes = done.bytes;
        if (done.events, done.changes, done.checkpoints) == (0, 0, 0) {
            return sum;
        }
    }
}

pub(super) async fn what_is_too_old_goes_and_the_state_stays(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    hours(&*store, &prod, claim, 48).await;
    let now = BEGAN + 47 * HOUR;
    let young = kept_up(&*store, aged(48 * HOUR), now).await;
    assert_eq!((young.events, young.changes), (0, 0), "nothing is that old");
    let done = kept_up(&*store, aged(16 * HOUR), now).await;
    // The cut is at hour 31: its event stays, and so does the state of then.
    assert_eq!((done.events, done.changes, done.checkpoints), (31, 32, 1));
    let events = store.events(&prod, &ALL).await.unwrap();
    assert_eq!(events.first().map(|event| event.position), Some(32));
    assert_eq!(events.len(), 17);
    let history = store.history(&prod, Kind::Vpc, &key("v"), None, 100).await.unwrap();
    assert_eq!(history.len(), 16);
    for hour in 31..48 {
        let at = BEGAN + hour * HOUR;
        for moment in [Moment::Time(at), Moment::Version(u64::try_from(hour + 1).unwrap())] {
            let known = store.at(&prod, Kind::Vpc, moment).await.unwrap();
            assert_eq!(known.objects[&key("v")].object["n"], hour, "{moment}");
            assert_eq!(known.observed, hour % 2 == 0, "{moment}");
        }
    }
    // A little over the bound is left until it is worth a checkpoint: a sixteenth of it.
    let soon = kept_up(&*store, aged(16 * HOUR), now + HOUR).await;
    assert_eq!((soon.events, soon.changes), (1, 0));
    let later = kept_up(&*store, aged(16 * HOUR), now + 2 * HOUR).await;
    assert_eq!((later.events, later.changes), (1, 2));
}

pub(super) async fn a_moment_that_is_no_longer_kept_says_so(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    hours(&*store, &prod, claim, 10).await;
    kept_up(&*store, aged(2 * HOUR), BEGAN + 9 * HOUR).await;
    for moment in [Moment::Time(BEGAN + 6 * HOUR), Moment::Version(7)] {
        let known = store.at(&prod, Kind::Vpc, moment).await.unwrap();
        assert!(known.forgotten && known.objects.is_empty(), "{moment}");
    }
    for moment in [Moment::Time(BEGAN + 7 * HOUR), Moment::Version(8), Moment::Now] {
        let known = store.at(&prod, Kind::Vpc, moment).await.unwrap();
        assert!(!known.forgotten && known.objects.len() == 1, "{moment}");
    }
    let never = store.at(&prod, Kind::Server, Moment::Time(BEGAN)).await.unwrap();
    assert!(!never.forgotten);
    // All of it: what is left is what is.
    kept_up(&*store, aged(0), BEGAN + 100 * HOUR).await;
    assert_eq!(store.events(&prod, &ALL).await.unwrap(), []);
    let known = store.at(&prod, Kind::Vpc, Moment::Now).await.unwrap();
    assert_eq!(known.objects[&key("v")].object["n"], 9);
    // And it goes on from there.
    let patch = Content::Patch(json!({ "n": 10 }));
    let one = change(Kind::Vpc, "v", 11, BEGAN + 101 * HOUR, patch);
    store.append(&prod, claim, &changes(vec![one])).await.unwrap();
    let known = store.at(&prod, Kind::Vpc, Moment::Now).await.unwrap();
    assert_eq!(known.objects[&key("v")].object["n"], 10);
}

/// Text that does not shrink.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(bytes);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let _ = write!(text, "{state:016x}");
    }
    text
}

pub(super) async fn what_is_too_much_goes_oldest_first(store: Arc<dyn Store>) {
    const MOST: u64 = 2 << 20;
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let retention = Retention { max_age_ms: 1_000_000 * HOUR, max_bytes: MOST };
    let mut at = BEGAN;
    for turn in 0..120_u64 {
        at += HOUR;
        let mut batch = changes(
            (0..10)
                .map(|n| {
                    let name = format!("v{n}");
                    let value = json!({ "turn": turn, "noise": noise(turn * 10 + n, 4_000) });
                    put(Kind::Vpc, &name, turn * 10 + n + 1, at, value)
                })
                .collect(),
        );
        let mut told = event(turn + 1, at);
        told.text = noise(turn, 4_000).into();
        batch.events = vec![told];
        store.append(&prod, claim, &batch).await.unwrap();
        if turn % 10 == 9 {
            let done = kept_up(&*store, retention, at).await;
            assert!(done.bytes <= MOST, "{} bytes in use after turn {turn}", done.bytes);
        }
    }
    let events = store.events(&prod, &ALL).await.unwrap();
    assert!(events.len() >= 10, "{} events: more went than had to", events.len());
    assert_eq!(events.last().map(|event| event.position), Some(120));
    assert!(events.is_sorted_by(|a, b| a.position + 1 == b.position), "no holes");
    let known = store.at(&prod, Kind::Vpc, Moment::Now).await.unwrap();
    assert!(known.objects.values().all(|kept| kept.object["turn"] == 119));
    let history = store.history(&prod, Kind::Vpc, &key("v0"), None, 1_000).await.unwrap();
    let oldest = history.last().unwrap().change.at_ms;
    let known = store.at(&prod, Kind::Vpc, Moment::Time(oldest)).await.unwrap();
    assert!(!known.forgotten && known.objects.len() == 10);
}

pub(super) async fn forgotten_fabrics_leave_no_bytes(store: Arc<dyn Store>) {
    let empty = kept_up(&*store, aged(HOUR), BEGAN).await.bytes;
    for round in 0..2 {
        let (lab, prod) = (fabric("lab"), fabric("prod"));
        let claim = claimed(&*store, &lab, "a", BEGAN + round * HOUR).await;
        let many = (0..600).map(|n| {
            put(Kind::Vpc, &format!("v{n}"), n + 1, BEGAN, json!({ "noise": noise(n, 500) }))
        });
        store.append(&lab, claim, &changes(many.collect())).await.unwrap();
        store.append(&lab, claim, &events(vec![event(1, BEGAN)])).await.unwrap();
        store.upkeep(aged(1_000 * HOUR), BEGAN).await.unwrap();
        store.forget(&lab).await.unwrap();
        let mut left = u64::MAX;
        for _ in 0..50 {
            left = store.upkeep(aged(1_000 * HOUR), BEGAN).await.unwrap().bytes;
            if left <= empty + (64 << 10) {
                break;
            }
        }
        assert!(left <= empty + (64 << 10), "{left} bytes in use, {empty} when it was empty");
        assert_eq!(store.feed(&prod).await.unwrap().head, 0);
    }
}
