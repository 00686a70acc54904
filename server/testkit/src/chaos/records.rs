//! What the server acknowledged as recorded, and whether it is still there after its deaths.
//!
//! A reader of the recorded events runs all the time: what it was once given is acknowledged. What clients were told
//! live is not, until it is read here.
//!
//! Invariant: the database is looked at in a copy of its files, so that looking repairs nothing.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use domain::kind::Kind;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use tokio::{task::JoinSet, time::sleep};

use super::{FABRIC, ground::Ground};
use crate::account;

/// Pause between two readings.
const READ_EVERY: Duration = Duration::from_millis(200);
/// Longest wait for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Longest wait until everything that happened is recorded.
const RECORDED_WITHIN: Duration = Duration::from_mins(2);
/// Events in an answer.
const AT_ONCE: usize = 1_000;
/// Files of a database, after its name.
const PARTS: [&str; 3] = ["", "-wal", "-journal"];

type Events = BTreeMap<u64, Value>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Records {
    acknowledged: Arc<Mutex<Events>>,
    reader: JoinSet<()>,
}

impl Records {
    /// Begins to read.
    pub(crate) fn follow(ground: &Arc<Ground>) -> Self {
        let acknowledged = Arc::<Mutex<Events>>::default();
        let mut reader = JoinSet::new();
        let (into, ground) = (Arc::clone(&acknowledged), Arc::clone(ground));
        reader.spawn(async move {
            let http = account::http();
            loop {
                let last = lock(&into).keys().next_back().copied().unwrap_or_default();
                // Nobody may be there to ask.
                if let Ok(events) = after(&http, &ground, last).await {
                    lock(&into).extend(events);
                }
                sleep(READ_EVERY).await;
            }
        });
        Self { acknowledged, reader }
    }

    /// Events that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        lock(&self.acknowledged).len()
    }

    /// What was acknowledged and is not there any more, or is there as something else.
    pub(crate) async fn missing(&mut self, ground: &Ground) -> Vec<String> {
        self.reader.shutdown().await;
        let there = match all(ground).await {
            Ok(there) => there,
            Err(error) => return vec![format!("records cannot be read: {error:#}")],
        };
        let mut wrong = Vec::new();
        for (position, event) in &*lock(&self.acknowledged) {
            match there.get(position) {
                None => wrong.push(format!("event {position} was acknowledged and is gone")),
                Some(now) if now != event => {
                    wrong.push(format!("event {position} was {event} and is {now}"));
                }
                Some(_) => {}
            }
        }
        if there.is_empty() {
            wrong.push("nothing is recorded".to_owned());
        }
        wrong.truncate(5);
        wrong
    }

    /// Objects whose history does not end as the cluster has them; waits until what is under way is written.
    pub(crate) async fn unfinished(ground: &Ground) -> Vec<String> {
        let begun = Instant::now();
        let http = account::http();
        loop {
            let wrong = match histories(&http, ground).await {
                Ok(wrong) => wrong,
                Err(error) => vec![format!("history cannot be read: {error:#}")],
            };
            if wrong.is_empty() || begun.elapsed() > RECORDED_WITHIN {
                return wrong;
            }
            sleep(READ_EVERY).await;
        }
    }
}

fn lock(events: &Mutex<Events>) -> std::sync::MutexGuard<'_, Events> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All recorded events.
async fn all(ground: &Ground) -> anyhow::Result<Events> {
    let http = account::http();
    let mut events = Events::new();
    loop {
        let last = events.keys().next_back().copied().unwrap_or_default();
        let more = after(&http, ground, last).await?;
        let done = more.len() < AT_ONCE;
        events.extend(more);
        if done {
            return Ok(events);
        }
    }
}

/// Recorded events after a position.
async fn after(http: &reqwest::Client, ground: &Ground, last: u64) -> anyhow::Result<Events> {
    let body = ask(http, ground, &format!("events?since={last}&limit={AT_ONCE}")).await?;
    let events = body.get("events").and_then(Value::as_array).context("no events")?;
    let events = events.iter().map(|event| {
        let position = event.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        Ok((
            position.with_context(|| format!("an event without a position: {event}"))?,
            event.clone(),
        ))
    });
    events.collect()
}

async fn ask(http: &reqwest::Client, ground: &Ground, what: &str) -> anyhow::Result<Value> {
    let server = ground.proxy.server().context("nobody serves")?;
    let url = format!("http://{server}/api/v1/fabrics/{FABRIC}/{what}");
    let answer = http.get(url).timeout(ANSWERED_WITHIN).send().await.context("ask")?;
    let answer = answer.error_for_status().context("ask")?;
    answer.json().await.context("read the answer")
}

/// What is recorded last of each server that comes and goes, against what the cluster has.
async fn histories(http: &reqwest::Client, ground: &Ground) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for name in super::load::guests() {
        let path = format!("objects/{}/default/{name}/history?limit=1", Kind::Server);
        let body = ask(http, ground, &path).await?;
        let last = body.pointer("/changes/0");
        let live = ground.cluster.get(Kind::Server, "default", &name).ok();
        let version = live.as_ref().and_then(|live| live.pointer("/metadata/resourceVersion"));
        let deleted =
            last.is_some_and(|last| last.get("op").and_then(Value::as_str) == Some("gone"));
        match (version, last) {
            (Some(version), Some(last)) if last.get("version") == Some(version) && !deleted => {}
            (None, Some(_)) if deleted => {}
            (None, None) => {}
            (version, last) => wrong.push(format!(
                "the history of {name} ends with {}, and the cluster has it as {version:?}",
                last.map(Value::to_string).unwrap_or_default()
            )),
        }
    }
    wrong.truncate(5);
    Ok(wrong)
}

/// Asks the database for its own opinion of itself, in a copy of its files.
pub(crate) async fn intact(folder: &Path) -> anyhow::Result<()> {
    let original = folder.join("data/hnp.db");
    ensure!(original.is_file(), "there is no database at {}", original.display());
    let copy = folder.join("copy.db");
    for part in PARTS {
        let (from, to) = (with(&original, part), with(&copy, part));
        if from.is_file() {
            std::fs::copy(&from, &to).context("copy the database")?;
        } else if to.is_file() {
            std::fs::remove_file(&to).context("drop an old copy")?;
        }
    }
    let url = format!("sqlite://{}", copy.display());
    let mut connection = SqliteConnection::connect(&url).await.context("open the database")?;
    let says: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut connection)
        .await
        .context("check the database")?;
    connection.close().await.context("close the copy")?;
    ensure!(says == "ok", "the database says of itself: {says}");
    Ok(())
}

fn with(path: &Path, part: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(part);
    name.into()
}
