//! One client that stops reading: what it costs, what the others notice of it, and what it gets afterwards.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Context as _;
use domain::kind::Kind;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    clients::{Fleet, Place, open},
    console::{counter, live, metrics},
    load::Load,
    machine,
    process::Console,
    report::{Report, Row},
    stats::{median, percentile},
    yard::Yard,
};

const PART: &str = "One client stops reading for 60 s, 1,000 changes/s on 500 objects";
/// Objects that change.
const OBJECTS: usize = 500;
/// Changes per second.
const RATE: f64 = 1_000.0;
/// The other clients.
const OTHERS: usize = 20;
/// Seconds of one window; each gives one p99.
const WINDOW: f64 = 3.0;
/// Windows without the slow client, before it and after it.
const WITHOUT: usize = 5;
/// Windows with it: a minute.
const WITH: usize = 20;
/// The topic.
const LIST: &str = "objects/bench/Server";
/// How long the slow client may take to catch up.
const CAUGHT_UP_WITHIN: Duration = Duration::from_mins(1);

/// What some windows gave.
#[derive(Debug, Default)]
struct Windows {
    p99: Vec<f64>,
    /// Seconds of processor time per second.
    cpu: Vec<f64>,
}

impl Windows {
    async fn run(
        &mut self,
        n: usize,
        load: &mut Load,
        fleet: &Fleet,
        pid: u32,
    ) -> anyhow::Result<()> {
        for _ in 0..n {
            let (cpu, begun) = (machine::cpu(pid), Instant::now());
            let mut ran = load.run(RATE, WINDOW, Some(fleet)).await?;
            if let Some((after, before)) = machine::cpu(pid).zip(cpu) {
                self.cpu.push((after - before) / begun.elapsed().as_secs_f64());
            }
            self.p99.extend(percentile(&mut ran.latencies, 0.99));
        }
        Ok(())
    }
}

/// All of it.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    crate::say("one client stops reading");
    let yard = Yard::servers(OBJECTS).await?;
    let console = Console::serve(&yard.kubeconfig).await?;
    let http = testkit::account::http();
    live(&http, &console, OBJECTS).await?;
    let place = Place::console(&console.address, &[json!({"topic": LIST})]);
    let mut load = Load::near(&yard.cluster, Kind::Server);
    let fleet = Fleet::connect(&place, OTHERS, load.zero).await?;
    let pid = console.process.pid;
    load.run(RATE, WINDOW, Some(&fleet)).await?;
    let (mut without, mut with) = (Windows::default(), Windows::default());
    without.run(WITHOUT, &mut load, &fleet, pid).await?;
    let mut slow = Slow::connect(&place).await?;
    let before = machine::resident(pid).unwrap_or(f64::NAN);
    with.run(WITH / 2, &mut load, &fleet, pid).await?;
    let half = yard.cluster.revision();
    with.run(WITH / 2, &mut load, &fleet, pid).await?;
    let after = machine::resident(pid).unwrap_or(f64::NAN);
    let caught_up = Instant::now();
    let got = timeout(CAUGHT_UP_WITHIN, slow.catch_up(&place, &yard, half)).await;
    let got = got.context("the slow client does not catch up")??;
    let seconds = caught_up.elapsed().as_secs_f64();
    drop(slow);
    without.run(WITHOUT, &mut load, &fleet, pid).await?;
    let text = metrics(&http, &console.address).await?;
    rows(report, &without, &with);
    let row = |what: &str, unit, value| Row::new(PART, what, unit, vec![value]);
    report.add(
        row(
            "memory of `hnp serve`: more after the minute than before",
            "MB",
            (after - before) / 1e6,
        )
        .note("the records of 60,000 changes included"),
    );
    report.add(
        row("reading again: most changes of one object, of the second half-minute", "", got.most)
            .at_most(1.0),
    );
    report.add(row("… changes in all ÷ objects", "×", got.all / OBJECTS as f64));
    report.add(
        row("… objects that end as the cluster has them", "%", got.right)
            .at_least(100.0)
            .note(format!("closed as slow: {}", counter(&text, "hnp_slow_clients_total"))),
    );
    report.add(row("… until it has everything", "s", seconds));
    drop(fleet);
    console.end().await;
    Ok(())
}

