//! How latency and cost grow: over clients, changes, objects, fabrics.

use std::time::{Duration, Instant};

use domain::kind::Kind;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    clients::{Fleet, Place},
    console::live,
    fan::{Sides, fan},
    load::Load,
    machine,
    plot::{Line, Plot, Scale},
    process::Console,
    report::{Report, Row},
    stats::{exponent, median, percentile},
    yard::Yard,
};

const PART: &str = "How cost grows";
/// Runs of which the median counts.
const RUNS: usize = 3;
/// Most that an exponent may be: linear, and what measuring adds.
const LINEAR: f64 = 1.1;
/// Files that a process needs beside its sockets.
const OTHER_FILES: usize = 200;

/// Points of two lines.
type Points = (Vec<(f64, f64)>, Vec<(f64, f64)>);

/// All of it.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    crate::say("how cost grows");
    let mut sides = Sides::start().await?;
    clients(report, &mut sides).await?;
    changes(report, &mut sides).await?;
    sides.end().await;
    objects(report).await?;
    fabrics(report).await
}

const LATENCY: &str = "change → frame, p99 in ms";
const PROCESSOR: &str = "processor, % of one core";

fn tell(
    report: &mut Report,
    name: &'static str,
    title: &str,
    x: &'static str,
    names: [&str; 2],
    (first, second): Points,
) {
    for (name, points) in names.iter().zip([&first, &second]) {
        if let Some(power) = exponent(points) {
            let row =
                Row::new(PART, format!("{title}: {name} grows with the power"), "", vec![power]);
            report.add(row.at_most(LINEAR));
        }
    }
    let [one, two] = names.map(str::to_owned);
    let lines = vec![Line { name: one, points: first }, Line { name: two, points: second }];
    report.plot(name, Plot { title: title.to_owned(), x, scale: Scale::Own, lines });
}

async fn clients(report: &mut Report, sides: &mut Sides) -> anyhow::Result<()> {
    let (place, pid) = (sides.console_place(), sides.console.process.pid);
    let (mut p99, mut cpu) = Points::default();
    for clients in [50, 500, 1_000, 2_000, 5_000, 10_000] {
        if clients + OTHER_FILES > machine::open_files() {
            report.skip(format!("growth over clients ends before {clients}: raise `ulimit -n`"));
            break;
        }
        let fanned = fan(&place, pid, &mut sides.load, clients, 5.0, 2.0, RUNS).await?;
        p99.extend(median(&fanned.p99).map(|ms| (clients as f64, ms)));
        cpu.extend(median(&fanned.cpu).map(|cpu| (clients as f64, 100.0 * cpu)));
        // The dead are buried before the next are counted.
        sleep(Duration::from_millis(500)).await;
    }
    let title = "5 changes/s of 2 kB, over clients";
    tell(report, "clients", title, "clients", [LATENCY, PROCESSOR], (p99, cpu));
    Ok(())
}

async fn changes(report: &mut Report, sides: &mut Sides) -> anyhow::Result<()> {
    let (place, pid) = (sides.console_place(), sides.console.process.pid);
    let (mut p99, mut cpu) = Points::default();
    for rate in [10.0, 50.0, 100.0, 200.0, 400.0] {
        let fanned = fan(&place, pid, &mut sides.load, 50, rate, 2.0, RUNS).await?;
        p99.extend(median(&fanned.p99).map(|ms| (rate, ms)));
        cpu.extend(median(&fanned.cpu).map(|cpu| (rate, 100.0 * cpu)));
    }
    let title = "50 clients, over changes of 2 kB per second";
    tell(report, "changes", title, "changes/s", [LATENCY, PROCESSOR], (p99, cpu));
    Ok(())
}

/// Ten clients with the list of all objects, 100 changes/s.
async fn objects(report: &mut Report) -> anyhow::Result<()> {
    let http = testkit::account::http();
    let ((mut p99, mut cpu), (mut memory, mut start)) = (Points::default(), Points::default());
    for n in [1_000, 3_000, 10_000, 30_000] {
        let yard = Yard::servers(n).await?;
        let console = Console::serve(&yard.kubeconfig).await?;
        let (ms, _) = live(&http, &console, n).await?;
        start.push((n as f64, ms));
        let place = Place::console(&console.address, &[json!({"topic": "objects/bench/Server"})]);
        let mut load = Load::near(&yard.cluster, Kind::Server);
        let fleet = Fleet::connect(&place, 10, load.zero).await?;
        load.run(100.0, 0.5, Some(&fleet)).await?;
        let (mut latencies, mut cpus) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (before, begun) = (machine::cpu(console.process.pid), Instant::now());
            let mut ran = load.run(100.0, 2.0, Some(&fleet)).await?;
            let after = machine::cpu(console.process.pid).zip(before);
            let share = |(after, before): (f64, f64)| {
                100.0 * (after - before) / begun.elapsed().as_secs_f64()
            };
            cpus.extend(after.map(share));
            latencies.extend(percentile(&mut ran.latencies, 0.99));
        }
        p99.extend(median(&latencies).map(|ms| (n as f64, ms)));
        cpu.extend(median(&cpus).map(|share| (n as f64, share)));
        memory.extend(machine::resident(console.process.pid).map(|bytes| (n as f64, bytes / 1e6)));
        drop(fleet);
        console.end().await;
    }
    let title = "10 clients, 100 changes/s, over objects";
    tell(report, "objects", title, "objects", [LATENCY, PROCESSOR], (p99, cpu));
    let names = ["start → live in ms", "memory in MB"];
    tell(report, "start", "one kind, over objects", "objects", names, (start, memory));
    Ok(())
}

/// Demos that live their own life, their embedded API servers included.
async fn fabrics(report: &mut Report) -> anyhow::Result<()> {
    let (mut cpu, mut memory) = Points::default();
    for n in [1, 4, 8, 16] {
        let console = Console::demo(&["--scale", "small", "--fabrics", &n.to_string()]).await?;
        let topics = [json!({"topic": "state/*"})];
        let mut place = Place::console(&console.address, &topics);
        place.synced = n;
        let fleet = Fleet::connect(&place, 10, Instant::now()).await?;
        sleep(Duration::from_secs(2)).await;
        let (before, begun) = (machine::cpu(console.process.pid), Instant::now());
        sleep(Duration::from_secs(8)).await;
        let after = machine::cpu(console.process.pid).zip(before);
        let share =
            |(after, before): (f64, f64)| 100.0 * (after - before) / begun.elapsed().as_secs_f64();
        cpu.extend(after.map(share).map(|share| (n as f64, share)));
        memory.extend(machine::resident(console.process.pid).map(|bytes| (n as f64, bytes / 1e6)));
        drop(fleet);
        console.end().await;
    }
    let title = "demo with 10 clients, over fabrics (embedded API servers included)";
    tell(report, "fabrics", title, "fabrics", [PROCESSOR, "memory in MB"], (cpu, memory));
    Ok(())
}
