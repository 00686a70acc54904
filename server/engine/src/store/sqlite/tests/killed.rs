//! A writer that is killed: all that it was told is written is there, and nothing half.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{
    super::*,
    file::{pair, pairs},
};
use crate::store::contract::{BEGAN, TTL, claimed, fabric};

/// Set in the process that writes until it is killed: the file.
const FILE: &str = "HNP_TEST_WRITES_UNTIL_KILLED";
/// Set in it too: a time, so that each finds the lease of the one before run out.
const NOW: &str = "HNP_TEST_NOW";
/// How the test is called in this binary.
const NAME: &str = "store::sqlite::tests::killed::what_was_acknowledged_survives_kill_9";
/// How often a writer is killed.
const ROUNDS: i64 = 4;
/// Longest that a writer may take to write what it is killed after.
const PATIENCE: Duration = Duration::from_mins(1);

/// Writes until it is killed; tells each position once it is acknowledged.
async fn write_until_killed(path: &str, now: i64) {
    let store = SqliteStore::open(path).await.unwrap();
    let claim = claimed(&store, &fabric("prod"), "writer", now).await;
    let feed = store.feed(&fabric("prod")).await.unwrap();
    // It gives up by itself should nobody kill it.
    for position in feed.reserved + 1..feed.reserved + 50_000 {
        if position.is_multiple_of(20) {
            store.reserve(&fabric("prod"), claim, position + 40).await.unwrap();
        }
        store.append(&fabric("prod"), claim, &pair(position)).await.unwrap();
        println!("\nacknowledged {position}");
    }
}

/// Lets a writer write, kills it, and returns what was acknowledged to it.
async fn killed(path: &str, round: i64) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(FILE, path)
        .env(NOW, (BEGAN + round * 2 * TTL).to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let enough = 30 + usize::try_from(round * 17).unwrap();
    let reading = async {
        while acknowledged.len() < enough {
            let line = lines.next_line().await.unwrap().expect("the writer ended by itself");
            acknowledged
                .extend(line.strip_prefix("acknowledged ").map(|n| n.parse::<u64>().unwrap()));
        }
        child.start_kill().unwrap();
        // What was told between the decision and the death counts too.
        while let Ok(Some(line)) = lines.next_line().await {
            let position = line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok());
            acknowledged.extend(position);
        }
        child.wait().await.unwrap();
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the writer writes too slowly");
    acknowledged
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    if let (Some(path), Some(now)) = (std::env::var_os(FILE), std::env::var_os(NOW)) {
        let now = now.to_str().unwrap().parse().unwrap();
        return write_until_killed(path.to_str().unwrap(), now).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hnp.db");
    let path = path.to_str().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let told = killed(path, round).await;
        assert!(told.iter().all(|position| acknowledged.insert(*position)), "a position twice");
        let store = SqliteStore::open(path).await.unwrap();
        let verdict: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&store.writer).await.unwrap();
        assert_eq!(verdict, "ok");
        let (events, changes) = pairs(&store).await;
        assert_eq!(events, changes, "an event and its change are written together");
        let lost: Vec<_> = acknowledged.difference(&events).collect();
        assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
        let feed = store.feed(&fabric("prod")).await.unwrap();
        assert!(feed.reserved >= feed.head, "{feed:?}");
        store.close().await;
    }
    println!("killed {ROUNDS} times; {} acknowledged positions are there", acknowledged.len());
}
