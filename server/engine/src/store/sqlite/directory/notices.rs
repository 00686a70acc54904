//! What each person should be told.
//!
//! Invariant: a position is never given twice in one list; a list of a user who is gone is gone.

use domain::account::UserName;
use sqlx::SqliteConnection;

use crate::store::{
    directory::{MOST_NOTICES, Notice, NoticeList},
    sqlite::fault::{Fault, length, signed, unsigned},
};

/// Tells a person something.
pub(super) async fn tell(
    connection: &mut SqliteConnection,
    user: &UserName,
    now_ms: i64,
    make: &(dyn for<'a> Fn(u64) -> String + Send + Sync),
) -> Result<Notice, Fault> {
    let position: Option<i64> =
        sqlx::query_scalar("UPDATE users SET head = head + 1 WHERE name = ? RETURNING head")
            .bind(user.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    let Some(position) = position else {
        return Err(Fault::Impossible(format!("there is no user {user} any more")));
    };
    let notice =
        Notice { position: unsigned(position)?, at_ms: now_ms, text: make(unsigned(position)?) };
    sqlx::query("INSERT INTO notices (user, position, at_ms, text) VALUES (?, ?, ?, ?)")
        .bind(user.as_str())
        .bind(position)
        .bind(now_ms)
        .bind(&notice.text)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM notices WHERE user = ? AND position <= ?")
        .bind(user.as_str())
        .bind(position.saturating_sub(length(MOST_NOTICES)))
        .execute(connection)
        .await?;
    Ok(notice)
}

/// Notices of a person after a position, the newest `limit` of them, oldest first.
pub(super) async fn after(
    connection: &mut SqliteConnection,
    user: &UserName,
    after: u64,
    limit: usize,
) -> Result<NoticeList, Fault> {
    let list: Option<(String, i64)> =
        sqlx::query_as("SELECT epoch, head FROM users WHERE name = ?")
            .bind(user.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    let (epoch, head) = list.unwrap_or_default();
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT position, at_ms, text FROM (SELECT position, at_ms, text FROM notices
             WHERE user = ? AND position > ? ORDER BY position DESC LIMIT ?) ORDER BY position",
    )
    .bind(user.as_str())
    .bind(signed(after).unwrap_or(i64::MAX))
    .bind(length(limit))
    .fetch_all(connection)
    .await?;
    let notices = rows
        .into_iter()
        .map(|(position, at_ms, text)| Ok(Notice { position: unsigned(position)?, at_ms, text }));
    Ok(NoticeList { epoch, head: unsigned(head)?, notices: notices.collect::<Result<_, Fault>>()? })
}
