//! Registered fabrics, and what would be lost with one.
//!
//! Invariant: nothing of a removed fabric is left to a later one of the same name: no role, no scope of a
//! token, no record.

use domain::topic::FabricId;
use sqlx::SqliteConnection;

use super::{Halt, copy, next_revision, users};
use crate::{
    store::{
        directory::{Fabric, MOST_FABRICS, OrderError},
        sqlite::fault::{Fault, length, unsigned},
    },
    vault::{KEY_FACT, KeyId, LOST, key_of},
};

/// Rows that the size of the others is guessed from.
const SAMPLE: i64 = 500;

type Columns = (String, String, Option<Vec<u8>>, bool, i64, i64, i64);

fn fabric(row: Columns) -> Result<Fabric, Fault> {
    let (id, settings, sealed, enabled, created_ms, changed_ms, revision) = row;
    let id = id.parse().map_err(|error| Fault::nonsense("a registered fabric", error))?;
    let revision = unsigned(revision)?;
    Ok(Fabric { id, settings, sealed, enabled, created_ms, changed_ms, revision })
}

fn named(id: &FabricId) -> String {
    format!("fabric/{id}")
}

/// All of them, by name.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Fabric>, Fault> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT name, settings, sealed, enabled, created_ms, changed_ms, revision FROM registered
         ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(fabric).collect()
}

/// One of them.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    id: &FabricId,
) -> Result<Option<Fabric>, Fault> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT name, settings, sealed, enabled, created_ms, changed_ms, revision FROM registered
         WHERE name = ?",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(fabric).transpose()
}

/// One that must be there and, where one is named, have this revision.
async fn present(
    connection: &mut SqliteConnection,
    id: &FabricId,
    expected: Option<u64>,
) -> Result<Fabric, Halt> {
    let found = one(connection, id).await?;
    let found = found.ok_or_else(|| OrderError::Missing { what: named(id) })?;
    match expected {
        Some(expected) if expected != found.revision => {
            Err(OrderError::Changed { what: named(id), revision: found.revision }.into())
        }
        _ => Ok(found),
    }
}

/// Refuses credentials that were sealed with another key than the house's present one: the key was changed
/// since, and may be gone by the time that they are read.
async fn sealed_now(
    connection: &mut SqliteConnection,
    sealed: Option<&Vec<u8>>,
) -> Result<(), Fault> {
    let Some(sealed) = sealed.filter(|sealed| sealed.as_slice() != LOST) else { return Ok(()) };
    let present = copy::fact(connection, KEY_FACT).await?;
    let used = key_of(sealed);
    match present {
        Some(present) if used.as_ref().map(KeyId::as_str) != Some(present.as_str()) => {
            let message = "the server's key was changed meanwhile; try again".to_owned();
            Err(Fault::Impossible(message))
        }
        _ => Ok(()),
    }
}

