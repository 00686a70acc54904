//! What is recorded: over restarts, by two processes on one database, and while the database fails.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    feed::{Event, EventType},
    history::{Found, Moment},
    kind::Kind,
    object::ObjectKey,
    state::{RecordState, Recording},
    topic::FabricId,
};
use engine::{
    recorder::clerk::Pace,
    store::{
        Batch, Claim, EventQuery, Feed, Known, Lease, Origin, Recorded, Retention, Store,
        StoreError, StoredEvent, Upkeep, sqlite::SqliteStore,
    },
};
use serde_json::json;
use sim::Fault;

use crate::house::{Embedded, Watched, until, until_true};

const QUICK: Pace = Pace {
    lease: Duration::from_secs(3),
    renew: Duration::from_millis(200),
    tail: Duration::from_millis(50),
};

/// A store whose disk can be full.
#[derive(Debug)]
struct Flaky {
    inner: Arc<dyn Store>,
    full: AtomicBool,
}

impl Flaky {
    async fn new() -> Arc<Self> {
        let inner = Arc::new(SqliteStore::in_memory().await.unwrap());
        Arc::new(Self { inner, full: AtomicBool::new(false) })
    }

    fn may(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            Err(StoreError::Full { what: "write" })
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Store for Flaky {
    async fn check(&self) -> Result<(), StoreError> {
        self.may()?;
        self.inner.check().await
    }
    async fn claim(
        &self,
        fabric: &FabricId,
        holder: &str,
        now_ms: i64,
        ttl_ms: i64,
    ) -> Result<Lease, StoreError> {
        self.may()?;
        self.inner.claim(fabric, holder, now_ms, ttl_ms).await
    }
    async fn release(
        &self,
        fabric: &FabricId,
        claim: Claim,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.may()?;
        self.inner.release(fabric, claim, now_ms).await
    }
    async fn feed(&self, fabric: &FabricId) -> Result<Feed, StoreError> {
        self.inner.feed(fabric).await
    }
    async fn reserve(&self, fabric: &FabricId, claim: Claim, upto: u64) -> Result<(), StoreError> {
        self.may()?;
        self.inner.reserve(fabric, claim, upto).await
    }
    async fn append(
        &self,
        fabric: &FabricId,
        claim: Claim,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        self.may()?;
        self.inner.append(fabric, claim, batch).await
    }
    async fn events(
        &self,
        fabric: &FabricId,
        query: &EventQuery,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.inner.events(fabric, query).await
    }
    async fn at(&self, fabric: &FabricId, kind: Kind, moment: Moment) -> Result<Known, StoreError> {
        self.inner.at(fabric, kind, moment).await
    }
    async fn origins(
        &self,
        fabric: &FabricId,
    ) -> Result<BTreeMap<Kind, (Origin, u64)>, StoreError> {
        self.inner.origins(fabric).await
    }
    async fn history(
        &self,
        fabric: &FabricId,
        kind: Kind,
        key: &ObjectKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.inner.history(fabric, kind, key, before, limit).await
    }
    async fn upkeep(&self, retention: Retention, now_ms: i64) -> Result<Upkeep, StoreError> {
        self.may()?;
        self.inner.upkeep(retention, now_ms).await
    }
    async fn forget(&self, fabric: &FabricId) -> Result<(), StoreError> {
        self.inner.forget(fabric).await
    }
    async fn close(&self) {}
}

fn fabric() -> FabricId {
    "test".parse().unwrap()
}

fn leaf() -> ObjectKey {
    "default/leaf-01".parse().unwrap()
}

/// Describes a switch anew and waits until the engine knows.
async fn describe(house: &Embedded, engine: &Watched, text: &str) {
    house
        .cluster
        .patch_merge(Kind::Switch, "default", "leaf-01", json!({"spec": {"description": text}}))
        .unwrap();
    until_true("the change", || {
        engine
            .full(Kind::Switch, "default/leaf-01")
            .is_some_and(|full| full["spec"]["description"] == text)
    })
    .await;
}

async fn events(store: &Arc<dyn Store>) -> Vec<Event> {
    let query = EventQuery { limit: 10_000, ..EventQuery::default() };
    let events = store.events(&fabric(), &query).await.unwrap();
    events.iter().map(|event| serde_json::from_str(&event.text).unwrap()).collect()
}

async fn histories(store: &Arc<dyn Store>, key: &ObjectKey) -> Vec<Recorded> {
    store.history(&fabric(), Kind::Switch, key, None, 100).await.unwrap()
}

/// Waits until the records hold what the cluster holds, of every kind of ours.
async fn records_equal(house: &Embedded, store: &Arc<dyn Store>) {
    let mut last = String::new();
    let deadline = tokio::time::Instant::now() + crate::house::PATIENCE;
    while tokio::time::Instant::now() < deadline {
        last.clear();
        for kind in Kind::primary() {
            let known = store.at(&fabric(), kind, Moment::Now).await.unwrap();
            let mut held = BTreeMap::new();
            for object in house.cluster.list(kind) {
                let admitted = domain::door::admit(kind, object).unwrap();
                held.insert(
                    admitted.key.clone(),
                    domain::history::recorded(kind, &admitted.object),
                );
            }
            let kept: BTreeMap<_, _> =
                known.objects.into_iter().map(|(key, kept)| (key, kept.object)).collect();
            if kept != held {
                let differing: Vec<_> =
                    held.iter().filter(|(key, object)| kept.get(*key) != Some(*object)).collect();
                last = format!(
                    "{kind}: {} kept, {} held, of these not kept: {differing:?}",
                    kept.len(),
                    held.len()
                );
            }
        }
        if last.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the records differ from the cluster: {last}");
}

fn recording(engine: &Watched) -> Option<RecordState> {
    engine.records()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_nobody_ran_is_seen_after_downtime_and_the_feed_goes_on() {
    let house = Embedded::vlab().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
    let first = house.recorded(&store, "first", QUICK).await;
    first.twelve_live().await;
    records_equal(&house, &store).await;
    assert!(
        events(&store)
            .await
            .iter()
            .all(|event| !matches!(event.kind, EventType::Created | EventType::Deleted)),
        "what was there before we looked is no news"
    );
    describe(&house, &first, "one").await;
    until_true("the event", || {
        first.messages().iter().any(|message| message.contains("leaf-01 updated"))
    })
    .await;
    let (cursor, _) = first.hub.feed(&fabric()).unwrap().newest(1);
    first.end().await;
    let told_before = events(&store).await.len();

    house
        .cluster
        .patch_merge(Kind::Switch, "default", "leaf-01", json!({"spec": {"description": "two"}}))
        .unwrap();
    house
        .cluster
        .delete(Kind::VpcAttachment, "default", &name_of(&house, Kind::VpcAttachment))
        .unwrap();
    let second = house.recorded(&store, "second", QUICK).await;
    second.twelve_live().await;
    records_equal(&house, &store).await;
    let told = events(&store).await;
    let news: Vec<&Event> =
        told.iter().skip(told_before).filter(|event| event.data.after_downtime).collect();
    let kinds: Vec<EventType> = news.iter().map(|event| event.kind).collect();
    assert!(
        kinds.contains(&EventType::Updated) && kinds.contains(&EventType::Deleted),
        "{told:#?}"
    );
    assert_eq!(news.len(), 2, "{news:#?}");
    let changes = &news.iter().find(|event| event.kind == EventType::Updated).unwrap().data.changes;
    assert_eq!(changes[0].pointer, "/spec/description");
    let (after, _) = second.hub.feed(&fabric()).unwrap().newest(1);
    assert_eq!(after.0, cursor.0, "the same feed");
    assert!(after.1 > cursor.1, "it goes on");
    let found: Vec<Found> =
        histories(&store, &leaf()).await.iter().map(|recorded| recorded.change.found).collect();
    assert_eq!(found, [Found::AfterDowntime, Found::Live, Found::First]);
    second.end().await;
    house.end().await;
}

fn name_of(house: &Embedded, kind: Kind) -> String {
    house.cluster.list(kind)[0]["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_database_record_once_and_the_other_takes_over() {
    let house = Embedded::vlab().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
    let one = house.recorded(&store, "one", QUICK).await;
    until_true("one to record", || {
        recording(&one).is_some_and(|state| state.state == Recording::Here)
    })
    .await;
    let two = house.recorded(&store, "two", QUICK).await;
    until("two to say who records", || match recording(&two) {
        Some(state)
            if state.state == Recording::Elsewhere
                && state.reason.as_deref().is_some_and(|reason| reason.contains("one")) =>
        {
            Ok(())
        }
        other => Err(other),
    })
    .await;
    one.twelve_live().await;
    two.twelve_live().await;
    records_equal(&house, &store).await;
    for at in 0..20 {
        describe(&house, &one, &format!("change {at}")).await;
    }
    until("both feeds to be one", || {
        let updates = |engine: &Watched| {
            engine.messages().iter().filter(|message| message.contains("leaf-01 updated")).count()
        };
        match (updates(&one), updates(&two)) {
            (20, 20) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    records_equal(&house, &store).await;
    assert_eq!(
        histories(&store, &leaf()).await.len(),
        21,
        "each change once, and what it was before"
    );
    one.end().await;
    until_true("two to take over", || {
        recording(&two).is_some_and(|state| state.state == Recording::Here)
    })
    .await;
    describe(&house, &two, "after").await;
    records_equal(&house, &store).await;
    let changes = histories(&store, &leaf()).await;
    assert_eq!(changes.len(), 22);
    let positions: Vec<u64> =
        events(&store).await.iter().map(|event| event.id.parse().unwrap()).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    two.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_stops_nothing_and_loses_nothing_once_there_is_room() {
    let house = Embedded::vlab().await;
    let flaky = Flaky::new().await;
    let store: Arc<dyn Store> = flaky.clone();
    let engine = house.recorded(&store, "one", QUICK).await;
    engine.twelve_live().await;
    records_equal(&house, &store).await;
    flaky.full.store(true, Ordering::Relaxed);
    describe(&house, &engine, "unwritten").await;
    until("the state to say so", || match recording(&engine) {
        Some(state)
            if state.state == Recording::Failing
                && state.reason.as_deref().is_some_and(|reason| reason.contains("full")) =>
        {
            Ok(())
        }
        other => Err(other),
    })
    .await;
    until_true("it to be told all the same", || {
        engine.messages().iter().any(|message| message.contains("leaf-01 updated"))
    })
    .await;
    flaky.full.store(false, Ordering::Relaxed);
    until_true("recording again", || {
        recording(&engine).is_some_and(|state| state.state == Recording::Here)
    })
    .await;
    records_equal(&house, &store).await;
    assert_eq!(histories(&store, &leaf()).await.len(), 2);
    until_true("the feed to say so", || {
        engine.messages().iter().any(|message| message.contains("recording works again"))
    })
    .await;
    assert_eq!(recording(&engine).unwrap().unrecorded, 0);
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_and_counters_of_agents_are_not_recorded_and_ports_are() {
    let house = Embedded::vlab().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
    let engine = house.recorded(&store, "one", QUICK).await;
    engine.twelve_live().await;
    let recorded =
        || async { store.history(&fabric(), Kind::Agent, &leaf(), None, 100).await.unwrap() };
    wait_for(async || !recorded().await.is_empty()).await;
    for beat in 1..=5 {
        let status = json!({"status": {"lastHeartbeat": format!("2026-01-01T00:00:0{beat}Z"), "state": {"platform": {"temps": {"CPU": {"temperature": beat}}}}}});
        house.cluster.patch_status(Kind::Agent, "default", "leaf-01", status).unwrap();
    }
    let port = json!({"status": {"state": {"interfaces": {"E1/1": {"oper": "down"}}}}});
    house.cluster.patch_status(Kind::Agent, "default", "leaf-01", port).unwrap();
    wait_for(async || recorded().await.len() > 1).await;
    let changes = recorded().await;
    assert_eq!(changes.len(), 2, "{changes:#?}");
    engine.end().await;
    house.end().await;
}

async fn wait_for(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + crate::house::PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "waited too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_went_back_while_nobody_looked_begins_another_epoch() {
    let house = Embedded::vlab().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
    let first = house.recorded(&store, "first", QUICK).await;
    first.twelve_live().await;
    describe(&house, &first, "later undone").await;
    records_equal(&house, &store).await;
    let epoch = |engine: &Watched| engine.objects(Kind::Switch).read(|log| log.epoch().clone());
    let before = epoch(&first);
    first.end().await;
    house.fault(&Fault::Rewind { versions: 5 });
    let second = house.recorded(&store, "second", QUICK).await;
    second.twelve_live().await;
    assert_ne!(epoch(&second), before);
    records_equal(&house, &store).await;
    let third = house.recorded(&store, "third", QUICK).await;
    third.twelve_live().await;
    assert_eq!(epoch(&second), epoch(&third), "every replica counts alike");
    second.end().await;
    third.end().await;
    house.end().await;
}