fn rows(report: &mut Report, without: &Windows, with: &Windows) {
    let ratio = |with: &[f64], without: &[f64]| {
        median(with).zip(median(without)).map(|(with, without)| with / without)
    };
    let p99 = ratio(&with.p99, &without.p99).into_iter().collect();
    let cpu = ratio(&with.cpu, &without.cpu).into_iter().collect();
    let row = |what: &str, unit, runs| Row::new(PART, what, unit, runs);
    report.add(row("20 others: change → frame, p99, without it", "ms", without.p99.clone()));
    report.add(row("… with it", "ms", with.p99.clone()));
    report.add(row("… with it ÷ without it", "×", p99).at_most(1.10));
    report.add(row("processor of `hnp serve`, without it", "s/s", without.cpu.clone()));
    report.add(row("… with it ÷ without it", "×", cpu));
}

/// The client that does not read.
struct Slow {
    socket: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
    at: Value,
    versions: BTreeMap<String, String>,
}

/// What it got once it read again.
struct Got {
    most: f64,
    all: f64,
    right: f64,
}

impl Slow {
    /// Connects, reads its first picture, and then nothing more.
    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let (socket, _) = open(place).await?;
        let mut slow = Self { socket, at: Value::Null, versions: BTreeMap::new() };
        while slow.at.is_null() {
            slow.read().await?.context("the server closed")?;
        }
        Ok(slow)
    }

    /// Takes one frame in; none if the server closed.
    async fn read(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            let text = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
                Some(Ok(_)) => continue,
            };
            let frame: Value = serde_json::from_str(&text).context("a frame")?;
            let entries = frame.get("b").or(frame.get("items")).and_then(Value::as_array);
            for entry in entries.into_iter().flatten() {
                let word = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
                self.versions.insert(word("k").to_owned(), word("v").to_owned());
            }
            if let Some(at) = frame.get("at").filter(|at| at.is_array()) {
                self.at = at.clone();
            }
            if let Some(ts) = frame.get("ts") {
                let pong = json!({"t": "pong", "ts": ts}).to_string();
                let _ = self.socket.send(Message::text(pong)).await;
            }
            return Ok(Some(frame));
        }
    }

    /// Reads until it has what the cluster has, over another connection if this one was closed.
    async fn catch_up(&mut self, place: &Place, yard: &Yard, half: u64) -> anyhow::Result<Got> {
        let truth: BTreeMap<String, String> = yard
            .cluster
            .list(Kind::Server)
            .iter()
            .map(|object| {
                let word =
                    |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
                (
                    format!("default/{}", word("/metadata/name")),
                    word("/metadata/resourceVersion").to_owned(),
                )
            })
            .collect();
        let (mut late, mut all) = (BTreeMap::<String, u32>::new(), 0.0);
        while self.versions != truth {
            let Some(frame) = self.read().await? else {
                let topics = [json!({"topic": LIST, "at": self.at.clone()})];
                self.socket = open(&Place::console(&place.address, &topics)).await?.0;
                continue;
            };
            for op in frame.get("b").and_then(Value::as_array).into_iter().flatten() {
                all += 1.0;
                let word = |name: &str| op.get(name).and_then(Value::as_str).unwrap_or_default();
                if word("v").parse::<u64>().unwrap_or_default() > half {
                    *late.entry(word("k").to_owned()).or_default() += 1;
                }
            }
        }
        let right = truth.iter().filter(|(key, version)| self.versions.get(*key) == Some(version));
        let right = 100.0 * right.count() as f64 / truth.len() as f64;
        Ok(Got { most: f64::from(late.into_values().max().unwrap_or_default()), all, right })
    }
}
