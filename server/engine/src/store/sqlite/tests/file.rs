//! What can happen to a file: it is not ours, damaged, full, locked, read-only; callers that give up.

use std::{
    collections::BTreeSet,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use domain::history::Content;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::{super::*, in_a_file};
use crate::store::contract::{BEGAN, TTL, changes, claimed, event, events, fabric, key, put};

const ALL: EventQuery = EventQuery {
    after: None,
    before: None,
    kinds: Vec::new(),
    subject: None,
    newest_first: false,
    limit: usize::MAX,
};

/// The event and the change of a position, which are written together.
pub(super) fn pair(position: u64) -> Batch {
    let one = put(Kind::Vpc, "v", position, BEGAN, json!({ "n": position, "x": "x".repeat(500) }));
    Batch { events: vec![event(position, BEGAN)], ..changes(vec![one]) }
}

/// Positions of which there is an event, and versions of which there is a change: of [`pair`]s the same.
pub(super) async fn pairs(store: &SqliteStore) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let events = store.events(&fabric("prod"), &ALL).await.unwrap();
    let history =
        store.history(&fabric("prod"), Kind::Vpc, &key("v"), None, 1_000_000).await.unwrap();
    (
        events.iter().map(|event| event.position).collect(),
        history.iter().map(|recorded| recorded.change.version).collect(),
    )
}

async fn tampered(path: &Path, sql: &'static str) {
    let address = format!("sqlite:{}?mode=rwc", path.display());
    let mut connection = SqliteConnection::connect(&address).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let (folder, store) = in_a_file().await;
    let place = format!("sqlite://{}", folder.path().join("hnp.db").display());
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    store.append(&fabric("prod"), claim, &pair(1)).await.unwrap();
    let feed = store.feed(&fabric("prod")).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&place).await.unwrap();
    assert_eq!(store.feed(&fabric("prod")).await.unwrap(), feed);
    assert_eq!(pairs(&store).await, (BTreeSet::from([1]), BTreeSet::from([1])));
    let known = store.at(&fabric("prod"), Kind::Vpc, Moment::Now).await.unwrap();
    assert_eq!(known.objects[&key("v")].object["n"], 1);
    // The holder before it did not give the fabric back, and its lease still runs.
    let lease = store.claim(&fabric("prod"), "b", BEGAN + 1, TTL).await.unwrap();
    assert!(matches!(lease, Lease::Elsewhere { .. }));
}

