//! One change to many clients, beside the least that this can cost.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    clients::{Fleet, Place},
    console::{counter, live, metrics},
    load::{CONNECTIONS, Field, Load},
    machine,
    process::{Console, Process, Sim},
    report::{Report, Row, short},
    stats::{median, percentile},
};

/// Runs of which the median counts.
const RUNS: usize = 3;
/// Letters that give a change its 2 kB; the rest is the object itself.
const PADDING: usize = 1_300;
/// The same for the peer, whose text is nothing else.
const PEER_PADDING: usize = 2_000;
/// Files that a process needs beside its sockets.
const OTHER_FILES: usize = 200;

/// Both sides, ready to be measured.
pub(crate) struct Sides {
    pub(crate) console: Console,
    pub(crate) load: Load,
    sim: Sim,
    peer: Process,
    peer_address: String,
    peer_load: Load,
}

impl Sides {
    /// Starts them.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let sim = Sim::start(&["--scale", "vlab", "--churn", "0", "--heartbeat", "0"]).await?;
        let console = Console::serve(&sim.kubeconfig).await?;
        live(&testkit::account::http(), &console, 25).await?;
        let load = Load::objects(&sim.kubeconfig, CONNECTIONS, Field::Annotation, PADDING).await?;
        let peer = Process::start(&std::env::current_exe()?, &["--peer"]).await?;
        let peer_address = peer.line.trim_start_matches("http://").to_owned();
        let peer_load = Load::peer(&peer_address, PEER_PADDING);
        Ok(Self { console, load, sim, peer, peer_address, peer_load })
    }

    /// Where clients of the console connect.
    pub(crate) fn console_place(&self) -> Place {
        Place::console(
            &self.console.address,
            &[json!({"topic": "objects/bench/Connection", "view": "full"})],
        )
    }

    /// Ends them.
    pub(crate) async fn end(self) {
        self.console.end().await;
        self.sim.end().await;
        self.peer.end().await;
    }
}

/// What one side did in some runs.
#[derive(Debug, Default)]
pub(crate) struct Fanned {
    p50: Vec<f64>,
    /// Milliseconds, one per run.
    pub(crate) p99: Vec<f64>,
    delivered: Vec<f64>,
    /// Seconds of processor time per second, one per run.
    pub(crate) cpu: Vec<f64>,
    welcome: Option<f64>,
    /// Share of what was not sent since something newer of the same object was, in percent.
    folded: f64,
    /// Bytes of a frame.
    frame: f64,
}

/// Connects clients and makes changes.
#[expect(clippy::too_many_arguments, reason = "one place, one process, one shape of load")]
pub(crate) async fn fan(
    place: &Place,
    pid: u32,
    load: &mut Load,
    clients: usize,
    rate: f64,
    seconds: f64,
    runs: usize,
) -> anyhow::Result<Fanned> {
    let fleet = Fleet::connect(place, clients, load.zero).await?;
    let mut fanned =
        Fanned { welcome: percentile(&mut fleet.welcomes(), 0.99), ..Fanned::default() };
    load.run(rate, 0.5, Some(&fleet)).await?;
    for _ in 0..runs {
        let (cpu, begun, bytes, frames) =
            (machine::cpu(pid), Instant::now(), fleet.bytes(), fleet.frames());
        let folded = folded(place).await;
        let mut ran = load.run(rate, seconds, Some(&fleet)).await?;
        if let Some((after, before)) = machine::cpu(pid).zip(cpu) {
            fanned.cpu.push((after - before) / begun.elapsed().as_secs_f64());
        }
        fanned.p50.extend(percentile(&mut ran.latencies, 0.5));
        fanned.p99.extend(percentile(&mut ran.latencies, 0.99));
        // Folded into a newer change of the same object: the client has what counts.
        let folded =
            100.0 * (self::folded(place).await - folded) / (rate * seconds * clients as f64);
        fanned.delivered.push((100.0 * ran.delivered + folded).min(100.0));
        fanned.folded = fanned.folded.max(folded);
        fanned.frame = (fleet.bytes() - bytes) as f64 / (fleet.frames() - frames).max(1) as f64;
        if ran.refused > 0 {
            crate::say(&format!("  {} changes were refused", ran.refused));
        }
    }
    Ok(fanned)
}

/// Changes that the console folded so far; none on the peer, which has no metrics.
async fn folded(place: &Place) -> f64 {
    let text = metrics(&testkit::account::http(), &place.address).await.unwrap_or_default();
    counter(&text, "hnp_changes_folded_total")
}

