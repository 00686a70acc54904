//! What waits of one topic for one connection: at most one change per key, so that its size is bounded
//! by what the connection can see, whatever the rate of changes.
//!
//! Invariant: `order` and `waiting` hold the same keys. Nothing older than what is taken stays behind,
//! so the place returned by [`Outbox::take`] is a safe one to resume from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<E> {
    /// The key.
    pub key: Arc<str>,
    /// Version of the newest change.
    pub version: u64,
    /// The newest change.
    pub change: E,
    /// How many older changes of the key were folded into it.
    pub folded: u32,
    /// Whether the reader has not been told of this key before.
    fresh: bool,
}

/// What a change does to its key, as far as folding cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The key comes into being.
    Create,
    /// The key has another value.
    Update,
    /// The key goes.
    Delete,
}

/// See the module.
#[derive(Debug)]
pub struct Outbox<E> {
    order: BTreeSet<(u64, Arc<str>)>,
    waiting: BTreeMap<Arc<str>, Waiting<E>>,
    /// Newest version offered, and reached once nothing waits.
    considered: u64,
    /// No place lies beyond this: older changes may still come.
    held: Option<u64>,
}

impl<E> Outbox<E> {
    /// An empty outbox of a reader that stands at `place`.
    pub fn new(place: u64) -> Self {
        Self { order: BTreeSet::new(), waiting: BTreeMap::new(), considered: place, held: None }
    }

    /// Number of keys that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Newest version that was offered or skipped.
    pub fn considered(&self) -> u64 {
        self.held.map_or(self.considered, |held| held.min(self.considered))
    }

    /// Changes come in any order from now on: no place lies beyond `held`. None: in ascending order again.
    pub fn hold(&mut self, held: Option<u64>) {
        self.held = held;
    }

    /// Notes that everything up to `version` was looked at, though not all of it concerns the reader.
    pub fn skip(&mut self, version: u64) {
        self.considered = self.considered.max(version);
    }

    /// Puts a change in. One that waits for the same key is folded into it; one that comes too late is dropped;
    /// a key that came and went unread leaves nothing behind, so that churn of names cannot grow the outbox.
    pub fn put(&mut self, key: &Arc<str>, version: u64, effect: Effect, change: E) {
        self.skip(version);
        let mut folded = 0;
        let mut fresh = effect == Effect::Create;
        if let Some(known) = self.waiting.get(key) {
            if version <= known.version {
                return;
            }
            folded = known.folded.saturating_add(1);
            fresh = known.fresh;
            self.order.remove(&(known.version, Arc::clone(key)));
            if fresh && effect == Effect::Delete {
                self.waiting.remove(key);
                return;
            }
        }
        self.order.insert((version, Arc::clone(key)));
        self.waiting.insert(
            Arc::clone(key),
            Waiting { key: Arc::clone(key), version, change, folded, fresh },
        );
    }

    /// Takes changes in ascending order while `more(&change)` agrees, and the place that is reached with them.
    /// At least one is taken if any waits.
    pub fn take(&mut self, mut more: impl FnMut(&Waiting<E>) -> bool) -> (Vec<Waiting<E>>, u64) {
        let mut taken = Vec::new();
        while let Some((version, key)) = self.order.pop_first() {
            let Some(waiting) = self.waiting.remove(&key) else { continue };
            if !taken.is_empty() && !more(&waiting) {
                self.order.insert((version, Arc::clone(&key)));
                self.waiting.insert(key, waiting);
                break;
            }
            taken.push(waiting);
        }
        // Several changes may share a version: the place lies below whatever still waits.
        let place = self.order.first().map_or(self.considered, |(next, _)| {
            let last = taken.last().map_or(0, |last| last.version);
            last.min(next.saturating_sub(1))
        });
        (taken, self.held.map_or(place, |held| held.min(place)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: u8) -> Arc<str> {
        Arc::from(name.to_string())
    }

    #[test]
    fn the_newest_change_of_a_key_wins_and_counts_the_others() {
        let mut outbox = Outbox::new(0);
        for version in 1..=5 {
            outbox.put(&key(1), version, Effect::Update, version);
        }
        outbox.put(&key(1), 3, Effect::Update, 99);
        let (taken, place) = outbox.take(|_| true);
        assert_eq!((taken.len(), taken[0].change, taken[0].folded, place), (1, 5, 4, 5));
    }

    #[test]
    fn names_that_come_and_go_unread_leave_nothing() {
        let mut outbox = Outbox::new(0);
        for at in 0..1000_u64 {
            let name: Arc<str> = Arc::from(format!("n{at}"));
            outbox.put(&name, at * 2 + 1, Effect::Create, ());
            outbox.put(&name, at * 2 + 2, Effect::Delete, ());
        }
        assert!(outbox.is_empty());
        assert_eq!(outbox.take(|_| true).1, 2000, "the place moves all the same");
    }

    #[test]
    fn a_place_never_lies_beyond_a_change_that_still_waits() {
        let mut outbox = Outbox::new(0);
        for name in 1..=3 {
            outbox.put(&key(name), 7, Effect::Delete, ());
        }
        let mut left = 2;
        let (taken, place) = outbox.take(|_| {
            left -= 1;
            left > 0
        });
        assert_eq!((taken.len(), place), (2, 6));
        assert_eq!(outbox.take(|_| true).1, 7);
    }

    #[test]
    fn a_list_that_comes_in_any_order_moves_no_place_before_it_came_whole() {
        let mut outbox = Outbox::new(20);
        outbox.hold(Some(20));
        outbox.put(&key(1), 35, Effect::Update, ());
        assert_eq!((outbox.take(|_| true).1, outbox.considered()), (20, 20));
        outbox.put(&key(2), 30, Effect::Update, ());
        outbox.hold(None);
        assert_eq!(outbox.take(|_| true).1, 35);
    }

    proptest! {
        /// A reader that takes in any portions ends with the newest of each key, in ascending places.
        #[test]
        fn a_reader_ends_with_the_newest_of_each_key(steps in prop::collection::vec((0_u8..5, any::<bool>(), 0_usize..4), 1..80)) {
            let mut outbox = Outbox::new(0);
            let mut truth: BTreeMap<Arc<str>, u64> = BTreeMap::new();
            let mut reader: BTreeMap<Arc<str>, u64> = BTreeMap::new();
            let mut place = 0;
            let read = |outbox: &mut Outbox<Option<u64>>, reader: &mut BTreeMap<Arc<str>, u64>, most: usize| {
                let mut left = most;
                let (taken, at) = outbox.take(|_| { left = left.saturating_sub(1); left > 0 });
                for change in taken {
                    match change.change {
                        Some(value) => { reader.insert(change.key, value); }
                        None => { reader.remove(&change.key); }
                    }
                }
                at
            };
            for (at, (name, alive, take)) in steps.into_iter().enumerate() {
                let version = at as u64 + 1;
                let known = truth.contains_key(&key(name));
                match (alive, known) {
                    (true, known) => {
                        truth.insert(key(name), version);
                        outbox.put(&key(name), version, if known { Effect::Update } else { Effect::Create }, Some(version));
                    }
                    (false, true) => {
                        truth.remove(&key(name));
                        outbox.put(&key(name), version, Effect::Delete, None);
                    }
                    (false, false) => {}
                }
                if take > 0 {
                    let reached = read(&mut outbox, &mut reader, take);
                    prop_assert!(reached >= place);
                    place = reached;
                }
                prop_assert!(outbox.len() <= 5);
            }
            while !outbox.is_empty() {
                read(&mut outbox, &mut reader, 3);
            }
            prop_assert_eq!(reader, truth);
        }
    }
}
