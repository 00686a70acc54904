//! A database file as a whole: whether it is sound, and moving it aside.
//!
//! Invariant: a file that another process uses is never moved; nothing is ever removed.

use std::{
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{
    SqliteStore,
    fault::{self, Fault},
    open,
};
use crate::store::StoreError;

/// The schema that this build knows, as backups name it.
pub const SCHEMA: usize = open::MIGRATIONS.len();
/// Longest that a file is read to see whether it is sound.
const READING: Duration = Duration::from_mins(30);
/// What belongs to a database beside its file, while it is in use or after a crash.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

impl SqliteStore {
    /// The file of a place as [`Self::open`] takes it; none: it is in memory.
    pub fn file_of(place: &str) -> Result<Option<PathBuf>, StoreError> {
        Ok(open::path(place)?.map(Path::to_owned))
    }

    /// Reads everything to see whether it is sound.
    pub async fn inspect(&self) -> Result<(), StoreError> {
        let what = "inspect the database";
        let reading = tokio::time::timeout(READING, self.sound()).await;
        reading.unwrap_or(Err(Fault::Slow)).map_err(|fault| fault.told(what))
    }

    async fn sound(&self) -> Result<(), Fault> {
        let mut connection = self.readers.acquire().await?;
        let said: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check(5)").fetch_all(&mut *connection).await?;
        if said != ["ok"] {
            return Err(Fault::Nonsense(said.join("; ")));
        }
        let loose: Vec<(String,)> =
            sqlx::query_as("SELECT DISTINCT \"table\" FROM pragma_foreign_key_check LIMIT 5")
                .fetch_all(&mut *connection)
                .await?;
        match loose.first() {
            Some((table,)) => Err(Fault::nonsense("rows without what they belong to", table)),
            None => Ok(()),
        }
    }
}

/// Moves a database aside, with all that belongs to it, if no other process uses it. `to` must be free.
pub async fn set_aside(file: &Path, to: &Path) -> Result<(), StoreError> {
    let what = "move the database aside";
    moved(file, to).await.map_err(|fault| fault.told(what))
}

async fn moved(file: &Path, to: &Path) -> Result<(), Fault> {
    let failed = |error: &std::io::Error| Fault::Impossible(error.to_string());
    if tokio::fs::try_exists(to).await.map_err(|error| failed(&error))? {
        return Err(Fault::Impossible(format!("{} is there already", to.display())));
    }
    match settle(file).await {
        // What is no database, or a damaged one, may be moved as it is.
        Ok(()) | Err(Settled::Unreadable) => {}
        Err(Settled::Fault(fault)) => return Err(fault),
    }
    for suffix in BESIDE {
        match tokio::fs::rename(with(file, suffix), with(to, suffix)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&error)),
            _ => {}
        }
    }
    tokio::fs::rename(file, to).await.map_err(|error| failed(&error))
}

fn with(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

enum Settled {
    Unreadable,
    Fault(Fault),
}

/// How often it is looked whether a file is free, and how long between: a connection that was closed a moment
/// ago may still hold it.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Brings everything into the one file. Needs it alone: fails where another process has it open.
async fn settle(file: &Path) -> Result<(), Settled> {
    let mut looks = 1;
    loop {
        match settle_now(file).await {
            Err(Settled::Fault(_)) if looks < LOOKS => {}
            settled => return settled,
        }
        looks += 1;
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn settle_now(file: &Path) -> Result<(), Settled> {
    let told = |error: sqlx::Error| {
        let fault = Fault::from(error);
        match fault.code() {
            fault::BUSY | fault::READ_ONLY => Settled::Fault(fault),
            _ => Settled::Unreadable,
        }
    };
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::ZERO);
    let mut connection = options.connect().await.map_err(told)?;
    let done: Result<String, sqlx::Error> =
        sqlx::query_scalar("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await;
    let closed = connection.close().await;
    match done {
        Ok(mode) if mode == "delete" => closed.map_err(told),
        Ok(_) => Err(Settled::Fault(Fault::Impossible(
            "another process uses it; stop the server first".to_owned(),
        ))),
        Err(error) => Err(match told(error) {
            Settled::Fault(fault) if fault.code() == fault::BUSY => Settled::Fault(
                Fault::Impossible("another process uses it; stop the server first".to_owned()),
            ),
            other => other,
        }),
    }
}
