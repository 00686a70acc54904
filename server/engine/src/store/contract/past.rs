//! Clauses about the state at a moment and the history of an object.

use std::sync::Arc;

use domain::{
    history::{Content, Found, Moment},
    kind::Kind,
};
use serde_json::{Value, json};

use super::{BEGAN, TTL, change, changes, claimed, fabric, key, put};
use crate::store::{Batch, Known, Mark, Origin, Store};

fn values(known: &Known) -> Vec<(&str, &Value)> {
    known.objects.iter().map(|(key, kept)| (key.name(), &kept.object)).collect()
}

pub(super) async fn the_history_of_an_object_is_read_backwards(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let mut first = put(Kind::Switch, "leaf-01", 5, BEGAN, json!({ "spec": { "role": "leaf" } }));
    first.found = Found::First;
    first.manager = Some("kubectl".into());
    let patch = Content::Patch(json!({ "spec": { "role": "spine" } }));
    let second = change(Kind::Switch, "leaf-01", 8, BEGAN + 1, patch);
    let mut third = change(Kind::Switch, "leaf-01", 9, BEGAN + 2, Content::Gone);
    third.found = Found::AfterGap;
    let other = put(Kind::Server, "leaf-01", 7, BEGAN, json!({}));
    let all = vec![first.clone(), other, second.clone(), third.clone()];
    store.append(&prod, claim, &changes(all)).await.unwrap();
    let read = async |before, limit| {
        store.history(&prod, Kind::Switch, &key("leaf-01"), before, limit).await.unwrap()
    };
    let history = read(None, 10).await;
    let told: Vec<_> = history.iter().map(|recorded| recorded.change.clone()).collect();
    assert_eq!(told, [third.clone(), second.clone(), first.clone()]);
    assert!(history.is_sorted_by(|a, b| a.seq > b.seq));
    let page = read(Some(history[0].seq), 1).await;
    assert_eq!(page, [history[1].clone()]);
    assert_eq!(read(Some(history[2].seq), 10).await, []);
    let nobody = store.history(&prod, Kind::Switch, &key("leaf-02"), None, 10).await.unwrap();
    assert_eq!(nobody, []);
}

pub(super) async fn the_state_is_read_at_times_and_versions(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let patch = Content::Patch(json!({ "b": 2 }));
    let all = vec![
        put(Kind::Vpc, "v", 10, BEGAN, json!({ "a": 1 })),
        put(Kind::Vpc, "w", 12, BEGAN + 10, json!({ "w": true })),
        change(Kind::Vpc, "v", 14, BEGAN + 20, patch),
        change(Kind::Vpc, "w", 15, BEGAN + 20, Content::Gone),
        put(Kind::Server, "s", 99, BEGAN + 30, json!({})),
    ];
    for one in all {
        store.append(&prod, claim, &changes(vec![one])).await.unwrap();
    }
    let (v, w, both) = (json!({ "a": 1 }), json!({ "w": true }), json!({ "a": 1, "b": 2 }));
    for (moment, expected) in [
        (Moment::Time(BEGAN - 1), vec![]),
        (Moment::Time(BEGAN), vec![("v", &v)]),
        (Moment::Time(BEGAN + 19), vec![("v", &v), ("w", &w)]),
        (Moment::Time(BEGAN + 20), vec![("v", &both)]),
        (Moment::Now, vec![("v", &both)]),
        (Moment::Version(9), vec![]),
        (Moment::Version(11), vec![("v", &v)]),
        (Moment::Version(14), vec![("v", &both), ("w", &w)]),
        (Moment::Version(u64::MAX), vec![("v", &both)]),
    ] {
        let known = store.at(&prod, Kind::Vpc, moment).await.unwrap();
        assert_eq!(values(&known), expected, "{moment}");
    }
    let known = store.at(&prod, Kind::Vpc, Moment::Now).await.unwrap();
    let kept = &known.objects[&key("v")];
    assert_eq!((&*kept.uid, kept.version), ("uid-of-v", 14));
    assert_eq!(known.changed_ms, Some(BEGAN + 20));
    let never = store.at(&prod, Kind::Switch, Moment::Now).await.unwrap();
    assert_eq!(never, Known::default());
}

