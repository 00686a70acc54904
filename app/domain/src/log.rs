//! The key-compacted log of one topic: the latest value of each key, and which keys are gone.
//!
//! A client's place in it is `(epoch, version)`. Resuming is a range scan: everything newer than the
//! place, in ascending order, with deletes as long as tombstones reach back, else with the list of
//! live keys.
//!
//! Deletes found by comparing lists share the version of the list, so order is by version and key.
//!
//! Invariant: but for a list that is being taken in, no version of an entry or tombstone is above the head; a value whose version is not
//! newer than the stored one is dropped. Nothing here reads a clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

/// Most tombstones kept per topic.
pub const MOST_TOMBSTONES: usize = 10_000;
/// Longest that a tombstone is kept, in milliseconds.
pub const OLDEST_TOMBSTONE_MS: i64 = 24 * 60 * 60 * 1000;

/// One live key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<V> {
    /// The key.
    pub key: Arc<str>,
    /// Version of the value.
    pub version: u64,
    /// The value.
    pub value: V,
}

/// A key that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The key.
    pub key: Arc<str>,
    /// Version of the delete.
    pub version: u64,
    /// `metadata.uid` of what was deleted; empty where there is none.
    pub uid: Arc<str>,
    /// When it was deleted, Unix milliseconds.
    pub at_ms: i64,
}

/// What became of a [`KeyLog::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// A new key.
    Created,
    /// A newer value of a known key, whose version was this.
    Updated {
        /// Version before.
        base: u64,
    },
    /// Not newer than what is stored: dropped.
    Stale,
}

/// What follows a place in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Resume<V> {
    /// Changes after the place, deletes included, ascending.
    Log(Vec<Change<V>>),
    /// Changes after the place, ascending, and all live keys: what the client holds beyond them is gone.
    Keys(Vec<Change<V>>, Vec<Arc<str>>),
    /// The place means nothing here: everything, by key.
    None(Vec<Entry<V>>),
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<V> {
    /// The key has this value now.
    Put(Entry<V>),
    /// The key is gone.
    Gone(Tombstone),
}

impl<V> Change<V> {
    /// Version of the change.
    pub fn version(&self) -> u64 {
        match self {
            Self::Put(entry) => entry.version,
            Self::Gone(tombstone) => tombstone.version,
        }
    }

    /// The key.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Gone(tombstone) => &tombstone.key,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct KeyLog<V> {
    epoch: Arc<str>,
    head: u64,
    /// The head while a list is taken in: its parts come in any order, so no place lies beyond.
    held: Option<u64>,
    /// Deletes after this version are all known; none before this process began to look.
    floor: u64,
    live: BTreeMap<Arc<str>, Entry<V>>,
    by_version: BTreeSet<(u64, Arc<str>)>,
    gone: BTreeMap<(u64, Arc<str>), Tombstone>,
    buried: BTreeMap<Arc<str>, u64>,
    most_tombstones: usize,
}

impl<V: Clone> KeyLog<V> {
    /// An empty log that knows nothing before `head`.
    pub fn new(epoch: Arc<str>, head: u64) -> Self {
        Self::bounded(epoch, head, MOST_TOMBSTONES)
    }

    /// As [`Self::new`], with a bound of tombstones of the caller's choice.
    pub fn bounded(epoch: Arc<str>, head: u64, most_tombstones: usize) -> Self {
        Self {
            epoch,
            head,
            held: None,
            floor: head,
            live: BTreeMap::new(),
            by_version: BTreeSet::new(),
            gone: BTreeMap::new(),
            buried: BTreeMap::new(),
            most_tombstones,
        }
    }

    /// What the versions of this log belong to.
    pub fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// Newest version up to which everything is reflected here.
    pub fn head(&self) -> u64 {
        self.held.unwrap_or(self.head)
    }

    /// A list is taken in from now on, in any order: the head stays where it is until [`Self::end_list`].
    pub fn begin_list(&mut self) {
        self.held = Some(self.head());
    }

    /// Whether a list is being taken in.
    pub fn is_in_list(&self) -> bool {
        self.held.is_some()
    }

    /// Newest version of anything here, which older ones may still follow while a list is taken in.
    pub fn newest(&self) -> u64 {
        self.head
    }

    /// The list was taken in whole.
    pub fn end_list(&mut self) {
        self.held = None;
    }

    /// Number of live keys.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no key is live.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Number of tombstones.
    pub fn n_tombstones(&self) -> usize {
        self.gone.len()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Entry<V>> {
        self.live.get(key)
    }

    /// All live keys, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<V>> {
        self.live.values()
    }

    /// Raises the head: everything up to `version` is reflected here.
    pub fn advance(&mut self, version: u64) {
        self.head = self.head.max(version);
    }

