//! Sessions of browsers.
//!
//! Invariant: a session that was ended is never open again, whoever writes it anew; nobody who may not
//! sign in has one.

use domain::account::UserName;
use sqlx::SqliteConnection;

use super::{Halt, noticed, users};
use crate::store::{
    directory::{Digest, MOST_SESSIONS, OrderError, Session, User},
    sqlite::fault::{Fault, length},
};

/// Longest that is kept of what a browser says it is, in characters.
const LONGEST_AGENT: usize = 200;
/// Longest that the session layer may keep in a session, in bytes.
const LONGEST_DATA: usize = 16 << 10;

type Columns = (String, String, i64, i64, i64, Option<String>, Option<String>, String);

fn session(row: Columns) -> Result<Session, Fault> {
    let (digest, user, created_ms, seen_ms, expires_ms, from, agent, data) = row;
    let user = user.parse().map_err(|error| Fault::nonsense("a session's user", error))?;
    let digest = Digest(digest);
    Ok(Session { digest, user, created_ms, seen_ms, expires_ms, from, agent, data })
}

/// Opens a session or writes it anew. `false`: it was ended, is another's, or its user may not sign in.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    session: &Session,
) -> Result<bool, Fault> {
    if session.data.len() > LONGEST_DATA {
        let message = format!("a session keeps {LONGEST_DATA} bytes at most");
        return Err(Fault::Impossible(message));
    }
    let may: Option<bool> = sqlx::query_scalar("SELECT enabled FROM users WHERE name = ?")
        .bind(session.user.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let before: Option<(String, bool)> =
        sqlx::query_as("SELECT user, ended FROM sessions WHERE digest = ?")
            .bind(&session.digest.0)
            .fetch_optional(&mut *connection)
            .await?;
    let spent =
        before.as_ref().is_some_and(|(user, ended)| *ended || *user != session.user.as_str());
    if may != Some(true) || spent {
        return Ok(false);
    }
    let agent: Option<String> =
        session.agent.as_ref().map(|agent| agent.chars().take(LONGEST_AGENT).collect());
    sqlx::query(
        "INSERT INTO sessions (digest, user, created_ms, seen_ms, expires_ms, origin, agent, data)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (digest) DO UPDATE SET seen_ms = max(seen_ms, excluded.seen_ms),
             expires_ms = excluded.expires_ms, origin = excluded.origin, agent = excluded.agent,
             data = excluded.data",
    )
    .bind(&session.digest.0)
    .bind(session.user.as_str())
    .bind(session.created_ms)
    .bind(session.seen_ms)
    .bind(session.expires_ms)
    .bind(&session.from)
    .bind(agent)
    .bind(&session.data)
    .execute(&mut *connection)
    .await?;
    if before.is_none() {
        opened(connection, session).await?;
    }
    noticed(connection).await?;
    Ok(true)
}

/// Notes that somebody signed in; where they have too many sessions, those unused for longest go.
async fn opened(connection: &mut SqliteConnection, session: &Session) -> Result<(), Fault> {
    sqlx::query("UPDATE users SET seen_ms = max(coalesce(seen_ms, 0), ?) WHERE name = ?")
        .bind(session.created_ms)
        .bind(session.user.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE sessions SET ended = 1, data = '' WHERE digest IN (SELECT digest FROM sessions
             WHERE user = ?1 AND NOT ended AND digest <> ?2
             ORDER BY seen_ms DESC, digest LIMIT -1 OFFSET ?3)",
    )
    .bind(session.user.as_str())
    .bind(&session.digest.0)
    .bind(length(MOST_SESSIONS - 1))
    .execute(connection)
    .await?;
    Ok(())
}

/// A session with its user.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    digest: &Digest,
) -> Result<Option<(Session, User)>, Fault> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT digest, user, created_ms, seen_ms, expires_ms, origin, agent, data FROM sessions
         WHERE digest = ? AND NOT ended",
    )
    .bind(&digest.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(session) = row.map(session).transpose()? else { return Ok(None) };
    let user = users::one(connection, session.user.as_str()).await?;
    Ok(user.map(|user| (session, user)))
}

/// Notes that a session is in use.
pub(super) async fn touch(
    connection: &mut SqliteConnection,
    digest: &Digest,
    now_ms: i64,
) -> Result<(), Fault> {
    sqlx::query("UPDATE sessions SET seen_ms = max(seen_ms, ?) WHERE digest = ? AND NOT ended")
        .bind(now_ms)
        .bind(&digest.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends a session; `false`: there was none.
pub(super) async fn end(connection: &mut SqliteConnection, digest: &Digest) -> Result<bool, Fault> {
    let sql = "UPDATE sessions SET ended = 1, data = '' WHERE digest = ? AND NOT ended";
    let done = sqlx::query(sql).bind(&digest.0).execute(&mut *connection).await?;
    if done.rows_affected() > 0 {
        noticed(connection).await?;
    }
    Ok(done.rows_affected() > 0)
}

/// Ends a session, by an order.
pub(super) async fn end_by_order(
    connection: &mut SqliteConnection,
    digest: &Digest,
) -> Result<i64, Halt> {
    if end(connection, digest).await? {
        Ok(0)
    } else {
        Err(OrderError::Missing { what: format!("session/{}", digest.id()) }.into())
    }
}

/// Ends all sessions of a user but one.
pub(super) async fn end_all(
    connection: &mut SqliteConnection,
    user: &UserName,
    keep: Option<&Digest>,
) -> Result<(), Fault> {
    let sql =
        "UPDATE sessions SET ended = 1, data = '' WHERE user = ? AND NOT ended AND digest <> ?";
    let keep = keep.map_or("", |keep| keep.0.as_str());
    sqlx::query(sql).bind(user.as_str()).bind(keep).execute(connection).await?;
    Ok(())
}

/// Sessions of a user, or of all, the newest use first.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    user: Option<&UserName>,
) -> Result<Vec<Session>, Fault> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT digest, user, created_ms, seen_ms, expires_ms, origin, agent, data FROM sessions
         WHERE NOT ended AND (?1 IS NULL OR user = ?1) ORDER BY seen_ms DESC, digest",
    )
    .bind(user.map(UserName::as_str))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(session).collect()
}
