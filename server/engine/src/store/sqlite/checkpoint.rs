//! Checkpoints: all objects of a kind as of a change, so that a later moment need not begin at the first.
//!
//! Invariant: no lock is held while a state is put together; a checkpoint is there whole or not at all.

use domain::history::Moment;
use futures::future::BoxFuture;

use super::{
    SqliteStore,
    fault::{Fault, length},
    past,
};
use crate::store::pack;

/// Fewest changes worth a checkpoint: replaying them costs less than reading one.
const FEWEST: i64 = 256;
/// Most changes that are ever replayed to read a moment (and as many again that upkeep has not seen yet).
pub(super) const MOST: i64 = 3_000;
/// Fewest bytes of changes worth a checkpoint.
const FEWEST_BYTES: i64 = 64 << 10;

/// Kinds whose changes since the newest checkpoint cost more to replay than another checkpoint costs to
/// keep: checkpoints never take more room than the changes.
pub(super) async fn due(store: &SqliteStore) -> Result<Vec<i64>, Fault> {
    let mut tx = store.read().await?;
    let due = sqlx::query_scalar(
        "SELECT s.id FROM series AS s WHERE since_count >= ? OR (since_count >= ? AND since_bytes >=
             max(?, coalesce((SELECT bytes FROM checkpoints WHERE series = s.id
                 ORDER BY seq DESC LIMIT 1), 0)))",
    )
    .bind(MOST)
    .bind(FEWEST)
    .bind(FEWEST_BYTES)
    .fetch_all(&mut *tx)
    .await?;
    Ok(due)
}

/// Which versions a state has in it.
struct Span {
    origin: i64,
    low: i64,
    top: i64,
}

impl Span {
    fn of(loaded: &past::Loaded) -> Self {
        let origin = loaded.origin_number();
        let before = loaded.base.filter(|base| base.origin == origin).map_or(0, |base| base.top);
        let (mut low, mut top) = (i64::MAX, before);
        for line in &loaded.lines {
            // Of another origin nothing can be said: these changes are always looked at.
            low = low.min(if line.origin == origin { line.version } else { 0 });
            if line.origin == origin {
                top = top.max(line.version);
            }
        }
        Self { origin, low, top }
    }
}

/// Makes a checkpoint of a kind as of its newest change at or before a moment. `false`: there is one
/// already, or nothing to keep.
pub(super) fn make(
    store: SqliteStore,
    series: i64,
    moment: Moment,
) -> BoxFuture<'static, Result<bool, Fault>> {
    Box::pin(async move { made(&store, series, moment).await })
}

async fn made(store: &SqliteStore, series: i64, moment: Moment) -> Result<bool, Fault> {
    let mut tx = store.read().await?;
    let asked = past::reached(&mut tx, series, moment).await?;
    let loaded = past::load(&mut tx, &asked).await?;
    drop(tx);
    if loaded.lines.is_empty() {
        return Ok(false);
    }
    let Span { origin, low, top } = Span::of(&loaded);
    let (known, loaded) = past::known(loaded).await?;
    let packing = tokio::task::spawn_blocking(move || {
        let parts = pack::parts(&known.objects)?;
        Ok::<_, Fault>((known, parts))
    });
    let (known, parts) = packing.await.map_err(|error| Fault::Impossible(error.to_string()))??;

    let last = loaded.lines.last().map(|line| (line.seq, line.at_ms));
    let Some((seq, at_ms)) = last else { return Ok(false) };
    let mut tx = store.write().await?;
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO checkpoints (series, seq, at_ms, origin, low, top, objects, bytes)
         SELECT id, ?, ?, ?, ?, ?, ?, ? FROM series WHERE id = ? AND floor <= ?
         ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(seq)
    .bind(at_ms)
    .bind(origin)
    .bind(low)
    .bind(top)
    .bind(length(known.objects.len()))
    .bind(length(parts.iter().map(Vec::len).sum()))
    .bind(series)
    .bind(seq)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(id) = id else { return Ok(false) };
    for (part, body) in parts.iter().enumerate() {
        sqlx::query("INSERT INTO checkpoint_parts (checkpoint, part, body) VALUES (?, ?, ?)")
            .bind(id)
            .bind(length(part))
            .bind(body)
            .execute(&mut *tx)
            .await?;
    }
    // Only the newest counts: a checkpoint between two others shortens nothing here.
    sqlx::query(
        "UPDATE series SET
             since_count = (SELECT count(*) FROM changes WHERE series = ?1 AND seq > ?2),
             since_bytes = (SELECT coalesce(sum(length(body)), 0) FROM changes
                 WHERE series = ?1 AND seq > ?2)
         WHERE id = ?1 AND NOT EXISTS
             (SELECT 1 FROM checkpoints WHERE series = ?1 AND seq > ?2)",
    )
    .bind(series)
    .bind(seq)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}
