//! Opening a database: where it is, whether it is ours, which schema it has.
//!
//! Invariant: a file that was not ours is not changed; what we make is readable by its owner only.

use std::path::Path;

use sqlx::{
    ConnectOptions, Connection, Database, Sqlite, SqliteConnection, TransactionManager,
    pool::PoolOptions,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

use super::{
    BUSY, CALL, SqliteStore,
    fault::{self, Fault},
};
use crate::store::StoreError;

/// The schema, one step after the other; a step that was released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_records.sql"),
    include_str!("../../../migrations/sqlite/0002_directory.sql"),
];
/// Says in the file's header whose it is: "HNP1".
const OURS: i64 = 0x484e_5031;
/// Connections that read at the same time. A read is short and mostly CPU; more would only wait for it.
const READERS: u32 = 4;
/// Tries to open while another process makes the database or changes its schema.
const TRIES: u32 = 3;
/// Rows that SQLite's thread may be ahead of who reads them; a state is thousands, and each wait costs.
const ROWS: usize = 1_024;
/// Bytes that the write-ahead log shrinks to when it was longer once.
const LOG_BYTES: &str = "16777216";

/// What opening is called in errors.
const OPENING: &str = "open the database";

pub(super) fn path(place: &str) -> Result<Option<&Path>, StoreError> {
    let rest = match place.split_once(':') {
        Some(("sqlite", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, rest)) if rest.starts_with("//") => {
            let message = format!(
                "this build keeps records in SQLite only, not in `{scheme}`; write sqlite://PATH"
            );
            return Err(StoreError::Open { place: format!("{scheme}:…"), message });
        }
        _ => place,
    };
    if rest == ":memory:" {
        return Ok(None);
    }
    if rest.is_empty() || rest.contains('?') {
        let message = "write sqlite://PATH, without anything after the path".to_owned();
        return Err(StoreError::Open { place: place.to_owned(), message });
    }
    Ok(Some(Path::new(rest)))
}

pub(super) async fn open(place: &str) -> Result<SqliteStore, StoreError> {
    let Some(path) = path(place)? else { return in_memory().await };
    prepare(path).await.map_err(|error| StoreError::Open {
        place: path.display().to_string(),
        message: format!("{error}; check that the folder exists and may be written"),
    })?;
    let options = options().filename(path);
    let name = path.display().to_string();
    let mut tries = 1;
    let writer = loop {
        match writer(options.clone(), &name).await {
            Err(StoreError::Locked { .. }) if tries < TRIES => tries += 1,
            done => break done?,
        }
    };
    let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(SqliteStore { writer, readers, sealer: None })
}

/// One connection does all: each further one would have a database of its own.
pub(super) async fn in_memory() -> Result<SqliteStore, StoreError> {
    let only = writer(options().in_memory(true), ":memory:").await?;
    Ok(SqliteStore { writer: only.clone(), readers: only, sealer: None })
}

async fn writer(
    options: SqliteConnectOptions,
    place: &str,
) -> Result<sqlx::Pool<Sqlite>, StoreError> {
    // Counts before the first table only, hence before all else; it takes the lock, so readers do without.
    let options = options.auto_vacuum(SqliteAutoVacuum::Incremental);
    let opened = async {
        let writer = pool(1).min_connections(1).connect_with(options).await?;
        let mut connection = writer.acquire().await?;
        migrate(&mut connection).await.map(|refused| (writer.clone(), refused))
    };
    let done = tokio::time::timeout(CALL, opened).await.unwrap_or(Err(Fault::Slow));
    match done {
        Ok((writer, None)) => Ok(writer),
        Ok((_, Some(Refused::Newer { found, known }))) => {
            Err(StoreError::Newer { place: place.to_owned(), found, known })
        }
        Ok((_, Some(Refused::Foreign))) => Err(StoreError::Open {
            place: place.to_owned(),
            message: "it is the database of another program; choose another file".to_owned(),
        }),
        Err(fault) if fault.code() == fault::NO_DATABASE => Err(StoreError::Open {
            place: place.to_owned(),
            message:
                "it is no SQLite database, or a damaged one; move it away, or restore a backup"
                    .to_owned(),
        }),
        Err(fault) => Err(match fault.told(OPENING) {
            StoreError::Failed { message, .. } => {
                StoreError::Open { place: place.to_owned(), message }
            }
            told => told,
        }),
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would survive the end of the process, but not of the machine; a batch is one sync.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .row_buffer_size(ROWS)
        .pragma("journal_size_limit", LOG_BYTES)
        // What was let go shall not be found in the file.
        .pragma("secure_delete", "FAST")
        .disable_statement_logging()
}

fn pool(connections: u32) -> PoolOptions<Sqlite> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CALL)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(mend(connection)))
        .after_release(|connection, _| Box::pin(mend(connection)))
}

/// Ends a transaction that nobody owns any more: its future was dropped, or SQLite ended it by itself
/// (a full disk) while the driver still counts it as open. `false`: this connection is beyond help.
async fn mend(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    type Manager = <Sqlite as Database>::TransactionManager;
    // A rollback may still be queued; the ping is answered after it.
    connection.ping().await?;
    if Manager::get_transaction_depth(connection) == 0 {
        return Ok(true);
    }
    // Fails where SQLite is in a transaction; where it is not, the driver gets one to end.
    let _ = sqlx::query("BEGIN").execute(&mut *connection).await;
    Manager::rollback(connection).await?;
    Ok(Manager::get_transaction_depth(connection) == 0)
}

/// Makes the folder and the file, for the owner alone; leaves what is there as it is.
async fn prepare(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = tokio::fs::DirBuilder::new();
        #[cfg(unix)]
        builder.mode(0o700);
        builder.recursive(true).create(folder).await?;
    }
    if tokio::fs::try_exists(path).await? {
        return Ok(());
    }
    let mut options = tokio::fs::OpenOptions::new();
    #[cfg(unix)]
    options.mode(0o600);
    match options.write(true).create_new(true).open(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(|_| ()),
    }
}

/// Why a database is left alone.
enum Refused {
    Newer { found: i64, known: i64 },
    Foreign,
}

/// Brings the schema up to date, whole or not at all.
async fn migrate(connection: &mut SqliteConnection) -> Result<Option<Refused>, Fault> {
    let known = fault::length(MIGRATIONS.len());
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (found, owner, tables): (i64, i64, i64) = sqlx::query_as(
        "SELECT v.user_version, a.application_id, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_user_version AS v, pragma_application_id AS a",
    )
    .fetch_one(&mut *tx)
    .await?;
    if owner != OURS && (owner != 0 || found != 0 || tables != 0) {
        return Ok(Some(Refused::Foreign));
    }
    if found > known {
        return Ok(Some(Refused::Newer { found, known }));
    }
    if found == known {
        return Ok(None);
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(step).execute(&mut *tx).await?;
    }
    let header = format!("PRAGMA application_id = {OURS}; PRAGMA user_version = {known}");
    sqlx::raw_sql(&header).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(None)
}
