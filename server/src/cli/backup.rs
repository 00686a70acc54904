//! `hnp backup`: a consistent copy of the database in one file, while a server runs.
//!
//! Invariant: a file that is there is never written over; the key is in a backup only where that was asked
//! for; a copy that is not sound is not called a backup.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use domain::{
    audit::{Act, Outcome as Ended},
    time::Timestamp,
};
use engine::{
    clock::now_ms,
    store::Store as _,
    store::{
        directory::{Directory as _, Order},
        sqlite::SqliteStore,
    },
    vault::{VerifyError, verify},
};

use self::archive::{Manifest, Scraps};
use super::{
    Failure, Outcome,
    opened::{self, Opened, Place, deed},
    runtime,
};
use crate::records;

pub(super) mod archive;

/// Arguments of `hnp backup`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp backup hnp-$(date +%F).tar\n  hnp backup --with-key /safe/hnp.tar\n\nWithout --with-key the credentials of fabrics in the backup open only together with the key file; keep a\ncopy of that apart. With it, whoever has the backup has them. `hnp restore` brings it back."
)]
pub(super) struct Args {
    /// The new file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Put the key into it too
    #[arg(long)]
    with_key: bool,
    /// Print the manifest as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Runs `hnp backup`.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub(super) fn run(args: &Args, file: Option<PathBuf>) -> Outcome {
    let config = args.place.config(file)?;
    if args.file.exists() {
        let error = anyhow::anyhow!("{} is there already", args.file.display());
        let error = error.context("the backup was not made");
        return Err(Failure::new(error, "choose another name; nothing is written over"));
    }
    runtime()?.block_on(async {
        let opened = opened::open(&config).await?;
        let made = make(&opened, args).await;
        let name = args.file.display();
        let told = match &made {
            Ok(manifest) => deed(Act::Backup, "house").because(format!(
                "{name}, {} bytes, sha256 {}, {} its key",
                manifest.database_bytes,
                manifest.database_sha256,
                if manifest.holds_key { "with" } else { "without" }
            )),
            Err(failure) => {
                let mut told = deed(Act::Backup, "house").because(format!("{:#}", failure.error));
                told.outcome = Ended::Failed;
                told
            }
        };
        let told = opened.database.order(Order::Tell, &told, now_ms()).await;
        opened.close().await;
        let manifest = made?;
        told.map_err(|error| Failure::new(error, "the backup is made; mend what the error names"))?;
        if args.json {
            let text = serde_json::to_string(&manifest).unwrap_or_default();
            println!("{text}");
        } else {
            summary(&args.file, &manifest);
        }
        Ok(0)
    })
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn summary(file: &Path, manifest: &Manifest) {
    let Manifest { database_bytes, key, audit_entries, .. } = manifest;
    println!("{} holds {database_bytes} bytes of database", file.display());
    match &manifest.audit_head {
        Some(head) => println!("its audit log is whole: {audit_entries} entries, head {head}"),
        None => println!("its audit log is not whole: see `hnp audit verify`"),
    }
    if manifest.holds_key {
        println!("it holds its key {key}: whoever has it has the credentials of all fabrics");
    } else {
        println!("it does not hold its key {key}: keep a copy of the key file apart from it;");
        println!("without that, credentials of fabrics must be entered again after restoring");
    }
}

async fn make(opened: &Opened, args: &Args) -> Result<Manifest, Failure> {
    let key = match (args.with_key, opened.vault.file()) {
        (false, _) => None,
        (true, Some(file)) => Some(file),
        (true, None) => {
            let error = anyhow::anyhow!("the key comes from the environment");
            let error = error.context("the key cannot be put into the backup");
            return Err(Failure::new(
                error,
                "leave `--with-key` out, and keep the key where it is",
            ));
        }
    };
    let mut scraps = Scraps::default();
    let copy = scraps.beside(&args.file, "copy");
    let copied = opened.database.copy_to(&copy).await;
    copied.map_err(|error| {
        Failure::new(error, "check the room and the rights of the folder, or choose another")
    })?;
    let (audit_entries, audit_head) = judged(opened, &copy).await?;
    let unmade = |error: anyhow::Error| {
        Failure::new(
            error.context("the backup was not made"),
            "check the room and the rights of the folder, or choose another",
        )
    };
    let created = Timestamp::from_unix_ms(now_ms()).map(|at| at.to_string()).unwrap_or_default();
    let manifest = Manifest {
        created,
        key: opened.vault.key_id().to_string(),
        holds_key: key.is_some(),
        audit_entries,
        audit_head,
        ..Manifest::of(&copy).map_err(unmade)?
    };
    archive::write(&args.file, &manifest, &copy, key).map_err(unmade)?;
    Ok(manifest)
}

/// Makes sure that a copy is sound; says how its audit log ends.
async fn judged(opened: &Opened, copy: &Path) -> Result<(u64, Option<String>), Failure> {
    let copy = SqliteStore::open(&copy.display().to_string()).await.map_err(records::failure)?;
    let sound = copy.inspect().await.map_err(|error| {
        let error = anyhow::Error::new(error).context("the copy of the database is not sound");
        Failure::new(error, "restore an older backup; the database is damaged")
    });
    let verdict = verify(&copy, Some(&opened.vault)).await;
    copy.close().await;
    sound?;
    match verdict {
        Ok(verified) => Ok((verified.seq, Some(verified.digest))),
        // A backup of what is left is better than none; who restores it is told.
        Err(VerifyError::Broken(_) | VerifyError::OtherKey { .. }) => Ok((0, None)),
        Err(error @ VerifyError::Store(_)) => Err(super::audit::broken(error)),
    }
}
