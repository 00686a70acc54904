//! The state of a kind at a moment, and the changes of one object.
//!
//! A state is the newest checkpoint at or before the moment and the changes between. Reading is one
//! transaction; decoding is done elsewhere, so that no task waits for it.
//!
//! Invariant: what is no longer kept is said to be forgotten, never shown as empty.

use std::collections::BTreeMap;

use domain::{
    history::{self, Content, Found, Moment},
    kind::Kind,
    object::ObjectKey,
    topic::FabricId,
};
use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    append::{GONE, PATCH, PUT, found_number},
    fault::{Fault, length, signed, unsigned},
};
use crate::store::{
    Change, Kept, Known, Origin, Recorded,
    pack::{self, Unpacker},
};

/// A kind of a fabric, and a moment of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) series: i64,
    pub(super) moment: Moment,
    /// Number of its newest origin.
    origin: i64,
    floor: i64,
    /// Until when its fabric's lease runs; none: nobody holds it.
    until_ms: Option<i64>,
}

/// A checkpoint without its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub(super) id: i64,
    pub(super) seq: i64,
    pub(super) at_ms: i64,
    pub(super) origin: i64,
    pub(super) top: i64,
}

impl FromRow<'_, SqliteRow> for Base {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get(0)?,
            seq: row.try_get(1)?,
            at_ms: row.try_get(2)?,
            origin: row.try_get(3)?,
            top: row.try_get(4)?,
        })
    }
}

/// A change as it lies in the table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seq: i64,
    pub(super) origin: i64,
    pub(super) version: i64,
    pub(super) at_ms: i64,
    namespace: String,
    name: String,
    uid: String,
    op: i64,
    body: Option<Vec<u8>>,
}

impl FromRow<'_, SqliteRow> for Line {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get(0)?,
            origin: row.try_get(1)?,
            version: row.try_get(2)?,
            at_ms: row.try_get(3)?,
            namespace: row.try_get(4)?,
            name: row.try_get(5)?,
            uid: row.try_get(6)?,
            op: row.try_get(7)?,
            body: row.try_get(8)?,
        })
    }
}

/// What a state is made of.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) base: Option<Base>,
    parts: Vec<Vec<u8>>,
    pub(super) lines: Vec<Line>,
    origin: Option<Origin>,
    observed: bool,
    forgotten: bool,
}

impl Loaded {
    /// Number of the origin that was the newest then; 0: none.
    pub(super) fn origin_number(&self) -> i64 {
        let base = self.base.map_or(0, |base| base.origin);
        self.lines.last().map_or(base, |line| line.origin)
    }

    /// Time of the newest change.
    pub(super) fn changed_ms(&self) -> Option<i64> {
        let base = self.base.map(|base| base.at_ms);
        self.lines.last().map(|line| line.at_ms).or(base)
    }
}

/// Finds the kind; none if nothing was ever said of it.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
    kind: Kind,
    moment: Moment,
) -> Result<Option<Asked>, Fault> {
    let row: Option<(i64, i64, i64, Option<String>, i64)> = sqlx::query_as(
        "SELECT s.id, s.origin, s.floor, f.holder, f.until_ms
         FROM series AS s JOIN fabrics AS f ON f.id = s.fabric WHERE f.name = ? AND s.kind = ?",
    )
    .bind(fabric.as_str())
    .bind(kind.about().name)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(series, origin, floor, holder, until_ms)| Asked {
        series,
        moment,
        origin,
        floor,
        until_ms: holder.map(|_| until_ms),
    }))
}

/// The same kind at another moment, for upkeep.
pub(super) async fn reached(
    connection: &mut SqliteConnection,
    series: i64,
    moment: Moment,
) -> Result<Asked, Fault> {
    let (origin, floor) = sqlx::query_as("SELECT origin, floor FROM series WHERE id = ?")
        .bind(series)
        .fetch_one(connection)
        .await?;
    Ok(Asked { series, moment, origin, floor, until_ms: None })
}

/// Reads what a state is made of.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    asked: &Asked,
) -> Result<Loaded, Fault> {
    let base = base(connection, asked).await?;
    if base.is_none() && asked.floor > 0 {
        return Ok(Loaded { forgotten: true, ..Loaded::default() });
    }
    let mut loaded = Loaded { base, ..Loaded::default() };
    for (after, upto) in ranges(connection, asked, base.map_or(0, |base| base.seq)).await? {
        loaded.lines.extend(lines(connection, asked, after, upto).await?);
    }
    if let Some(base) = base {
        loaded.parts = sqlx::query_scalar(
            "SELECT body FROM checkpoint_parts WHERE checkpoint = ? ORDER BY part",
        )
        .bind(base.id)
        .fetch_all(&mut *connection)
        .await?;
    }
    let number = match asked.moment {
        Moment::Now | Moment::Version(_) => asked.origin,
        Moment::Time(_) => loaded.origin_number(),
    };
    loaded.origin =
        sqlx::query_as("SELECT identity, rewinds FROM origins WHERE series = ? AND number = ?")
            .bind(asked.series)
            .bind(number)
            .fetch_optional(&mut *connection)
            .await?
            .map(|(identity, rewinds)| Origin { identity, rewinds });
    loaded.observed = observed(connection, asked, base.map_or(0, |base| base.seq)).await?;
    Ok(loaded)
}

