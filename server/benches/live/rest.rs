//! The rest: a demo that idles, a real API server, sizes.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use testkit::{RealServer, User, Variant};
use tokio::time::sleep;

use crate::{
    clients::{Fleet, Place},
    large::start,
    load::servers,
    machine,
    process::{Console, hnp},
    report::{Report, Row},
};

/// Objects that a real API server should hold.
const WANTED: usize = 10_000;
/// How long it may take to write them.
const WRITTEN_WITHIN: Duration = Duration::from_secs(45);

/// A demo with fifty tabs open, in which nothing happens but its own life.
pub(crate) async fn demo(report: &mut Report) -> anyhow::Result<()> {
    const PART: &str = "Idle: `hnp demo`, 50 clients";
    crate::say("an idle demo");
    let console = Console::demo(&[]).await?;
    let topics = [
        json!({"topic": "objects/demo/Switch"}),
        json!({"topic": "state/*"}),
        json!({"topic": "feed/*"}),
    ];
    let fleet =
        Fleet::connect(&Place::console(&console.address, &topics), 50, Instant::now()).await?;
    sleep(Duration::from_secs(2)).await;
    let pid = console.process.pid;
    let (before, bytes, begun) = (machine::cpu(pid), fleet.bytes(), Instant::now());
    sleep(Duration::from_secs(20)).await;
    let seconds = begun.elapsed().as_secs_f64();
    let share =
        machine::cpu(pid).zip(before).map(|(after, before)| 100.0 * (after - before) / seconds);
    let note = "the embedded API server and its life included";
    report.add(
        Row::new(PART, "processor, over 20 s", "% of one", share.into_iter().collect())
            .at_most(0.5)
            .note(note),
    );
    let memory = machine::resident(pid).map(|bytes| bytes / 1e6);
    report
        .add(Row::new(PART, "memory", "MB", memory.into_iter().collect()).at_most(60.0).note(note));
    let sent = (fleet.bytes() - bytes) as f64 / 1e3 / 50.0 / seconds;
    report.add(Row::new(PART, "sent to each client", "kB/s", vec![sent]));
    drop(fleet);
    console.end().await;
    Ok(())
}

/// Start against a real API server, where its programs are there.
pub(crate) async fn real(report: &mut Report) -> anyhow::Result<()> {
    crate::say("a real API server");
    let Some(server) = RealServer::start(Variant::Full).await? else {
        report.skip("start against a real API server: its programs are not here");
        return Ok(());
    };
    server.install_crds(&domain::crd::crds()).await?;
    let made = servers(&server.client(User::Admin).await?, WANTED, WRITTEN_WITHIN).await?;
    if made < WANTED {
        crate::say(&format!("  {made} objects written within {WRITTEN_WITHIN:?}"));
    }
    let console = start(
        report,
        &testkit::account::http(),
        &server.kubeconfig(User::Admin),
        "kube-apiserver",
        made,
    )
    .await?;
    console.end().await;
    Ok(())
}

/// Bytes of the binary and of a first visit.
pub(crate) fn sizes(report: &mut Report, folder: &Path) -> anyhow::Result<()> {
    const PART: &str = "Sizes";
    crate::say("sizes");
    let stripped = folder.join("hnp.stripped");
    let done = std::process::Command::new("strip").arg("-o").arg(&stripped).arg(hnp()).status();
    let (binary, note) = if done.is_ok_and(|status| status.success()) {
        (stripped, "")
    } else {
        (hnp().to_owned(), "not stripped: there is no `strip` here")
    };
    let bytes = std::fs::metadata(&binary).context("the binary's size")?.len();
    report.add(
        Row::new(PART, "`hnp`, stripped", "MB", vec![bytes as f64 / 1e6]).at_most(45.0).note(note),
    );
    let sizes = site()
        .map(|site| site.join("sizes.json"))
        .and_then(|path| std::fs::read_to_string(path).ok());
    let sizes: Value = sizes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    if sizes.get("profile").and_then(Value::as_str) != Some("release") {
        report.skip(
            "bytes of a first visit: the client was not built for release; run `make client`",
        );
        return Ok(());
    }
    let files = sizes.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
    let bytes: f64 = files.iter().filter_map(|file| file.get("brotli")?.as_f64()).sum();
    report.add(
        Row::new(PART, "first visit: WASM, JS and CSS, brotli", "kB", vec![bytes / 1e3])
            .at_most(450.0),
    );
    Ok(())
}

/// Where the client's files lie, if they are there.
pub(crate) fn site() -> Option<PathBuf> {
    std::env::var_os("HNP_SITE").map(PathBuf::from).filter(|site| site.join("hash.txt").exists())
}
