//! What a cluster's watches and probe saw, as values: the keeper's inbox.
//!
//! Invariant: nothing is decided here.

use domain::{
    door::Admitted,
    kind::Kind,
    object::ObjectKey,
    state::{Lag, RecordState, WatchState},
};

use tokio::sync::mpsc;

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
        /// The one namespace that was listed, where several are watched; none: everything that is watched.
        namespace: Option<String>,
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

/// Where a watch says what it saw. Waits while the other end is busy: the API server is the buffer.
#[derive(Debug, Clone)]
pub enum Outlet {
    /// To the keeper.
    Keeper(mpsc::Sender<Event>),
    /// To whom several watches of one kind are put together by, as the one of this number.
    Part(usize, mpsc::Sender<(usize, Seen)>),
}

impl Outlet {
    /// Says it; an error where nobody listens any more.
    pub async fn send(&self, kind: Kind, seen: Seen) -> Result<(), ()> {
        match self {
            Self::Keeper(keeper) => keeper.send(Event::Kind(kind, seen)).await.map_err(|_| ()),
            Self::Part(number, merge) => merge.send((*number, seen)).await.map_err(|_| ()),
        }
    }
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