/// The newest checkpoint in which nothing is newer than the moment.
async fn base(connection: &mut SqliteConnection, asked: &Asked) -> Result<Option<Base>, Fault> {
    let (time, version) = match asked.moment {
        Moment::Now => (i64::MAX, i64::MAX),
        Moment::Time(ms) => (ms, i64::MAX),
        Moment::Version(version) => (i64::MAX, signed(version).unwrap_or(i64::MAX)),
    };
    let found = sqlx::query_as(
        "SELECT id, seq, at_ms, origin, top FROM checkpoints
         WHERE series = ? AND at_ms <= ? AND (origin < ? OR top <= ?) ORDER BY seq DESC LIMIT 1",
    )
    .bind(asked.series)
    .bind(time)
    .bind(asked.origin)
    .bind(version)
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// Which changes to look at: after one seq, up to another.
async fn ranges(
    connection: &mut SqliteConnection,
    asked: &Asked,
    base: i64,
) -> Result<Vec<(i64, i64)>, Fault> {
    let later: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT seq, origin, low FROM checkpoints WHERE series = ? AND seq > ? ORDER BY seq",
    )
    .bind(asked.series)
    .bind(base)
    .fetch_all(connection)
    .await?;
    match asked.moment {
        Moment::Now => Ok(vec![(base, i64::MAX)]),
        // The next checkpoint is younger than the moment, and so is what follows it.
        Moment::Time(_) => Ok(vec![(base, later.first().map_or(i64::MAX, |next| next.0))]),
        // Versions grow with the changes but for those that one list brought at once; a checkpoint
        // tells the smallest since the one before.
        Moment::Version(version) => {
            let version = signed(version).unwrap_or(i64::MAX);
            let mut after = base;
            let mut found = Vec::new();
            for (seq, origin, low) in later {
                if origin < asked.origin || low <= version {
                    found.push((after, seq));
                }
                after = seq;
            }
            found.push((after, i64::MAX));
            Ok(found)
        }
    }
}

async fn lines(
    connection: &mut SqliteConnection,
    asked: &Asked,
    after: i64,
    upto: i64,
) -> Result<Vec<Line>, Fault> {
    let (time, version) = match asked.moment {
        Moment::Now => (i64::MAX, i64::MAX),
        Moment::Time(ms) => (ms, i64::MAX),
        Moment::Version(version) => (i64::MAX, signed(version).unwrap_or(i64::MAX)),
    };
    let found = sqlx::query_as(
        "SELECT c.seq, c.origin, c.version, c.at_ms, o.namespace, o.name, c.uid, c.op, c.body
         FROM changes AS c INDEXED BY changes_of_series JOIN objects AS o ON o.id = c.object
         WHERE c.series = ? AND c.seq > ? AND c.seq <= ? AND c.at_ms <= ?
             AND (c.origin < ? OR c.version <= ?) ORDER BY c.seq",
    )
    .bind(asked.series)
    .bind(after)
    .bind(upto)
    .bind(time)
    .bind(asked.origin)
    .bind(version)
    .fetch_all(connection)
    .await?;
    Ok(found)
}

/// Whether the kind was being observed at the moment: at a version, until the next change after it.
async fn observed(
    connection: &mut SqliteConnection,
    asked: &Asked,
    base: i64,
) -> Result<bool, Fault> {
    let time = match asked.moment {
        Moment::Now => i64::MAX,
        Moment::Time(ms) if asked.until_ms.is_some_and(|until| until < ms) => return Ok(false),
        Moment::Time(ms) => ms,
        Moment::Version(version) => {
            let next: Option<i64> = sqlx::query_scalar(
                "SELECT at_ms FROM changes INDEXED BY changes_of_series
                 WHERE series = ? AND seq > ? AND origin = ? AND version > ? ORDER BY seq LIMIT 1",
            )
            .bind(asked.series)
            .bind(base)
            .bind(asked.origin)
            .bind(signed(version).unwrap_or(i64::MAX))
            .fetch_optional(&mut *connection)
            .await?;
            next.map_or(i64::MAX, |next| next.saturating_sub(1))
        }
    };
    let live = sqlx::query_scalar(
        "SELECT live FROM marks WHERE series = ? AND at_ms <= ?
         ORDER BY at_ms DESC, id DESC LIMIT 1",
    )
    .bind(asked.series)
    .bind(time)
    .fetch_optional(connection)
    .await?;
    Ok(live.unwrap_or(false))
}

