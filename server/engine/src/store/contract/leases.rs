//! Clauses about who may write.

use std::sync::Arc;

use domain::{history::Moment, kind::Kind};
use serde_json::json;

use super::{BEGAN, TTL, changes, claimed, event, events, fabric, lost, put};
use crate::store::{Claim, EventQuery, Known, Lease, Store};

pub(super) async fn a_fabric_is_claimed_renewed_and_given_back(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let first = store.claim(&prod, "a", BEGAN, TTL).await.unwrap();
    let Lease::Held { claim, taken: true, before_ms: None } = first else { panic!("{first:?}") };
    let again = store.claim(&prod, "a", BEGAN + 5_000, TTL).await.unwrap();
    assert_eq!(again, Lease::Held { claim, taken: false, before_ms: Some(BEGAN) });
    // Late, but nobody else came: it is still ours.
    let late = store.claim(&prod, "a", BEGAN + 10 * TTL, TTL).await.unwrap();
    assert_eq!(late, Lease::Held { claim, taken: false, before_ms: Some(BEGAN + 5_000) });
    store.release(&prod, claim, BEGAN + 11 * TTL).await.unwrap();
    let other = store.claim(&prod, "b", BEGAN + 11 * TTL, TTL).await.unwrap();
    let Lease::Held { claim: next, taken: true, before_ms } = other else { panic!("{other:?}") };
    assert!(next > claim);
    assert_eq!(before_ms, Some(BEGAN + 11 * TTL), "it was recorded until it was given back");
}

pub(super) async fn a_second_holder_waits_until_the_lease_ran_out(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let first = claimed(&*store, &prod, "a", BEGAN).await;
    let elsewhere = Lease::Elsewhere { holder: "a".to_owned(), until_ms: BEGAN + TTL };
    for now in [BEGAN, BEGAN + TTL - 1] {
        assert_eq!(store.claim(&prod, "b", now, TTL).await.unwrap(), elsewhere);
    }
    claimed(&*store, &fabric("lab"), "b", BEGAN).await;
    let second = claimed(&*store, &prod, "b", BEGAN + TTL).await;
    assert!(second > first);
    let back = store.claim(&prod, "a", BEGAN + TTL, TTL).await.unwrap();
    assert!(matches!(back, Lease::Elsewhere { holder, .. } if holder == "b"));
}

pub(super) async fn a_late_writer_is_refused(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let old = claimed(&*store, &prod, "a", BEGAN).await;
    let new = claimed(&*store, &prod, "b", BEGAN + TTL).await;
    let batch = events(vec![event(1, BEGAN)]);
    assert!(lost(&store.append(&prod, old, &batch).await));
    assert!(lost(&store.reserve(&prod, old, 100).await));
    assert!(lost(&store.append(&prod, Claim(new.0 + 1), &batch).await), "a claim of nobody");
    assert!(lost(&store.append(&fabric("lab"), new, &batch).await), "another fabric");
    store.release(&prod, old, BEGAN + TTL).await.unwrap();
    assert!(store.events(&prod, &all()).await.unwrap().is_empty(), "nothing was written");
    assert_eq!(store.feed(&prod).await.unwrap().reserved, 0);
    store.append(&prod, new, &batch).await.unwrap();
    store.release(&prod, new, BEGAN + TTL).await.unwrap();
    assert!(lost(&store.append(&prod, new, &events(vec![event(2, BEGAN)])).await), "given back");
}

pub(super) async fn a_claim_is_never_given_twice(store: Arc<dyn Store>) {
    let prod = fabric("prod");
    let mut claims = Vec::new();
    for turn in 0..4 {
        claims.push(claimed(&*store, &prod, &format!("holder-{turn}"), BEGAN + turn * TTL).await);
        claims.push(claimed(&*store, &fabric("lab"), "b", BEGAN + turn * TTL).await);
        store.forget(&fabric("lab")).await.unwrap();
    }
    let mut sorted = claims.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, claims, "they grow");
}

pub(super) async fn forgetting_a_fabric_leaves_the_others(store: Arc<dyn Store>) {
    let (prod, lab) = (fabric("prod"), fabric("lab"));
    let epoch = store.feed(&lab).await.unwrap().epoch;
    let mut claims = Vec::new();
    for fabric in [&prod, &lab] {
        let claim = claimed(&*store, fabric, "a", BEGAN).await;
        let mut batch = changes(vec![put(Kind::Vpc, "v", 1, BEGAN, json!({ "a": 1 }))]);
        batch.events = vec![event(1, BEGAN)];
        store.append(fabric, claim, &batch).await.unwrap();
        claims.push(claim);
    }
    store.forget(&lab).await.unwrap();
    assert!(lost(&store.append(&lab, claims[1], &events(vec![event(2, BEGAN)])).await));
    assert!(store.events(&lab, &all()).await.unwrap().is_empty());
    assert_eq!(store.at(&lab, Kind::Vpc, Moment::Now).await.unwrap(), Known::default());
    let feed = store.feed(&lab).await.unwrap();
    assert_eq!((feed.head, feed.reserved), (0, 0));
    assert_ne!(feed.epoch, epoch, "a cursor of the old feed means nothing in the new one");
    assert_eq!(store.events(&prod, &all()).await.unwrap().len(), 1);
    assert_eq!(store.at(&prod, Kind::Vpc, Moment::Now).await.unwrap().objects.len(), 1);
}

fn all() -> EventQuery {
    EventQuery { limit: 1_000, ..EventQuery::default() }
}
