//! API tokens.
//!
//! Invariant: a revoked token is never valid again; a scope never grows.

use std::collections::BTreeMap;

use domain::{access::Rights, account::UserName};
use sqlx::SqliteConnection;

use super::{
    Halt,
    users::{self, granted, place},
};
use crate::store::{
    directory::{Digest, MOST_TOKENS, OrderError, Token, User, rows},
    sqlite::fault::{Fault, length},
};

/// How exact the last use of a token is kept, in milliseconds: a busy token is not written at each use.
const MINUTE: i64 = 60_000;

type Columns = (String, String, String, i64, i64, Option<i64>, Option<i64>);

fn token(row: Columns, scope: Rights) -> Result<Token, Fault> {
    let (digest, user, label, created_ms, expires_ms, used_ms, revoked_ms) = row;
    let user = user.parse().map_err(|error| Fault::nonsense("a token's user", error))?;
    let label = label.parse().map_err(|error| Fault::nonsense("a token's label", error))?;
    let digest = Digest(digest);
    Ok(Token { digest, user, label, scope, created_ms, expires_ms, used_ms, revoked_ms })
}

/// `token/3f2a…`, as errors and the audit log name it.
fn named(id: &str) -> String {
    format!("token/{}", id.get(..12).unwrap_or(id))
}

/// Makes a token.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    token: &Token,
    now_ms: i64,
) -> Result<i64, Halt> {
    users::present(connection, &token.user, None).await?;
    let (count, same): (i64, bool) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM tokens
             WHERE user = ? AND revoked_ms IS NULL AND expires_ms > ?),
             EXISTS (SELECT 1 FROM tokens WHERE digest = ?)",
    )
    .bind(token.user.as_str())
    .bind(now_ms)
    .bind(&token.digest.0)
    .fetch_one(&mut *connection)
    .await?;
    if same {
        return Err(OrderError::Exists { what: named(token.digest.id()) }.into());
    }
    if count >= length(MOST_TOKENS) {
        return Err(OrderError::TooMany { what: "tokens of a user", most: MOST_TOKENS }.into());
    }
    sqlx::query(
        "INSERT INTO tokens (digest, user, label, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&token.digest.0)
    .bind(token.user.as_str())
    .bind(token.label.as_str())
    .bind(token.created_ms)
    .bind(token.expires_ms)
    .execute(&mut *connection)
    .await?;
    for (fabric, role) in rows(&token.scope) {
        sqlx::query("INSERT INTO scopes (token, fabric, role) VALUES (?, ?, ?)")
            .bind(&token.digest.0)
            .bind(place(fabric.as_ref()))
            .bind(role.word())
            .execute(&mut *connection)
            .await?;
    }
    Ok(0)
}

/// Revokes a token, by its public id or whole digest. One that was revoked before stays as it was.
pub(super) async fn revoke(
    connection: &mut SqliteConnection,
    id: &str,
    owner: Option<&UserName>,
    now_ms: i64,
) -> Result<i64, Halt> {
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT digest FROM tokens WHERE (digest = ?1 OR substr(digest, 1, 12) = ?1)
             AND (?2 IS NULL OR user = ?2) LIMIT 2",
    )
    .bind(id)
    .bind(owner.map(UserName::as_str))
    .fetch_all(&mut *connection)
    .await?;
    // Two of one id are as good as none: the whole digest names one of them.
    let [digest] = found.as_slice() else {
        return Err(OrderError::Missing { what: named(id) }.into());
    };
    sqlx::query("UPDATE tokens SET revoked_ms = ? WHERE digest = ? AND revoked_ms IS NULL")
        .bind(now_ms)
        .bind(digest)
        .execute(connection)
        .await?;
    Ok(0)
}

async fn scope(connection: &mut SqliteConnection, digest: &str) -> Result<Rights, Fault> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT fabric, role FROM scopes WHERE token = ?")
            .bind(digest)
            .fetch_all(connection)
            .await?;
    rows.iter().try_fold(Rights::default(), |scope, (fabric, role)| granted(scope, fabric, role))
}

/// A token with its owner.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    digest: &Digest,
) -> Result<Option<(Token, User)>, Fault> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT digest, user, label, created_ms, expires_ms, used_ms, revoked_ms FROM tokens
         WHERE digest = ?",
    )
    .bind(&digest.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let token = token(row, scope(connection, &digest.0).await?)?;
    let user = users::one(connection, token.user.as_str()).await?;
    Ok(user.map(|user| (token, user)))
}

/// Notes that a token was used, to the minute.
pub(super) async fn touch(
    connection: &mut SqliteConnection,
    digest: &Digest,
    now_ms: i64,
) -> Result<(), Fault> {
    sqlx::query("UPDATE tokens SET used_ms = max(coalesce(used_ms, 0), ?) WHERE digest = ?")
        .bind(now_ms - now_ms.rem_euclid(MINUTE))
        .bind(&digest.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Tokens of a user, or of all, the newest first.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    user: Option<&UserName>,
) -> Result<Vec<Token>, Fault> {
    let user = user.map(UserName::as_str);
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT s.token, s.fabric, s.role FROM scopes AS s JOIN tokens AS t ON t.digest = s.token
         WHERE ?1 IS NULL OR t.user = ?1",
    )
    .bind(user)
    .fetch_all(&mut *connection)
    .await?;
    let mut scopes: BTreeMap<String, Rights> = BTreeMap::new();
    for (digest, fabric, role) in found {
        let held = scopes.remove(&digest).unwrap_or_default();
        scopes.insert(digest, granted(held, &fabric, &role)?);
    }
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT digest, user, label, created_ms, expires_ms, used_ms, revoked_ms FROM tokens
         WHERE ?1 IS NULL OR user = ?1 ORDER BY created_ms DESC, digest",
    )
    .bind(user)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let scope = scopes.remove(&row.0).unwrap_or_default();
            token(row, scope)
        })
        .collect()
}
