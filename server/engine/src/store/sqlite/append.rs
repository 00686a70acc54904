//! A batch on its way into the tables.
//!
//! Invariant: a batch that is written again right after (its answer was lost) is written once.

use std::collections::BTreeMap;

use domain::{
    feed::EventType,
    history::{Content, Found},
    kind::Kind,
    object::ObjectKey,
    topic::FabricId,
};
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;

use super::{
    fault::{Fault, length, signed},
    lease,
};
use crate::store::{
    Batch, Change, Claim, Origin, StoredEvent,
    pack::{self, PackError, Packer},
};

/// Bodies packed between two rests: packing is work, and others wait for the thread.
const PACKED_AT_ONCE: usize = 16;

/// The bodies of a batch as they are written, and what tells it from any other.
pub(super) struct Packed {
    events: Vec<Vec<u8>>,
    changes: Vec<Option<Vec<u8>>>,
    digest: Vec<u8>,
}

impl From<PackError> for Fault {
    fn from(error: PackError) -> Self {
        Self::Nonsense(error.to_string())
    }
}

/// Packs a batch, before any lock is taken.
pub(super) async fn packed(batch: &Batch) -> Result<Packed, Fault> {
    let mut packer = Packer::new();
    let mut digest = Sha256::new();
    let mut events = Vec::with_capacity(batch.events.len());
    for (at, event) in batch.events.iter().enumerate() {
        let body = pack::deflated(event.text.as_bytes());
        digest.update(format!("e {} {} {} ", event.position, event.at_ms, body.len()));
        digest.update(&body);
        events.push(body);
        if at % PACKED_AT_ONCE == PACKED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    let mut changes = Vec::with_capacity(batch.changes.len());
    for (at, change) in batch.changes.iter().enumerate() {
        let body = match &change.content {
            Content::Put(value) | Content::Patch(value) => Some(packer.json(value)?),
            Content::Gone => None,
        };
        let Change { kind, key, uid, version, at_ms, .. } = change;
        let bytes = body.as_ref().map_or(0, Vec::len);
        digest.update(format!("c {kind} {key} {uid} {version} {at_ms} {bytes} "));
        digest.update(body.as_deref().unwrap_or_default());
        changes.push(body);
        if at % PACKED_AT_ONCE == PACKED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    digest.update(format!("{:?} {:?}", batch.marks, batch.origins));
    Ok(Packed { events, changes, digest: digest.finalize().to_vec() })
}

/// A kind of the fabric, while a batch is written.
struct Series {
    id: i64,
    origin: i64,
    top: i64,
    at_ms: Option<i64>,
    head: i64,
    /// Changes and bytes that this batch added.
    count: i64,
    bytes: i64,
}

/// A batch being written.
struct Writing<'c> {
    connection: &'c mut SqliteConnection,
    fabric: i64,
    series: BTreeMap<Kind, Series>,
    objects: BTreeMap<(Kind, ObjectKey), i64>,
}

pub(super) async fn append(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    claim: Claim,
    batch: &Batch,
    packed: &Packed,
) -> Result<(), Fault> {
    let fabric = lease::guard(connection, fabric, claim).await?;
    let written: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT last_batch FROM fabrics WHERE id = ?")
            .bind(fabric)
            .fetch_one(&mut *connection)
            .await?;
    if batch.is_empty() || written.as_ref() == Some(&packed.digest) {
        return Ok(());
    }
    let mut writing =
        Writing { connection, fabric, series: BTreeMap::new(), objects: BTreeMap::new() };
    for (kind, origin) in &batch.origins {
        writing.origin(*kind, origin).await?;
    }
    for (event, body) in batch.events.iter().zip(&packed.events) {
        writing.event(event, body).await?;
    }
    for (change, body) in batch.changes.iter().zip(&packed.changes) {
        writing.change(change, body.as_deref()).await?;
    }
    for mark in &batch.marks {
        let series = writing.series(mark.kind).await?.id;
        sqlx::query("INSERT INTO marks (series, at_ms, live) VALUES (?, ?, ?)")
            .bind(series)
            .bind(mark.at_ms)
            .bind(mark.live)
            .execute(&mut *writing.connection)
            .await?;
    }
    let head = batch.events.iter().map(|event| event.position).max().unwrap_or_default();
    writing.finish(head, &packed.digest).await
}

impl Writing<'_> {
    async fn series(&mut self, kind: Kind) -> Result<&mut Series, Fault> {
        let entry = match self.series.entry(kind) {
            std::collections::btree_map::Entry::Occupied(held) => return Ok(held.into_mut()),
            std::collections::btree_map::Entry::Vacant(free) => free,
        };
        let (id, origin, top, head, at_ms) = sqlx::query_as(
            "INSERT INTO series (fabric, kind) VALUES (?, ?)
             ON CONFLICT DO UPDATE SET kind = kind RETURNING id, origin, top, head, at_ms",
        )
        .bind(self.fabric)
        .bind(kind.about().name)
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(entry.insert(Series { id, origin, top, at_ms, head, count: 0, bytes: 0 }))
    }

    async fn origin(&mut self, kind: Kind, origin: &Origin) -> Result<(), Fault> {
        let series = self.series(kind).await?;
        let (id, number) = (series.id, series.origin);
        let known: Option<(String, u32)> =
            sqlx::query_as("SELECT identity, rewinds FROM origins WHERE series = ? AND number = ?")
                .bind(id)
                .bind(number)
                .fetch_optional(&mut *self.connection)
                .await?;
        let same = |(identity, rewinds): (String, u32)| {
            identity == origin.identity && rewinds == origin.rewinds
        };
        if known.is_some_and(same) {
            return Ok(());
        }
        sqlx::query("INSERT INTO origins (series, number, identity, rewinds) VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(number + 1)
            .bind(&origin.identity)
            .bind(origin.rewinds)
            .execute(&mut *self.connection)
            .await?;
        let series = self.series(kind).await?;
        (series.origin, series.top) = (number + 1, 0);
        Ok(())
    }

    async fn event(&mut self, event: &StoredEvent, body: &[u8]) -> Result<(), Fault> {
        let position = signed(event.position)?;
        let done = sqlx::query(
            "INSERT INTO events (fabric, position, at_ms, type, subject, body)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(self.fabric)
        .bind(position)
        .bind(event.at_ms)
        .bind(type_number(event.kind))
        .bind(event.subject.as_deref())
        .bind(body)
        .execute(&mut *self.connection)
        .await?;
        if done.rows_affected() > 0 {
            return Ok(());
        }
        let there: Vec<u8> =
            sqlx::query_scalar("SELECT body FROM events WHERE fabric = ? AND position = ?")
                .bind(self.fabric)
                .bind(position)
                .fetch_one(&mut *self.connection)
                .await?;
        if there == body {
            return Ok(());
        }
        Err(Fault::Impossible(format!("position {position} of the feed has another event")))
    }

    async fn change(&mut self, change: &Change, body: Option<&[u8]>) -> Result<(), Fault> {
        let object = self.object(change.kind, &change.key).await?;
        let series = self.series(change.kind).await?;
        // A clock that went back makes no change older than the one before it.
        let at_ms = series.at_ms.map_or(change.at_ms, |before| before.max(change.at_ms));
        let version = signed(change.version)?;
        series.top = series.top.max(version);
        let (id, origin) = (series.id, series.origin);
        let seq = sqlx::query_scalar(
            "INSERT INTO changes
                 (series, object, origin, version, at_ms, found, op, uid, manager, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
        )
        .bind(id)
        .bind(object)
        .bind(origin)
        .bind(version)
        .bind(at_ms)
        .bind(found_number(change.found))
        .bind(op_number(&change.content))
        .bind(&*change.uid)
        .bind(change.manager.as_deref())
        .bind(body)
        .fetch_one(&mut *self.connection)
        .await?;
        let series = self.series(change.kind).await?;
        series.head = seq;
        series.at_ms = Some(at_ms);
        series.count += 1;
        series.bytes += length(body.map_or(0, <[u8]>::len));
        Ok(())
    }

    async fn object(&mut self, kind: Kind, key: &ObjectKey) -> Result<i64, Fault> {
        let place = (kind, key.clone());
        if let Some(&id) = self.objects.get(&place) {
            return Ok(id);
        }
        let series = self.series(kind).await?.id;
        let id = sqlx::query_scalar(
            "INSERT INTO objects (series, namespace, name) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET name = name RETURNING id",
        )
        .bind(series)
        .bind(key.namespace())
        .bind(key.name())
        .fetch_one(&mut *self.connection)
        .await?;
        self.objects.insert(place, id);
        Ok(id)
    }

    async fn finish(self, head: u64, digest: &[u8]) -> Result<(), Fault> {
        for series in self.series.values() {
            sqlx::query(
                "UPDATE series SET origin = ?, top = ?, head = ?, at_ms = ?,
                     since_count = since_count + ?, since_bytes = since_bytes + ? WHERE id = ?",
            )
            .bind(series.origin)
            .bind(series.top)
            .bind(series.head)
            .bind(series.at_ms)
            .bind(series.count)
            .bind(series.bytes)
            .bind(series.id)
            .execute(&mut *self.connection)
            .await?;
        }
        let head = signed(head)?;
        sqlx::query(
            "UPDATE fabrics SET head = max(head, ?), reserved = max(reserved, ?), last_batch = ?
             WHERE id = ?",
        )
        .bind(head)
        .bind(head)
        .bind(digest)
        .bind(self.fabric)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

/// The number that stands for a type of event in the table; never given to another.
pub(super) const fn type_number(kind: EventType) -> i64 {
    match kind {
        EventType::Created => 1,
        EventType::Updated => 2,
        EventType::Deleted => 3,
        EventType::Connectivity => 4,
        EventType::Watch => 5,
        EventType::Notice => 6,
        EventType::Job => 7,
    }
}

/// The number that stands for a way of finding in the table; never given to another.
pub(super) const fn found_number(found: Found) -> i64 {
    match found {
        Found::Live => 1,
        Found::AfterGap => 2,
        Found::AfterDowntime => 3,
        Found::First => 4,
    }
}

/// The object is gone.
pub(super) const GONE: i64 = 0;
/// The body is the value.
pub(super) const PUT: i64 = 1;
/// The body is a patch of the value before.
pub(super) const PATCH: i64 = 2;

const fn op_number(content: &Content) -> i64 {
    match content {
        Content::Gone => GONE,
        Content::Put(_) => PUT,
        Content::Patch(_) => PATCH,
    }
}
