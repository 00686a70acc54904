//! `hnp audit`: checking and exporting the audit log.
//!
//! Invariant: nothing is changed but that an export is told in the log.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args as ClapArgs, Subcommand};
use domain::{
    audit::{Act, Broken, Deed, Link, Outcome as Ended},
    time::Timestamp,
};
use engine::{
    clock::now_ms,
    store::directory::{Directory as _, Order},
    vault::{Verified, VerifyError, verify},
};
use serde_json::json;

use super::{
    Failure, Outcome,
    opened::{self, Opened, Place, deed},
    runtime,
};

/// Entries that are read at once.
const PAGE: usize = 500;

/// Arguments of `hnp audit`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that no entry was changed, removed or added behind the server's back
    #[command(
        after_help = "Examples:\n  hnp audit verify\n  hnp audit verify --json\n\nNote the digest it prints somewhere else: a log that was put back to an older state, with its whole\ndatabase, is told by it alone. Exit code 1: the log is not whole."
    )]
    Verify {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Write entries as JSON, one a line, oldest first
    #[command(
        after_help = "Examples:\n  hnp audit export > audit.jsonl\n  hnp audit export --user ann --outcome refused\n  hnp audit export --fabric prod --out prod.jsonl\n\nEach line holds the entry exactly as it is chained, so that it can be checked elsewhere."
    )]
    Export(Export),
}

