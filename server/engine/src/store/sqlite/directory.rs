//! The directory in SQLite: each method is one transaction, an order together with its deed.
//!
//! Invariant: no order without its link in the audit chain, no link without its order; no rule of the
//! directory is checked outside the transaction that it guards.

mod audit;
mod copy;
mod fabrics;
mod notices;
mod orders;
mod sessions;
mod throttle;
mod tokens;
mod users;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use domain::{
    account::UserName,
    audit::{Deed, Link},
    topic::FabricId,
};
use sqlx::SqliteConnection;

use super::{
    CALL, SqliteStore,
    fault::{Fault, unsigned},
    within,
};
use crate::store::{
    StoreError,
    directory::{
        AuditQuery, Digest, Directory, Done, Fabric, Failures, Notice, NoticeList, Order,
        OrderError, Seal, Session, Token, User,
    },
};

/// Longest that a copy of everything takes: some gigabytes on a slow disk.
const COPY: Duration = Duration::from_mins(30);

/// Why an order ends without being carried out.
#[derive(Debug)]
enum Halt {
    /// A rule of the directory says no.
    Refused(OrderError),
    /// The database failed.
    Fault(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<OrderError> for Halt {
    fn from(error: OrderError) -> Self {
        Self::Refused(error)
    }
}

impl Halt {
    /// The error of the seam.
    fn told(self, what: &'static str) -> OrderError {
        match self {
            Self::Refused(error) => error,
            Self::Fault(fault) => fault.told(what).into(),
        }
    }
}

/// Says that something changed that another process has to notice.
async fn noticed(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let sql = "UPDATE house SET generation = generation + 1";
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

/// The revision after another: never one that was there before, also of a thing that is made anew under
/// the same name, and nothing that tells how much happens elsewhere in the house.
fn next_revision(previous: i64, now_ms: i64) -> i64 {
    previous.saturating_add(1).max(now_ms)
}

impl SqliteStore {
    /// Runs something that writes, in a transaction of its own.
    async fn writing<T>(
        &self,
        what: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        within(what, async {
            let mut tx = self.write().await?;
            let done = work(&mut tx).await?;
            tx.commit().await?;
            Ok(done)
        })
        .await
    }

    /// Runs something that reads, in a transaction of its own.
    async fn reading<T>(
        &self,
        what: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        within(what, async {
            let mut tx = self.read().await?;
            work(&mut tx).await
        })
        .await
    }
}

#[async_trait]
impl Directory for SqliteStore {
    async fn order(&self, order: Order, deed: &Deed, now_ms: i64) -> Result<Done, OrderError> {
        let what = orders::name(&order);
        let work = async {
            let mut tx = self.write().await?;
            let revision = orders::carry_out(&mut tx, order, now_ms).await?;
            let seq = audit::append(&mut tx, deed, now_ms, self.sealer.as_deref()).await?;
            tx.commit().await?;
            Ok(Done { seq, revision: unsigned(revision)? })
        };
        let done = tokio::time::timeout(CALL, work).await;
        done.unwrap_or(Err(Halt::Fault(Fault::Slow))).map_err(|halt| halt.told(what))
    }

    async fn generation(&self) -> Result<u64, StoreError> {
        self.reading("see whether anything changed", async |connection| {
            let sql = "SELECT generation FROM house";
            unsigned(sqlx::query_scalar(sql).fetch_one(connection).await?)
        })
        .await
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        self.reading("read the users", users::all).await
    }

    async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.reading("read a user", async |tx| users::one(tx, name.as_str()).await).await
    }

    async fn user_of_oidc(&self, identity: &str) -> Result<Option<User>, StoreError> {
        self.reading("read a user", async |tx| users::of_oidc(tx, identity).await).await
    }

    async fn has_users(&self) -> Result<bool, StoreError> {
        self.reading("see whether there are users", users::any).await
    }

    async fn set_up_token(&self, token: &Digest) -> Result<(), StoreError> {
        let what = "make a set-up link";
        self.writing(what, async |tx| users::set_up_token(tx, token).await).await
    }

    async fn is_set_up_token(&self, token: &Digest) -> Result<bool, StoreError> {
        let what = "check a set-up link";
        self.reading(what, async |tx| users::is_set_up_token(tx, token).await).await
    }

    async fn save_session(&self, session: &Session) -> Result<bool, StoreError> {
        self.writing("keep a session", async |tx| sessions::save(tx, session).await).await
    }

    async fn session(&self, digest: &Digest) -> Result<Option<(Session, User)>, StoreError> {
        self.reading("read a session", async |tx| sessions::one(tx, digest).await).await
    }

    async fn touch_session(&self, digest: &Digest, now_ms: i64) -> Result<(), StoreError> {
        let what = "note that a session is in use";
        self.writing(what, async |tx| sessions::touch(tx, digest, now_ms).await).await
    }

    async fn end_session(&self, digest: &Digest) -> Result<(), StoreError> {
        self.writing("end a session", async |tx| sessions::end(tx, digest).await.map(|_| ())).await
    }

    async fn sessions(&self, user: Option<&UserName>) -> Result<Vec<Session>, StoreError> {
        self.reading("read the sessions", async |tx| sessions::all(tx, user).await).await
    }

    async fn token(&self, digest: &Digest) -> Result<Option<(Token, User)>, StoreError> {
        self.reading("read a token", async |tx| tokens::one(tx, digest).await).await
    }

    async fn touch_token(&self, digest: &Digest, now_ms: i64) -> Result<(), StoreError> {
        let what = "note that a token was used";
        self.writing(what, async |tx| tokens::touch(tx, digest, now_ms).await).await
    }

    async fn tokens(&self, user: Option<&UserName>) -> Result<Vec<Token>, StoreError> {
        self.reading("read the tokens", async |tx| tokens::all(tx, user).await).await
    }

    async fn failures(&self, key: &str) -> Result<Failures, StoreError> {
        let what = "read how often signing in failed";
        self.reading(what, async |tx| throttle::of(tx, key).await).await
    }

    async fn fail(
        &self,
        key: &str,
        now_ms: i64,
        forget_after_ms: i64,
    ) -> Result<Failures, StoreError> {
        let what = "note that signing in failed";
        self.writing(what, async |tx| throttle::fail(tx, key, now_ms, forget_after_ms).await).await
    }

    async fn forgive(&self, key: &str) -> Result<(), StoreError> {
        let what = "forget how often signing in failed";
        self.writing(what, async |tx| throttle::forgive(tx, key).await).await
    }

    async fn fabrics(&self) -> Result<Vec<Fabric>, StoreError> {
        self.reading("read the fabrics", fabrics::all).await
    }

    async fn fabric(&self, id: &FabricId) -> Result<Option<Fabric>, StoreError> {
        self.reading("read a fabric", async |tx| fabrics::one(tx, id).await).await
    }

    async fn recorded(&self, id: &FabricId) -> Result<(u64, u64, u64), StoreError> {
        let what = "see what is recorded of a fabric";
        self.reading(what, async |tx| fabrics::recorded(tx, id).await).await
    }

    async fn reseal(&self, id: &FabricId, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
        let what = "seal credentials with another key";
        self.writing(what, async |tx| fabrics::reseal(tx, id, old, new).await).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<Link>, StoreError> {
        self.reading("search the audit log", async |tx| audit::find(tx, query).await).await
    }

    async fn links(&self, after: u64, limit: usize) -> Result<Vec<Link>, StoreError> {
        let what = "read the audit log";
        self.reading(what, async |tx| audit::links(tx, after, limit).await).await
    }

    async fn seal(&self) -> Result<Option<Seal>, StoreError> {
        self.reading("read the seal of the audit log", audit::seal).await
    }

    async fn tell(
        &self,
        user: &UserName,
        now_ms: i64,
        make: &(dyn for<'a> Fn(u64) -> String + Send + Sync),
    ) -> Result<Notice, StoreError> {
        let what = "keep a notice";
        let work = async |tx: &mut SqliteConnection| {
            let notice = notices::tell(tx, user, now_ms, make).await?;
            noticed(tx).await?;
            Ok(notice)
        };
        self.writing(what, work).await
    }

    async fn notices(
        &self,
        user: &UserName,
        after: u64,
        limit: usize,
    ) -> Result<NoticeList, StoreError> {
        let what = "read notices";
        self.reading(what, async |tx| notices::after(tx, user, after, limit).await).await
    }

    async fn sweep(&self, now_ms: i64, idle_ms: i64) -> Result<(), StoreError> {
        let what = "sweep what is over";
        self.writing(what, async |tx| throttle::sweep(tx, now_ms, idle_ms).await).await
    }

    async fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let what = "copy the database";
        let done = tokio::time::timeout(COPY, copy::copy_to(self, file)).await;
        done.unwrap_or(Err(Fault::Slow)).map_err(|fault| fault.told(what))
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.reading("read a fact", async |tx| copy::fact(tx, name).await).await
    }

    async fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.writing("keep a fact", async |tx| copy::set_fact(tx, name, value).await).await
    }
}