/// All of it.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    crate::say("one change to many clients");
    let mut sides = Sides::start().await?;
    for (clients, rate, p99, cpu) in
        [(50, 100.0, 5.0, None), (500, 100.0, 15.0, Some(3.0)), (2_000, 10.0, 50.0, None)]
    {
        let (place, pid) = (sides.console_place(), sides.console.process.pid);
        let ours = fan(&place, pid, &mut sides.load, clients, rate, 4.0, RUNS).await?;
        let (place, pid) = (Place::peer(&sides.peer_address), sides.peer.pid);
        let peer = fan(&place, pid, &mut sides.peer_load, clients, rate, 4.0, RUNS).await?;
        rows(
            report,
            &format!("{clients} clients × {rate} events/s"),
            ours,
            peer,
            p99,
            cpu,
            clients == 2_000,
        );
        // The dead are buried before the next are counted.
        sleep(Duration::from_millis(500)).await;
    }
    sides.end().await;
    idle(report).await
}

fn ratio(ours: &[f64], peer: &[f64]) -> Vec<f64> {
    ours.iter().zip(peer).filter(|(_, peer)| **peer > 0.0).map(|(ours, peer)| ours / peer).collect()
}

#[expect(clippy::too_many_arguments, reason = "one row each")]
fn rows(
    report: &mut Report,
    name: &str,
    ours: Fanned,
    peer: Fanned,
    p99: f64,
    cpu: Option<f64>,
    crowd: bool,
) {
    const PART: &str = "Fan-out of changes of 2 kB";
    let row = |what: &str, unit, runs| Row::new(PART, format!("{name}: {what}"), unit, runs);
    let frames = format!(
        "{:.0} bytes a frame, peer {:.0}; at most {} % folded into newer ones",
        ours.frame,
        peer.frame,
        short(ours.folded)
    );
    report.add(row("delivered", "%", ours.delivered).at_least(100.0).note(frames));
    report.add(row("PATCH answered → frame, p50", "ms", ours.p50));
    let latencies = ratio(&ours.p99, &peer.p99);
    report.add(row("PATCH answered → frame, p99", "ms", ours.p99).at_most(p99));
    report.add(
        row("… peer, p99", "ms", peer.p99)
            .note(format!("delivers {:.1} %", median(&peer.delivered).unwrap_or_default())),
    );
    report.add(row("… p99 ÷ peer's", "×", latencies));
    let times = ratio(&ours.cpu, &peer.cpu);
    report.add(row("processor", "s/s", ours.cpu));
    report.add(row("… peer", "s/s", peer.cpu));
    let times = row("… ÷ peer's", "×", times);
    report.add(match cpu {
        Some(budget) => times.at_most(budget),
        None => times,
    });
    if crowd {
        report.add(
            row(
                "upgrade → `welcome`, p99 while all connect",
                "ms",
                ours.welcome.into_iter().collect(),
            )
            .at_most(100.0)
            .note("50 at a time, each with its snapshot"),
        );
        let times = ours.welcome.zip(peer.welcome).map(|(ours, peer)| ours / peer);
        report.add(row("… peer", "ms", peer.welcome.into_iter().collect()));
        report.add(row("… ÷ peer's", "×", times.into_iter().collect()));
    }
}

/// Memory of clients that only listen.
async fn idle(report: &mut Report) -> anyhow::Result<()> {
    const PART: &str = "Memory of a client that only listens";
    let files = machine::open_files();
    for clients in [2_000, 10_000] {
        if clients + OTHER_FILES > files {
            report.skip(format!(
                "{clients} idle clients: a process may open {files} files here; raise `ulimit -n`"
            ));
            continue;
        }
        // Anew for each, since memory that was once used is not given back.
        let sides = Sides::start().await?;
        let place = Place::console(
            &sides.console.address,
            &[json!({"topic": "objects/bench/Switch"}), json!({"topic": "state/bench"})],
        );
        let ours = each(&place, sides.console.process.pid, clients).await?;
        let peer = each(&Place::peer(&sides.peer_address), sides.peer.pid, clients).await?;
        report.add(
            Row::new(PART, format!("{clients} clients on the list of switches"), "kB", vec![ours])
                .at_most(15.0),
        );
        report.add(Row::new(PART, format!("{clients} clients of the peer"), "kB", vec![peer]));
        sides.end().await;
    }
    Ok(())
}

async fn each(place: &Place, pid: u32, clients: usize) -> anyhow::Result<f64> {
    let before = machine::resident(pid).unwrap_or(f64::NAN);
    let fleet = Fleet::connect(place, clients, Instant::now()).await?;
    sleep(Duration::from_secs(1)).await;
    let after = machine::resident(pid).unwrap_or(f64::NAN);
    anyhow::ensure!(fleet.failed() == 0, "clients were lost");
    Ok((after - before) / 1e3 / clients as f64)
}
