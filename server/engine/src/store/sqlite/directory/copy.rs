//! A consistent copy of everything, and small facts.
//!
//! Invariant: a file that is there is never written over; a copy is readable by its owner only.

use std::{io::ErrorKind, path::Path};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::store::sqlite::{SqliteStore, fault::Fault};

/// A copy into a new file, of one moment, while others read and write.
pub(super) async fn copy_to(store: &SqliteStore, file: &Path) -> Result<(), Fault> {
    let name = file.to_str().ok_or_else(|| Fault::Impossible("the name is no UTF-8".to_owned()))?;
    let mut options = tokio::fs::OpenOptions::new();
    #[cfg(unix)]
    options.mode(0o600);
    let made = options.write(true).create_new(true).open(file).await;
    drop(made.map_err(|error| failed(file, &error))?);
    let done = copied(store, name).await;
    let done = match done {
        Ok(()) => synced(file).await.map_err(|error| failed(file, &error)),
        Err(fault) => Err(fault),
    };
    if done.is_err() {
        // Half a copy is none.
        let _ = tokio::fs::remove_file(file).await;
    }
    done
}

fn failed(file: &Path, error: &std::io::Error) -> Fault {
    let place = file.display();
    Fault::Impossible(match error.kind() {
        ErrorKind::AlreadyExists => format!("{place} is there already; choose another name"),
        ErrorKind::StorageFull => format!("no room is left for {place}"),
        _ => format!("{place} cannot be written: {error}"),
    })
}

async fn synced(file: &Path) -> std::io::Result<()> {
    tokio::fs::File::open(file).await?.sync_all().await
}

async fn copied(store: &SqliteStore, name: &str) -> Result<(), Fault> {
    let options = store.readers.connect_options();
    if options.get_filename() == Path::new(":memory:") {
        return vacuum(&mut *store.readers.acquire().await?, name).await;
    }
    // A connection of its own: a copy takes long, and the others are for short calls.
    let mut connection = (*options).clone().pragma("query_only", "OFF").connect().await?;
    let done = vacuum(&mut connection, name).await;
    connection.close().await?;
    done
}

async fn vacuum(connection: &mut SqliteConnection, name: &str) -> Result<(), Fault> {
    sqlx::query("VACUUM INTO ?").bind(name).execute(connection).await?;
    Ok(())
}

/// A small fact by name.
pub(super) async fn fact(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<String>, Fault> {
    let sql = "SELECT value FROM facts WHERE name = ?";
    Ok(sqlx::query_scalar(sql).bind(name).fetch_optional(connection).await?)
}

/// Sets such a fact.
pub(super) async fn set_fact(
    connection: &mut SqliteConnection,
    name: &str,
    value: &str,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO facts (name, value) VALUES (?, ?)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(connection)
    .await?;
    Ok(())
}
