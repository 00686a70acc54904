//! What every store does, as functions over `dyn Store`; each implementation runs them all.
//!
//! Invariant: nothing here knows an implementation; times are made up, so nothing depends on a clock.

pub(crate) mod directory;
mod feeds;
mod leases;
pub(super) mod model;
mod past;
mod retention;

use std::{pin::Pin, sync::Arc};

use domain::{
    feed::EventType,
    history::{Content, Found},
    kind::Kind,
    object::ObjectKey,
    topic::FabricId,
};
use serde_json::Value;

use super::{Batch, Change, Claim, Lease, Store, StoreError, StoredEvent};

/// A time to begin at, Unix milliseconds.
pub(super) const BEGAN: i64 = 1_795_000_000_000;
/// How long a lease runs in these tests, in milliseconds.
pub(super) const TTL: i64 = 15_000;

/// A clause of the contract, to be run with an empty store.
pub(super) type Clause = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! clauses {
    ($($room:ident: $($name:ident),+;)+) => {
        /// All clauses, by name.
        pub(super) const CLAUSES: &[(&str, Clause)] =
            &[$($((stringify!($name), |store| Box::pin($room::$name(store)))),+),+];
    };
}

clauses! {
    leases: a_fabric_is_claimed_renewed_and_given_back, a_second_holder_waits_until_the_lease_ran_out,
        a_late_writer_is_refused, a_claim_is_never_given_twice, forgetting_a_fabric_leaves_the_others;
    feeds: a_feed_has_an_identity_and_goes_on, positions_told_before_a_crash_are_never_given_again,
        events_are_found_by_place_type_and_subject, a_batch_that_is_retried_is_written_once,
        a_batch_is_written_whole_or_not_at_all;
    past: the_history_of_an_object_is_read_backwards, the_state_is_read_at_times_and_versions,
        a_kind_says_whether_it_was_observed, a_crash_ends_the_observation_at_its_last_sign_of_life,
        a_storage_that_went_back_leaves_what_was_recorded;
    retention: what_is_too_old_goes_and_the_state_stays, what_is_too_much_goes_oldest_first,
        a_moment_that_is_no_longer_kept_says_so, forgotten_fabrics_leave_no_bytes;
}

pub(super) fn fabric(name: &str) -> FabricId {
    name.parse().unwrap()
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name).unwrap()
}

/// Claims a fabric, which must be free.
pub(super) async fn claimed(store: &dyn Store, fabric: &FabricId, holder: &str, now: i64) -> Claim {
    match store.claim(fabric, holder, now, TTL).await.unwrap() {
        Lease::Held { claim, .. } => claim,
        lease @ Lease::Elsewhere { .. } => panic!("{holder} should have got {fabric}: {lease:?}"),
    }
}

pub(super) fn event(position: u64, at_ms: i64) -> StoredEvent {
    StoredEvent {
        position,
        at_ms,
        kind: EventType::Updated,
        subject: None,
        text: format!(r#"{{"id":"{position}"}}"#).into(),
    }
}

pub(super) fn change(kind: Kind, name: &str, version: u64, at_ms: i64, content: Content) -> Change {
    Change {
        kind,
        key: key(name),
        uid: format!("uid-of-{name}").into(),
        version,
        at_ms,
        found: Found::Live,
        manager: None,
        content,
    }
}

pub(super) fn put(kind: Kind, name: &str, version: u64, at_ms: i64, value: Value) -> Change {
    change(kind, name, version, at_ms, Content::Put(value))
}

pub(super) fn changes(changes: Vec<Change>) -> Batch {
    Batch { changes, ..Batch::default() }
}

pub(super) fn events(events: Vec<StoredEvent>) -> Batch {
    Batch { events, ..Batch::default() }
}

pub(super) fn lost(done: &Result<(), StoreError>) -> bool {
    matches!(done, Err(StoreError::LeaseLost { .. }))
}
