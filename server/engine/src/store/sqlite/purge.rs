//! Letting go of what is old, a little at a time, so that writers never wait long.
//!
//! Invariant: the state at the oldest moment that is kept stays readable.

use domain::history::Moment;
use futures::future::BoxFuture;
use sqlx::SqliteConnection;

use super::{SqliteStore, checkpoint, fault::Fault};

/// Rows that one transaction removes: some milliseconds.
const CHUNK: i64 = 1_000;

/// What went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gone {
    pub(super) changes: u64,
    pub(super) checkpoints: u64,
}

/// Lets go the events of a fabric that are older than a moment, oldest first. Returns how many of at
/// most a chunk.
pub(super) fn events(
    store: SqliteStore,
    fabric: i64,
    before_ms: i64,
) -> BoxFuture<'static, Result<u64, Fault>> {
    Box::pin(async move { events_in(&store, fabric, before_ms).await })
}

async fn events_in(store: &SqliteStore, fabric: i64, before_ms: i64) -> Result<u64, Fault> {
    let mut tx = store.write().await?;
    // Up to the first that is young enough: none is let go from the middle of the feed.
    let done = sqlx::query(
        "DELETE FROM events WHERE fabric = ?1 AND position < coalesce(
             (SELECT min(position) FROM (SELECT position, at_ms FROM events WHERE fabric = ?1
                 ORDER BY position LIMIT ?3) WHERE at_ms >= ?2),
             (SELECT max(position) + 1 FROM (SELECT position FROM events WHERE fabric = ?1
                 ORDER BY position LIMIT ?3)))",
    )
    .bind(fabric)
    .bind(before_ms)
    .bind(CHUNK)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// Decides up to which change a kind is let go: up to the newest checkpoint at or before a moment. One is
/// made there if the oldest change is older by more than `slack_ms`. Returns whether one was made.
pub(super) fn raise(
    store: SqliteStore,
    series: i64,
    before_ms: i64,
    slack_ms: i64,
) -> BoxFuture<'static, Result<bool, Fault>> {
    Box::pin(async move { raise_in(&store, series, before_ms, slack_ms).await })
}

async fn raise_in(
    store: &SqliteStore,
    series: i64,
    before_ms: i64,
    slack_ms: i64,
) -> Result<bool, Fault> {
    let mut tx = store.read().await?;
    let (floor, kept) = floors(&mut tx, series, before_ms).await?;
    let oldest: Option<i64> = sqlx::query_scalar(
        "SELECT at_ms FROM changes INDEXED BY changes_of_series
         WHERE series = ? AND seq > ? ORDER BY seq LIMIT 1",
    )
    .bind(series)
    .bind(kept.unwrap_or(floor))
    .fetch_optional(&mut *tx)
    .await?;
    drop(tx);
    let made = if oldest.is_some_and(|oldest| oldest <= before_ms.saturating_sub(slack_ms)) {
        checkpoint::make(store.clone(), series, Moment::Time(before_ms)).await?
    } else {
        false
    };
    let mut tx = store.write().await?;
    let (floor, kept) = floors(&mut tx, series, before_ms).await?;
    if let Some(kept) = kept.filter(|kept| *kept > floor) {
        sqlx::query("UPDATE series SET floor = ? WHERE id = ?")
            .bind(kept)
            .bind(series)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "DELETE FROM marks WHERE series = ?1 AND at_ms < ?2 AND id <> coalesce((SELECT id FROM marks
             WHERE series = ?1 AND at_ms <= ?2 ORDER BY at_ms DESC, id DESC LIMIT 1), 0)",
    )
    .bind(series)
    .bind(before_ms)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(made)
}

/// The floor of a kind, and where its newest checkpoint at or before a moment is.
async fn floors(
    connection: &mut SqliteConnection,
    series: i64,
    before_ms: i64,
) -> Result<(i64, Option<i64>), Fault> {
    let found = sqlx::query_as(
        "SELECT floor, (SELECT max(seq) FROM checkpoints WHERE series = s.id AND at_ms <= ?)
         FROM series AS s WHERE id = ?",
    )
    .bind(before_ms)
    .bind(series)
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// Removes what lies under the floor of a kind, a chunk of it. Nothing came: it is done.
pub(super) fn changes(store: SqliteStore, series: i64) -> BoxFuture<'static, Result<Gone, Fault>> {
    Box::pin(async move { changes_in(&store, series).await })
}

