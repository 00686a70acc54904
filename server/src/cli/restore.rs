//! `hnp restore`: brings a backup back.
//!
//! Everything is unpacked beside its place, checked and made ready there; only then it takes the place.
//!
//! Invariant: nothing that is there is lost: it is moved aside under another name; what a server uses is not
//! touched; nobody is signed in after it who was not before.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use domain::{
    audit::{Act, Deed},
    time::Timestamp,
};
use engine::{
    clock::now_ms,
    store::{
        Store as _,
        directory::{Directory as _, Order},
        sqlite::{SqliteStore, set_aside},
    },
    vault::{KEY_FACT, KeySource, Vault, VaultError, VerifyError, adopt, verify},
};

use super::{
    Failure, Outcome,
    backup::archive::{self, Manifest, Scraps, Unpacked},
    opened::{Place, deed},
    runtime,
};
use crate::{config::Config, records};

/// Arguments of `hnp restore`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp restore hnp-2026-11-24.tar\n  hnp restore --data-dir /srv/hnp --replace hnp.tar\n\nStop the server first. A backup without its key needs the key file it was made with, at its place\n(`secret_key_file`). Without that, everything comes back but the credentials of fabrics: these must be entered\nagain. Tokens and users that were revoked or disabled after the backup was made are valid again: go through them."
)]
pub(super) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Move aside a database that is there
    #[arg(long)]
    replace: bool,
    /// Restore also if the audit log in the backup is not whole
    #[arg(long)]
    accept_broken_log: bool,
    #[command(flatten)]
    place: Place,
}

/// Runs `hnp restore`.
pub(super) fn run(args: &Args, file: Option<PathBuf>) -> Outcome {
    let config = args.place.config(file)?;
    let place = SqliteStore::file_of(&records::place(&config)).map_err(records::failure)?;
    let Some(place) = place else {
        let error = anyhow::anyhow!("`database_url` names no file");
        return Err(Failure::new(error, "name a file by `database_url` or `--data-dir`"));
    };
    if place.exists() && !args.replace {
        let error = anyhow::anyhow!("{} is there already", place.display());
        let error = error.context("nothing was restored");
        return Err(Failure::new(
            error,
            "choose another `--data-dir`, or `--replace`, which keeps it under another name",
        ));
    }
    runtime()?.block_on(restore(args, &config, &place))
}

async fn restore(args: &Args, config: &Config, place: &Path) -> Outcome {
    let unusable = |error: anyhow::Error| {
        let cause = anyhow::anyhow!("{} {error:#}", args.file.display());
        Failure::new(cause.context("nothing was restored"), "name a backup that is whole")
    };
    let folder = folder_for(place).map_err(unusable)?;
    let mut scraps = Scraps::default();
    let database = scraps.beside(place, "restored");
    let key = scraps.beside(&folder.join("key"), "restored");
    let unpacked = archive::read(&args.file, &database, &key).map_err(unusable)?;
    let keys = Keys::choose(config, &unpacked)?;
    let lost = ready(args, &unpacked.manifest, &database, &keys).await?;
    let aside = Aside::new(place);
    take(&aside, place, &database, &keys).await?;
    summary(&unpacked.manifest, place, &aside, &keys, &lost);
    Ok(0)
}

/// The folder of a file.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the folder of the database, for the owner alone.
fn folder_for(place: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder_of(place).to_owned();
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(&folder).context("cannot be put into its folder")?;
    Ok(folder)
}

/// The keys that the restored house will have.
struct Keys {
    vault: Arc<Vault>,
    /// Whether the backup's own key is among them.
    fits: bool,
    /// The key file that comes with the backup, and where it goes.
    bring: Option<(PathBuf, PathBuf)>,
}

impl Keys {
    fn choose(config: &Config, unpacked: &Unpacked) -> Result<Self, Failure> {
        let wanted = Some(unpacked.manifest.key.as_str());
        let of = |vault: Vault, fits| Self { vault: Arc::new(vault), fits, bring: None };
        let refused = match Vault::open(records::keys(config), wanted) {
            Ok(vault) => return Ok(of(vault, true)),
            Err(error) => error,
        };
        match (refused, &unpacked.key, records::keys(config)) {
            // The backup brings its key; one that is there is moved aside.
            (
                VaultError::Missing { .. } | VaultError::Unknown { .. },
                Some(key),
                KeySource::File(place),
            ) => {
                let vault =
                    Vault::open(KeySource::File(key.clone()), wanted).map_err(records::locked)?;
                Ok(Self { bring: Some((key.clone(), place)), ..of(vault, true) })
            }
            // It does not: with the key that is there, or a new one, all but the credentials comes back.
            (VaultError::Missing { .. } | VaultError::Unknown { .. }, None, source) => {
                Ok(of(Vault::open(source, None).map_err(records::locked)?, false))
            }
            (error, ..) => Err(records::locked(error)),
        }
    }
}