/// Registers a fabric. Returns its revision.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    fabric: &Fabric,
    now_ms: i64,
) -> Result<i64, Halt> {
    if one(connection, &fabric.id).await?.is_some() {
        return Err(OrderError::Exists { what: named(&fabric.id) }.into());
    }
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM registered").fetch_one(&mut *connection).await?;
    if count >= length(MOST_FABRICS) {
        return Err(OrderError::TooMany { what: "fabrics", most: MOST_FABRICS }.into());
    }
    sealed_now(connection, fabric.sealed.as_ref()).await?;
    let revision = next_revision(0, now_ms);
    sqlx::query(
        "INSERT INTO registered (name, settings, sealed, enabled, created_ms, changed_ms, revision)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(fabric.id.as_str())
    .bind(&fabric.settings)
    .bind(&fabric.sealed)
    .bind(fabric.enabled)
    .bind(now_ms)
    .bind(now_ms)
    .bind(revision)
    .execute(connection)
    .await?;
    Ok(revision)
}

/// What an order changes of a fabric; none: it stays.
pub(super) struct Change {
    pub(super) settings: Option<String>,
    #[expect(clippy::option_option, reason = "as the order says it: kept, removed or replaced")]
    pub(super) sealed: Option<Option<Vec<u8>>>,
    pub(super) enabled: Option<bool>,
}

/// Changes a fabric. Returns its new revision.
pub(super) async fn change(
    connection: &mut SqliteConnection,
    (id, expected): (&FabricId, Option<u64>),
    change: Change,
    now_ms: i64,
) -> Result<i64, Halt> {
    let before = present(connection, id, expected).await?;
    sealed_now(connection, change.sealed.as_ref().and_then(Option::as_ref)).await?;
    let previous = i64::try_from(before.revision).unwrap_or(i64::MAX);
    let revision = next_revision(previous, now_ms);
    sqlx::query(
        "UPDATE registered SET settings = ?, sealed = ?, enabled = ?, changed_ms = ?, revision = ?
         WHERE name = ?",
    )
    .bind(change.settings.unwrap_or(before.settings))
    .bind(change.sealed.unwrap_or(before.sealed))
    .bind(change.enabled.unwrap_or(before.enabled))
    .bind(now_ms)
    .bind(revision)
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(revision)
}

/// Removes a fabric with the roles that name it; its records are forgotten.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    (id, expected): (&FabricId, Option<u64>),
    now_ms: i64,
) -> Result<i64, Halt> {
    let before = present(connection, id, expected).await?;
    sqlx::query("DELETE FROM registered WHERE name = ?")
        .bind(id.as_str())
        .execute(&mut *connection)
        .await?;
    users::forget_fabric(connection, id, now_ms).await?;
    sqlx::query("UPDATE fabrics SET name = NULL, holder = NULL, claim = 0 WHERE name = ?")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(i64::try_from(before.revision).unwrap_or(i64::MAX))
}

/// How many events and changes are kept of a fabric, and about how many bytes.
pub(super) async fn recorded(
    connection: &mut SqliteConnection,
    id: &FabricId,
) -> Result<(u64, u64, u64), Fault> {
    let row: Option<(i64, i64, f64)> = sqlx::query_as(
        "WITH f AS (SELECT id FROM fabrics WHERE name = ?1),
             s AS (SELECT id FROM series WHERE fabric = (SELECT id FROM f)),
             e AS (SELECT count(*) AS n FROM events WHERE fabric = (SELECT id FROM f)),
             c AS (SELECT count(*) AS n FROM changes WHERE series IN (SELECT id FROM s))
         SELECT e.n, c.n,
             e.n * coalesce((SELECT avg(length(body)) FROM (SELECT body FROM events
                 WHERE fabric = (SELECT id FROM f) ORDER BY position DESC LIMIT ?2)), 0.0)
             + c.n * coalesce((SELECT avg(coalesce(length(body), 0)) FROM (SELECT body FROM changes
                 WHERE series IN (SELECT id FROM s) LIMIT ?2)), 0.0)
             + coalesce((SELECT sum(bytes) FROM checkpoints WHERE series IN (SELECT id FROM s)), 0)
         FROM e, c",
    )
    .bind(id.as_str())
    .bind(SAMPLE)
    .fetch_optional(connection)
    .await?;
    let (events, changes, bytes) = row.unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate for people, never negative and far below 2^53"
    )]
    let bytes = bytes.round() as u64;
    Ok((unsigned(events)?, unsigned(changes)?, bytes))
}

/// Puts sealed credentials in place of others, where they still are those.
pub(super) async fn reseal(
    connection: &mut SqliteConnection,
    id: &FabricId,
    old: &[u8],
    new: &[u8],
) -> Result<bool, Fault> {
    let done = sqlx::query("UPDATE registered SET sealed = ? WHERE name = ? AND sealed = ?")
        .bind(new)
        .bind(id.as_str())
        .bind(old)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() > 0 {
        super::noticed(connection).await?;
    }
    Ok(done.rows_affected() > 0)
}