async fn changes_in(store: &SqliteStore, series: i64) -> Result<Gone, Fault> {
    let mut gone = Gone::default();
    let mut tx = store.write().await?;
    let done = sqlx::query(
        "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes INDEXED BY changes_of_series
             WHERE series = ?1 AND seq <= (SELECT floor FROM series WHERE id = ?1)
             ORDER BY seq LIMIT ?2)",
    )
    .bind(series)
    .bind(CHUNK)
    .execute(&mut *tx)
    .await?;
    gone.changes = done.rows_affected();
    let old: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM checkpoints WHERE series = ?1
             AND seq < (SELECT floor FROM series WHERE id = ?1) ORDER BY seq LIMIT 1",
    )
    .bind(series)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(old) = old {
        drop_checkpoint(&mut tx, old).await?;
        gone.checkpoints = 1;
    }
    tx.commit().await?;
    Ok(gone)
}

async fn drop_checkpoint(connection: &mut SqliteConnection, id: i64) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM checkpoint_parts WHERE checkpoint = ?",
        "DELETE FROM checkpoints WHERE id = ?",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes the names of objects of a kind that nothing is kept of.
pub(super) fn names(store: SqliteStore, series: i64) -> BoxFuture<'static, Result<(), Fault>> {
    Box::pin(async move { names_in(&store, series).await })
}

async fn names_in(store: &SqliteStore, series: i64) -> Result<(), Fault> {
    let mut tx = store.write().await?;
    sqlx::query(
        "DELETE FROM objects WHERE series = ? AND NOT EXISTS
             (SELECT 1 FROM changes WHERE object = objects.id)",
    )
    .bind(series)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Removes some of what is left of a forgotten fabric; `true` once nothing is.
pub(super) fn forgotten(
    store: SqliteStore,
    fabric: i64,
) -> BoxFuture<'static, Result<bool, Fault>> {
    Box::pin(async move { forgotten_in(&store, fabric).await })
}

async fn forgotten_in(store: &SqliteStore, fabric: i64) -> Result<bool, Fault> {
    let mut tx = store.write().await?;
    let mut left = CHUNK;
    for sql in [
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE fabric = ? LIMIT ?)",
        "DELETE FROM checkpoint_parts WHERE rowid IN (SELECT p.rowid FROM checkpoint_parts AS p
             JOIN checkpoints AS c ON c.id = p.checkpoint JOIN series AS s ON s.id = c.series
             WHERE s.fabric = ? LIMIT min(?, 8))",
        "DELETE FROM checkpoints WHERE id IN (SELECT c.id FROM checkpoints AS c
             JOIN series AS s ON s.id = c.series WHERE s.fabric = ? AND NOT EXISTS
             (SELECT 1 FROM checkpoint_parts WHERE checkpoint = c.id) LIMIT ?)",
        "DELETE FROM changes WHERE seq IN (SELECT c.seq FROM changes AS c
             JOIN series AS s ON s.id = c.series WHERE s.fabric = ? LIMIT ?)",
        "DELETE FROM objects WHERE id IN (SELECT o.id FROM objects AS o
             JOIN series AS s ON s.id = o.series WHERE s.fabric = ? AND NOT EXISTS
             (SELECT 1 FROM changes WHERE object = o.id) LIMIT ?)",
        "DELETE FROM marks WHERE id IN (SELECT m.id FROM marks AS m
             JOIN series AS s ON s.id = m.series WHERE s.fabric = ? LIMIT ?)",
        "DELETE FROM origins WHERE rowid IN (SELECT o.rowid FROM origins AS o
             JOIN series AS s ON s.id = o.series WHERE s.fabric = ? LIMIT ?)",
    ] {
        if left > 0 {
            let done = sqlx::query(sql).bind(fabric).bind(left).execute(&mut *tx).await?;
            left -= i64::try_from(done.rows_affected()).unwrap_or(CHUNK);
        }
    }
    let empty = left == CHUNK;
    if empty {
        for sql in ["DELETE FROM series WHERE fabric = ?", "DELETE FROM fabrics WHERE id = ?"] {
            sqlx::query(sql).bind(fabric).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    Ok(empty)
}