pub(super) async fn a_kind_says_whether_it_was_observed(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let mark = |at_ms, live| Mark { kind: Kind::Vpc, at_ms: BEGAN + at_ms, live };
    let mut batch = changes(vec![
        put(Kind::Vpc, "v", 10, BEGAN, json!({ "a": 1 })),
        put(Kind::Vpc, "v", 20, BEGAN + 300, json!({ "a": 2 })),
    ]);
    batch.marks = vec![mark(1, true), mark(100, false), mark(200, true)];
    store.append(&prod, claim, &batch).await.unwrap();
    let observed = async |moment| store.at(&prod, Kind::Vpc, moment).await.unwrap().observed;
    for (at, live) in [(0, false), (1, true), (99, true), (100, false), (199, false), (200, true)] {
        assert_eq!(observed(Moment::Time(BEGAN + at)).await, live, "after {at} ms");
    }
    assert!(observed(Moment::Now).await);
    assert!(observed(Moment::Version(15)).await, "until the change to 20 it was observed again");
    assert!(!observed(Moment::Time(BEGAN + TTL + 1)).await, "nobody says so any more");
    store.release(&prod, claim, BEGAN + 400).await.unwrap();
    assert!(!observed(Moment::Now).await);
    assert!(!observed(Moment::Time(BEGAN + 400)).await);
    assert!(observed(Moment::Time(BEGAN + 399)).await);
}

pub(super) async fn a_crash_ends_the_observation_at_its_last_sign_of_life(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let mut batch = changes(vec![put(Kind::Vpc, "v", 10, BEGAN, json!({ "a": 1 }))]);
    batch.marks = vec![Mark { kind: Kind::Vpc, at_ms: BEGAN + 1, live: true }];
    store.append(&prod, claim, &batch).await.unwrap();
    claimed(&*store, &prod, "a", BEGAN + 5_000).await;
    claimed(&*store, &prod, "b", BEGAN + 5_000 + TTL).await;
    let observed = async |moment| store.at(&prod, Kind::Vpc, moment).await.unwrap().observed;
    assert!(observed(Moment::Time(BEGAN + 4_999)).await);
    assert!(!observed(Moment::Time(BEGAN + 5_000)).await);
    assert!(!observed(Moment::Now).await, "the new holder has not said so yet");
}

pub(super) async fn a_storage_that_went_back_leaves_what_was_recorded(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let origin = |rewinds| Origin { identity: "cluster".to_owned(), rewinds };
    let batch = |rewinds, one| Batch {
        origins: vec![(Kind::Vpc, origin(rewinds))],
        changes: vec![one],
        ..Batch::default()
    };
    let first = put(Kind::Vpc, "v", 1_000, BEGAN, json!({ "a": 1 }));
    store.append(&prod, claim, &batch(0, first)).await.unwrap();
    let stays = put(Kind::Vpc, "w", 900, BEGAN + 1, json!({ "w": 1 }));
    store.append(&prod, claim, &batch(0, stays)).await.unwrap();
    // Restored from a backup: version 1,000 is ahead now, and means something else.
    let restored = put(Kind::Vpc, "v", 500, BEGAN + 100, json!({ "a": 0 }));
    store.append(&prod, claim, &batch(1, restored)).await.unwrap();
    let (old, new, w) = (json!({ "a": 1 }), json!({ "a": 0 }), json!({ "w": 1 }));
    for (moment, expected, rewinds) in [
        (Moment::Time(BEGAN + 99), &old, 0),
        (Moment::Time(BEGAN + 100), &new, 1),
        (Moment::Version(499), &old, 1),
        (Moment::Version(500), &new, 1),
        (Moment::Now, &new, 1),
    ] {
        let known = store.at(&prod, Kind::Vpc, moment).await.unwrap();
        assert_eq!(values(&known), [("v", expected), ("w", &w)], "{moment}");
        assert_eq!(known.origin, Some(origin(rewinds)), "{moment}");
    }
    let origins = store.origins(&prod).await.unwrap();
    assert_eq!(origins.into_iter().collect::<Vec<_>>(), [(Kind::Vpc, (origin(1), 500))]);
    // An empty kind of a known cluster: it was listed, and nothing was there.
    let empty = Batch { origins: vec![(Kind::Server, origin(0))], ..Batch::default() };
    store.append(&prod, claim, &empty).await.unwrap();
    let known = store.at(&prod, Kind::Server, Moment::Now).await.unwrap();
    assert_eq!((known.objects.len(), known.origin), (0, Some(origin(0))));
}