impl Keys {
    /// Puts the key that the backup brings at its place, and what is there aside.
    fn take(&self, suffix: &str) -> std::io::Result<()> {
        let Some((from, to)) = &self.bring else { return Ok(()) };
        std::fs::DirBuilder::new().recursive(true).create(folder_of(to))?;
        if to.exists() {
            std::fs::rename(to, format!("{}{suffix}", to.display()))?;
        }
        if std::fs::rename(from, to).is_err() {
            // On another disk than the database: its rights are copied too.
            std::fs::copy(from, to)?;
        }
        std::fs::File::open(to)?.sync_all()?;
        std::fs::File::open(folder_of(to))?.sync_all()
    }
}

/// Makes the unpacked database ready to take its place. Returns the fabrics whose credentials are lost.
async fn ready(
    args: &Args,
    manifest: &Manifest,
    file: &Path,
    keys: &Keys,
) -> Result<Vec<String>, Failure> {
    let unready = |error: anyhow::Error| {
        Failure::new(error.context("nothing was restored"), "restore another backup")
    };
    let database =
        SqliteStore::open(&file.display().to_string()).await.map_err(records::failure)?;
    database.inspect().await.map_err(|error| unready(error.into()))?;
    let verdict = verify(&database, keys.fits.then_some(&*keys.vault)).await;
    match verdict {
        Ok(verified)
            if manifest.audit_head.as_ref().is_none_or(|head| *head == verified.digest) => {}
        Err(VerifyError::Store(error)) => return Err(unready(error.into())),
        _ if args.accept_broken_log => {}
        Ok(_) => return Err(unready(anyhow::anyhow!("its audit log is not that of its manifest"))),
        Err(error) => {
            let failure = unready(error.into());
            return Err(Failure {
                advice: "restore another backup, or use `--accept-broken-log`",
                ..failure
            });
        }
    }
    let told = deed(Act::Restore, "house").because(format!(
        "{}, made {} by HNP {}, sha256 {}",
        args.file.display(),
        manifest.created,
        manifest.version,
        manifest.database_sha256
    ));
    let database = database.sealing(keys.vault.sealer());
    let lost = settle(&database, keys, &told).await.map_err(|error| unready(error.into()));
    database.close().await;
    lost
}

/// Ends all sessions, gives up what does not open, and tells of it.
async fn settle(
    database: &SqliteStore,
    keys: &Keys,
    told: &Deed,
) -> Result<Vec<String>, VaultError> {
    for session in database.sessions(None).await? {
        database.end_session(&session.digest).await?;
    }
    if !keys.fits {
        return adopt(&keys.vault, database, told, now_ms()).await;
    }
    // The newest of the ring, which a rotation after the backup may have made.
    database.set_fact(KEY_FACT, keys.vault.key_id().as_str()).await?;
    database.order(Order::Tell, told, now_ms()).await?;
    Ok(Vec::new())
}

/// Where what was there is moved to.
struct Aside {
    database: PathBuf,
    suffix: String,
}

impl Aside {
    fn new(place: &Path) -> Self {
        let now = Timestamp::from_unix_ms(now_ms()).map(|at| at.to_string()).unwrap_or_default();
        let suffix = format!(".before-{}", now.replace([':', '.'], "-"));
        Self { database: format!("{}{suffix}", place.display()).into(), suffix }
    }
}

/// Takes the place.
async fn take(aside: &Aside, place: &Path, database: &Path, keys: &Keys) -> Result<(), Failure> {
    if place.exists() {
        set_aside(place, &aside.database).await.map_err(|error| {
            let error = anyhow::Error::new(error).context("nothing was restored");
            Failure::new(error, "stop the server, and run this again")
        })?;
    }
    let half = |error: anyhow::Error| {
        let error = error.context("the backup could not take its place");
        Failure::new(error, "what was there lies beside it, its name with `.before-` and the time")
    };
    keys.take(&aside.suffix).map_err(|error| half(error.into()))?;
    // Brings the database into its one file first.
    set_aside(database, place).await.map_err(|error| half(error.into()))?;
    let folder = std::fs::File::open(folder_of(place));
    folder.and_then(|folder| folder.sync_all()).map_err(|error| half(error.into()))
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn summary(manifest: &Manifest, place: &Path, aside: &Aside, keys: &Keys, lost: &[String]) {
    println!("restored {} as of {}", place.display(), manifest.created);
    if aside.database.exists() {
        println!("what was there is {} now", aside.database.display());
    }
    println!("its audit log held {} entries; everybody must sign in again", manifest.audit_entries);
    println!("users and tokens are as they were then: go through those that were revoked since");
    if keys.fits {
        println!("its secrets open with key {}", keys.vault.key_id());
        return;
    }
    println!("its key {} is not here: everything came back but the credentials of", manifest.key);
    match lost {
        [] => println!("  no fabric"),
        lost => println!("  {}", lost.join(", ")),
    }
    println!(
        "enter these again at Settings, Fabrics; or put the key file back and restore once more"
    );
    println!("that the end of its audit log is whole could not be checked without that key");
}
