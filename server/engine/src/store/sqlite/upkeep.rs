//! Upkeep: checkpoints that are due, and what is older or more than may be kept goes.
//!
//! It works for [`UPKEEP`] at most and leaves the rest to its next time; each step is a short transaction
//! of its own, between which others write.
//!
//! Invariant: nothing goes that is younger than the retention allows, unless the room is used up.

use std::time::Instant;

use super::{
    SqliteStore, UPKEEP, checkpoint,
    fault::{Fault, unsigned},
    purge,
};
use crate::store::{Retention, Upkeep};
use domain::history::Moment;
use futures::future::BoxFuture;

/// A kind's oldest change may be older than the retention by this part of it before a checkpoint is made
/// just to let it go: with thirty days, by two.
const SLACK: i64 = 16;
/// When the room is used up, so many hundredths of it are freed, so that it is not used up at once again.
const FREED: u64 = 5;
/// Free pages that a file may hold, in bytes, before it is made smaller: they are used again.
const SPARE_BYTES: i64 = 4 << 20;
/// Gives so many free pages back at once.
const VACUUM: &str = "PRAGMA incremental_vacuum(512)";

/// An upkeep under way.
struct Work {
    store: SqliteStore,
    began: Instant,
    done: Upkeep,
}

pub(super) fn upkeep(
    store: SqliteStore,
    retention: Retention,
    now_ms: i64,
) -> BoxFuture<'static, Result<Upkeep, Fault>> {
    Box::pin(async move { Work::new(store).run(retention, now_ms).await })
}
impl Work {
    fn new(store: SqliteStore) -> Self {
        Self { store, began: Instant::now(), done: Upkeep::default() }
    }

    async fn run(mut self, retention: Retention, now_ms: i64) -> Result<Upkeep, Fault> {
        for series in checkpoint::due(&self.store).await? {
            if self.is_over() {
                break;
            }
            if checkpoint::make(self.store.clone(), series, Moment::Now).await? {
                self.done.checkpoints += 1;
            }
        }
        for fabric in fabrics(&self.store, "SELECT id FROM fabrics WHERE name IS NULL").await? {
            while !self.is_over() && !purge::forgotten(self.store.clone(), fabric).await? {}
        }
        let cut = now_ms.saturating_sub(retention.max_age_ms);
        self.let_go(cut, retention.max_age_ms / SLACK).await?;
        self.make_room(retention.max_bytes, now_ms).await?;
        self.shrink().await?;
        Ok(self.done)
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= UPKEEP
    }

    /// Lets go what is older than a moment.
    async fn let_go(&mut self, before_ms: i64, slack_ms: i64) -> Result<(), Fault> {
        for fabric in fabrics(&self.store, "SELECT id FROM fabrics WHERE name IS NOT NULL").await? {
            while !self.is_over() {
                let gone = purge::events(self.store.clone(), fabric, before_ms).await?;
                self.done.events += gone;
                if gone == 0 {
                    break;
                }
            }
        }
        for series in aged(&self.store, before_ms).await? {
            if self.is_over() {
                break;
            }
            if purge::raise(self.store.clone(), series, before_ms, slack_ms).await? {
                self.done.checkpoints += 1;
            }
            let mut any = false;
            while !self.is_over() {
                let gone = purge::changes(self.store.clone(), series).await?;
                self.done.changes += gone.changes;
                if gone.changes == 0 && gone.checkpoints == 0 {
                    break;
                }
                any = true;
            }
            if any {
                purge::names(self.store.clone(), series).await?;
            }
        }
        Ok(())
    }

    /// Lets go the oldest until what is left fits.
    async fn make_room(&mut self, max_bytes: u64, now_ms: i64) -> Result<(), Fault> {
        self.done.bytes = used(&self.store).await?;
        if self.done.bytes <= max_bytes {
            return Ok(());
        }
        let target = max_bytes - max_bytes / 100 * FREED;
        while self.done.bytes > target && !self.is_over() {
            let Some(oldest) = oldest(&self.store).await? else { return Ok(()) };
            if oldest >= now_ms {
                return Ok(());
            }
            // As much of the time as there is too much of the bytes, and a little more.
            let span = i128::from(now_ms) - i128::from(oldest);
            let excess = i128::from(self.done.bytes - target);
            let part = span * excess / i128::from(self.done.bytes) + span / 64 + 1;
            let cut = oldest.saturating_add(i64::try_from(part.min(span)).unwrap_or(i64::MAX));
            let before = (self.done.events, self.done.changes);
            self.let_go(cut, 0).await?;
            self.done.bytes = used(&self.store).await?;
            if before == (self.done.events, self.done.changes) && part >= span {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives room that is no longer needed back to the disk.
    async fn shrink(&mut self) -> Result<(), Fault> {
        loop {
            let (_, free, size) = pages(&self.store).await?;
            if free * size <= SPARE_BYTES || self.is_over() {
                return Ok(());
            }
            sqlx::raw_sql(VACUUM).execute(&self.store.writer).await?;
        }
    }
}

async fn fabrics(store: &SqliteStore, sql: &'static str) -> Result<Vec<i64>, Fault> {
    Ok(sqlx::query_scalar(sql).fetch_all(&store.readers).await?)
}

/// Kinds of which something is older than a moment, or of which something is to be removed still.
async fn aged(store: &SqliteStore, before_ms: i64) -> Result<Vec<i64>, Fault> {
    let found = sqlx::query_scalar(
        "SELECT s.id FROM series AS s JOIN fabrics AS f ON f.id = s.fabric
         WHERE f.name IS NOT NULL AND
             (SELECT at_ms FROM changes WHERE seq =
                 (SELECT min(seq) FROM changes WHERE series = s.id)) <= ?1
             OR (SELECT count(*) FROM checkpoints WHERE series = s.id AND at_ms <= ?1) > 1
             OR (SELECT count(*) FROM marks WHERE series = s.id AND at_ms <= ?1) > 1",
    )
    .bind(before_ms)
    .fetch_all(&store.readers)
    .await?;
    Ok(found)
}

/// Time of the oldest thing that could go.
async fn oldest(store: &SqliteStore) -> Result<Option<i64>, Fault> {
    let found = sqlx::query_scalar(
        "SELECT min(at_ms) FROM (
             SELECT (SELECT at_ms FROM events WHERE fabric = f.id ORDER BY position LIMIT 1) AS at_ms
                 FROM fabrics AS f WHERE f.name IS NOT NULL
             UNION ALL
             SELECT (SELECT at_ms FROM changes WHERE seq =
                 (SELECT min(seq) FROM changes WHERE series = s.id)) FROM series AS s)",
    )
    .fetch_one(&store.readers)
    .await?;
    Ok(found)
}

/// Bytes in use: all pages that are not free.
async fn used(store: &SqliteStore) -> Result<u64, Fault> {
    let (pages, free, size) = pages(store).await?;
    unsigned((pages - free).max(0) * size)
}

/// Pages of the file, those of them that are free, and the bytes of one.
async fn pages(store: &SqliteStore) -> Result<(i64, i64, i64), Fault> {
    let found = sqlx::query_as(
        "SELECT c.page_count, f.freelist_count, s.page_size
         FROM pragma_page_count AS c, pragma_freelist_count AS f, pragma_page_size AS s",
    )
    .fetch_one(&store.readers)
    .await?;
    Ok(found)
}
