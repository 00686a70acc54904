//! Orders: each to the part of the directory that carries it out.
//!
//! Invariant: every order but [`Order::Tell`] is one that other processes notice.

use domain::access::{Rights, Role};
use sqlx::SqliteConnection;

use super::{Halt, fabrics, noticed, sessions, tokens, users};
use crate::store::directory::{Digest, NewUser, Order, OrderError};

/// What an order is called in errors.
pub(super) fn name(order: &Order) -> &'static str {
    match order {
        Order::SetUp { .. } => "make the first user",
        Order::CreateUser(_) => "make a user",
        Order::SetPassword { .. } => "set a password",
        Order::SetEnabled { .. } => "disable or enable a user",
        Order::DeleteUser(_) => "remove a user",
        Order::SetRights { .. } => "change a user's rights",
        Order::OnRevision { order, .. } => name(order),
        Order::EndSession(_) => "end a session",
        Order::EndSessions { .. } => "end sessions",
        Order::CreateToken(_) => "make a token",
        Order::RevokeToken { .. } => "revoke a token",
        Order::CreateFabric(_) => "register a fabric",
        Order::ChangeFabric { .. } => "change a fabric",
        Order::DeleteFabric { .. } => "remove a fabric",
        Order::Tell => "write to the audit log",
    }
}

/// Carries an order out. Returns the revision of what it changed, 0 where that has none.
pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    order: Order,
    now_ms: i64,
) -> Result<i64, Halt> {
    if order == Order::Tell {
        return Ok(0);
    }
    noticed(connection).await?;
    let order = match order {
        Order::OnRevision { user, revision, order } => {
            users::present(connection, &user, Some(revision)).await?;
            *order
        }
        order => order,
    };
    users::keeping_a_manager(connection, async |connection: &mut SqliteConnection| match order {
        // One revision is compared, and nothing is told twice.
        Order::Tell | Order::OnRevision { .. } => Ok(0),
        Order::SetUp { token, user } => set_up(connection, &token, user, now_ms).await,
        Order::CreateUser(user) => users::create(connection, &user, now_ms).await,
        Order::SetPassword { user, password, keep } => {
            users::set_password(connection, (&user, &password, keep.as_ref()), now_ms).await
        }
        Order::SetEnabled { user, enabled } => {
            users::set_enabled(connection, &user, enabled, now_ms).await
        }
        Order::DeleteUser(user) => users::delete(connection, &user).await,
        Order::SetRights { user, rights, expected } => {
            users::set_rights(connection, (&user, &rights, expected), now_ms).await
        }
        Order::EndSession(digest) => sessions::end_by_order(connection, &digest).await,
        Order::EndSessions { user, keep } => {
            users::present(connection, &user, None).await?;
            sessions::end_all(connection, &user, keep.as_ref()).await?;
            Ok(0)
        }
        Order::CreateToken(token) => tokens::create(connection, &token, now_ms).await,
        Order::RevokeToken { id, owner } => {
            tokens::revoke(connection, &id, owner.as_ref(), now_ms).await
        }
        Order::CreateFabric(fabric) => fabrics::create(connection, &fabric, now_ms).await,
        Order::ChangeFabric { id, settings, sealed, enabled, expected } => {
            let change = fabrics::Change { settings, sealed, enabled };
            fabrics::change(connection, (&id, expected), change, now_ms).await
        }
        Order::DeleteFabric { id, expected } => {
            fabrics::delete(connection, (&id, expected), now_ms).await
        }
    })
    .await
}

/// Makes the first user.
async fn set_up(
    connection: &mut SqliteConnection,
    token: &Digest,
    user: NewUser,
    now_ms: i64,
) -> Result<i64, Halt> {
    if !users::is_set_up_token(connection, token).await? {
        return Err(OrderError::SetUpUsed.into());
    }
    if user.password.is_none() && user.oidc.is_none() {
        return Err(OrderError::LastAdmin.into());
    }
    let user = NewUser { rights: Rights::everywhere(Role::Admin), ..user };
    let revision = users::create(connection, &user, now_ms).await?;
    sqlx::query("UPDATE house SET set_up = NULL").execute(connection).await?;
    Ok(revision)
}
