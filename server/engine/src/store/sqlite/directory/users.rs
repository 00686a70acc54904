//! Users and their rights.
//!
//! Invariant: where somebody could manage users, somebody still can after any order.

use std::collections::BTreeMap;

use domain::{
    access::{Rights, Role},
    account::UserName,
    topic::FabricId,
};
use sqlx::SqliteConnection;

use super::{Halt, next_revision, sessions};
use crate::store::{
    directory::{Digest, MOST_USERS, NewUser, OrderError, User, rows},
    sqlite::fault::{Fault, length, unsigned},
};

/// What the fabric column of a role says that counts everywhere.
pub(super) const EVERYWHERE: &str = "";

/// `user/ann`, as errors and the audit log name it.
pub(super) fn named(name: &UserName) -> String {
    format!("user/{name}")
}

/// A role as it is kept, with where it counts.
pub(super) fn place(fabric: Option<&FabricId>) -> &str {
    fabric.map_or(EVERYWHERE, FabricId::as_str)
}

/// Rights with one kept role more.
pub(super) fn granted(rights: Rights, fabric: &str, role: &str) -> Result<Rights, Fault> {
    let role: Role = role.parse().map_err(|error| Fault::nonsense("a role", error))?;
    let scope = match fabric {
        EVERYWHERE => None,
        name => Some(name.parse().map_err(|error| Fault::nonsense("a role's fabric", error))?),
    };
    Ok(rights.with(scope, role))
}

type Columns = (String, bool, Option<String>, Option<String>, i64, Option<i64>, i64);

fn user(row: Columns, rights: Rights) -> Result<User, Fault> {
    let (name, enabled, password, oidc, created_ms, seen_ms, revision) = row;
    let name = name.parse().map_err(|error| Fault::nonsense("a user", error))?;
    let revision = unsigned(revision)?;
    Ok(User { name, enabled, rights, password, oidc, created_ms, seen_ms, revision })
}

/// All users, by name.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<User>, Fault> {
    let grants: Vec<(String, String, String)> =
        sqlx::query_as("SELECT user, fabric, role FROM grants").fetch_all(&mut *connection).await?;
    let mut rights: BTreeMap<String, Rights> = BTreeMap::new();
    for (user, fabric, role) in grants {
        let held = rights.remove(&user).unwrap_or_default();
        rights.insert(user, granted(held, &fabric, &role)?);
    }
    let found: Vec<Columns> = sqlx::query_as(
        "SELECT name, enabled, password, oidc, created_ms, seen_ms, revision FROM users ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    found
        .into_iter()
        .map(|row| {
            let rights = rights.remove(&row.0).unwrap_or_default();
            user(row, rights)
        })
        .collect()
}

/// A user.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<User>, Fault> {
    let found: Option<Columns> = sqlx::query_as(
        "SELECT name, enabled, password, oidc, created_ms, seen_ms, revision FROM users
         WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let grants: Vec<(String, String)> =
        sqlx::query_as("SELECT fabric, role FROM grants WHERE user = ?")
            .bind(name)
            .fetch_all(connection)
            .await?;
    let rights = grants
        .iter()
        .try_fold(Rights::default(), |rights, (fabric, role)| granted(rights, fabric, role))?;
    user(row, rights).map(Some)
}

/// The user with an OIDC identity.
pub(super) async fn of_oidc(
    connection: &mut SqliteConnection,
    identity: &str,
) -> Result<Option<User>, Fault> {
    let name: Option<String> = sqlx::query_scalar("SELECT name FROM users WHERE oidc = ?")
        .bind(identity)
        .fetch_optional(&mut *connection)
        .await?;
    match name {
        Some(name) => one(connection, &name).await,
        None => Ok(None),
    }
}

/// Whether there is any.
pub(super) async fn any(connection: &mut SqliteConnection) -> Result<bool, Fault> {
    let any = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)");
    Ok(any.fetch_one(connection).await?)
}

/// Replaces the set-up token.
pub(super) async fn set_up_token(
    connection: &mut SqliteConnection,
    token: &Digest,
) -> Result<(), Fault> {
    sqlx::query("UPDATE house SET set_up = ?").bind(&token.0).execute(connection).await?;
    Ok(())
}

/// Whether this is the set-up token, and there is nobody yet.
pub(super) async fn is_set_up_token(
    connection: &mut SqliteConnection,
    token: &Digest,
) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM house WHERE set_up = ?)
         AND NOT EXISTS (SELECT 1 FROM users)";
    Ok(sqlx::query_scalar(sql).bind(&token.0).fetch_one(connection).await?)
}

