//! What a page is told before its live link is up: the same values that the topics carry, with the
//! places at which they were read, so that the link continues from there without a gap.
//!
//! Invariant: a figure is absent where nothing was observed; absent is not zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    feed::Event,
    kind::Kind,
    object::{ObjectKey, ObjectRef, Row},
    state::{FabricState, KindCount, KindWatch, RecordState, SwitchReadiness},
    topic::FabricId,
    wire::{Cursor, Item},
};

/// Longest list that a page embeds whole, and the number of rows it embeds of a longer one.
pub const EMBEDDED_ROWS: usize = 100;
/// Events that the overview embeds per fabric.
pub const EMBEDDED_EVENTS: usize = 50;

/// The content of `state/{fabric}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FabricSummary {
    /// Its name.
    pub id: FabricId,
    /// Place of the state topic.
    pub at: Cursor,
    /// Connectivity.
    pub state: FabricState,
    /// Whether what happens is recorded; absent until that is known.
    #[serde(default)]
    pub records: Option<RecordState>,
    /// Watch of each kind.
    pub watches: BTreeMap<Kind, KindWatch>,
    /// Objects of each kind that was listed.
    pub counts: BTreeMap<Kind, KindCount>,
    /// Readiness of each switch, by key; absent where switches or agents were never listed.
    pub readiness: BTreeMap<ObjectKey, SwitchReadiness>,
}

/// The page `/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// When it was read, Unix milliseconds.
    pub now_ms: i64,
    /// Every fabric, by name.
    pub fabrics: Vec<FabricSummary>,
    /// The newest events of each fabric, oldest first, and the place of each feed.
    pub feeds: BTreeMap<FabricId, FeedPart>,
}

/// The person that a page is for. Only the server knows; the browser is told in HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The user's name.
    pub name: String,
    /// What this user is, in words, such as `admin everywhere` or `operator of demo, viewer of lab`.
    pub role: String,
    /// When the session ends, Unix milliseconds; absent: it does not by itself.
    pub expires_ms: Option<i64>,
    /// Whether there is anything in the settings for this user.
    pub may_settings: bool,
    /// Whether this user may read the audit log.
    pub may_audit: bool,
}

/// The end of a feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedPart {
    /// Place after the last event.
    pub at: Cursor,
    /// Oldest first.
    pub events: Vec<Event>,
}

/// Sort order of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// Column id, or `name`, `namespace`, `age`.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// What a list page asks for: its URL, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListQuery {
    /// Free text that must occur in the key or a cell, case ignored.
    pub text: String,
    /// Text that must occur in a column, by column id.
    pub columns: BTreeMap<String, String>,
    /// Label selector.
    pub labels: String,
    /// First criterion first; empty: by key.
    pub sort: Vec<Sort>,
}

/// A row with its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListRow {
    /// `namespace/name`.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// Version.
    pub version: u64,
    /// The row.
    pub row: Row,
}

/// The page `/f/{fabric}/{plural}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListPage {
    /// When it was read, Unix milliseconds.
    pub now_ms: i64,
    /// The fabric.
    pub fabric: FabricSummary,
    /// The kind.
    pub kind: Kind,
    /// Place of the objects topic.
    pub at: Cursor,
    /// Objects of the kind; none if it was never listed.
    pub total: Option<usize>,
    /// Those that the query selects; none if it was never listed.
    pub matched: Option<usize>,
    /// The first rows in the query's order: the whole topic unless `partial`.
    pub rows: Vec<ListRow>,
    /// Whether rows were left out: shown, but never resumed from.
    pub partial: bool,
    /// Why the query could not be read, if it could not: then all is shown.
    pub bad_query: Option<String>,
}

/// Whether the other end of a reference is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is in the store of a kind that is live.
    Present,
    /// It is not, and the kind is live.
    Absent,
    /// The kind is not live, so nobody knows.
    Unknown,
}

/// One edge, seen from one end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// JSON pointer of the field that names the other object, in the object that names.
    pub field: String,
    /// The other end.
    pub object: ObjectRef,
    /// A part of the object that is named, such as a subnet or a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Whether the other end is there.
    pub presence: Presence,
}

/// Relations of an object, both ways.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Relations {
    /// What it needs.
    pub needs: Vec<Edge>,
    /// What needs it.
    pub needed_by: Vec<Edge>,
    /// Kinds that could need it but are not live: the list above may lack some.
    pub unknown: Vec<Kind>,
    /// Why the object does not read as its kind, if it does not. Said by the server, since decoding all
    /// kinds would make the browser's half twice as large.
    #[serde(default)]
    pub unreadable: Option<String>,
}

/// The page `/f/{fabric}/{plural}/{namespace}/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// When it was read, Unix milliseconds.
    pub now_ms: i64,
    /// The fabric.
    pub fabric: FabricSummary,
    /// The object's kind and key.
    pub object: ObjectRef,
    /// Place of the objects topic.
    pub at: Cursor,
    /// The object in full; none: not there, or not known (see the watch in `fabric`).
    pub item: Option<Item>,
    /// Its row.
    pub row: Option<Row>,
    /// Its relations.
    pub relations: Relations,
    /// Its changes as far as they are recorded, newest first.
    pub history: Vec<Event>,
}