#[tokio::test]
async fn two_processes_on_one_file_record_once() {
    let (folder, first) = in_a_file().await;
    let path = folder.path().join("hnp.db");
    let (second, third) = tokio::join!(
        SqliteStore::open(path.to_str().unwrap()),
        SqliteStore::open(path.to_str().unwrap()),
    );
    let (second, third) = (second.unwrap(), third.unwrap());
    let claim = claimed(&first, &fabric("prod"), "a", BEGAN).await;
    let lease = second.claim(&fabric("prod"), "b", BEGAN, TTL).await.unwrap();
    assert!(matches!(lease, Lease::Elsewhere { .. }));
    first.append(&fabric("prod"), claim, &pair(1)).await.unwrap();
    assert_eq!(second.events(&fabric("prod"), &ALL).await.unwrap().len(), 1);
    let next = claimed(&second, &fabric("prod"), "b", BEGAN + TTL).await;
    let late = first.append(&fabric("prod"), claim, &pair(2)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
    second.append(&fabric("prod"), next, &pair(2)).await.unwrap();
    assert_eq!(third.feed(&fabric("prod")).await.unwrap().head, 2);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_made_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/of/hnp.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    store.check().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["hnp.db", "hnp.db-wal", "hnp.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hnp.db");
    std::fs::write(&path, "no database at all, and longer than a header. ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(path.to_str().unwrap()).await;
    let Err(StoreError::Open { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("no SQLite database"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("other.db");
    tampered(&path, "CREATE TABLE songs (title TEXT)").await;
    let refused = SqliteStore::open(path.to_str().unwrap()).await;
    let Err(StoreError::Open { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("another program"), "{message}");

    let refused = SqliteStore::open(folder.path().to_str().unwrap()).await;
    assert!(matches!(refused, Err(StoreError::Open { .. })), "{refused:?}");
    let refused =
        SqliteStore::open(folder.path().join("other.db/x/hnp.db").to_str().unwrap()).await;
    assert!(matches!(refused, Err(StoreError::Open { .. })), "{refused:?}");
    for place in ["postgres://user:secret@db/hnp", "sqlite://", "sqlite://a.db?mode=ro"] {
        let refused = SqliteStore::open(place).await;
        let Err(StoreError::Open { place, message }) = refused else { panic!("{refused:?}") };
        assert!(!format!("{place}{message}").contains("secret"), "{place} {message}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (folder, store) = in_a_file().await;
    store.close().await;
    let path = folder.path().join("hnp.db");
    tampered(&path, "PRAGMA user_version = 999").await;
    let refused = SqliteStore::open(path.to_str().unwrap()).await;
    let Err(StoreError::Newer { found: 999, known, .. }) = refused else { panic!("{refused:?}") };
    assert!(known >= 1);
}

#[tokio::test]
async fn damage_is_noticed_and_named() {
    let (folder, store) = in_a_file().await;
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    for position in 1..200 {
        store.append(&fabric("prod"), claim, &pair(position)).await.unwrap();
    }
    store.close().await;
    let path = folder.path().join("hnp.db");
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // All but the first page, where the schema is.
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xff; usize::try_from(length - 4096).unwrap()]).unwrap();
    drop(file);
    let damaged = match SqliteStore::open(path.to_str().unwrap()).await {
        Ok(store) => store.events(&fabric("prod"), &ALL).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_over_when_there_is_room() {
    let (_folder, store) = in_a_file().await;
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    store.append(&fabric("prod"), claim, &pair(1)).await.unwrap();
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.writer).await.unwrap();
    let limit = |pages: i64| format!("PRAGMA max_page_count = {pages}");
    sqlx::raw_sql(&limit(pages + 4)).execute(&store.writer).await.unwrap();
    let mut written = 1;
    let full = loop {
        match store.append(&fabric("prod"), claim, &pair(written + 1)).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000, "it never got full");
    };
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    for _ in 0..3 {
        let again = store.append(&fabric("prod"), claim, &pair(written + 1)).await;
        assert!(matches!(again, Err(StoreError::Full { .. })), "{again:?}");
    }
    let all: BTreeSet<u64> = (1..=written).collect();
    assert_eq!(pairs(&store).await, (all.clone(), all));
    sqlx::raw_sql(&limit(1_000_000)).execute(&store.writer).await.unwrap();
    store.append(&fabric("prod"), claim, &pair(written + 1)).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn another_processs_lock_is_told_and_waited_out() {
    let (folder, store) = in_a_file().await;
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    let address = format!("sqlite:{}", folder.path().join("hnp.db").display());
    let mut other = SqliteConnection::connect(&address).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    sqlx::raw_sql("PRAGMA busy_timeout = 20").execute(&store.writer).await.unwrap();
    let locked = store.append(&fabric("prod"), claim, &pair(1)).await;
    assert!(matches!(locked, Err(StoreError::Locked { .. })), "{locked:?}");
    assert_eq!(store.feed(&fabric("prod")).await.unwrap().head, 0, "reading goes on");
    sqlx::raw_sql("PRAGMA busy_timeout = 4000").execute(&store.writer).await.unwrap();
    let waiting = async { store.append(&fabric("prod"), claim, &pair(1)).await };
    let unlocking = async { sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap() };
    let (waited, _) = tokio::join!(waiting, unlocking);
    waited.unwrap();
    assert_eq!(pairs(&store).await.0, BTreeSet::from([1]));
}

#[tokio::test]
async fn what_may_not_be_written_says_so() {
    let (_folder, store) = in_a_file().await;
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    sqlx::raw_sql("PRAGMA query_only = ON").execute(&store.writer).await.unwrap();
    let refused = store.append(&fabric("prod"), claim, &pair(1)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    let refused = store.check().await;
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    assert_eq!(store.feed(&fabric("prod")).await.unwrap().head, 0, "reading goes on");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_without_the_right_to_write_is_not_opened() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    let (folder, store) = in_a_file().await;
    store.close().await;
    let path = folder.path().join("hnp.db");
    std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        println!("skipped: this user may write everything, whatever the permissions say");
        return;
    }
    let refused = SqliteStore::open(path.to_str().unwrap()).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_half_done_and_blocks_nobody() {
    let (_folder, store) = in_a_file().await;
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    for position in 1..=150_u64 {
        // Given up at another point of its way each time, from the first step to after the last.
        let patience = Duration::from_micros(20 << (position % 14));
        let (prod, batch) = (fabric("prod"), pair(position));
        let writing = store.append(&prod, claim, &batch);
        let _ = tokio::time::timeout(patience, writing).await;
        if position.is_multiple_of(10) {
            let patch = Content::Patch(json!({ "last": position }));
            let one = crate::store::contract::change(Kind::Server, "s", position, BEGAN, patch);
            store.append(&fabric("prod"), claim, &changes(vec![one])).await.unwrap();
        }
    }
    store.append(&fabric("prod"), claim, &events(vec![event(1_000, BEGAN)])).await.unwrap();
    let (mut events, changes) = pairs(&store).await;
    events.remove(&1_000);
    assert_eq!(events, changes);
    println!("{} of 150 were written before they were given up", events.len());
}
