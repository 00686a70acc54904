//! Fifty fabrics, twenty of them bad: what the thirty good ones notice of it, and whether each bad one says why.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use domain::kind::Kind;
use serde_json::{Value, json};
use testkit::account;
use tokio::time::sleep;

use crate::{
    clients::{Fleet, Place},
    console::{metrics, ready},
    load::Load,
    machine,
    process::Console,
    report::{Report, Row},
    stats::{median, percentile},
    town::{Town, Trouble, enable, register},
};

const PART: &str =
    "50 fabrics, 20 of them bad: 5 hang, 5 flap, 5 have a wrong authority, 5 answer 403";
/// Fabrics that are well.
const GOOD: usize = 30;
/// Bad fabrics of each kind.
const OF_EACH: usize = 5;
/// Clients, each with the list of servers of every good fabric.
const CLIENTS: usize = 50;
/// Changes per second, in turn on the good fabrics.
const RATE: f64 = 30.0;
/// Seconds of one window; each gives one p50 and one p99.
const WINDOW: f64 = 4.0;
/// Windows of one round, on each side.
const WINDOWS: usize = 3;
/// Rounds: without the bad ones, then with them.
const ROUNDS: usize = 3;
/// How long the bad ones may take to say why.
const NAMED_WITHIN: Duration = Duration::from_secs(90);
/// How long fabrics may take to be live.
const LIVE_WITHIN: Duration = Duration::from_secs(90);

/// What the windows of one side gave.
#[derive(Debug, Default)]
struct Side {
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Seconds of processor time per second.
    cpu: Vec<f64>,
    /// Percent.
    delivered: Vec<f64>,
    /// Bytes at the end of each round.
    memory: Vec<f64>,
}

/// All of it.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    crate::say("fifty fabrics, twenty of them bad");
    let home = Home::new().await?;
    let http = account::http();
    let mut town = Town::default();
    town.settle(Trouble::None, GOOD).await?;
    for trouble in Trouble::BAD {
        town.settle(trouble, OF_EACH).await?;
    }
    let console = home.serve().await?;
    for member in &town.members {
        register(&http, &console.address, member).await?;
    }
    connected(&http, &console, &town).await?;
    let flapping = town.flap();
    let named = named(&http, &console, &town).await?;
    let (mut without, mut with, mut ratios) = (Side::default(), Side::default(), Vec::new());
    let clusters: Vec<_> = town.good().map(|member| member.cluster.clone()).collect();
    let mut load = Load::near_all(&clusters, Kind::Server);
    let fleet = fleet(&console, &town, load.zero).await?;
    load.run(RATE, WINDOW, Some(&fleet)).await?;
    for _ in 0..ROUNDS {
        switch(&http, &console, &town, false).await?;
        without.round(&mut load, &fleet, console.process.pid).await?;
        switch(&http, &console, &town, true).await?;
        self::named(&http, &console, &town).await?;
        with.round(&mut load, &fleet, console.process.pid).await?;
        ratios
            .extend(last(&with.p99).zip(last(&without.p99)).map(|(with, without)| with / without));
    }
    let failed = fleet.failed();
    drop(fleet);
    rows(report, &without, &with, ratios, failed);
    report.add(
        Row::new(PART, "bad fabrics that name the cause that is theirs", "of 20", vec![named.n])
            .at_least(20.0)
            .note(format!("timeout, tcp, tls, forbidden; all within {:.1} s", named.seconds)),
    );
    starts(report, &http, &home, &town, console).await?;
    drop(flapping);
    Ok(())
}

/// The median of the windows of the last round.
fn last(windows: &[f64]) -> Option<f64> {
    median(windows.get(windows.len().saturating_sub(WINDOWS)..)?)
}

impl Side {
    async fn round(&mut self, load: &mut Load, fleet: &Fleet, pid: u32) -> anyhow::Result<()> {
        // What switching brought about is over.
        load.run(RATE, 1.0, Some(fleet)).await?;
        for _ in 0..WINDOWS {
            let (cpu, begun) = (machine::cpu(pid), Instant::now());
            let mut ran = load.run(RATE, WINDOW, Some(fleet)).await?;
            if let Some((after, before)) = machine::cpu(pid).zip(cpu) {
                self.cpu.push((after - before) / begun.elapsed().as_secs_f64());
            }
            self.p50.extend(percentile(&mut ran.latencies, 0.5));
            self.p99.extend(percentile(&mut ran.latencies, 0.99));
            self.delivered.push(100.0 * ran.delivered);
        }
        self.memory.extend(machine::resident(pid).map(|bytes| bytes / 1e6));
        Ok(())
    }
}

/// Clients that follow the servers of every good fabric.
async fn fleet(console: &Console, town: &Town, zero: Instant) -> anyhow::Result<Fleet> {
    let topics: Vec<Value> = town
        .good()
        .map(|member| json!({"topic": format!("objects/{}/Server", member.name)}))
        .collect();
    Fleet::connect(&Place::console(&console.address, &topics), CLIENTS, zero).await
}

