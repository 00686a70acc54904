//! Who follows what: topics, their readers, and what waits for each connection.
//!
//! Topics are written by keepers only. A topic holds each object once; pages read it where it lies,
//! connections subscribe to it, and position and snapshot are taken under one lock.
//!
//! Invariant: a slow reader costs its own outbox, which is bounded by what it can see, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use domain::{
    account::UserName,
    topic::{FabricId, Selection, Topic},
};
use tokio::sync::watch;

pub mod feed;
pub mod filter;
mod frames;
pub mod keyed;
pub mod mailbox;
pub mod payload;
pub mod session;
pub mod token;
mod unsent;

use self::{feed::FeedTopic, keyed::KeyedTopic};
use crate::metrics::Metrics;

/// A topic of either shape.
#[derive(Debug, Clone)]
pub enum Cell {
    /// A keyed map.
    Keyed(Arc<KeyedTopic>),
    /// A list of events.
    Feed(Arc<FeedTopic>),
}

impl Cell {
    /// Whether it is this very topic, and not another of the same name.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keyed(one), Self::Keyed(other)) => Arc::ptr_eq(one, other),
            (Self::Feed(one), Self::Feed(other)) => Arc::ptr_eq(one, other),
            (Self::Keyed(_), Self::Feed(_)) | (Self::Feed(_), Self::Keyed(_)) => false,
        }
    }
}

/// All topics of the process.
#[derive(Debug)]
pub struct Hub {
    /// A lock, since topics come and go with fabrics only; held for a map operation.
    topics: RwLock<BTreeMap<Topic, Cell>>,
    /// What is addressed to single people, while somebody looks for them.
    personal: RwLock<BTreeMap<UserName, Arc<FeedTopic>>>,
    /// Counts changes of the set of topics.
    set: watch::Sender<u64>,
    /// What the live path counts.
    pub metrics: Metrics,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without topics.
    pub fn new() -> Self {
        Self {
            topics: RwLock::default(),
            personal: RwLock::default(),
            set: watch::channel(0).0,
            metrics: Metrics::default(),
        }
    }

    /// Adds topics; an existing one of the same name is replaced.
    pub fn add(&self, cells: impl IntoIterator<Item = (Topic, Cell)>) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).extend(cells);
        self.set.send_modify(|count| *count += 1);
    }

    /// Removes all topics of a fabric.
    pub fn remove(&self, fabric: &FabricId) {
        self.topics
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|topic, _| topic.fabric() != Some(fabric));
        self.set.send_modify(|count| *count += 1);
    }

    /// A topic.
    pub fn cell(&self, topic: &Topic) -> Option<Cell> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    /// A keyed topic.
    pub fn keyed(&self, topic: &Topic) -> Option<Arc<KeyedTopic>> {
        match self.cell(topic) {
            Some(Cell::Keyed(keyed)) => Some(keyed),
            Some(Cell::Feed(_)) | None => None,
        }
    }

    /// The newest version that any kind of the topic's cluster was heard at: the cluster counts once for
    /// all of them, so it surely reached it. 0 for what has no cluster's version.
    pub fn witnessed(&self, topic: &Topic) -> u64 {
        let Topic::Objects(fabric, _) = topic else { return 0 };
        let kinds = domain::kind::Kind::ALL.iter();
        let topics = kinds.filter_map(|kind| self.keyed(&Topic::Objects(fabric.clone(), *kind)));
        topics.map(|keyed| keyed.read(domain::log::KeyLog::newest)).max().unwrap_or_default()
    }

    /// A feed.
    pub fn feed(&self, fabric: &FabricId) -> Option<Arc<FeedTopic>> {
        match self.cell(&Topic::Feed(fabric.clone())) {
            Some(Cell::Feed(feed)) => Some(feed),
            Some(Cell::Keyed(_)) | None => None,
        }
    }

    /// All topics that a selection names now.
    pub fn select(&self, selection: &Selection) -> Vec<Topic> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.keys().filter(|topic| selection.matches(topic)).cloned().collect()
    }

    /// All fabrics, by name.
    pub fn fabrics(&self) -> Vec<FabricId> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics
            .keys()
            .filter_map(
                |topic| if let Topic::State(fabric) = topic { Some(fabric.clone()) } else { None },
            )
            .collect()
    }

    /// The feed of what is addressed to somebody.
    pub fn personal(&self, user: &UserName) -> Option<Arc<FeedTopic>> {
        self.personal.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    /// Adds the feed of what is addressed to somebody, unless it is there: the one that is there.
    pub fn add_personal(&self, user: &UserName, feed: FeedTopic) -> Arc<FeedTopic> {
        let mut personal = self.personal.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(personal.entry(user.clone()).or_insert_with(|| Arc::new(feed)))
    }

    /// Lets go of the feeds of all but these people.
    pub fn keep_personal(&self, present: &BTreeSet<UserName>) {
        let mut personal = self.personal.write().unwrap_or_else(PoisonError::into_inner);
        personal.retain(|user, _| present.contains(user));
    }

    /// Wakes whenever a topic was added or removed.
    pub fn set_changes(&self) -> watch::Receiver<u64> {
        self.set.subscribe()
    }
}
