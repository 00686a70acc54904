//! What it costs: bytes, replayed changes, and (printed, never judged) times.
//!
//! The figures of the whole size: `cargo test --release -p engine --lib -- --ignored --nocapture speed`.

use std::time::Instant;

use domain::history::{self, Content};
use serde_json::{Value, json};

use super::{super::*, in_a_file, series};
use crate::store::contract::{BEGAN, change, changes, claimed, event, fabric, key, put};

/// Changes that are written at once.
const BATCH: u64 = 500;
const HOUR: i64 = 3_600_000;
/// Nothing is too old or too much.
const ALL: Retention = Retention { max_age_ms: i64::MAX / 2, max_bytes: u64::MAX };

/// What an Agent of a switch with 56 ports and 8 neighbours says that is kept of it.
fn agent(name: &str) -> Value {
    let ports: serde_json::Map<String, Value> = (1..=56)
        .map(|port| {
            let state = json!({ "enabled": true, "admin": "up", "oper": "up", "speed": "25G",
                "fec": "rs", "lldpNeighbors": [{ "chassisID": format!("0c:20:12:fe:{port:02}"),
                    "portID": format!("E1/{port}"), "systemName": "leaf-02" }] });
            (format!("E1/{port}"), state)
        })
        .collect();
    let neighbours: serde_json::Map<String, Value> = (1..=8)
        .map(|at| (format!("172.30.8.{at}"), json!({ "state": "established", "enabled": true })))
        .collect();
    json!({ "apiVersion": "agent.githedgehog.com/v1beta1", "kind": "Agent",
        "metadata": { "name": name, "namespace": "default", "generation": 7 },
        "spec": { "role": "server-leaf" },
        "status": { "version": "v0.129.1", "state": { "interfaces": ports,
            "bgpNeighbors": { "default": neighbours } } } })
}

#[tokio::test]
async fn a_day_of_56_switches_fits_into_50_mb() {
    const SWITCHES: u64 = 8;
    const EACH: u64 = 200;
    const OF_FABRIC: u64 = 56;
    /// A port goes down and its neighbour's session with it, or comes back: every two minutes on each
    /// switch, day and night. What changes less often costs less.
    const A_DAY: u64 = 24 * 30;
    let (_folder, store) = in_a_file().await;
    let claim = claimed(&store, &fabric("prod"), "a", BEGAN).await;
    let mut states: Vec<Value> = (0..SWITCHES).map(|n| agent(&format!("leaf-{n:02}"))).collect();
    let first = states.iter().enumerate().map(|(n, state)| {
        put(Kind::Agent, &format!("leaf-{n:02}"), n as u64 + 1, BEGAN, state.clone())
    });
    store.append(&fabric("prod"), claim, &changes(first.collect())).await.unwrap();
    let before = store.upkeep(ALL, BEGAN).await.unwrap().bytes;
    let mut version = SWITCHES;
    for round in 0..EACH {
        let mut batch = Batch::default();
        for (n, state) in states.iter_mut().enumerate() {
            version += 1;
            let name = format!("leaf-{n:02}");
            let at = BEGAN + i64::try_from(round).unwrap() * 120_000;
            let mut next = state.clone();
            let (port, neighbour) = (format!("E1/{}", round % 56 + 1), round % 8 + 1);
            let word = if round / 56 % 2 == 0 { ("down", "idle") } else { ("up", "established") };
            next["status"]["state"]["interfaces"][&port]["oper"] = json!(word.0);
            next["status"]["state"]["bgpNeighbors"]["default"][format!("172.30.8.{neighbour}")]["state"] =
                json!(word.1);
            let Some(content) = history::content(Some(state), Some(&next)) else { continue };
            *state = next;
            batch.changes.push(change(Kind::Agent, &name, version, at, content));
            let mut told = event(version, at);
            told.subject = Some(format!("Agent/default/{name}").into());
            told.text = json!({ "specversion": "1.0", "id": version.to_string(),
                "source": "/fabrics/prod", "type": "hnp.resource.updated",
                "subject": format!("Agent/default/{name}"), "time": "2026-11-24T10:00:00Z",
                "data": { "severity": "info", "message": format!("Agent {name} updated"),
                    "version": version.to_string(), "manager": "agent", "changes": [
                        { "pointer": format!("/status/state/interfaces/{port}/oper"),
                            "from": "up", "to": "down" },
                        { "pointer": format!("/status/state/bgpNeighbors/default/172.30.8.{neighbour}/state"),
                            "from": "established", "to": "idle" }] } })
            .to_string()
            .into();
            batch.events.push(told);
        }
        store.append(&fabric("prod"), claim, &batch).await.unwrap();
        if round % 10 == 9 {
            store.upkeep(ALL, BEGAN).await.unwrap();
        }
    }
    let bytes = store.upkeep(ALL, BEGAN).await.unwrap().bytes - before;
    let each = bytes / (SWITCHES * EACH);
    let day = each * OF_FABRIC * A_DAY;
    println!("{each} bytes a change, event, indices and checkpoints in all; {day} bytes a day");
    assert!(day <= 50_000_000, "{day} bytes a day, {each} a change");
}

