//! What can happen to a file while orders are given: older, raced for, shared, full, locked, read-only,
//! damaged; callers that give up. Each order and its deed are there, or neither.

use std::{
    collections::BTreeSet,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use domain::{
    access::{Rights, Role},
    audit::{Act, Checker},
};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{super::*, in_a_file};
use crate::store::{
    contract::{
        BEGAN, claimed,
        directory::{deed, name, new_user, order_at, ordered},
        fabric,
    },
    directory::{Directory, Done, Order, OrderError},
};

fn user(n: u64) -> Order {
    Order::CreateUser(new_user(&format!("user-{n}"), Rights::everywhere(Role::Viewer)))
}

/// Makes a user, with a deed that names them.
async fn made(store: &SqliteStore, n: u64) -> Result<Done, OrderError> {
    let told = deed(Act::UserCreate, &format!("user/user-{n}"))
        .changing(None, Some(json!({ "x": "x".repeat(500) })));
    store.order(user(n), &told, BEGAN).await
}

/// Users that are there, after it was made sure that each has a deed in a whole chain, and each deed a user.
async fn whole(store: &SqliteStore) -> BTreeSet<String> {
    let users = store.users().await.unwrap();
    let users: BTreeSet<String> = users.into_iter().map(|user| user.name.into()).collect();
    let mut checker = Checker::default();
    let mut told = BTreeSet::new();
    for link in store.links(0, 100_000).await.unwrap() {
        checker.check(&link).unwrap();
        let deed: domain::audit::Deed = serde_json::from_str(&link.text).unwrap();
        told.extend(deed.on.unwrap().strip_prefix("user/").map(str::to_owned));
    }
    assert_eq!(users, told);
    users
}

/// A database of the schema before there was a directory, with records in it.
async fn of_schema_one(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut old = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(open::MIGRATIONS[0]).execute(&mut old).await.unwrap();
    let data = "PRAGMA application_id = 1213091889; PRAGMA user_version = 1;
        INSERT INTO fabrics (name, epoch, head, reserved, holder, claim) VALUES ('prod', 'e', 2, 9, 'a', 3);
        INSERT INTO events (fabric, position, at_ms, type, body) VALUES (1, 2, 5, 1, '{\"id\":\"2\"}');
        UPDATE house SET claims = 3;";
    // A body is bytes; what is written as text here would not be taken.
    let data = data.replace("'{\"id\":\"2\"}'", "CAST('{\"id\":\"2\"}' AS BLOB)");
    sqlx::raw_sql(&data).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_by_whoever_is_first_and_keeps_its_records() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hnp.db");
        of_schema_one(&path).await;
        let place = path.to_str().unwrap();
        let all = tokio::join!(
            SqliteStore::open(place),
            SqliteStore::open(place),
            SqliteStore::open(place)
        );
        let (first, second, third) = (all.0.unwrap(), all.1.unwrap(), all.2.unwrap());
        let feed = first.feed(&fabric("prod")).await.unwrap();
        assert_eq!((feed.epoch.as_str(), feed.head, feed.reserved), ("e", 2, 9));
        let query = EventQuery { limit: 10, ..EventQuery::default() };
        assert_eq!(second.events(&fabric("prod"), &query).await.unwrap()[0].position, 2);
        assert!(claimed(&third, &fabric("lab"), "b", BEGAN).await.0 > 3);
        made(&first, 1).await.unwrap();
        made(&second, 2).await.unwrap();
        assert_eq!(whole(&third).await.len(), 2);
        assert!(third.generation().await.unwrap() >= 2, "another process notices");
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_old_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hnp.db");
    of_schema_one(&path).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let mut old = SqliteConnection::connect_with(&options).await.unwrap();
    // In the way of the last table of the step.
    sqlx::raw_sql("CREATE TABLE notices (x)").execute(&mut old).await.unwrap();
    let opened = SqliteStore::open(path.to_str().unwrap()).await;
    assert!(matches!(opened, Err(StoreError::Open { .. })), "{opened:?}");
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut old).await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'users'")
        .fetch_one(&mut old)
        .await
        .unwrap();
    assert_eq!((version, tables), (1, 0));
    sqlx::raw_sql("DROP TABLE notices").execute(&mut old).await.unwrap();
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    assert_eq!(store.feed(&fabric("prod")).await.unwrap().head, 2);
}

