//! Durable records: what was observed of each fabric, and what was told of it.
//!
//! A seam ([`Store`]) with one implementation so far ([`sqlite`]); every implementation passes the same
//! contract suite. A fabric's records are written by whoever holds its lease, and by nobody else: each
//! write names the claim it was made under, and is refused once another holds the fabric.
//!
//! Invariant: nothing that the door did not admit is ever written; a batch is written whole or not at
//! all; nothing here is on the live path.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use domain::{
    feed::EventType,
    history::{Content, Found, Moment},
    kind::Kind,
    object::ObjectKey,
    topic::FabricId,
};
use serde_json::Value;

#[cfg(test)]
pub(crate) mod contract;
pub mod directory;
mod pack;
pub mod sqlite;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened: the message says what and what to do.
    #[error("could not open the database {place}: {message}")]
    Open {
        /// The file or address, without credentials.
        place: String,
        /// Why not, and what to do.
        message: String,
    },
    /// It is of a newer HNP.
    #[error(
        "the database {place} was written by a newer HNP (schema {found}, this one knows up to {known}); use that version, or another data folder"
    )]
    Newer {
        /// The file or address.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest schema that this build knows.
        known: i64,
    },
    /// Another process holds the fabric's records now: stop writing.
    #[error("another process records fabric {fabric} now")]
    LeaseLost {
        /// The fabric.
        fabric: FabricId,
    },
    /// It is busy: another process holds the lock; try again.
    #[error("could not {what}: the database is locked by another process")]
    Locked {
        /// The operation.
        what: &'static str,
    },
    /// No room is left; nothing was written.
    #[error("could not {what}: the disk that holds the database is full; free some space")]
    Full {
        /// The operation.
        what: &'static str,
    },
    /// It may not be written.
    #[error(
        "could not {what}: the database is read-only; check the file's and the folder's permissions"
    )]
    ReadOnly {
        /// The operation.
        what: &'static str,
    },
    /// Its content is damaged.
    #[error(
        "could not {what}: the database is damaged ({message}); restore a backup, or move the file away to begin anew"
    )]
    Damaged {
        /// The operation.
        what: &'static str,
        /// What the database says.
        message: String,
    },
    /// Anything else.
    #[error("could not {what}: {message}")]
    Failed {
        /// The operation.
        what: &'static str,
        /// What the database says.
        message: String,
    },
}

/// A claim on a fabric's records; grows with each change of hands, so that a late writer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim(pub i64);

/// Who records a fabric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// We do, under this claim.
    Held {
        /// The claim.
        claim: Claim,
        /// Whether it was taken anew by this call, not renewed.
        taken: bool,
        /// When a lease on this fabric was last renewed before, by anyone, Unix milliseconds: until then
        /// at least, it was recorded.
        before_ms: Option<i64>,
    },
    /// Somebody else does.
    Elsewhere {
        /// Who.
        holder: String,
        /// Until when, unless renewed, Unix milliseconds.
        until_ms: i64,
    },
}

/// A feed as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Identity of the feed: epoch of its positions. Made at random when the fabric's records begin.
    pub epoch: String,
    /// Position of the newest event; 0 before the first.
    pub head: u64,
    /// Positions up to this one may have been given to events, though not all were written.
    pub reserved: u64,
}

/// An event of the feed as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Position, unique and growing within the feed.
    pub position: u64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// What it tells.
    pub kind: EventType,
    /// `Kind/namespace/name`, a kind, or none.
    pub subject: Option<Arc<str>>,
    /// The CloudEvents envelope, JSON.
    pub text: Arc<str>,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// After this position; none: from the oldest kept.
    pub after: Option<u64>,
    /// Before this position; none: up to the newest.
    pub before: Option<u64>,
    /// Only these types; empty: all.
    pub kinds: Vec<EventType>,
    /// Only about this subject.
    pub subject: Option<String>,
    /// Whether the newest come first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: usize,
}

/// A change of one object as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its kind.
    pub kind: Kind,
    /// Its key.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Number of the version (the cluster's where it is one, else our counter).
    pub version: u64,
    /// When we saw it, Unix milliseconds; never smaller than that of the change before.
    pub at_ms: i64,
    /// How it was found.
    pub found: Found,
    /// Field manager that made it, where the cluster says so.
    pub manager: Option<Arc<str>>,
    /// What the object became.
    pub content: Content,
}

/// A change with its place in the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Place in the fabric's history, growing.
    pub seq: u64,
    /// The change.
    pub change: Change,
}

/// Whether the objects of a kind were being observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The kind.
    pub kind: Kind,
    /// From when, Unix milliseconds.
    pub at_ms: i64,
    /// Whether its watch was live from then on.
    pub live: bool,
}

