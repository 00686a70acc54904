//! 10,000 objects in one fabric: start, memory, latency, pages, resume.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    browser,
    clients::{Fleet, Place, visit},
    console::{bound, fetch, live, metrics, ready},
    load::{Field, Load, SERVERS, client, servers},
    machine,
    process::{Console, Sim},
    report::{Report, Row},
    stats::percentile,
};

/// Runs of which the median counts.
const RUNS: usize = 3;
/// A tab with the list of servers.
const LIST: &str = "objects/bench/Server";

/// All of it.
pub(crate) async fn measure(report: &mut Report, browsers: bool) -> anyhow::Result<()> {
    crate::say("10,000 objects");
    let sim = Sim::start(&["--scale", "large", "--churn", "0", "--heartbeat", "0"]).await?;
    let http = testkit::account::http();
    let small = Sim::start(&["--scale", "vlab", "--churn", "0", "--heartbeat", "0"]).await?;
    start(report, &http, &small.kubeconfig, "a small fabric", 50).await?.end().await;
    small.end().await;
    let console = start(report, &http, &sim.kubeconfig, "embedded API server", 10_000).await?;
    let idle = machine::resident(console.process.pid).context("memory")?;
    report.add(Row::new(
        "10,000 objects",
        "memory of `hnp serve`, nobody connected",
        "MB",
        vec![idle / 1e6],
    ));
    let mut load = Load::objects(&sim.kubeconfig, SERVERS, Field::Description, 0).await?;
    // A stranger's first change of each object would be measured as well otherwise: connections open, code warm.
    load.run(200.0, 2.0, None).await?;
    latency(report, &http, &console, &mut load).await?;
    console.end().await;
    sim.end().await;
    agents(report, &http).await?;
    wide(report, &http, browsers).await
}

/// Starts a console several times and keeps the last.
pub(crate) async fn start(
    report: &mut Report,
    http: &reqwest::Client,
    kubeconfig: &Path,
    against: &str,
    least: usize,
) -> anyhow::Result<Console> {
    let (mut readies, mut lives, mut n) = (Vec::new(), Vec::new(), 0);
    let console = loop {
        let console = Console::serve(kubeconfig).await?;
        readies.push(ready(http, &console).await?);
        let (ms, objects) = live(http, &console, least).await?;
        lives.push(ms / 1e3);
        n = n.max(objects);
        if readies.len() == RUNS {
            break console;
        }
        console.end().await;
    };
    report.add(
        Row::new("Start", format!("start → `/readyz` says 200, {against}"), "ms", readies)
            .at_most(300.0)
            .note(format!("connected or degraded is known once {n} objects were read")),
    );
    report.add(
        Row::new("Start", format!("start → all 12 kinds live, {against}"), "s", lives)
            .at_most(3.0)
            .note(format!("{n} objects held")),
    );
    Ok(console)
}

async fn latency(
    report: &mut Report,
    http: &reqwest::Client,
    console: &Console,
    load: &mut Load,
) -> anyhow::Result<()> {
    const PART: &str = "10,000 objects, 50 clients on the list of servers";
    let place = Place::console(&console.address, &[json!({"topic": LIST, "view": "row"})]);
    let fleet = Fleet::connect(&place, 50, load.zero).await?;
    for (rate, budgets) in [(10.0, Some((2.0, 10.0))), (200.0, None)] {
        let (mut p50, mut p99, mut delivered, mut hub) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let before = metrics(http, &console.address).await?;
            let mut ran = load.run(rate, 4.0, Some(&fleet)).await?;
            let after = metrics(http, &console.address).await?;
            p50.extend(percentile(&mut ran.latencies, 0.5));
            p99.extend(percentile(&mut ran.latencies, 0.99));
            delivered.push(ran.delivered * 100.0);
            hub.extend(bound(&before, &after, "watch_to_hub", 0.99));
        }
        let row = |what: &str, unit, runs| {
            Row::new(PART, format!("{what}, {rate} changes/s"), unit, runs)
        };
        let within = |row: Row, budget: Option<f64>| match budget {
            Some(budget) => row.at_most(budget),
            None => row,
        };
        report.add(within(
            row("PATCH answered → frame, p50", "ms", p50),
            budgets.map(|(p50, _)| p50),
        ));
        report.add(within(
            row("PATCH answered → frame, p99", "ms", p99),
            budgets.map(|(_, p99)| p99),
        ));
        report.add(row("delivered", "%", delivered).at_least(100.0));
        report.add(
            row("watch event → hub, p99", "ms", hub)
                .at_most(2.0)
                .note("upper bound of a histogram's bucket"),
        );
    }
    let (cpu, began) = (machine::cpu(console.process.pid), Instant::now());
    let ran = load.run(100.0, 20.0, Some(&fleet)).await?;
    let used = machine::cpu(console.process.pid).zip(cpu).map(|(after, before)| after - before);
    let share = used.map(|used| 100.0 * used / began.elapsed().as_secs_f64());
    report.add(
        Row::new(
            PART,
            "processor, 100 changes/s for 20 s",
            "% of one",
            share.into_iter().collect(),
        )
        .at_most(30.0)
        .note(format!("{:.0} changes/s made", ran.rate)),
    );
    let resident = machine::resident(console.process.pid).map(|bytes| bytes / 1e6);
    report.add(Row::new(PART, "memory", "MB", resident.into_iter().collect()).at_most(200.0));
    drop(fleet);
    welcome(report, &console.address).await
}