#[tokio::test]
async fn two_processes_order_one_after_the_other() {
    let (folder, first) = in_a_file().await;
    let second = SqliteStore::open(folder.path().join("hnp.db").to_str().unwrap()).await.unwrap();
    let some = async |store: &SqliteStore, from: u64| {
        let mut numbers = Vec::new();
        for n in (from..40).step_by(2) {
            numbers.push(made(store, n).await.unwrap().seq);
        }
        numbers
    };
    let (odd, even) = tokio::join!(some(&first, 1), some(&second, 0));
    let all: BTreeSet<u64> = odd.into_iter().chain(even).collect();
    assert_eq!(all, (1..=40).collect());
    assert_eq!(whole(&first).await.len(), 40);
    // A user that one of them disables has no session in the other.
    ordered(&first, Order::DeleteUser(name("user-3"))).await;
    assert_eq!(second.user(&name("user-3")).await.unwrap(), None);
}

#[tokio::test]
async fn another_processs_lock_is_told_and_waited_out() {
    let (folder, store) = in_a_file().await;
    made(&store, 1).await.unwrap();
    let address = format!("sqlite:{}", folder.path().join("hnp.db").display());
    let mut other = SqliteConnection::connect(&address).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    sqlx::raw_sql("PRAGMA busy_timeout = 20").execute(&store.writer).await.unwrap();
    let locked = made(&store, 2).await;
    let Err(OrderError::Store(StoreError::Locked { what })) = locked else { panic!("{locked:?}") };
    assert_eq!(what, "make a user");
    assert_eq!(whole(&store).await.len(), 1, "reading goes on");
    sqlx::raw_sql("PRAGMA busy_timeout = 4000").execute(&store.writer).await.unwrap();
    let waiting = async { made(&store, 2).await };
    let unlocking = async { sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap() };
    let (waited, _) = tokio::join!(waiting, unlocking);
    waited.unwrap();
    assert_eq!(whole(&store).await.len(), 2);
}

#[tokio::test]
async fn what_may_not_be_written_says_so() {
    let (_folder, store) = in_a_file().await;
    made(&store, 1).await.unwrap();
    sqlx::raw_sql("PRAGMA query_only = ON").execute(&store.writer).await.unwrap();
    let refused = made(&store, 2).await;
    assert!(matches!(refused, Err(OrderError::Store(StoreError::ReadOnly { .. }))), "{refused:?}");
    let refused = store.set_fact("a", "b").await;
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    assert_eq!(whole(&store).await.len(), 1, "reading goes on");
    sqlx::raw_sql("PRAGMA query_only = OFF").execute(&store.writer).await.unwrap();
    made(&store, 2).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_over_when_there_is_room() {
    let (_folder, store) = in_a_file().await;
    made(&store, 0).await.unwrap();
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.writer).await.unwrap();
    let limit = |pages: i64| format!("PRAGMA max_page_count = {pages}");
    sqlx::raw_sql(&limit(pages + 4)).execute(&store.writer).await.unwrap();
    let mut written = 1;
    let full = loop {
        match made(&store, written).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000, "it never got full");
    };
    assert!(matches!(full, OrderError::Store(StoreError::Full { .. })), "{full:?}");
    for _ in 0..3 {
        let again = made(&store, written).await;
        assert!(matches!(again, Err(OrderError::Store(StoreError::Full { .. }))), "{again:?}");
    }
    assert_eq!(whole(&store).await.len(), usize::try_from(written).unwrap());
    sqlx::raw_sql(&limit(1_000_000)).execute(&store.writer).await.unwrap();
    made(&store, written).await.unwrap();
    assert_eq!(whole(&store).await.len(), usize::try_from(written).unwrap() + 1);
}

#[tokio::test]
async fn damage_is_noticed_and_named() {
    let (folder, store) = in_a_file().await;
    for n in 0..200 {
        made(&store, n).await.unwrap();
    }
    store.close().await;
    let path = folder.path().join("hnp.db");
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // All but the first pages, where the schema is.
    let schema = 8 * 4096;
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(schema)).unwrap();
    file.write_all(&vec![0xff; usize::try_from(length - schema).unwrap()]).unwrap();
    drop(file);
    let damaged = match SqliteStore::open(path.to_str().unwrap()).await {
        Ok(store) => match made(&store, 1_000).await {
            Ok(_) => store.users().await.map(|_| ()),
            Err(OrderError::Store(error)) => Err(error),
            Err(error) => panic!("{error}"),
        },
        Err(error) => Err(error),
    };
    let Err(StoreError::Damaged { .. }) = damaged else { panic!("{damaged:?}") };
    assert!(damaged.unwrap_err().to_string().contains("restore a backup"));
}