/// Which storage of the cluster a kind's versions belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Identity of the cluster.
    pub identity: String,
    /// How often its versions went back (a restored etcd).
    pub rewinds: u32,
}

/// What is written at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Events of the feed, by position.
    pub events: Vec<StoredEvent>,
    /// Changes, in the order in which they were seen.
    pub changes: Vec<Change>,
    /// Observation beginning and ending.
    pub marks: Vec<Mark>,
    /// Where kinds' versions come from, as far as that changed. What was known of a kind before belongs
    /// to another storage if its identity differs.
    pub origins: Vec<(Kind, Origin)>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.changes.is_empty()
            && self.marks.is_empty()
            && self.origins.is_empty()
    }

    /// How many things there are to write.
    pub fn len(&self) -> usize {
        self.events.len() + self.changes.len() + self.marks.len() + self.origins.len()
    }
}

/// An object as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Number of its version.
    pub version: u64,
    /// The object as the history keeps it (see [`domain::history::recorded`]).
    pub object: Value,
}

/// All objects of a kind as of a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The objects.
    pub objects: BTreeMap<ObjectKey, Kept>,
    /// Where their versions come from; none: nothing was ever recorded of this kind.
    pub origin: Option<Origin>,
    /// Time of the newest change at or before the moment, Unix milliseconds.
    pub changed_ms: Option<i64>,
    /// Whether the kind was being observed at that moment; if not, what is here may be out of date.
    pub observed: bool,
    /// Whether what was known at that moment is no longer kept. Then nothing else is said here.
    pub forgotten: bool,
}

/// How long and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Oldest that is kept, in milliseconds.
    pub max_age_ms: i64,
    /// Most bytes of records in all; beyond, the oldest go first.
    pub max_bytes: u64,
}

/// What an upkeep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Events that went.
    pub events: u64,
    /// Changes that went.
    pub changes: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Bytes in use now.
    pub bytes: u64,
}

/// Durable records. See the module.
///
/// Every method but [`Store::upkeep`] is one transaction with a deadline of 5 s; after an error nothing of it
/// was done, or (where the answer was lost) the same batch again is written once.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Whether it works: reads and writes something small.
    async fn check(&self) -> Result<(), StoreError>;

    /// Takes or renews the lease of a fabric for `ttl_ms` from `now_ms`. `holder` names this process. A
    /// lease that ran out, or that is ours, is ours; a new hand gets a greater claim.
    async fn claim(
        &self,
        fabric: &FabricId,
        holder: &str,
        now_ms: i64,
        ttl_ms: i64,
    ) -> Result<Lease, StoreError>;

    /// Gives the lease back, so that another need not wait; and says that every reserved position that
    /// was used is written. Nothing happens if the claim is not the present one.
    async fn release(&self, fabric: &FabricId, claim: Claim, now_ms: i64)
    -> Result<(), StoreError>;

    /// The feed of a fabric; begun if there is none.
    async fn feed(&self, fabric: &FabricId) -> Result<Feed, StoreError>;

    /// Reserves positions of the feed up to and including `upto`: a process that dies may have told
    /// events with them, so they are never given again.
    async fn reserve(&self, fabric: &FabricId, claim: Claim, upto: u64) -> Result<(), StoreError>;

    /// Writes a batch, whole or not at all; when it returns, it survives `kill -9`.
    async fn append(
        &self,
        fabric: &FabricId,
        claim: Claim,
        batch: &Batch,
    ) -> Result<(), StoreError>;

    /// Events of a fabric's feed.
    async fn events(
        &self,
        fabric: &FabricId,
        query: &EventQuery,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// All objects of a kind as of a moment (at or before it), the newest checkpoint and what followed.
    async fn at(&self, fabric: &FabricId, kind: Kind, moment: Moment) -> Result<Known, StoreError>;

    /// Where each kind's versions come from, and the newest version recorded of it: a list that is older
    /// means that the cluster's storage went back while nobody looked.
    async fn origins(&self, fabric: &FabricId)
    -> Result<BTreeMap<Kind, (Origin, u64)>, StoreError>;

    /// Changes of one object, newest first, those before `before` (a `seq`) only.
    async fn history(
        &self,
        fabric: &FabricId,
        kind: Kind,
        key: &ObjectKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// Makes the checkpoints that are due and lets go what is older or more than may be kept; the state
    /// at the oldest moment that is kept stays readable.
    async fn upkeep(&self, retention: Retention, now_ms: i64) -> Result<Upkeep, StoreError>;

    /// Forgets everything of a fabric.
    async fn forget(&self, fabric: &FabricId) -> Result<(), StoreError>;

    /// Ends work under way and closes the files.
    async fn close(&self);
}
