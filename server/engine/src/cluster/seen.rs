//! What a cluster's watches and probe saw, as values: the keeper's inbox.
//!
//! Invariant: nothing is decided here.

use domain::{
    door::Admitted,
    kind::Kind,
    object::ObjectKey,
    state::{Lag, RecordState, WatchState},
};

use super::gate::Gate;
use crate::clock::Stamp;

/// Everything that can happen to a fabric.
#[derive(Debug)]
pub enum Event {
    /// The probe has news.
    Gate(Gate),
    /// The watch of a kind has news.
    Kind(Kind, Seen),
    /// The recorder says how recording goes.
    Records(RecordState),
    /// The canary measured, or could not.
    Lag(Lag),
}

/// What a watch saw.
#[derive(Debug)]
pub enum Seen {
    /// How the watch stands.
    Watch(WatchReport),
    /// Everything of the kind.
    Listed {
        /// Version of the list.
        version: String,
        /// The objects.
        objects: Vec<Admitted>,
        /// Objects without a name or a version, which cannot be shown.
        refused: usize,
        /// When the list was complete.
        stamp: Stamp,
    },
    /// One object is now so.
    Put(Box<Admitted>, Stamp),
    /// One object is gone.
    Gone {
        /// Its key.
        key: ObjectKey,
        /// Its uid.
        uid: String,
        /// Version of the delete.
        version: String,
        /// When the line came.
        stamp: Stamp,
    },
    /// Nothing of the kind changed up to this version.
    Bookmark(String),
}

/// How a watch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchReport {
    /// The word.
    pub state: WatchState,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// Attempts since it was last live.
    pub attempt: u32,
    /// When the next attempt is due, Unix milliseconds.
    pub next_try_ms: Option<i64>,
    /// The one namespace that is watched.
    pub namespace: Option<String>,
}
