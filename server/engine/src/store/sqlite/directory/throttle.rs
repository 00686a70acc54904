//! How often signing in failed, and sweeping what is over.
//!
//! Invariant: nothing that is still in force is swept.

use sqlx::SqliteConnection;

use crate::store::{directory::Failures, sqlite::fault::Fault};

/// Failures are forgotten after a day, in milliseconds.
const FAILURES_MS: i64 = 24 * 3_600_000;
/// Tokens are kept for thirty days after their end, in milliseconds, so that people see what it was.
const TOKENS_MS: i64 = 30 * FAILURES_MS;
/// Most counts of failures: who tries many names leaves no more than this. The oldest go.
const MOST_FAILURES: i64 = 100_000;

type Columns = (i64, i64);

fn failures((count, last_ms): Columns) -> Failures {
    Failures { count: u32::try_from(count).unwrap_or(u32::MAX), last_ms }
}

/// How often signing in failed under a key.
pub(super) async fn of(connection: &mut SqliteConnection, key: &str) -> Result<Failures, Fault> {
    let row: Option<Columns> = sqlx::query_as("SELECT count, last_ms FROM failures WHERE key = ?")
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(failures).unwrap_or_default())
}

/// Counts one failure more.
pub(super) async fn fail(
    connection: &mut SqliteConnection,
    key: &str,
    now_ms: i64,
    forget_after_ms: i64,
) -> Result<Failures, Fault> {
    let row: Columns = sqlx::query_as(
        "INSERT INTO failures (key, count, last_ms) VALUES (?1, 1, ?2)
         ON CONFLICT (key) DO UPDATE SET
             count = CASE WHEN last_ms < ?3 THEN 1 ELSE count + 1 END, last_ms = ?2
         RETURNING count, last_ms",
    )
    .bind(key)
    .bind(now_ms)
    .bind(now_ms.saturating_sub(forget_after_ms))
    .fetch_one(connection)
    .await?;
    Ok(failures(row))
}

/// Forgets failures.
pub(super) async fn forgive(connection: &mut SqliteConnection, key: &str) -> Result<(), Fault> {
    sqlx::query("DELETE FROM failures WHERE key = ?").bind(key).execute(connection).await?;
    Ok(())
}

/// Sweeps what is over.
pub(super) async fn sweep(
    connection: &mut SqliteConnection,
    now_ms: i64,
    idle_ms: i64,
) -> Result<(), Fault> {
    // An ended one stays until its time would have been over: until then somebody may write it anew.
    sqlx::query("DELETE FROM sessions WHERE expires_ms <= ? OR (seen_ms <= ? AND NOT ended)")
        .bind(now_ms)
        .bind(now_ms.saturating_sub(idle_ms))
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM tokens WHERE expires_ms <= ?1 OR revoked_ms <= ?1")
        .bind(now_ms.saturating_sub(TOKENS_MS))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM failures WHERE last_ms <= ?1 OR last_ms <= (SELECT last_ms FROM failures
             ORDER BY last_ms DESC LIMIT 1 OFFSET ?2)",
    )
    .bind(now_ms.saturating_sub(FAILURES_MS))
    .bind(MOST_FAILURES)
    .execute(connection)
    .await?;
    Ok(())
}