/// Upgrade to `welcome`, with fifty inside, one newcomer after the other.
async fn welcome(report: &mut Report, address: &str) -> anyhow::Result<()> {
    let place = Place::console(address, &[json!({"topic": "state/bench"})]);
    let fleet = Fleet::connect(&place, 50, Instant::now()).await?;
    let mut p99 = Vec::new();
    for _ in 0..RUNS {
        let mut times = Vec::new();
        for _ in 0..100 {
            let newcomer = Fleet::connect(&place, 1, Instant::now()).await?;
            times.extend(newcomer.welcomes());
        }
        p99.extend(percentile(&mut times, 0.99));
    }
    drop(fleet);
    report.add(
        Row::new(
            "10,000 objects, 50 clients on the list of servers",
            "upgrade → `welcome`, p99 of 100 newcomers",
            "ms",
            p99,
        )
        .at_most(5.0),
    );
    Ok(())
}

/// What the heartbeats of all Agents cost a tab with the list of switches.
async fn agents(report: &mut Report, http: &reqwest::Client) -> anyhow::Result<()> {
    const PART: &str = "Agents' heartbeats every 15 s";
    let sim = Sim::start(&["--scale", "large", "--churn", "0", "--heartbeat", "15"]).await?;
    let console = Console::serve(&sim.kubeconfig).await?;
    live(http, &console, 10_000).await?;
    let rows = [json!({"topic": "objects/bench/Switch"}), json!({"topic": "state/bench"})];
    let all = [
        json!({"topic": "objects/bench/Switch"}),
        json!({"topic": "state/*"}),
        json!({"topic": "feed/*"}),
    ];
    let list = Fleet::connect(&Place::console(&console.address, &rows), 5, Instant::now()).await?;
    let tab = Fleet::connect(&Place::console(&console.address, &all), 5, Instant::now()).await?;
    let (mut of_list, mut of_tab) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (list_before, tab_before, begun) = (list.bytes(), tab.bytes(), Instant::now());
        sleep(Duration::from_secs(15)).await;
        let per_client = 5.0 * 1000.0 * begun.elapsed().as_secs_f64();
        of_list.push((list.bytes() - list_before) as f64 / per_client);
        of_tab.push((tab.bytes() - tab_before) as f64 / per_client);
    }
    let note = "104 Agents";
    report.add(
        Row::new(PART, "list of switches: its rows and the fabric's state", "kB/s", of_list)
            .at_most(5.0)
            .note(note),
    );
    report.add(
        Row::new(PART, "the same with the feed, as a tab follows it", "kB/s", of_tab)
            .at_most(5.0)
            .note(note),
    );
    drop((list, tab));
    console.end().await;
    sim.end().await;
    Ok(())
}

/// One kind with 10,000 objects: its list, its snapshot, its resume, in a browser.
async fn wide(report: &mut Report, http: &reqwest::Client, browsers: bool) -> anyhow::Result<()> {
    let sim = Sim::start(&["--scale", "large", "--churn", "0", "--heartbeat", "0"]).await?;
    let made = servers(&client(&sim.kubeconfig).await?, 8_000, Duration::from_mins(1)).await?;
    anyhow::ensure!(made == 8_000, "only {made} more servers could be made");
    let console = Console::serve(&sim.kubeconfig).await?;
    live(http, &console, 18_000).await?;
    crate::say("a list of 10,000 rows");
    page(report, http, &console.address).await?;
    resume(report, &console.address, &sim.kubeconfig).await?;
    let console = without_log(report, http, console, &sim.kubeconfig).await?;
    if browsers {
        browser::measure(report, &console.address, &sim.kubeconfig).await;
    } else {
        report.skip("the browser's part: left out by --no-browser");
    }
    console.end().await;
    sim.end().await;
    Ok(())
}

