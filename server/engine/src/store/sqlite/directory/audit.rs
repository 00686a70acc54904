//! The audit chain: appending to it, finding in it, its seal.
//!
//! Invariant: no link is changed or removed here, and the database would refuse it.

use domain::audit::{BEGINNING, Deed, Link, Outcome, digest};
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::store::{
    directory::{AuditQuery, Seal, Sealer},
    sqlite::fault::{Fault, length, signed, unsigned},
};

/// Longest text of a deed with what was before and after, in bytes; without them it is short.
const LONGEST: usize = 64 << 10;

/// How an outcome is written in the text.
const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    }
}

/// The text of a deed as it is kept.
fn text(deed: &Deed) -> Result<String, Fault> {
    let write = |deed: &Deed| {
        serde_json::to_string(deed).map_err(|error| Fault::Impossible(error.to_string()))
    };
    let text = write(deed)?;
    if text.len() <= LONGEST {
        return Ok(text);
    }
    let note = |value: &Option<Value>| {
        value.as_ref().map(|_| Value::String("too long to be kept here".to_owned()))
    };
    write(&deed.clone().changing(note(&deed.before), note(&deed.after)))
}

/// Appends a deed to the chain and seals its end. Returns its number.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    deed: &Deed,
    now_ms: i64,
    sealer: Option<&Sealer>,
) -> Result<u64, Fault> {
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let (last, previous) = last.unwrap_or_else(|| (0, BEGINNING.to_owned()));
    let seq = unsigned(last)? + 1;
    let text = text(deed)?;
    let digest = digest(&previous, seq, now_ms, &text);
    sqlx::query("INSERT INTO audit (seq, at_ms, text, digest) VALUES (?, ?, ?, ?)")
        .bind(signed(seq)?)
        .bind(now_ms)
        .bind(text)
        .bind(&digest)
        .execute(&mut *connection)
        .await?;
    if let Some(sealer) = sealer {
        let (key, mac) = sealer(seq, &digest);
        sqlx::query("INSERT OR REPLACE INTO seal (id, seq, mac, key) VALUES (1, ?, ?, ?)")
            .bind(signed(seq)?)
            .bind(mac)
            .bind(key)
            .execute(connection)
            .await?;
    }
    Ok(seq)
}

type Columns = (i64, i64, String, String);

fn link((seq, at_ms, text, digest): Columns) -> Result<Link, Fault> {
    Ok(Link { seq: unsigned(seq)?, at_ms, text, digest })
}

/// Entries that a query finds, newest first.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    query: &AuditQuery,
) -> Result<Vec<Link>, Fault> {
    let mut sql: QueryBuilder<'_, Sqlite> =
        QueryBuilder::new("SELECT seq, at_ms, text, digest FROM audit WHERE true");
    if let Some(before) = query.before {
        sql.push(" AND seq < ").push_bind(signed(before).unwrap_or(i64::MAX));
    }
    if let Some(user) = &query.user {
        sql.push(" AND user = ").push_bind(user);
    }
    if let Some(act) = &query.act {
        sql.push(" AND act = ").push_bind(act);
    }
    if let Some(fabric) = &query.fabric {
        sql.push(" AND fabric = ").push_bind(fabric.as_str());
    }
    if let Some(outcome) = query.outcome {
        sql.push(" AND outcome = ").push_bind(word(outcome));
    }
    if let Some(text) = &query.text {
        sql.push(" AND instr(lower(text), lower(").push_bind(text).push(")) > 0");
    }
    if let Some(since) = query.since_ms {
        sql.push(" AND at_ms >= ").push_bind(since);
    }
    if let Some(until) = query.until_ms {
        sql.push(" AND at_ms <= ").push_bind(until);
    }
    sql.push(" ORDER BY seq DESC LIMIT ").push_bind(length(query.limit));
    let rows: Vec<Columns> = sql.build_query_as().fetch_all(connection).await?;
    rows.into_iter().map(link).collect()
}

/// Links after a number, oldest first.
pub(super) async fn links(
    connection: &mut SqliteConnection,
    after: u64,
    limit: usize,
) -> Result<Vec<Link>, Fault> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT seq, at_ms, text, digest FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
    )
    .bind(signed(after).unwrap_or(i64::MAX))
    .bind(length(limit))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(link).collect()
}

/// The seal of the chain's end.
pub(super) async fn seal(connection: &mut SqliteConnection) -> Result<Option<Seal>, Fault> {
    let row: Option<(i64, String, String)> =
        sqlx::query_as("SELECT seq, mac, key FROM seal").fetch_optional(connection).await?;
    row.map(|(seq, mac, key)| Ok(Seal { seq: unsigned(seq)?, mac, key })).transpose()
}
