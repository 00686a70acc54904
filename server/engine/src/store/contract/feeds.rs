//! Clauses about the feed.

use std::sync::Arc;

use domain::{feed::EventType, history::Moment, kind::Kind};
use serde_json::json;

use super::{BEGAN, TTL, changes, claimed, event, events, fabric, put};
use crate::store::{EventQuery, Store, StoreError};

pub(super) async fn a_feed_has_an_identity_and_goes_on(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let begun = store.feed(&prod).await.unwrap();
    assert!(!begun.epoch.is_empty());
    assert_eq!((begun.head, begun.reserved), (0, 0));
    assert_ne!(store.feed(&fabric("lab")).await.unwrap().epoch, begun.epoch);
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    store.append(&prod, claim, &events(vec![event(1, BEGAN), event(2, BEGAN)])).await.unwrap();
    store.append(&prod, claim, &events(vec![event(5, BEGAN)])).await.unwrap();
    let feed = store.feed(&prod).await.unwrap();
    assert_eq!((feed.epoch, feed.head), (begun.epoch, 5));
    assert!(feed.reserved >= 5, "a position that is written was used");
}

pub(super) async fn positions_told_before_a_crash_are_never_given_again(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let first = claimed(&*store, &prod, "a", BEGAN).await;
    store.reserve(&prod, first, 1_000).await.unwrap();
    store.reserve(&prod, first, 500).await.unwrap();
    store.append(&prod, first, &events(vec![event(7, BEGAN)])).await.unwrap();
    let second = claimed(&*store, &prod, "b", BEGAN + TTL).await;
    let feed = store.feed(&prod).await.unwrap();
    assert_eq!((feed.head, feed.reserved), (7, 1_000), "up to 1,000 may have been told");
    store.release(&prod, second, BEGAN + TTL).await.unwrap();
    let feed = store.feed(&prod).await.unwrap();
    assert_eq!((feed.head, feed.reserved), (7, 7), "who gives it back has written all");
}

pub(super) async fn events_are_found_by_place_type_and_subject(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let told = |position: u64| {
        let mut event = event(position, BEGAN + i64::try_from(position).unwrap());
        if position.is_multiple_of(3) {
            event.kind = EventType::Watch;
            event.subject = Some("VPC/default/v".into());
        }
        event.text = format!(r#"{{"id":"{position}","long":"{}"}}"#, "leaf-01 ".repeat(100)).into();
        event
    };
    let written: Vec<_> = (1..=30).map(told).collect();
    store.append(&prod, claim, &events(written.clone())).await.unwrap();
    let ask = async |query: EventQuery| store.events(&prod, &query).await.unwrap();
    let all = EventQuery { limit: 100, ..EventQuery::default() };
    assert_eq!(ask(all.clone()).await, written, "each as it was written, in order");
    let positions = async |query: EventQuery| -> Vec<u64> {
        ask(query).await.iter().map(|event| event.position).collect()
    };
    let page = EventQuery { after: Some(10), before: Some(20), limit: 3, ..all.clone() };
    assert_eq!(positions(page.clone()).await, [11, 12, 13]);
    assert_eq!(positions(EventQuery { newest_first: true, ..page }).await, [19, 18, 17]);
    let watch = EventQuery { kinds: vec![EventType::Watch], limit: 2, ..all.clone() };
    assert_eq!(positions(watch.clone()).await, [3, 6]);
    assert_eq!(positions(EventQuery { newest_first: true, ..watch }).await, [30, 27]);
    let kinds = vec![EventType::Watch, EventType::Updated, EventType::Watch];
    let both = EventQuery { kinds, after: Some(25), limit: 4, ..all.clone() };
    assert_eq!(positions(both).await, [26, 27, 28, 29]);
    let subject = Some("VPC/default/v".to_owned());
    let of_object = EventQuery { subject, after: Some(20), ..all.clone() };
    assert_eq!(positions(of_object.clone()).await, [21, 24, 27, 30]);
    let none = EventQuery { kinds: vec![EventType::Updated], ..of_object };
    assert_eq!(positions(none).await, [0_u64; 0]);
    let far = EventQuery { before: Some(u64::MAX), limit: usize::MAX, ..all.clone() };
    assert_eq!(positions(far).await.len(), 30);
    assert_eq!(store.events(&fabric("lab"), &all).await.unwrap(), []);
}

pub(super) async fn a_batch_that_is_retried_is_written_once(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    let mut batch = changes(vec![
        put(Kind::Vpc, "v", 1, BEGAN, json!({ "a": 1 })),
        put(Kind::Vpc, "v", 2, BEGAN, json!({ "a": 2 })),
    ]);
    batch.events = vec![event(1, BEGAN)];
    // The answer to the first may have been lost on its way.
    store.append(&prod, claim, &batch).await.unwrap();
    store.append(&prod, claim, &batch).await.unwrap();
    let history = store.history(&prod, Kind::Vpc, &super::key("v"), None, 10).await.unwrap();
    assert_eq!(history.len(), 2);
    store.append(&prod, claim, &events(vec![event(1, BEGAN), event(2, BEGAN)])).await.unwrap();
    let mut other = event(2, BEGAN);
    other.text = "{}".into();
    let refused = store.append(&prod, claim, &events(vec![other])).await;
    assert!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
}

pub(super) async fn a_batch_is_written_whole_or_not_at_all(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let claim = claimed(&*store, &prod, "a", BEGAN).await;
    store.append(&prod, claim, &events(vec![event(9, BEGAN)])).await.unwrap();
    let mut batch = changes(vec![put(Kind::Vpc, "v", 1, BEGAN, json!({ "a": 1 }))]);
    // The last of it cannot be: position 9 has another event.
    batch.events = (1..=9).map(|position| event(position, BEGAN + 1)).collect();
    batch.events[8].text = r#"{"other":true}"#.into();
    assert!(store.append(&prod, claim, &batch).await.is_err());
    let all = EventQuery { limit: 100, ..EventQuery::default() };
    assert_eq!(store.events(&prod, &all).await.unwrap(), [event(9, BEGAN)]);
    assert_eq!(store.at(&prod, Kind::Vpc, Moment::Now).await.unwrap().objects.len(), 0);
    // And what was begun does not stand in the way of the next.
    batch.events.truncate(8);
    store.append(&prod, claim, &batch).await.unwrap();
    assert_eq!(store.events(&prod, &all).await.unwrap().len(), 9);
}