    /// Everything up to `version` was read from a list: what was deleted before it is not known.
    pub fn begin_at(&mut self, version: u64) {
        self.advance(version);
        self.floor = self.floor.max(version);
    }

    /// Takes a value in, unless a newer one, or a newer delete, is known.
    pub fn put(&mut self, key: &Arc<str>, version: u64, value: V) -> Put {
        let known = self.live.get(key).map(|entry| entry.version);
        let buried = self.buried.get(key).copied();
        if known.max(buried).is_some_and(|newest| version <= newest) {
            return Put::Stale;
        }
        if let Some(base) = known {
            self.by_version.remove(&(base, Arc::clone(key)));
        }
        if let Some(version) = self.buried.remove(key) {
            self.gone.remove(&(version, Arc::clone(key)));
        }
        self.by_version.insert((version, Arc::clone(key)));
        self.live.insert(Arc::clone(key), Entry { key: Arc::clone(key), version, value });
        self.advance(version);
        known.map_or(Put::Created, |base| Put::Updated { base })
    }

    /// Buries a key, unless it is not known or a newer value of it is.
    pub fn remove(
        &mut self,
        key: &str,
        version: u64,
        uid: Arc<str>,
        at_ms: i64,
    ) -> Option<Tombstone> {
        let known = self.live.get(key).map(|entry| entry.version)?;
        if version < known {
            return None;
        }
        let entry = self.live.remove(key)?;
        self.by_version.remove(&(known, Arc::clone(&entry.key)));
        let tombstone = Tombstone { key: entry.key, version, uid, at_ms };
        self.gone.insert((version, Arc::clone(&tombstone.key)), tombstone.clone());
        self.buried.insert(Arc::clone(&tombstone.key), version);
        self.advance(version);
        self.forget_beyond(at_ms);
        Some(tombstone)
    }

