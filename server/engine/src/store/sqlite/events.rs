//! The feed, read.

use domain::{feed::EventType, topic::FabricId};
use sqlx::SqliteConnection;

use super::{
    append::type_number,
    fault::{Fault, length, signed, unsigned},
    lease,
};
use crate::store::{EventQuery, StoredEvent, pack::Unpacker};

type Columns = (i64, i64, i64, Option<String>, Vec<u8>);

pub(super) async fn events(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    query: &EventQuery,
) -> Result<Vec<StoredEvent>, Fault> {
    let Some(fabric) = lease::row(connection, fabric).await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    if query.subject.is_some() || query.kinds.is_empty() {
        found = rows(connection, fabric.id, query, None).await?;
    } else {
        // One walk down an index for each type: a rare one is found without reading the others.
        let mut kinds = query.kinds.clone();
        kinds.sort_by_key(|kind| type_number(*kind));
        kinds.dedup();
        for kind in kinds {
            found.extend(rows(connection, fabric.id, query, Some(kind)).await?);
        }
        found.sort_by_key(|(position, ..)| if query.newest_first { -position } else { *position });
        found.truncate(query.limit);
    }
    let mut unpacker = Unpacker::new();
    found.into_iter().map(|row| event(&mut unpacker, row)).collect()
}

/// Events of one type, or of those that are asked for together with a subject.
async fn rows(
    connection: &mut SqliteConnection,
    fabric: i64,
    query: &EventQuery,
    kind: Option<EventType>,
) -> Result<Vec<Columns>, Fault> {
    let mut sql = sqlx::QueryBuilder::new(
        "SELECT position, at_ms, type, subject, body FROM events WHERE fabric = ",
    );
    sql.push_bind(fabric);
    if let Some(kind) = kind {
        sql.push(" AND type = ").push_bind(type_number(kind));
    } else if !query.kinds.is_empty() {
        sql.push(" AND type IN (");
        let mut list = sql.separated(", ");
        for kind in &query.kinds {
            list.push_bind(type_number(*kind));
        }
        sql.push(")");
    }
    if let Some(subject) = &query.subject {
        sql.push(" AND subject = ").push_bind(subject);
    }
    if let Some(after) = query.after {
        sql.push(" AND position > ").push_bind(bound(after));
    }
    if let Some(before) = query.before {
        sql.push(" AND position < ").push_bind(bound(before));
    }
    sql.push(if query.newest_first { " ORDER BY position DESC" } else { " ORDER BY position" });
    sql.push(" LIMIT ").push_bind(length(query.limit));
    Ok(sql.build_query_as().fetch_all(connection).await?)
}

/// A position that may be beyond all that there can be.
fn bound(position: u64) -> i64 {
    signed(position).unwrap_or(i64::MAX)
}

fn event(unpacker: &mut Unpacker, row: Columns) -> Result<StoredEvent, Fault> {
    let (position, at_ms, kind, subject, body) = row;
    let kind = EventType::ALL
        .into_iter()
        .find(|each| type_number(*each) == kind)
        .ok_or_else(|| Fault::nonsense("an event has an unknown type", kind))?;
    let text = std::str::from_utf8(unpacker.text(&body)?)
        .map_err(|_| Fault::nonsense("an event is no text, position", position))?;
    Ok(StoredEvent {
        position: unsigned(position)?,
        at_ms,
        kind,
        subject: subject.map(Into::into),
        text: text.into(),
    })
}
