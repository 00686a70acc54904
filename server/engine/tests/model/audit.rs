//! What a client was told, and whether it may have been told so: versions, places and positions only grow.
//!
//! Invariant: knows nothing of any server but which process it was.

use std::collections::BTreeMap;

use domain::wire::{
    Cursor,
    ledger::{Delta, Ledger},
};

use super::client::covers;

/// A promise that was broken, by its number in the protocol's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    pub(crate) how: String,
}

/// The promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// The client is never wrong without knowing it, and right in the end.
    Convergence = 1,
    /// Whatever the place does not cover is still to come.
    NoGap = 2,
    /// Empty differs from loading.
    Loading = 3,
    /// Slow clients cost what they see; a feed's overflow is told.
    Bounds = 4,
    /// No frame of a topic follows its revocation.
    Rights = 5,
    /// Loss is noticed, and counted right.
    Loss = 6,
    /// An older version never wins.
    Order = 7,
}

impl Promise {
    /// Broken so, if it does not hold.
    pub(crate) fn holds(self, holds: bool, how: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds { Ok(()) } else { Err(Broken { promise: self, how: how() }) }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Per topic: the epoch, and the newest version seen of each key in it.
    versions: BTreeMap<String, (String, BTreeMap<String, u64>)>,
    /// Per topic: where the client stood when last looked at.
    places: BTreeMap<String, Cursor>,
    /// Per feed topic: the feed that counts its positions, and the last one told, if one was.
    feeds: BTreeMap<String, (String, Option<u64>)>,
}

impl Audit {
    /// A topic begins anew for this client.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.versions.remove(topic);
        self.places.remove(topic);
        self.feeds.remove(topic);
    }

    /// Feeds that a wish held begin anew for this client.
    pub(crate) fn forget_feeds(&mut self, wish: &str) {
        self.feeds.retain(|topic, _| !covers(wish, topic));
    }

    /// Keys changed.
    pub(crate) fn changed(
        &mut self,
        topic: &str,
        ledger: Option<&Ledger>,
        deltas: &[Delta],
    ) -> Result<(), Broken> {
        let Some(Cursor(epoch, _)) = ledger.and_then(Ledger::at) else { return Ok(()) };
        let (known, versions) = self.versions.entry(topic.to_owned()).or_default();
        if known != epoch {
            known.clone_from(epoch);
            versions.clear();
        }
        for delta in deltas {
            let Delta::Put(key, held) = delta else { continue };
            let before = versions.insert(key.clone(), held.version).unwrap_or_default();
            Promise::Order.holds(before <= held.version, || {
                format!("{topic} {key}: {} came after {before}", held.version)
            })?;
        }
        Ok(())
    }

    /// A client stands somewhere in a topic.
    pub(crate) fn stands(&mut self, topic: &str, at: Option<&Cursor>) -> Result<(), Broken> {
        let before = if let Some(at) = at {
            self.places.insert(topic.to_owned(), at.clone())
        } else {
            // It does not count on what it holds: whatever comes is a beginning.
            self.versions.remove(topic);
            self.places.remove(topic)
        };
        let (Some(Cursor(old, before)), Some(Cursor(new, now))) = (before, at) else {
            return Ok(());
        };
        Promise::Convergence.holds(old != *new || before <= *now, || {
            format!("{topic}: the place went back from {before} to {now}")
        })
    }

    /// A client stands in a feed: positions of another one mean nothing from here on.
    pub(crate) fn follows(&mut self, topic: &str, feed: &str) {
        let known = self.feeds.entry(topic.to_owned()).or_default();
        if known.0 != feed {
            *known = (feed.to_owned(), None);
        }
    }

    /// An event came.
    pub(crate) fn event(&mut self, topic: &str, feed: &str, position: u64) -> Result<(), Broken> {
        self.told(topic, feed, position, position)
    }

    /// The server said that these events are no longer there.
    pub(crate) fn gap(
        &mut self,
        topic: &str,
        feed: &str,
        from: u64,
        to: u64,
    ) -> Result<(), Broken> {
        Promise::Bounds.holds(from <= to, || format!("{topic}: a gap from {from} to {to}"))?;
        self.told(topic, feed, from, to)
    }

    fn told(&mut self, topic: &str, feed: &str, from: u64, to: u64) -> Result<(), Broken> {
        let before = self.feeds.insert(topic.to_owned(), (feed.to_owned(), Some(to)));
        match before {
            Some((known, Some(last))) if known == feed => Promise::Bounds
                .holds(from == last + 1, || {
                    format!("{topic}: {from} to {to} were told after {last}")
                }),
            _ => Ok(()),
        }
    }

    /// Last position of a feed that was told, if it is this feed's.
    pub(crate) fn last_event(&self, topic: &str, feed: &str) -> Option<u64> {
        self.feeds.get(topic).filter(|(known, _)| known == feed).and_then(|(_, last)| *last)
    }
}