    /// Forgets tombstones beyond the bounds of number and age.
    pub fn forget_beyond(&mut self, now_ms: i64) {
        self.keep_tombstones(self.most_tombstones);
        let old = |tombstone: &Tombstone| now_ms - tombstone.at_ms > OLDEST_TOMBSTONE_MS;
        while self.gone.first_key_value().is_some_and(|(_, oldest)| old(oldest)) {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest tombstones but for so many.
    pub fn keep_tombstones(&mut self, most: usize) {
        while self.gone.len() > most {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(((version, key), _)) = self.gone.pop_first() {
            self.buried.remove(&key);
            self.floor = self.floor.max(version);
        }
    }

    /// Everything after a place.
    pub fn since(&self, place: Option<(&str, u64)>) -> Resume<V> {
        let version = match place {
            Some((epoch, version)) if *epoch == *self.epoch && version <= self.head => version,
            _ => return Resume::None(self.live.values().cloned().collect()),
        };
        if version >= self.floor {
            let mut changes = self.puts_after(version);
            let gone = self.gone.range((after(version), Bound::Unbounded));
            changes.extend(gone.map(|(_, tombstone)| Change::Gone(tombstone.clone())));
            changes.sort_by_key(Change::version);
            Resume::Log(changes)
        } else {
            Resume::Keys(self.puts_after(version), self.live.keys().cloned().collect())
        }
    }

    fn puts_after(&self, version: u64) -> Vec<Change<V>> {
        let keys = self.by_version.range((after(version), Bound::Unbounded)).map(|(_, key)| key);
        keys.filter_map(|key| self.live.get(key)).cloned().map(Change::Put).collect()
    }
}

/// Lower bound of everything with a version above `version`: no key is empty.
fn after(version: u64) -> Bound<(u64, Arc<str>)> {
    Bound::Included((version.saturating_add(1), Arc::from("")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    fn log() -> KeyLog<u64> {
        KeyLog::bounded(key("e"), 10, 3)
    }

    fn gone(log: &mut KeyLog<u64>, name: &str, version: u64) -> Option<Tombstone> {
        log.remove(name, version, key(""), 0)
    }

    #[test]
    fn a_place_within_reach_gets_changes_and_deletes_in_order() {
        let mut log = log();
        log.put(&key("a"), 11, 1);
        log.put(&key("b"), 12, 2);
        gone(&mut log, "a", 13);
        log.put(&key("c"), 14, 3);
        let Resume::Log(changes) = log.since(Some(("e", 11))) else { panic!("expected a log") };
        assert_eq!(changes.iter().map(Change::version).collect::<Vec<_>>(), [12, 13, 14]);
    }

    #[test]
    fn a_place_before_we_knew_deletes_gets_the_live_keys() {
        let mut log = log();
        log.put(&key("a"), 4, 1);
        log.put(&key("b"), 9, 2);
        let Resume::Keys(changes, live) = log.since(Some(("e", 5))) else {
            panic!("expected keys")
        };
        assert_eq!(changes.len(), 1);
        assert_eq!(live, vec![key("a"), key("b")]);
    }

    #[test]
    fn a_place_before_the_first_list_gets_the_live_keys() {
        let mut log = KeyLog::bounded(key("e"), 0, 3);
        log.put(&key("a"), 5, 1);
        log.begin_at(9);
        assert!(matches!(log.since(Some(("e", 7))), Resume::Keys(_, live) if live == [key("a")]));
        assert!(matches!(log.since(Some(("e", 9))), Resume::Log(changes) if changes.is_empty()));
    }

    #[test]
    fn another_epoch_or_a_place_ahead_of_us_gets_everything() {
        let mut log = log();
        log.put(&key("a"), 11, 1);
        assert!(matches!(log.since(Some(("f", 11))), Resume::None(all) if all.len() == 1));
        assert!(matches!(log.since(Some(("e", 12))), Resume::None(_)));
        assert!(matches!(log.since(None), Resume::None(_)));
    }

    #[test]
    fn a_stale_version_never_wins() {
        let mut log = log();
        log.put(&key("a"), 20, 1);
        assert_eq!(log.put(&key("a"), 20, 2), Put::Stale);
        assert_eq!(log.put(&key("a"), 19, 2), Put::Stale);
        assert_eq!(gone(&mut log, "a", 15), None);
        gone(&mut log, "a", 21);
        assert_eq!(log.put(&key("a"), 20, 3), Put::Stale, "a replay does not raise the dead");
        assert_eq!(log.put(&key("a"), 22, 3), Put::Created);
        assert_eq!(log.n_tombstones(), 0);
    }

    #[test]
    fn tombstones_have_a_bound_and_the_floor_tells() {
        let mut log = log();
        for (at, name) in (20_u64..).step_by(2).zip(["a", "b", "c", "d"]) {
            log.put(&key(name), at, 0);
            gone(&mut log, name, at + 1);
        }
        assert_eq!(log.n_tombstones(), 3);
        assert!(matches!(log.since(Some(("e", 20))), Resume::Keys(..)));
        assert!(matches!(log.since(Some(("e", 21))), Resume::Log(_)));
    }

    #[test]
    fn while_a_list_is_taken_in_no_place_lies_beyond_what_is_missing() {
        let mut log = log();
        log.put(&key("a"), 20, 1);
        log.begin_list();
        log.put(&key("b"), 35, 2);
        assert_eq!(log.head(), 20, "what changed at 30 may still come");
        log.put(&key("c"), 30, 3);
        log.end_list();
        log.advance(36);
        assert_eq!(log.head(), 36);
    }

    #[test]
    fn old_tombstones_go() {
        let mut log = log();
        log.put(&key("a"), 20, 0);
        log.remove("a", 21, key(""), 1_000);
        log.forget_beyond(1_000 + OLDEST_TOMBSTONE_MS);
        assert_eq!(log.n_tombstones(), 1);
        log.forget_beyond(1_001 + OLDEST_TOMBSTONE_MS);
        assert_eq!(log.n_tombstones(), 0);
    }

    proptest! {
        /// Whatever place a reader resumes from, it ends with the live map.
        #[test]
        fn a_resumed_reader_equals_the_log(steps in prop::collection::vec((0_u8..6, any::<bool>()), 1..60), cut in 0_usize..60) {
            let mut log = KeyLog::bounded(key("e"), 0, 4);
            let mut reader: BTreeMap<Arc<str>, u64> = BTreeMap::new();
            let mut place = 0;
            for (at, (name, put)) in steps.iter().enumerate() {
                let version = at as u64 + 1;
                let name = key(&name.to_string());
                if *put { log.put(&name, version, version); } else { log.remove(&name, version, key(""), 0); }
                if at == cut {
                    reader = log.iter().map(|entry| (entry.key.clone(), entry.value)).collect();
                    place = log.head();
                }
            }
            let take = |reader: &mut BTreeMap<Arc<str>, u64>, changes: Vec<Change<u64>>| {
                for change in changes {
                    match change {
                        Change::Put(entry) => { reader.insert(entry.key, entry.value); }
                        Change::Gone(tombstone) => { reader.remove(&tombstone.key); }
                    }
                }
            };
            match log.since(Some(("e", place))) {
                Resume::Log(changes) => take(&mut reader, changes),
                Resume::Keys(changes, live) => {
                    take(&mut reader, changes);
                    reader.retain(|name, _| live.contains(name));
                }
                Resume::None(all) => reader = all.into_iter().map(|entry| (entry.key, entry.value)).collect(),
            }
            let truth: BTreeMap<_, _> = log.iter().map(|entry| (entry.key.clone(), entry.value)).collect();
            prop_assert_eq!(reader, truth);
        }
    }
}