fn rows(report: &mut Report, without: &Side, with: &Side, ratios: Vec<f64>, failed: usize) {
    let row = |what: &str, unit, runs: &[f64]| Row::new(PART, what, unit, runs.to_vec());
    let shape = format!(
        "{RATE} changes/s in turn on the 30 good ones, {CLIENTS} clients follow all of them; clients lost: {failed}"
    );
    report.add(row("change → frame of a good one, p50", "ms", &with.p50).at_most(2.0).note(shape));
    report.add(row("… p99", "ms", &with.p99).at_most(10.0));
    report.add(row("… p50 while the bad ones are switched off", "ms", &without.p50));
    report.add(row("… p99 while the bad ones are switched off", "ms", &without.p99));
    report.add(
        Row::new(PART, "… p99 with ÷ without the bad ones", "×", ratios)
            .note("one ratio per round; both sides of a round within half a minute"),
    );
    report.add(row("delivered", "%", &with.delivered).at_least(100.0));
    report.add(row("processor of `hnp serve`", "s/s", &with.cpu));
    report.add(row("… while the bad ones are switched off", "s/s", &without.cpu));
    report.add(row("memory of `hnp serve`, the clients included", "MB", &with.memory));
    report.add(row("… while the bad ones are switched off", "MB", &without.memory));
}

/// How long it takes after a start until the good ones are live, with the bad ones and without.
async fn starts(
    report: &mut Report,
    http: &reqwest::Client,
    home: &Home,
    town: &Town,
    console: Console,
) -> anyhow::Result<()> {
    let (mut ready, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new());
    let mut console = console;
    for _ in 0..ROUNDS {
        for (bad, times) in [(true, &mut with), (false, &mut without)] {
            switch(http, &console, town, bad).await?;
            console.process.terminate().await?;
            console = home.serve().await?;
            let (came, said) =
                tokio::join!(connected(http, &console, town), self::ready(http, &console));
            times.push(came?);
            if bad {
                ready.push(said?);
            }
        }
    }
    console.end().await;
    let row = |what: &str, unit, runs| Row::new(PART, what, unit, runs);
    report.add(
        row("start → `/readyz` says 200, with the bad ones", "ms", ready)
            .note("one that hangs is known to be away after the 5 s of its first request"),
    );
    report.add(
        row("start → the last of the 30 good ones is connected", "s", with)
            .at_most(3.0)
            .note("all 12 kinds live; the budget is that of one fabric"),
    );
    report.add(row("… while the bad ones are switched off", "s", without));
    Ok(())
}

/// Switches the bad ones on or off.
async fn switch(
    http: &reqwest::Client,
    console: &Console,
    town: &Town,
    on: bool,
) -> anyhow::Result<()> {
    for member in town.bad() {
        enable(http, &console.address, member, on).await?;
    }
    Ok(())
}

/// Waits until every good fabric is connected; seconds since the process was started.
async fn connected(http: &reqwest::Client, console: &Console, town: &Town) -> anyhow::Result<f64> {
    let lines: Vec<String> = town
        .good()
        .map(|member| format!("hnp_fabric_connected{{fabric=\"{}\"}} 1\n", member.name))
        .collect();
    let begun = Instant::now();
    while begun.elapsed() < LIVE_WITHIN {
        let text = metrics(http, &console.address).await?;
        if lines.iter().all(|line| text.contains(line)) {
            return Ok(console.process.started.elapsed().as_secs_f64());
        }
        sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("not all good fabrics were connected within {LIVE_WITHIN:?}")
}

/// Which bad ones said why.
struct Named {
    n: f64,
    seconds: f64,
}

/// Waits until each bad fabric has named the cause that is its own. One that flaps does so while it is away.
async fn named(http: &reqwest::Client, console: &Console, town: &Town) -> anyhow::Result<Named> {
    let url = format!("http://{}/api/v1/fabrics?limit=100", console.address);
    let (begun, mut said) = (Instant::now(), BTreeSet::new());
    while said.len() < town.bad().count() && begun.elapsed() < NAMED_WITHIN {
        let answer = http.get(&url).send().await.context("ask for the fabrics")?;
        let body: Value = answer.json().await.context("the fabrics")?;
        let all = body.get("fabrics").and_then(Value::as_array).context("no fabrics")?;
        ensure!(all.len() == town.members.len(), "not all fabrics are told of");
        for fabric in all {
            let word = |of: &str| fabric.get(of).and_then(Value::as_str).unwrap_or_default();
            let member = town.bad().find(|member| member.name == word("name"));
            let names = |member: &&crate::town::Member| {
                member.trouble.causes().contains(&word("cause")) && !word("reason").is_empty()
            };
            said.extend(member.filter(names).map(|member| member.name.clone()));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(Named { n: said.len() as f64, seconds: begun.elapsed().as_secs_f64() })
}

/// A data folder that outlives the consoles which serve from it.
#[derive(Debug)]
struct Home {
    folder: PathBuf,
}

impl Home {
    async fn new() -> anyhow::Result<Self> {
        let name = format!("hnp-town-{}-{:x}", std::process::id(), rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).context("could not make a folder")?;
        account::admin_at(&folder.join("hnp.db")).await?;
        Ok(Self { folder })
    }

    async fn serve(&self) -> anyhow::Result<Console> {
        Console::on(path(&self.folder)?).await
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn path(folder: &Path) -> anyhow::Result<&str> {
    folder.to_str().context("the folder's name is no text")
}
