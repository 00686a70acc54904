//! Who may write a fabric's records, and how far its feed is.
//!
//! Invariant: a claim is never given twice; a write under another claim than the present one is refused.

use domain::topic::FabricId;
use sqlx::SqliteConnection;

use super::fault::{Fault, signed, unsigned};
use crate::store::{Claim, Feed, Lease};

/// A fabric as it is kept.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) feed: Feed,
    claim: i64,
    holder: Option<String>,
    until_ms: i64,
    renewed_ms: Option<i64>,
}

/// The fabric, if anything was ever asked of it.
pub(super) async fn row(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
) -> Result<Option<Row>, Fault> {
    type Columns = (i64, String, i64, i64, i64, Option<String>, i64, Option<i64>);
    let found: Option<Columns> = sqlx::query_as(
        "SELECT id, epoch, head, reserved, claim, holder, until_ms, renewed_ms
         FROM fabrics WHERE name = ?",
    )
    .bind(fabric.as_str())
    .fetch_optional(connection)
    .await?;
    let Some((id, epoch, head, reserved, claim, holder, until_ms, renewed_ms)) = found else {
        return Ok(None);
    };
    let feed = Feed { epoch, head: unsigned(head)?, reserved: unsigned(reserved)? };
    Ok(Some(Row { id, feed, claim, holder, until_ms, renewed_ms }))
}

/// The fabric; begun if there is none.
pub(super) async fn begun(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
) -> Result<Row, Fault> {
    if let Some(row) = row(connection, fabric).await? {
        return Ok(row);
    }
    let epoch = format!("{:016x}", rand::random::<u64>());
    sqlx::query("INSERT INTO fabrics (name, epoch) VALUES (?, ?)")
        .bind(fabric.as_str())
        .bind(epoch)
        .execute(&mut *connection)
        .await?;
    row(connection, fabric).await?.ok_or_else(|| Fault::nonsense("a fabric is not there", fabric))
}

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    holder: &str,
    now_ms: i64,
    ttl_ms: i64,
) -> Result<Lease, Fault> {
    let row = begun(connection, fabric).await?;
    let ours = row.holder.as_deref() == Some(holder);
    if let Some(other) = &row.holder
        && !ours
        && row.until_ms > now_ms
    {
        return Ok(Lease::Elsewhere { holder: other.clone(), until_ms: row.until_ms });
    }
    let claim = if ours {
        row.claim
    } else {
        if let (Some(_), Some(renewed)) = (&row.holder, row.renewed_ms) {
            // It ended without a word: nobody observed anything after its last sign of life.
            close_marks(connection, row.id, renewed).await?;
        }
        sqlx::query_scalar("UPDATE house SET claims = claims + 1 RETURNING claims")
            .fetch_one(&mut *connection)
            .await?
    };
    sqlx::query(
        "UPDATE fabrics SET claim = ?, holder = ?, until_ms = ?,
             renewed_ms = max(?, coalesce(renewed_ms, ?)) WHERE id = ?",
    )
    .bind(claim)
    .bind(holder)
    .bind(now_ms.saturating_add(ttl_ms))
    .bind(now_ms)
    .bind(now_ms)
    .bind(row.id)
    .execute(connection)
    .await?;
    Ok(Lease::Held { claim: Claim(claim), taken: !ours, before_ms: row.renewed_ms })
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    claim: Claim,
    now_ms: i64,
) -> Result<(), Fault> {
    let id = match guard(connection, fabric, claim).await {
        Ok(id) => id,
        Err(Fault::Lost(_)) => return Ok(()),
        Err(fault) => return Err(fault),
    };
    close_marks(connection, id, now_ms).await?;
    sqlx::query(
        "UPDATE fabrics SET holder = NULL, reserved = head,
             renewed_ms = max(?, coalesce(renewed_ms, ?)) WHERE id = ?",
    )
    .bind(now_ms)
    .bind(now_ms)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn reserve(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    claim: Claim,
    upto: u64,
) -> Result<(), Fault> {
    let id = guard(connection, fabric, claim).await?;
    sqlx::query("UPDATE fabrics SET reserved = max(reserved, ?) WHERE id = ?")
        .bind(signed(upto)?)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// The number of the fabric, if the claim on it is the present one.
pub(super) async fn guard(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    claim: Claim,
) -> Result<i64, Fault> {
    let id = sqlx::query_scalar(
        "SELECT id FROM fabrics WHERE name = ? AND claim = ? AND holder IS NOT NULL",
    )
    .bind(fabric.as_str())
    .bind(claim.0)
    .fetch_optional(connection)
    .await?;
    id.ok_or_else(|| Fault::Lost(fabric.clone()))
}

/// Says of each kind that is still marked as observed that it no longer was from then on.
async fn close_marks(
    connection: &mut SqliteConnection,
    fabric: i64,
    at_ms: i64,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO marks (series, at_ms, live)
         SELECT s.id, max(?, m.at_ms), 0 FROM series AS s JOIN marks AS m ON m.id =
             (SELECT id FROM marks WHERE series = s.id ORDER BY at_ms DESC, id DESC LIMIT 1)
         WHERE s.fabric = ? AND m.live = 1",
    )
    .bind(at_ms)
    .bind(fabric)
    .execute(connection)
    .await?;
    Ok(())
}
