//! Minutes of random faults on both sides of the release binary: `make chaos`.
//!
//! Invariant: the same seed draws the same faults; the exit code says whether everything held.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use testkit::chaos::{self, Plan};

const HELP: &str = "make chaos ARGS=…: --minutes N (1), --seed N (random), --clients N (50), --rate CHANGES_PER_SECOND (200), --short (the daily form)";

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.iter().any(|arg| arg == "--help") {
        say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let plan = plan(&args)?;
    say(&format!("chaos with --seed {}", plan.seed));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let outcome = runtime.block_on(chaos::run(plan))?;
    say(&format!("\n{}", outcome.report));
    if outcome.failures.is_empty() {
        say(
            "everything held: every client has the API server's picture, and the count of losses is right",
        );
        return Ok(ExitCode::SUCCESS);
    }
    for failure in &outcome.failures {
        say(&format!("FAILED: {failure}"));
    }
    Ok(ExitCode::FAILURE)
}

fn plan(args: &[String]) -> anyhow::Result<Plan> {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_hnp"));
    let seed = number(args, "--seed")?.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let minutes = u32::try_from(number(args, "--minutes")?.unwrap_or(1)).context("--minutes")?;
    let mut plan = if args.iter().any(|arg| arg == "--short") {
        Plan { talks: true, ..Plan::short(binary, seed) }
    } else {
        Plan::minutes(binary, seed, minutes.max(1))
    };
    if let Some(clients) = number(args, "--clients")? {
        plan.clients = usize::try_from(clients).context("--clients")?;
    }
    if let Some(rate) = number(args, "--rate")? {
        plan.rate = f64::from(u32::try_from(rate).context("--rate")?);
    }
    let known = ["--seed", "--minutes", "--clients", "--rate", "--short"];
    if let Some(odd) =
        args.iter().find(|arg| arg.starts_with("--") && !known.contains(&arg.as_str()))
    {
        bail!("unknown argument {odd}; {HELP}");
    }
    Ok(plan)
}

/// The number that follows a name.
fn number(args: &[String], name: &str) -> anyhow::Result<Option<u64>> {
    let Some(at) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    let value = args.get(at + 1).with_context(|| format!("{name} wants a number; {HELP}"))?;
    value.parse().map(Some).with_context(|| format!("{name} is `{value}`, which is not a number"))
}

#[expect(clippy::print_stdout, reason = "for people who read its output")]
fn say(line: &str) {
    println!("{line}");
}