#[derive(Debug, ClapArgs)]
struct Export {
    /// Only by this user
    #[arg(long)]
    user: Option<String>,
    /// Only this act, for example `sign-in`
    #[arg(long, value_parser = act)]
    act: Option<Act>,
    /// Only on this fabric
    #[arg(long)]
    fabric: Option<domain::topic::FabricId>,
    /// Only what ended so: done, refused or failed
    #[arg(long, value_parser = ended)]
    outcome: Option<Ended>,
    /// Into this new file instead of the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

fn act(word: &str) -> Result<Act, String> {
    Act::from_word(word).ok_or_else(|| {
        let words: Vec<String> = Act::ALL.into_iter().map(Act::word).collect();
        format!("is no act; there are {}", words.join(", "))
    })
}

fn ended(word: &str) -> Result<Ended, String> {
    match word {
        "done" => Ok(Ended::Done),
        "refused" => Ok(Ended::Refused),
        "failed" => Ok(Ended::Failed),
        _ => Err("is none of done, refused and failed".to_owned()),
    }
}

/// Runs `hnp audit`.
pub(super) fn run(args: Args, file: Option<PathBuf>) -> Outcome {
    let place = match &args.command {
        Command::Verify { place, .. } => place,
        Command::Export(export) => &export.place,
    };
    let config = place.config(file)?;
    runtime()?.block_on(async {
        let opened = opened::open(&config).await?;
        let ended = match args.command {
            Command::Verify { json, .. } => check(&opened, json).await,
            Command::Export(export) => write(&opened, export).await,
        };
        opened.close().await;
        ended
    })
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn check(opened: &Opened, json: bool) -> Outcome {
    let verdict = verify(&opened.database, Some(&opened.vault)).await;
    if json && !matches!(verdict, Err(VerifyError::Store(_))) {
        println!("{}", report(&verdict));
        return Ok(u8::from(verdict.is_err()));
    }
    match verdict {
        Ok(Verified { seq, digest, key }) => {
            let key = key.map_or_else(String::new, |key| format!(", sealed with key {key}"));
            println!("the audit log is whole: {seq} entries{key}\nhead {digest}");
            Ok(0)
        }
        Err(error) => Err(broken(error)),
    }
}

/// Which entry a verdict is about.
fn entry(broken: &Broken) -> u64 {
    match broken {
        Broken::Missing { expected: seq, .. }
        | Broken::Changed { seq }
        | Broken::Cut { found: seq, .. }
        | Broken::Seal { seq } => *seq,
    }
}

fn report(verdict: &Result<Verified, VerifyError>) -> serde_json::Value {
    match verdict {
        Ok(Verified { seq, digest, key }) => {
            json!({ "whole": true, "entries": seq, "head": digest, "key": key })
        }
        Err(error) => {
            let entry = match error {
                VerifyError::Broken(broken) => Some(entry(broken)),
                VerifyError::OtherKey { seq, .. } => Some(*seq),
                VerifyError::Store(_) => None,
            };
            json!({ "whole": false, "entry": entry, "reason": error.to_string() })
        }
    }
}

/// A log that is not whole, as the command line says it.
pub(super) fn broken(error: VerifyError) -> Failure {
    let (what, advice) = match &error {
        VerifyError::Broken(_) => (
            "the audit log is not whole",
            "keep this database as evidence, and compare it with the newest backup that is whole",
        ),
        VerifyError::OtherKey { .. } => (
            "the audit log cannot be checked",
            "put the key back that the server sealed with, or find out who else writes to this database",
        ),
        VerifyError::Store(_) => ("the audit log cannot be read", "mend what the cause names"),
    };
    Failure::new(anyhow::Error::new(error).context(what), advice)
}

/// An entry as it is exported: its text is not written anew.
fn line(link: &Link) -> String {
    let at = Timestamp::from_unix_ms(link.at_ms).map(|at| at.to_string()).unwrap_or_default();
    let Link { seq, at_ms, text, digest } = link;
    format!(r#"{{"seq":{seq},"at":"{at}","at_ms":{at_ms},"digest":"{digest}","deed":{text}}}"#)
}

async fn write(opened: &Opened, export: Export) -> Outcome {
    let mut out: Box<dyn Write> = match &export.out {
        Some(path) => Box::new(io::BufWriter::new(created(path)?)),
        None => Box::new(io::BufWriter::new(io::stdout().lock())),
    };
    let mut written = 0_u64;
    let ended = copy(opened, &export, &mut *out, &mut written).await;
    // Told also when it ended early: what was written was read.
    let deed = deed(Act::AuditExport, "audit").because(format!("{written} entries"));
    let told = opened.database.order(Order::Tell, &deed, now_ms()).await;
    ended?;
    told.map_err(|error| Failure::new(error, "mend what the error names"))?;
    Ok(0)
}

/// Writes the entries that are asked for, oldest first.
async fn copy(
    opened: &Opened,
    export: &Export,
    out: &mut dyn Write,
    written: &mut u64,
) -> Result<(), Failure> {
    let mut last = 0;
    loop {
        let page = opened.database.links(last, PAGE).await;
        let page = page.map_err(|error| Failure::new(error, "mend what the error names"))?;
        let Some(newest) = page.last() else { break };
        last = newest.seq;
        for link in page.iter().filter(|link| export.wants(link)) {
            if let Err(error) = writeln!(out, "{}", line(link)) {
                return unwritten(error);
            }
            *written += 1;
        }
    }
    out.flush().or_else(unwritten)
}

/// A closed pipe (`| head`) is no failure of ours.
fn unwritten(error: io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    let error = anyhow::Error::new(error).context("could not write the export");
    Err(Failure::new(error, "check the disk, or choose another `--out`"))
}

impl Export {
    /// Whether an entry is asked for. One that does not read is, since nobody can say that it is not.
    fn wants(&self, link: &Link) -> bool {
        let Ok(deed) = serde_json::from_str::<Deed>(&link.text) else { return true };
        self.user.as_ref().is_none_or(|user| deed.who.user.as_ref() == Some(user))
            && self.act.is_none_or(|act| deed.act == act)
            && self.fabric.as_ref().is_none_or(|fabric| deed.fabric.as_ref() == Some(fabric))
            && self.outcome.is_none_or(|outcome| deed.outcome == outcome)
    }
}

fn created(path: &Path) -> Result<std::fs::File, Failure> {
    let mut options = std::fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.write(true).create_new(true).open(path);
    made.with_context(|| format!("could not make {}", path.display()))
        .map_err(|error| Failure::new(error, "choose another `--out`"))
}