/// How many people can manage users: may sign in, have something to sign in with, are admin everywhere.
async fn managers(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let sql = "SELECT count(*) FROM grants AS g JOIN users AS u ON u.name = g.user
         WHERE g.fabric = '' AND g.role = 'admin' AND u.enabled
             AND (u.password IS NOT NULL OR u.oidc IS NOT NULL)";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

/// Does something to users, unless nobody would be left who can manage them.
pub(super) async fn keeping_a_manager<T>(
    connection: &mut SqliteConnection,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Halt>,
) -> Result<T, Halt> {
    let before = managers(connection).await?;
    let done = work(connection).await?;
    if before > 0 && managers(connection).await? == 0 {
        return Err(OrderError::LastAdmin.into());
    }
    Ok(done)
}

/// The revision of a user, who must be there and, where one is named, have this one.
pub(super) async fn present(
    connection: &mut SqliteConnection,
    name: &UserName,
    expected: Option<u64>,
) -> Result<i64, Halt> {
    let found: Option<i64> = sqlx::query_scalar("SELECT revision FROM users WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    let found = found.ok_or_else(|| OrderError::Missing { what: named(name) })?;
    let revision = unsigned(found)?;
    match expected {
        Some(expected) if expected != revision => {
            Err(OrderError::Changed { what: named(name), revision }.into())
        }
        _ => Ok(found),
    }
}

/// Makes a user. Returns their revision.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    user: &NewUser,
    now_ms: i64,
) -> Result<i64, Halt> {
    let (count, same, oidc): (i64, bool, bool) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM users), EXISTS (SELECT 1 FROM users WHERE name = ?),
             EXISTS (SELECT 1 FROM users WHERE oidc = ?)",
    )
    .bind(user.name.as_str())
    .bind(&user.oidc)
    .fetch_one(&mut *connection)
    .await?;
    if same {
        return Err(OrderError::Exists { what: named(&user.name) }.into());
    }
    if oidc {
        let what = "a user with this OIDC identity".to_owned();
        return Err(OrderError::Exists { what }.into());
    }
    if count >= length(MOST_USERS) {
        return Err(OrderError::TooMany { what: "users", most: MOST_USERS }.into());
    }
    sqlx::query(
        "INSERT INTO users (name, enabled, password, oidc, created_ms, revision, epoch)
         VALUES (?, 1, ?, ?, ?, ?, ?)",
    )
    .bind(user.name.as_str())
    .bind(&user.password)
    .bind(&user.oidc)
    .bind(now_ms)
    .bind(next_revision(0, now_ms))
    .bind(format!("{:016x}", rand::random::<u64>()))
    .execute(&mut *connection)
    .await?;
    grant(connection, &user.name, &user.rights).await?;
    Ok(next_revision(0, now_ms))
}

async fn grant(
    connection: &mut SqliteConnection,
    name: &UserName,
    rights: &Rights,
) -> Result<(), Fault> {
    for (fabric, role) in rows(rights) {
        sqlx::query("INSERT INTO grants (user, fabric, role) VALUES (?, ?, ?)")
            .bind(name.as_str())
            .bind(place(fabric.as_ref()))
            .bind(role.word())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Notes that a user was changed. Returns their new revision.
async fn changed(
    connection: &mut SqliteConnection,
    name: &UserName,
    previous: i64,
    now_ms: i64,
) -> Result<i64, Fault> {
    let revision = next_revision(previous, now_ms);
    sqlx::query("UPDATE users SET revision = ? WHERE name = ?")
        .bind(revision)
        .bind(name.as_str())
        .execute(connection)
        .await?;
    Ok(revision)
}

/// Sets a password and ends all sessions but one.
pub(super) async fn set_password(
    connection: &mut SqliteConnection,
    (name, password, keep): (&UserName, &str, Option<&Digest>),
    now_ms: i64,
) -> Result<i64, Halt> {
    let previous = present(connection, name, None).await?;
    sqlx::query("UPDATE users SET password = ? WHERE name = ?")
        .bind(password)
        .bind(name.as_str())
        .execute(&mut *connection)
        .await?;
    sessions::end_all(connection, name, keep).await?;
    Ok(changed(connection, name, previous, now_ms).await?)
}

/// Lets somebody sign in or not.
pub(super) async fn set_enabled(
    connection: &mut SqliteConnection,
    name: &UserName,
    enabled: bool,
    now_ms: i64,
) -> Result<i64, Halt> {
    let previous = present(connection, name, None).await?;
    sqlx::query("UPDATE users SET enabled = ? WHERE name = ?")
        .bind(enabled)
        .bind(name.as_str())
        .execute(&mut *connection)
        .await?;
    if !enabled {
        sessions::end_all(connection, name, None).await?;
    }
    Ok(changed(connection, name, previous, now_ms).await?)
}

/// Removes a user with all that is theirs.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    name: &UserName,
) -> Result<i64, Halt> {
    let revision = present(connection, name, None).await?;
    // Grants, sessions, tokens with their scopes, and notices go with them.
    sqlx::query("DELETE FROM users WHERE name = ?").bind(name.as_str()).execute(connection).await?;
    Ok(revision)
}

/// Replaces a user's rights.
pub(super) async fn set_rights(
    connection: &mut SqliteConnection,
    (name, rights, expected): (&UserName, &Rights, Option<u64>),
    now_ms: i64,
) -> Result<i64, Halt> {
    let previous = present(connection, name, expected).await?;
    sqlx::query("DELETE FROM grants WHERE user = ?")
        .bind(name.as_str())
        .execute(&mut *connection)
        .await?;
    grant(connection, name, rights).await?;
    Ok(changed(connection, name, previous, now_ms).await?)
}

/// Takes all roles on a fabric, so that a later one of the same name begins without any.
pub(super) async fn forget_fabric(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    now_ms: i64,
) -> Result<(), Fault> {
    let sql = "UPDATE users SET revision = max(revision + 1, ?)
         WHERE name IN (SELECT user FROM grants WHERE fabric = ?)";
    sqlx::query(sql).bind(now_ms).bind(fabric.as_str()).execute(&mut *connection).await?;
    for sql in ["DELETE FROM grants WHERE fabric = ?", "DELETE FROM scopes WHERE fabric = ?"] {
        sqlx::query(sql).bind(fabric.as_str()).execute(&mut *connection).await?;
    }
    Ok(())
}
