//! `hnp key`: the keys that seal secrets.
//!
//! Invariant: no key is printed, only names of keys.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use domain::audit::Act;
use engine::{
    clock::now_ms,
    vault::{KeyId, Rotation, rotate},
};
use serde_json::json;

use super::{
    Failure, Outcome,
    opened::{self, Opened, Place, deed},
    runtime,
};
use crate::records;

/// Arguments of `hnp key`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new key, seal all secrets with it, and drop the old one; also while a server runs
    #[command(
        after_help = "Example:\n  hnp key rotate\n\nInterrupted, it is finished by running it again. A key from the environment is changed by putting a new\none before it: HNP_SECRET_KEY=new,old. Backups made before need the old key: keep it with them."
    )]
    Rotate {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Name the keys, the one that seals first
    #[command(after_help = "Example:\n  hnp key list")]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Runs `hnp key`.
pub(super) fn run(args: &Args, file: Option<PathBuf>) -> Outcome {
    let (Command::Rotate { place, .. } | Command::List { place, .. }) = &args.command;
    let config = place.config(file)?;
    runtime()?.block_on(async {
        let opened = opened::open(&config).await?;
        let ended = match &args.command {
            Command::Rotate { json, .. } => change(&opened, *json).await,
            Command::List { json, .. } => Ok(list(&opened, *json)),
        };
        opened.close().await;
        ended
    })
}

fn names(keys: &[KeyId]) -> Vec<&str> {
    keys.iter().map(KeyId::as_str).collect()
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn list(opened: &Opened, json: bool) -> u8 {
    let keys = opened.vault.key_ids();
    let file = opened.vault.file().map(|file| file.display().to_string());
    if json {
        println!("{}", json!({ "keys": names(&keys), "file": file }));
    } else {
        println!("{}", file.unwrap_or_else(|| "from the environment".to_owned()));
        for (n, key) in keys.iter().enumerate() {
            println!("{key}{}", if n == 0 { "  seals" } else { "  opens what is older" });
        }
    }
    0
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn change(opened: &Opened, json: bool) -> Outcome {
    let deed = deed(Act::KeyRotate, "key");
    let done = rotate(&opened.vault, &opened.database, &deed, now_ms()).await;
    let done: Rotation = done.map_err(|error| {
        let failure = records::locked(error);
        Failure { error: failure.error.context("the key was not changed to its end"), ..failure }
    })?;
    let Rotation { key, dropped, resealed, lost, resumed, in_file } = done;
    if json {
        let dropped = names(&dropped);
        println!(
            "{}",
            json!({ "key": key.as_str(), "dropped": dropped, "resealed": resealed, "lost": lost, "resumed": resumed })
        );
        return Ok(0);
    }
    if resumed {
        println!("finished the change of the key that had been begun");
    }
    println!("secrets are sealed with key {key} now; {resealed} were sealed anew");
    let old = names(&dropped).join(", ");
    if in_file {
        println!("key {old} is gone from the key file; backups made before still need it");
        println!("keep a copy of the key file apart from the database");
    } else {
        println!("key {old} may be taken from HNP_SECRET_KEY; backups made before still need it");
    }
    for fabric in lost {
        println!("the credentials of fabric {fabric} did not open; enter them again");
    }
    Ok(0)
}
