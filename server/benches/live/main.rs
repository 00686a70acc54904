//! Measures the release binary from outside, against the budgets: `make bench`.
//!
//! Invariant: no failure by a time; loopback only; nothing that was not started here is touched, and
//! nothing that was started here stays.

#![expect(clippy::cast_precision_loss, reason = "counts and microseconds of a bench fit a double")]

use std::path::{Path, PathBuf};

use anyhow::Context as _;

mod browser;
mod clients;
mod console;
mod fan;
mod growth;
mod isolation;
mod large;
mod load;
mod machine;
mod peer;
mod plot;
mod process;
mod report;
mod rest;
mod restart;
mod slow;
mod stats;
mod town;
mod yard;

use report::Report;

const HELP: &str = "make bench ARGS=…: parts to measure (large, fan, slow, restart, isolation, growth, demo, real, sizes; none: all), --no-browser, --docs (write docs/benchmarks.md)";

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    if args.iter().any(|arg| arg == "--peer") {
        return runtime.block_on(peer::serve());
    }
    if args.iter().any(|arg| arg == "--help") {
        say(HELP);
        return Ok(());
    }
    let report = runtime.block_on(measure(&args))?;
    let folder = folder();
    report.write(&folder)?;
    say(&format!("written: {}", folder.display()));
    if args.iter().any(|arg| arg == "--docs") {
        publish(&folder)?;
    }
    Ok(())
}

async fn measure(args: &[String]) -> anyhow::Result<Report> {
    let parts: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let browsers = !args.iter().any(|arg| arg == "--no-browser");
    let mut report = Report::default();
    say(&format!("{}; load {:.2}", machine::describe(), machine::load()));
    std::fs::create_dir_all(folder()).context("could not make the folder of results")?;
    if wanted("sizes") {
        let done = rest::sizes(&mut report, &folder());
        go_on(&mut report, "sizes", done);
    }
    if wanted("demo") {
        let done = rest::demo(&mut report).await;
        go_on(&mut report, "demo", done);
    }
    if wanted("large") {
        let done = large::measure(&mut report, browsers).await;
        go_on(&mut report, "large", done);
    }
    if wanted("fan") {
        let done = fan::measure(&mut report).await;
        go_on(&mut report, "fan", done);
    }
    if wanted("slow") {
        let done = slow::measure(&mut report).await;
        go_on(&mut report, "slow", done);
    }
    if wanted("restart") {
        let done = restart::measure(&mut report).await;
        go_on(&mut report, "restart", done);
    }
    if wanted("isolation") {
        let done = isolation::measure(&mut report).await;
        go_on(&mut report, "isolation", done);
    }
    if wanted("growth") {
        let done = growth::measure(&mut report).await;
        go_on(&mut report, "growth", done);
    }
    if wanted("real") {
        let done = rest::real(&mut report).await;
        go_on(&mut report, "real", done);
    }
    Ok(report)
}

/// A part that failed is said, and the others are measured all the same.
fn go_on(report: &mut Report, part: &str, done: anyhow::Result<()>) {
    if let Err(error) = done {
        report.skip(format!("the rest of `{part}`: {error:#}"));
    }
}

/// Where results go: `bench/` in the folder that cargo builds into.
fn folder() -> PathBuf {
    let target = process::hnp().parent().and_then(Path::parent);
    target.map_or_else(|| PathBuf::from("target"), Path::to_owned).join("bench")
}

/// Copies the page and its plots into the documentation.
fn publish(folder: &Path) -> anyhow::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::create_dir_all(&docs).context("could not make docs")?;
    for entry in std::fs::read_dir(folder).context("could not read the results")? {
        let path = entry.context("could not read the results")?.path();
        let Some(name) = path.file_name().and_then(std::ffi::OsStr::to_str) else { continue };
        let page = path.extension().is_some_and(|end| end == "md" || end == "svg");
        let name = match name {
            "results.json" => "benchmarks.json",
            name if page => name,
            _ => continue,
        };
        std::fs::copy(&path, docs.join(name)).context("could not copy into docs")?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench is for people who read its output")]
fn say(line: &str) {
    println!("{line}");
}