/// Where each kind's versions come from now, and the newest of them.
pub(super) async fn origins(
    connection: &mut SqliteConnection,
    fabric: &FabricId,
) -> Result<BTreeMap<Kind, (Origin, u64)>, Fault> {
    let found: Vec<(String, String, u32, i64)> = sqlx::query_as(
        "SELECT s.kind, o.identity, o.rewinds, s.top FROM fabrics AS f
         JOIN series AS s ON s.fabric = f.id
         JOIN origins AS o ON o.series = s.id AND o.number = s.origin WHERE f.name = ?",
    )
    .bind(fabric.as_str())
    .fetch_all(connection)
    .await?;
    found
        .into_iter()
        .map(|(name, identity, rewinds, top)| {
            let kind = Kind::from_name(&name)
                .ok_or_else(|| Fault::nonsense("a kind is not known", &name))?;
            Ok((kind, (Origin { identity, rewinds }, unsigned(top)?)))
        })
        .collect()
}

/// Makes the state of what was read, on a thread where it delays nobody.
pub(super) async fn known(loaded: Loaded) -> Result<(Known, Loaded), Fault> {
    let work = tokio::task::spawn_blocking(move || {
        let objects = replay(&loaded)?;
        let known = Known {
            objects,
            origin: loaded.origin.clone(),
            changed_ms: loaded.changed_ms(),
            observed: loaded.observed,
            forgotten: loaded.forgotten,
        };
        Ok((known, loaded))
    });
    work.await.map_err(|error| Fault::Impossible(error.to_string()))?
}

fn replay(loaded: &Loaded) -> Result<BTreeMap<ObjectKey, Kept>, Fault> {
    let mut objects = BTreeMap::new();
    let mut unpacker = Unpacker::new();
    for part in &loaded.parts {
        pack::part(&mut unpacker, part, &mut objects)?;
    }
    for line in &loaded.lines {
        let key = key(&line.namespace, &line.name)?;
        let content = content(&mut unpacker, line.op, line.body.as_deref())?;
        let before = objects.remove(&key).map(|kept: Kept| kept.object);
        if let Some(object) = history::apply(before, &content) {
            let version = unsigned(line.version)?;
            objects.insert(key, Kept { uid: line.uid.as_str().into(), version, object });
        }
    }
    Ok(objects)
}

fn key(namespace: &str, name: &str) -> Result<ObjectKey, Fault> {
    ObjectKey::new(namespace, name).map_err(|error| Fault::Nonsense(error.to_string()))
}

fn content(unpacker: &mut Unpacker, op: i64, body: Option<&[u8]>) -> Result<Content, Fault> {
    match (op, body) {
        (GONE, _) => Ok(Content::Gone),
        (PUT, Some(body)) => Ok(Content::Put(unpacker.json(body)?)),
        (PATCH, Some(body)) => Ok(Content::Patch(unpacker.json(body)?)),
        _ => Err(Fault::nonsense("a change is of an unknown sort", op)),
    }
}

/// A change as it lies in the table, with who made it.
#[derive(Debug)]
struct Told {
    seq: i64,
    version: i64,
    at_ms: i64,
    found: i64,
    op: i64,
    uid: String,
    manager: Option<String>,
    body: Option<Vec<u8>>,
}

impl FromRow<'_, SqliteRow> for Told {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get(0)?,
            version: row.try_get(1)?,
            at_ms: row.try_get(2)?,
            found: row.try_get(3)?,
            op: row.try_get(4)?,
            uid: row.try_get(5)?,
            manager: row.try_get(6)?,
            body: row.try_get(7)?,
        })
    }
}

pub(super) async fn history(
    connection: &mut SqliteConnection,
    (fabric, kind, key): (&FabricId, Kind, &ObjectKey),
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Recorded>, Fault> {
    let found: Vec<Told> = sqlx::query_as(
        "SELECT seq, version, at_ms, found, op, uid, manager, body FROM changes
         WHERE object = (SELECT o.id FROM objects AS o JOIN series AS s ON s.id = o.series
                 JOIN fabrics AS f ON f.id = s.fabric
                 WHERE f.name = ? AND s.kind = ? AND o.namespace = ? AND o.name = ?)
             AND seq < ? ORDER BY seq DESC LIMIT ?",
    )
    .bind(fabric.as_str())
    .bind(kind.about().name)
    .bind(key.namespace())
    .bind(key.name())
    .bind(before.map_or(i64::MAX, |seq| signed(seq).unwrap_or(i64::MAX)))
    .bind(length(limit))
    .fetch_all(connection)
    .await?;
    let mut unpacker = Unpacker::new();
    found
        .into_iter()
        .map(|told| {
            let how = [Found::Live, Found::AfterGap, Found::AfterDowntime, Found::First]
                .into_iter()
                .find(|found| found_number(*found) == told.found)
                .ok_or_else(|| {
                    Fault::nonsense("a change was found in an unknown way", told.found)
                })?;
            let change = Change {
                kind,
                key: key.clone(),
                uid: told.uid.into(),
                version: unsigned(told.version)?,
                at_ms: told.at_ms,
                found: how,
                manager: told.manager.map(Into::into),
                content: content(&mut unpacker, told.op, told.body.as_deref())?,
            };
            Ok(Recorded { seq: unsigned(told.seq)?, change })
        })
        .collect()
}
