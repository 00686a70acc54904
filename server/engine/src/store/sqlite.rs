//! Records in an SQLite file.
//!
//! One connection writes, a few read; each call is one transaction that is given up after [`CALL`].
//! A call whose future is dropped is rolled back before its connection is used again.
//!
//! Invariant: no write without the claim being compared in the same transaction; nothing is
//! acknowledged that is not in the write-ahead log on disk.

mod append;
mod checkpoint;
mod directory;
mod events;
mod fault;
mod lease;
mod open;
mod past;
mod purge;
mod upkeep;
mod whole;

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{history::Moment, kind::Kind, object::ObjectKey, topic::FabricId};
use sqlx::{Pool, Sqlite, Transaction};

use self::fault::Fault;
pub use self::whole::{SCHEMA, set_aside};
use super::{
    Batch, Claim, EventQuery, Feed, Known, Lease, Origin, Recorded, Retention, Store, StoreError,
    StoredEvent, Upkeep, directory::Sealer,
};

/// How often it is looked whether all connections are closed, and how long between; after that a connection that
/// is at work for longer is left to end by itself.
const CLOSE_LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Longest that one call takes: a disk that is slower than that is not one to wait for.
pub const CALL: Duration = Duration::from_secs(5);
/// How long a call waits for another process's lock; shorter than [`CALL`], so that the error says so.
const BUSY: Duration = Duration::from_secs(4);
/// How long [`Store::upkeep`] works before it leaves the rest to its next time; what it does in one step
/// may take longer, ten times this at most.
const UPKEEP: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Pool<Sqlite>,
    readers: Pool<Sqlite>,
    sealer: Option<Arc<Sealer>>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed = self.sealer.is_some();
        f.debug_struct("SqliteStore").field("sealed", &sealed).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens, and where needed makes, the database at a path or `sqlite:` address; brings its schema up
    /// to date.
    pub async fn open(place: &str) -> Result<Self, StoreError> {
        open::open(place).await
    }

    /// A database in memory, of its own, gone with the last clone of this.
    pub async fn in_memory() -> Result<Self, StoreError> {
        open::in_memory().await
    }

    /// The same, sealing the end of the audit chain from now on.
    #[must_use]
    pub fn sealing(self, sealer: Arc<Sealer>) -> Self {
        Self { sealer: Some(sealer), ..self }
    }

    /// A transaction that writes: it holds the lock from its beginning, so it never fails half way.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, Fault> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction that reads one state of everything, while others write.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, Fault> {
        Ok(self.readers.begin().await?)
    }
}

/// Runs a call under its deadline and says what it was if it fails.
async fn within<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(done) => done.map_err(|fault| fault.told(what)),
        Err(_) => Err(Fault::Slow.told(what)),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn check(&self) -> Result<(), StoreError> {
        within("check the database", async {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE house SET checked = checked + 1").execute(&mut *tx).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn claim(
        &self,
        fabric: &FabricId,
        holder: &str,
        now_ms: i64,
        ttl_ms: i64,
    ) -> Result<Lease, StoreError> {
        within("claim a fabric", async {
            let mut tx = self.write().await?;
            let lease = lease::claim(&mut tx, fabric, holder, now_ms, ttl_ms).await?;
            tx.commit().await?;
            Ok(lease)
        })
        .await
    }

    async fn release(
        &self,
        fabric: &FabricId,
        claim: Claim,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        within("give a fabric back", async {
            let mut tx = self.write().await?;
            lease::release(&mut tx, fabric, claim, now_ms).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn feed(&self, fabric: &FabricId) -> Result<Feed, StoreError> {
        within("read a feed", async {
            let mut tx = self.read().await?;
            if let Some(row) = lease::row(&mut tx, fabric).await? {
                return Ok(row.feed);
            }
            drop(tx);
            let mut tx = self.write().await?;
            let feed = lease::begun(&mut tx, fabric).await?.feed;
            tx.commit().await?;
            Ok(feed)
        })
        .await
    }

    async fn reserve(&self, fabric: &FabricId, claim: Claim, upto: u64) -> Result<(), StoreError> {
        within("reserve positions of a feed", async {
            let mut tx = self.write().await?;
            lease::reserve(&mut tx, fabric, claim, upto).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn append(
        &self,
        fabric: &FabricId,
        claim: Claim,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        within("write records", async {
            let packed = append::packed(batch).await?;
            let mut tx = self.write().await?;
            append::append(&mut tx, fabric, claim, batch, &packed).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn events(
        &self,
        fabric: &FabricId,
        query: &EventQuery,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        within("read events", async {
            let mut tx = self.read().await?;
            events::events(&mut tx, fabric, query).await
        })
        .await
    }

    async fn at(&self, fabric: &FabricId, kind: Kind, moment: Moment) -> Result<Known, StoreError> {
        within("read the state at a moment", async {
            let mut tx = self.read().await?;
            let Some(asked) = past::find(&mut tx, fabric, kind, moment).await? else {
                return Ok(Known::default());
            };
            let loaded = past::load(&mut tx, &asked).await?;
            drop(tx);
            Ok(past::known(loaded).await?.0)
        })
        .await
    }

    async fn origins(
        &self,
        fabric: &FabricId,
    ) -> Result<BTreeMap<Kind, (Origin, u64)>, StoreError> {
        within("read where versions come from", async {
            let mut tx = self.read().await?;
            past::origins(&mut tx, fabric).await
        })
        .await
    }

    async fn history(
        &self,
        fabric: &FabricId,
        kind: Kind,
        key: &ObjectKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        within("read the history of an object", async {
            let mut tx = self.read().await?;
            past::history(&mut tx, (fabric, kind, key), before, limit).await
        })
        .await
    }

    async fn upkeep(&self, retention: Retention, now_ms: i64) -> Result<Upkeep, StoreError> {
        let what = "keep records in order";
        let work = upkeep::upkeep(self.clone(), retention, now_ms);
        match tokio::time::timeout(UPKEEP * 10, work).await {
            Ok(done) => done.map_err(|fault| fault.told(what)),
            Err(_) => Err(Fault::Slow.told(what)),
        }
    }

    async fn forget(&self, fabric: &FabricId) -> Result<(), StoreError> {
        within("forget a fabric", async {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE fabrics SET name = NULL, holder = NULL, claim = 0 WHERE name = ?")
                .bind(fabric.as_str())
                .execute(&mut *tx)
                .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn close(&self) {
        for pool in [&self.readers, &self.writer] {
            // Again until none is left: a connection that was on its way back when the pool was closed is put
            // among the idle ones after the first call looked there, and would stay open.
            for _ in 0..CLOSE_LOOKS {
                pool.close().await;
                if pool.size() == 0 {
                    break;
                }
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