/// Records objects and changes of them, a minute apart, with an upkeep now and then.
async fn recorded(store: &SqliteStore, objects: u64, count: u64) {
    let claim = claimed(store, &fabric("prod"), "a", BEGAN).await;
    let spec = |n: u64| {
        json!({ "metadata": { "name": format!("c-{n}"), "labels": { "fabric": "default" } },
            "spec": { "unbundled": { "link": { "server": { "port": format!("server-{n}/enp2s1") },
                "switch": { "port": format!("leaf-{:02}/E1/{}", n % 40, n % 56) } } } } })
    };
    let mut began = Instant::now();
    for page in 0..objects.div_ceil(BATCH) {
        let first = (page * BATCH..objects.min((page + 1) * BATCH))
            .map(|n| put(Kind::Connection, &format!("c-{n}"), n + 1, BEGAN, spec(n)));
        store.append(&fabric("prod"), claim, &changes(first.collect())).await.unwrap();
    }
    println!("{objects} objects in {:?}", began.elapsed());
    began = Instant::now();
    for batch in 0..count.div_ceil(BATCH) {
        let some = (batch * BATCH..count.min((batch + 1) * BATCH)).map(|at| {
            let patch = Content::Patch(json!({ "metadata": { "labels": { "turn": at } } }));
            let time = BEGAN + i64::try_from(at + 1).unwrap() * 60_000;
            change(
                Kind::Connection,
                &format!("c-{}", at * 7_919 % objects),
                objects + at + 1,
                time,
                patch,
            )
        });
        store.append(&fabric("prod"), claim, &changes(some.collect())).await.unwrap();
        store.upkeep(ALL, BEGAN).await.unwrap();
    }
    println!("{count} changes, {BATCH} a batch, with upkeep, in {:?}", began.elapsed());
}

/// Reads moments all over the history; the most changes that one replayed and the longest it took.
async fn read_everywhere(store: &SqliteStore, objects: u64, count: u64) -> usize {
    let mut most = 0;
    let mut took = Vec::new();
    for part in 0..=20 {
        let at = count * part / 20;
        for moment in [
            Moment::Time(BEGAN + i64::try_from(at).unwrap() * 60_000),
            Moment::Version(objects + at),
        ] {
            let began = Instant::now();
            let mut tx = store.read().await.unwrap();
            let asked =
                past::find(&mut tx, &fabric("prod"), Kind::Connection, moment).await.unwrap();
            let loaded = past::load(&mut tx, &asked.unwrap()).await.unwrap();
            drop(tx);
            let read = began.elapsed();
            let (known, loaded) = past::known(loaded).await.unwrap();
            took.push((began.elapsed(), read, loaded.lines.len()));
            most = most.max(loaded.lines.len());
            let sum: usize = known
                .objects
                .values()
                .filter(|kept| kept.object["metadata"]["labels"]["turn"].is_u64())
                .count();
            assert!(sum as u64 <= at && known.objects.len() as u64 == objects, "{moment}");
        }
    }
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "any moment (in all, of that reading, changes): median {median:?}, longest {longest:?}"
    );
    most
}

#[tokio::test]
async fn any_moment_is_near_a_checkpoint() {
    let (_folder, store) = in_a_file().await;
    recorded(&store, 500, 6_000).await;
    let most = read_everywhere(&store, 500, 6_000).await;
    // As many as a checkpoint is worth, and a batch that came before upkeep did.
    assert!(most <= 3_000, "{most} changes were replayed to read a moment");
    let series = series(&store, Kind::Connection).await.unwrap();
    let (changes, checkpoints): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(length(body)) FROM changes WHERE series = ?1),
             (SELECT sum(bytes) FROM checkpoints WHERE series = ?1)",
    )
    .bind(series)
    .fetch_one(&store.readers)
    .await
    .unwrap();
    println!("{changes} bytes of changes, {checkpoints} of checkpoints");
    assert!(
        checkpoints <= changes * 2,
        "{checkpoints} bytes of checkpoints for {changes} of changes"
    );
}

#[tokio::test]
#[ignore = "the whole size; its figures mean something in a release build only"]
async fn figures_of_100_000_changes_of_10_000_objects() {
    let (_folder, store) = in_a_file().await;
    recorded(&store, 10_000, 100_000).await;
    let most = read_everywhere(&store, 10_000, 100_000).await;
    assert!(most <= 2 * usize::try_from(checkpoint::MOST).unwrap(), "{most} changes were replayed");
    let used = store.upkeep(ALL, BEGAN + HOUR).await.unwrap().bytes;
    println!("{used} bytes in all");
    let claim = claimed(&store, &fabric("lab"), "a", BEGAN).await;
    let mut took = Vec::new();
    for position in 1..=1_000_u64 {
        let began = Instant::now();
        store.append(&fabric("lab"), claim, &super::file::pair(position)).await.unwrap();
        took.push(began.elapsed());
    }
    took.sort();
    println!("append of one change and its event: p50 {:?}, p99 {:?}", took[500], took[990]);
    let began = Instant::now();
    let history = store.history(&fabric("lab"), Kind::Vpc, &key("v"), None, 50).await.unwrap();
    println!("{} changes of one object: {:?}", history.len(), began.elapsed());
}
