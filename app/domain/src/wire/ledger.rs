//! What a client holds of one topic, and how frames change it.
//!
//! Invariant: before [`Phase::Synced`] nothing claims to be complete; a value that is not newer than the
//! stored one is dropped; the cursor never goes back within an epoch.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{Cursor, Item, Op, Recovered, key_hash};
use crate::diff::apply_merge_patch;

/// A value as the client holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// `metadata.uid`, where there is one.
    pub uid: Option<String>,
    /// Version.
    pub version: u64,
    /// The value in the subscription's view.
    pub value: Arc<Value>,
}

/// How complete a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not complete yet: say "loading", never "empty".
    Loading,
    /// Complete as of the cursor.
    Synced,
}

/// What became of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// It has this value now.
    Put(String, Held),
    /// It is gone (or no longer selected).
    Gone(String),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Ledger {
    phase: Phase,
    at: Option<Cursor>,
    held: BTreeMap<String, Held>,
    staging: BTreeMap<String, Held>,
    staging_at: Option<Cursor>,
    /// Whether the list of live keys came since the connection began.
    keys_seen: bool,
    /// Keys that were asked for whole.
    needed: Vec<String>,
    /// Number of the wish that this was read under; none: of whichever comes first.
    wish: Option<u32>,
    /// Whether the link was cut since it was complete, and is back.
    resuming: bool,
    resumes: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// Holds nothing, and says so.
    pub fn new() -> Self {
        Self {
            phase: Phase::Loading,
            at: None,
            held: BTreeMap::new(),
            staging: BTreeMap::new(),
            staging_at: None,
            keys_seen: false,
            needed: Vec::new(),
            wish: None,
            resuming: false,
            resumes: 0,
        }
    }

    /// Holds what the server rendered into the page: a whole topic as of a cursor.
    pub fn seeded(at: Cursor, items: Vec<Item>) -> Self {
        let mut ledger = Self { phase: Phase::Synced, at: Some(at), ..Self::new() };
        for item in items {
            let held = Held { uid: item.uid, version: item.v, value: Arc::new(item.o) };
            ledger.held.insert(item.k, held);
        }
        ledger
    }

    /// How complete it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Where to resume.
    pub fn at(&self) -> Option<&Cursor> {
        self.at.as_ref()
    }

    /// Everything held, by key.
    pub fn held(&self) -> &BTreeMap<String, Held> {
        &self.held
    }

    /// Takes a part of a snapshot, up to its `done`th item; it shows once the topic is synced. A first part begins
    /// anew: what was staged before may be of a wish that was taken back.
    pub fn snapshot(&mut self, at: Option<Cursor>, items: Vec<Item>, done: usize) {
        if self.staging_at != at || done == items.len() {
            self.staging.clear();
            self.staging_at = at;
        }
        for item in items {
            self.staging
                .insert(item.k, Held { uid: item.uid, version: item.v, value: Arc::new(item.o) });
        }
    }

    /// Takes the list of live keys: what is not among them is gone.
    pub fn keys(&mut self, live: &[String]) -> Vec<Delta> {
        self.keys_seen = true;
        let mut live: Vec<&str> = live.iter().map(String::as_str).collect();
        live.sort_unstable();
        let ghosts: Vec<String> = self
            .held
            .keys()
            .filter(|key| live.binary_search(&key_hash(key).as_str()).is_err())
            .cloned()
            .collect();
        ghosts.into_iter().filter_map(|key| self.drop_key(key)).collect()
    }

    /// Whether everything arrived that a `synced` completes, as far as it can be counted.
    pub fn is_whole(&self, at: &Cursor, recovered: Recovered, total: Option<usize>) -> bool {
        match recovered {
            Recovered::None => total.is_none_or(|total| {
                let same = self.staging_at.as_ref() == Some(at);
                total == 0 || (same && total == self.staging.len())
            }),
            Recovered::Keys => self.keys_seen,
            Recovered::Log => true,
        }
    }

    /// What was sent so far is all, as of `at`.
    pub fn synced(&mut self, at: Cursor, recovered: Recovered) -> Vec<Delta> {
        self.phase = Phase::Synced;
        self.resumes += u64::from(std::mem::take(&mut self.resuming));
        let mut staged = std::mem::take(&mut self.staging);
        if self.staging_at.take().is_some_and(|staged_at| staged_at != at) {
            staged.clear();
        }
        // A process that hears later than the one before tells us what we have left behind.
        if !self.move_to(at) || recovered != Recovered::None {
            return Vec::new();
        }
        let ghosts: Vec<String> =
            self.held.keys().filter(|key| !staged.contains_key(*key)).cloned().collect();
        let mut deltas: Vec<Delta> =
            ghosts.into_iter().filter_map(|key| self.drop_key(key)).collect();
        for (key, new) in staged {
            if self.held.get(&key) != Some(&new) {
                self.held.insert(key.clone(), new.clone());
                deltas.push(Delta::Put(key, new));
            }
        }
        deltas
    }

    /// Takes changes; also returns the keys whose patch has no base here.
    pub fn changes(&mut self, at: Cursor, ops: Vec<Op>) -> (Vec<Delta>, Vec<String>) {
        let mut deltas = Vec::new();
        let mut needs = Vec::new();
        let reached = self.at.as_ref().filter(|known| known.0 == at.0).map_or(0, |known| known.1);
        for op in ops {
            // What our place covers is in what we hold, or was and is gone: a late process may tell it again.
            let (key, version) = op.of();
            if version <= reached && !self.needed.iter().any(|needed| needed == key) {
                continue;
            }
            match op {
                Op::Put { k, uid, v, o, .. } => {
                    if self.held.get(&k).is_none_or(|held| held.version < v) {
                        let held = Held { uid, version: v, value: Arc::new(o) };
                        self.held.insert(k.clone(), held.clone());
                        deltas.push(Delta::Put(k, held));
                    }
                }
                Op::Patch { k, base, v, p } => match self.held.get_mut(&k) {
                    Some(held) if held.version == base => {
                        let mut value = (*held.value).clone();
                        apply_merge_patch(&mut value, &p);
                        held.value = Arc::new(value);
                        held.version = v;
                        deltas.push(Delta::Put(k, held.clone()));
                    }
                    Some(held) if held.version >= v => {}
                    _ => needs.push(k),
                },
                Op::Del { k, v, .. } | Op::Out { k, v } => {
                    if self.held.get(&k).is_some_and(|held| held.version <= v) {
                        deltas.extend(self.drop_key(k));
                    }
                }
            }
        }
        self.move_to(at);
        self.needed.extend_from_slice(&needs);
        (deltas, needs)
    }

    /// Forgets the place and what is half read, so that the next resume brings everything, even if the
    /// link breaks before a resync is answered.
    pub fn distrust(&mut self) {
        self.at = None;
        self.reconnecting();
    }

    /// The link is back after a cut: what becomes complete now is resumed.
    pub fn resume(&mut self) {
        self.resuming = self.phase == Phase::Synced;
    }

    /// Whether it was complete before a cut, and not yet again.
    pub fn is_resuming(&self) -> bool {
        self.resuming
    }

    /// How often it was complete again after a cut.
    pub fn resumes(&self) -> u64 {
        self.resumes
    }

    /// Whether what is held may be continued under a wish of this number.
    pub fn is_of(&self, wish: Option<u32>) -> bool {
        self.wish.is_none() || self.wish == wish
    }

    /// What is held was read under a wish of this number.
    pub fn read_under(&mut self, wish: Option<u32>) {
        self.wish = wish;
    }

    /// A new connection begins: half a snapshot is worth nothing.
    pub fn reconnecting(&mut self) {
        self.staging.clear();
        self.keys_seen = false;
        self.needed.clear();
    }

    /// Moves the place, but never back; false if that was asked.
    fn move_to(&mut self, at: Cursor) -> bool {
        let backwards = self.at.as_ref().is_some_and(|known| known.0 == at.0 && known.1 > at.1);
        if !backwards {
            self.at = Some(at);
        }
        !backwards
    }

    fn drop_key(&mut self, key: String) -> Option<Delta> {
        self.held.remove(&key).map(|_| Delta::Gone(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(k: &str, v: u64, o: Value) -> Item {
        Item { k: k.into(), uid: None, v, o }
    }

    fn put(k: &str, v: u64, o: Value) -> Op {
        Op::Put { k: k.into(), uid: None, v, o, folded: 0 }
    }

    fn at(version: u64) -> Cursor {
        Cursor("e".into(), version)
    }

    fn synced() -> Ledger {
        let mut ledger = Ledger::new();
        let items = vec![item("a", 1, json!({"x": 1, "y": 1})), item("b", 2, json!(2))];
        ledger.snapshot(None, items, 2);
        assert_eq!(
            (ledger.phase(), ledger.held().len()),
            (Phase::Loading, 0),
            "half a snapshot is not shown"
        );
        assert_eq!(ledger.synced(at(2), Recovered::None).len(), 2);
        ledger
    }

    #[test]
    fn an_empty_topic_is_synced_not_loading() {
        let mut ledger = Ledger::new();
        ledger.synced(at(5), Recovered::None);
        assert_eq!((ledger.phase(), ledger.held().len()), (Phase::Synced, 0));
    }

    #[test]
    fn a_stale_change_is_dropped_and_the_cursor_stays() {
        let mut ledger = synced();
        ledger.changes(at(9), vec![put("a", 9, json!(9))]);
        let (deltas, _) = ledger.changes(
            at(5),
            vec![put("a", 5, json!(5)), Op::Del { k: "a".into(), uid: None, v: 4 }],
        );
        assert_eq!(deltas, []);
        assert_eq!((*ledger.held()["a"].value).clone(), json!(9));
        assert_eq!(ledger.at(), Some(&at(9)));
    }

    #[test]
    fn a_patch_needs_its_base() {
        let mut ledger = synced();
        let patch = |base, v| Op::Patch { k: "a".into(), base, v, p: json!({"x": 7, "y": null}) };
        let (deltas, needs) = ledger.changes(at(3), vec![patch(1, 3)]);
        assert_eq!((deltas.len(), needs.len()), (1, 0));
        assert_eq!((*ledger.held()["a"].value).clone(), json!({"x": 7}), "a removed field is gone");
        assert_eq!(ledger.changes(at(8), vec![patch(5, 8)]).1, ["a"]);
        assert_eq!(
            ledger.changes(at(8), vec![patch(1, 3)]).1,
            [""; 0],
            "an old patch is not needed"
        );
    }

    #[test]
    fn a_process_that_hears_late_brings_nothing_back() {
        let mut ledger = synced();
        ledger.changes(at(9), vec![Op::Del { k: "a".into(), uid: None, v: 9 }]);
        assert_eq!(ledger.changes(at(5), vec![put("a", 5, json!(5))]).0, []);
        ledger.snapshot(Some(at(6)), vec![item("a", 5, json!(5)), item("b", 2, json!(2))], 2);
        assert_eq!(ledger.synced(at(6), Recovered::None), []);
        assert_eq!((ledger.held().len(), ledger.at()), (1, Some(&at(9))));
    }

    #[test]
    fn ghosts_go_with_the_list_of_live_keys() {
        let mut ledger = synced();
        assert_eq!(ledger.keys(&[key_hash("b")]), [Delta::Gone("a".into())]);
    }

    #[test]
    fn a_second_snapshot_shows_only_what_differs() {
        let mut ledger = synced();
        ledger.snapshot(None, vec![item("b", 2, json!(2)), item("c", 3, json!(3))], 2);
        let deltas = ledger.synced(at(3), Recovered::None);
        assert_eq!(deltas.len(), 2, "{deltas:?}");
        assert!(matches!(&deltas[0], Delta::Gone(key) if key == "a"));
        assert!(matches!(&deltas[1], Delta::Put(key, _) if key == "c"));
    }

    #[test]
    fn what_was_staged_for_a_wish_that_was_taken_back_is_no_part_of_the_next_snapshot() {
        let mut ledger = Ledger::new();
        ledger.snapshot(Some(at(2)), vec![item("a", 1, json!(0)), item("b", 2, json!(0))], 2);
        ledger.snapshot(Some(at(2)), vec![item("a", 1, json!(0))], 1);
        assert!(ledger.is_whole(&at(2), Recovered::None, Some(1)));
        assert_eq!(ledger.synced(at(2), Recovered::None).len(), 1);
    }

    #[test]
    fn another_epoch_may_go_back() {
        let mut ledger = synced();
        ledger.snapshot(None, vec![item("a", 1, json!(0))], 1);
        ledger.synced(Cursor("f".into(), 1), Recovered::None);
        assert_eq!(ledger.at(), Some(&Cursor("f".into(), 1)));
    }
}
