//! Thousands of clients whose server restarts: when they were asked to come back, and when they did.

use std::time::Duration;

use anyhow::Context as _;
use testkit::live_client::{LiveClient, Move, Options};
use tokio::time::{Instant, sleep};

use crate::{
    console::live,
    machine,
    plot::{Line, Plot, Scale},
    process::{Console, Sim},
    report::{Report, Row},
};

const PART: &str = "2,000 clients, the server restarts (SIGTERM)";
/// Clients.
const CLIENTS: usize = 2_000;
/// Clients that begin to connect at the same time.
const AT_ONCE: usize = 50;
/// How long they may take to be live, at first and again.
const LIVE_WITHIN: Duration = Duration::from_mins(2);
/// Width of a bar, in milliseconds.
const BAR_MS: f64 = 250.0;

/// All of it.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    crate::say("2,000 clients, the server restarts");
    if CLIENTS * 2 + 200 > machine::open_files() {
        report.skip(format!("{CLIENTS} clients of a server that restarts: raise `ulimit -n`"));
        return Ok(());
    }
    let sim = Sim::start(&["--scale", "vlab", "--churn", "0", "--heartbeat", "0"]).await?;
    let console = Console::serve(&sim.kubeconfig).await?;
    live(&testkit::account::http(), &console, 25).await?;
    let address = console.address.parse().context("the console's address")?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for n in 0..CLIENTS {
        let options = Options::rows(address, &["objects/bench/Switch", "state/bench"]);
        clients.push(LiveClient::start(Options { seed: n as u64, ..options }));
        if n % AT_ONCE == AT_ONCE - 1 {
            all_live(&clients).await?;
        }
    }
    let asked_to_end = Instant::now();
    let listen = console.address.clone();
    console.process.terminate().await?;
    let ended = asked_to_end.elapsed();
    let console = Console::serve_at(&sim.kubeconfig, &listen).await?;
    let away = asked_to_end.elapsed();
    all_live(&clients).await?;
    told(report, &clients, asked_to_end, ended, away);
    drop(clients);
    console.end().await;
    sim.end().await;
    Ok(())
}

async fn all_live(clients: &[LiveClient]) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !clients.iter().all(LiveClient::is_live) {
        anyhow::ensure!(begun.elapsed() < LIVE_WITHIN, "not all clients were live in time");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn told(
    report: &mut Report,
    clients: &[LiveClient],
    zero: Instant,
    ended: Duration,
    away: Duration,
) {
    let ms = |at: Instant| at.saturating_duration_since(zero).as_secs_f64() * 1e3;
    let (mut asked, mut dialled, mut back) = (Vec::new(), Vec::new(), Vec::new());
    for client in clients {
        client.look(|_, seen| {
            let bye = seen.byes.iter().find(|(at, _)| *at >= zero);
            asked.extend(bye.and_then(|(at, wait)| Some(ms(*at) + (*wait)? as f64)));
            dialled.extend(seen.dialled.iter().filter(|at| **at >= zero).map(|at| ms(*at)));
            let lives = seen.moves.iter().filter(|(at, what)| *at >= zero && *what == Move::Live);
            back.extend(lives.map(|(at, _)| ms(*at)).next());
        });
    }
    let most = |times: &[f64]| bars(times).into_iter().map(|(_, n)| n).fold(0.0, f64::max);
    let last = |times: &[f64]| times.iter().copied().fold(0.0, f64::max) / 1e3;
    let row = |what: &str, unit, value| Row::new(PART, what, unit, vec![value]);
    report.add(row("the old process needs to end", "s", ended.as_secs_f64()));
    report.add(row("nobody serves until", "s", away.as_secs_f64()));
    report.add(
        row(
            "told by `bye` when to come back",
            "% of clients",
            100.0 * asked.len() as f64 / CLIENTS as f64,
        )
        .at_least(100.0),
    );
    report.add(row("… the last of them asked to come after", "s", last(&asked)));
    report.add(row("… most asked to come within 250 ms", "clients", most(&asked)));
    report.add(
        row("most that dialled within 250 ms", "clients", most(&dialled))
            .note(format!("{} dials of {CLIENTS} clients", dialled.len())),
    );
    report.add(
        row("… ÷ most asked", "×", most(&dialled) / most(&asked).max(1.0))
            .at_most(1.5)
            .note("1 would be exactly as asked; chance alone makes waves of 1.2"),
    );
    report.add(row("all live again after", "s", last(&back)));
    let line = |name: &str, times: &[f64]| Line { name: name.to_owned(), points: bars(times) };
    report.plot(
        "restart",
        Plot {
            title: "2,000 clients whose server restarts, per 250 ms".to_owned(),
            x: "seconds after SIGTERM",
            scale: Scale::Shared,
            lines: vec![
                line("asked to come", &asked),
                line("dialled", &dialled),
                line("live again", &back),
            ],
        },
    );
}

/// How many times fall into each bar, by its begin in seconds.
fn bars(times: &[f64]) -> Vec<(f64, f64)> {
    let last = times.iter().copied().fold(0.0, f64::max);
    let (mut all, mut begin) = (Vec::new(), 0.0);
    while begin <= last {
        let n = times.iter().filter(|at| (begin..begin + BAR_MS).contains(*at)).count();
        all.push((begin / 1e3, n as f64));
        begin += BAR_MS;
    }
    all
}