#[tokio::test]
async fn an_order_that_is_given_up_leaves_nothing_half_done_and_blocks_nobody() {
    let (_folder, store) = in_a_file().await;
    for n in 1..=100_u64 {
        // Given up at another point of its way each time, from the first step to after the last.
        let patience = Duration::from_micros(20 << (n % 13));
        let _ = tokio::time::timeout(patience, made(&store, n)).await;
    }
    made(&store, 1_000).await.unwrap();
    let there = whole(&store).await.len();
    println!("{} of 100 orders were carried out before they were given up", there - 1);
}

#[tokio::test]
async fn a_copy_is_of_one_moment_while_others_write_and_is_never_written_over() {
    let (folder, store) = in_a_file().await;
    for n in 0..50 {
        made(&store, n).await.unwrap();
    }
    let copy = folder.path().join("copy.db");
    let writing = async {
        for n in 50..80 {
            made(&store, n).await.unwrap();
        }
    };
    let (copied, ()) = tokio::join!(store.copy_to(&copy), writing);
    copied.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = store.copy_to(&copy).await.unwrap_err().to_string();
    assert!(again.contains("there already"), "{again}");
    let nowhere = store.copy_to(&folder.path().join("no/where.db")).await;
    assert!(matches!(nowhere, Err(StoreError::Failed { .. })), "{nowhere:?}");
    let copied = SqliteStore::open(copy.to_str().unwrap()).await.unwrap();
    let users = whole(&copied).await.len();
    assert!((50..=80).contains(&users), "{users}");
    made(&copied, 1_000).await.unwrap();
    assert_eq!(whole(&store).await.len(), 80, "the original is another one");
    let memory = SqliteStore::in_memory().await.unwrap();
    order_at(&memory, user(1), BEGAN).await.unwrap();
    memory.copy_to(&folder.path().join("memory.db")).await.unwrap();
}

#[tokio::test]
async fn a_database_is_moved_aside_only_when_nobody_uses_it() {
    let (folder, store) = in_a_file().await;
    let (file, aside) = (folder.path().join("hnp.db"), folder.path().join("aside.db"));
    made(&store, 1).await.unwrap();
    let used = set_aside(&file, &aside).await.unwrap_err().to_string();
    assert!(used.contains("stop the server"), "{used}");
    made(&store, 2).await.unwrap();
    store.close().await;
    set_aside(&file, &aside).await.unwrap();
    assert!(!file.exists());
    let moved = SqliteStore::open(aside.to_str().unwrap()).await.unwrap();
    assert_eq!(whole(&moved).await.len(), 2);
    moved.inspect().await.unwrap();
    // What is no database is moved all the same, but never over another.
    std::fs::write(&file, "rubbish").unwrap();
    let taken = set_aside(&file, &aside).await.unwrap_err().to_string();
    assert!(taken.contains("there already"), "{taken}");
    set_aside(&file, &folder.path().join("rubbish.db")).await.unwrap();
    assert!(!file.exists());
}

#[tokio::test]
async fn an_unsound_database_is_told_from_a_sound_one() {
    let (folder, store) = in_a_file().await;
    made(&store, 1).await.unwrap();
    store.inspect().await.unwrap();
    store.close().await;
    let path = folder.path().join("hnp.db");
    let options = SqliteConnectOptions::new().filename(&path).foreign_keys(false);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("DELETE FROM users").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let unsound = store.inspect().await;
    assert!(matches!(unsound, Err(StoreError::Damaged { .. })), "{unsound:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_is_in_its_one_file_and_free_at_once() {
    for n in 0..40 {
        let (folder, store) = in_a_file().await;
        made(&store, n).await.unwrap();
        let _ = store.users().await.unwrap();
        store.close().await;
        let file = folder.path().join("hnp.db");
        let beside = std::fs::metadata(folder.path().join("hnp.db-wal"));
        assert!(beside.is_err(), "round {n}: what was written lies beside the file still");
        set_aside(&file, &folder.path().join("aside.db")).await.unwrap();
    }
}