async fn page(report: &mut Report, http: &reqwest::Client, address: &str) -> anyhow::Result<()> {
    const PART: &str = "A list of 10,000 rows";
    let url = format!("http://{address}/f/bench/servers");
    let (mut times, mut sizes, mut word) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..20 {
        let (ms, bytes, encoding) = fetch(http, &url, "gzip, deflate, br").await?;
        times.push(ms);
        sizes.push(bytes / 1e3);
        word = encoding;
    }
    report.add(
        Row::new(PART, "first page as HTML, whole", "ms", times).at_most(100.0).note("20 runs"),
    );
    report.add(
        Row::new(PART, "first page as HTML, compressed", "kB", sizes).at_most(60.0).note(word),
    );
    let url = format!("http://{address}/api/v1/live/snapshot?topic={LIST}");
    let (mut times, mut sizes, mut word) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..RUNS {
        let (ms, bytes, encoding) = fetch(http, &url, "gzip, deflate, br").await?;
        times.push(ms);
        sizes.push(bytes / 1e3);
        word = encoding;
    }
    report.add(Row::new(PART, "snapshot over HTTP", "ms", times));
    report.add(
        Row::new(PART, "snapshot over HTTP", "kB", sizes).note(format!("compression: {word}")),
    );
    Ok(())
}

/// A tab that was away while 300 of 10,000 objects changed.
async fn resume(report: &mut Report, address: &str, kubeconfig: &Path) -> anyhow::Result<()> {
    const PART: &str = "A list of 10,000 rows";
    const CHANGED: f64 = 300.0;
    let mut load = Load::objects(kubeconfig, SERVERS, Field::Description, 0).await?;
    let (mut times, mut ratios, mut to_live) = (Vec::new(), Vec::new(), Vec::new());
    let mut full = 0.0;
    for _ in 0..RUNS {
        let before = visit(&Place::console(address, &[json!({"topic": LIST})])).await?;
        full = before.bytes as f64 / 1e3;
        let witness = Fleet::connect(
            &Place::console(address, &[json!({"topic": LIST, "at": before.at.clone()})]),
            1,
            load.zero,
        )
        .await?;
        let at_first = witness.bytes();
        load.run(CHANGED, 1.0, Some(&witness)).await?;
        let as_they_came = (witness.bytes() - at_first) as f64;
        drop(witness);
        let after =
            visit(&Place::console(address, &[json!({"topic": LIST, "at": before.at})])).await?;
        anyhow::ensure!(after.recovered == "log", "resumed by `{}`", after.recovered);
        times.push(after.ms);
        // What changed, as rows: what a snapshot would say of the same objects.
        let rows = CHANGED * before.bytes as f64 / 10_021.0;
        ratios.push(after.bytes as f64 / rows);
        to_live.push(after.bytes as f64 / as_they_came);
    }
    report.add(
        Row::new(PART, "back after an outage with 300 changes: upgrade → synced", "ms", times)
            .at_most(1_000.0),
    );
    report.add(
        Row::new(PART, "… bytes received ÷ bytes of the changed rows", "×", ratios)
            .at_most(2.0)
            .note(format!("from nothing: {full:.0} kB")),
    );
    report.add(
        Row::new(PART, "… bytes received ÷ bytes had it stayed", "×", to_live)
            .note("live changes are patches"),
    );
    Ok(())
}

/// The same where the log is no help: the server was restarted meanwhile, or the client knows nothing.
async fn without_log(
    report: &mut Report,
    http: &reqwest::Client,
    console: Console,
    kubeconfig: &Path,
) -> anyhow::Result<Console> {
    const PART: &str = "A list of 10,000 rows";
    let mut load = Load::objects(kubeconfig, SERVERS, Field::Description, 0).await?;
    let before = visit(&Place::console(&console.address, &[json!({"topic": LIST})])).await?;
    console.end().await;
    load.run(300.0, 1.0, None).await?;
    let console = Console::serve(kubeconfig).await?;
    live(http, &console, 18_000).await?;
    for (at, name) in [(before.at, "keys"), (None, "none")] {
        let (mut times, mut sizes, mut word) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..RUNS {
            let topic = match &at {
                Some(at) => json!({"topic": LIST, "at": at}),
                None => json!({"topic": LIST}),
            };
            let visit = visit(&Place::console(&console.address, &[topic])).await?;
            times.push(visit.ms);
            sizes.push(visit.bytes as f64 / 1e3);
            word = visit.recovered;
        }
        let what = if name == "keys" {
            "back after a restart of the server and 300 changes"
        } else {
            "from nothing"
        };
        let row = |end: &str, unit, runs| Row::new(PART, format!("{what}{end}"), unit, runs);
        report.add(
            row(": upgrade → synced", "ms", times).at_most(1_000.0).note(format!("by `{word}`")),
        );
        report.add(row(": bytes", "kB", sizes));
    }
    Ok(console)
}
