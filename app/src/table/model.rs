//! The rows of a list in the browser: filtered and sorted as they change, one at a time.
//!
//! A change of one row costs O(log n) comparisons and a move of pointers. While a pointer rests on the
//! table the shown order can be held; what would have moved is counted.
//!
//! Invariant: `order` holds exactly the lines that the query matches, in its order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::{
    object::{ObjectKey, Row},
    readiness::Readiness,
};

use super::{Line, query::Query};

/// Of so many changes at once, relative to the rows, a full sort is cheaper than moves.
const SORT_ANEW_ABOVE: usize = 8;

/// One change of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The object has this row now.
    Put(ObjectKey, Arc<Row>),
    /// The object is gone.
    Gone(ObjectKey),
    /// The readiness of a switch; none: no longer observed. May come before the row.
    Readiness(ObjectKey, Option<Readiness>),
}

/// What changes did to the order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableChange {
    /// Rows that stand elsewhere now.
    pub moved: usize,
    /// Rows that came in.
    pub entered: usize,
    /// Rows that went out.
    pub left: usize,
    /// Rows whose content changed in place.
    pub changed: usize,
}

impl TableChange {
    /// Whether the order of keys is another one.
    pub fn reordered(&self) -> bool {
        self.moved + self.entered + self.left > 0
    }
}

/// What would move, were the order not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Rows that are not shown yet.
    pub new: usize,
    /// Rows that stand elsewhere.
    pub moved: usize,
    /// Rows that are gone but still shown.
    pub gone: usize,
}

/// A held order and how the true one went away from it.
#[derive(Debug, Clone, Default)]
struct Held {
    order: Vec<Arc<Line>>,
    new: BTreeSet<ObjectKey>,
    moved: BTreeSet<ObjectKey>,
    gone: BTreeSet<ObjectKey>,
}

/// What became of one line in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Changed,
    Moved,
    Entered,
    Left,
}

impl Held {
    /// A key that comes while it is not among the gone cannot be in the held order.
    fn note(&mut self, key: &ObjectKey, step: Step) {
        match step {
            Step::Changed => {}
            Step::Moved => {
                if !self.new.contains(key) {
                    self.moved.insert(key.clone());
                }
            }
            Step::Entered => {
                let set = if self.gone.remove(key) { &mut self.moved } else { &mut self.new };
                set.insert(key.clone());
            }
            Step::Left => {
                self.moved.remove(key);
                if !self.new.remove(key) {
                    self.gone.insert(key.clone());
                }
            }
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct TableModel {
    query: Query,
    lines: BTreeMap<ObjectKey, Arc<Line>>,
    readiness: BTreeMap<ObjectKey, Readiness>,
    namespaces: BTreeMap<String, usize>,
    order: Vec<Arc<Line>>,
    held: Option<Held>,
}

impl TableModel {
    /// A model without rows.
    pub fn new(query: Query) -> Self {
        Self { query, ..Self::default() }
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Asks another query; a held order is let go. False if it is the same.
    pub fn ask(&mut self, query: Query) -> bool {
        if self.query == query {
            return false;
        }
        self.query = query;
        self.held = None;
        self.sort_anew();
        true
    }

    /// Replaces all rows.
    pub fn reset(&mut self, rows: impl IntoIterator<Item = (ObjectKey, Arc<Row>)>) {
        self.lines.clear();
        self.namespaces.clear();
        for (key, row) in rows {
            self.keep(key, row);
        }
        self.held = None;
        self.sort_anew();
    }

    /// Applies changes.
    pub fn apply(&mut self, changes: Vec<Change>) -> TableChange {
        let mut change = TableChange::default();
        if changes.len() > SORT_ANEW_ABOVE + self.lines.len() / SORT_ANEW_ABOVE {
            return self.apply_many(changes);
        }
        for one in changes {
            match one {
                Change::Put(key, row) => self.put(key, row, &mut change),
                Change::Gone(key) => self.gone(&key, &mut change),
                Change::Readiness(key, state) => self.ready(&key, state, &mut change),
            }
        }
        change
    }

    /// The keys of all that is shown or held back.
    fn keys_in_order(&self) -> BTreeSet<ObjectKey> {
        let mut keys = BTreeSet::new();
        // Collecting would sort first, by code of its own.
        keys.extend(self.order.iter().map(|line| line.key.clone()));
        keys
    }

    fn apply_many(&mut self, changes: Vec<Change>) -> TableChange {
        let count = changes.len();
        let before = self.keys_in_order();
        for one in changes {
            match one {
                Change::Put(key, row) => {
                    self.keep(key, row);
                }
                Change::Gone(key) => {
                    self.forget(&key);
                }
                Change::Readiness(key, state) => {
                    self.keep_readiness(&key, state);
                }
            }
        }
        self.sort_anew();
        let after = self.keys_in_order();
        let entered: Vec<_> = after.iter().filter(|key| !before.contains(*key)).collect();
        let left: Vec<_> = before.iter().filter(|key| !after.contains(*key)).collect();
        if let Some(held) = &mut self.held {
            for key in &entered {
                held.note(key, Step::Entered);
            }
            for key in &left {
                held.note(key, Step::Left);
            }
        }
        // Which of the others moved is not worth a count: all that stay may have.
        TableChange {
            moved: after.len() - entered.len(),
            entered: entered.len(),
            left: left.len(),
            changed: count,
        }
    }

    fn put(&mut self, key: ObjectKey, row: Arc<Row>, change: &mut TableChange) {
        let (old, new) = self.keep(key, row);
        self.place(old, new, change);
    }

    fn ready(&mut self, key: &ObjectKey, state: Option<Readiness>, change: &mut TableChange) {
        if let Some((old, new)) = self.keep_readiness(key, state) {
            self.place(Some(old), new, change);
        }
    }

    fn gone(&mut self, key: &ObjectKey, change: &mut TableChange) {
        let Some(old) = self.forget(key) else { return };
        if let Ok(at) = self.find(&old) {
            self.order.remove(at);
            self.note(key, Step::Left, change);
        }
    }

    /// Puts a line where it belongs now.
    fn place(&mut self, old: Option<Arc<Line>>, new: Arc<Line>, change: &mut TableChange) {
        let key = new.key.clone();
        let was = old.filter(|old| self.query.matches(old)).and_then(|old| self.find(&old).ok());
        let matches = self.query.matches(&new);
        let step = match (was, matches) {
            (Some(at), true) if self.fits(at, &new) => {
                if let Some(place) = self.order.get_mut(at) {
                    *place = new;
                }
                Step::Changed
            }
            (Some(at), true) => {
                self.order.remove(at);
                self.insert(new);
                Step::Moved
            }
            (Some(at), false) => {
                self.order.remove(at);
                Step::Left
            }
            (None, true) => {
                self.insert(new);
                Step::Entered
            }
            (None, false) => return,
        };
        self.note(&key, step, change);
    }

    fn note(&mut self, key: &ObjectKey, step: Step, change: &mut TableChange) {
        match step {
            Step::Changed => change.changed += 1,
            Step::Moved => change.moved += 1,
            Step::Entered => change.entered += 1,
            Step::Left => change.left += 1,
        }
        if let Some(held) = &mut self.held {
            held.note(key, step);
        }
    }

    /// Whether a line may stand at this place without disorder.
    fn fits(&self, at: usize, line: &Line) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.order.get(at));
        let after = self.order.get(at + 1);
        before.is_none_or(|before| self.query.compare(before, line).is_lt())
            && after.is_none_or(|after| self.query.compare(line, after).is_lt())
    }

    fn insert(&mut self, line: Arc<Line>) {
        if let Err(at) = self.find(&line) {
            self.order.insert(at, line);
        }
    }

    fn find(&self, line: &Line) -> Result<usize, usize> {
        self.order.binary_search_by(|other| self.query.compare(other, line))
    }

    fn sort_anew(&mut self) {
        self.order = self.lines.values().filter(|line| self.query.matches(line)).cloned().collect();
        self.order.sort_unstable_by(|a, b| self.query.compare(a, b));
    }

    /// Remembers a row; returns the old line and the new one.
    fn keep(&mut self, key: ObjectKey, row: Arc<Row>) -> (Option<Arc<Line>>, Arc<Line>) {
        let readiness = self.readiness.get(&key).copied();
        let line = Arc::new(Line { key: key.clone(), row, readiness });
        let old = self.lines.insert(key, Arc::clone(&line));
        if old.is_none() {
            *self.namespaces.entry(line.key.namespace().to_owned()).or_default() += 1;
        }
        (old, line)
    }

    fn keep_readiness(
        &mut self,
        key: &ObjectKey,
        state: Option<Readiness>,
    ) -> Option<(Arc<Line>, Arc<Line>)> {
        match state {
            Some(state) => self.readiness.insert(key.clone(), state),
            None => self.readiness.remove(key),
        };
        let line = self.lines.get_mut(key)?;
        let old = Arc::clone(line);
        *line = Arc::new(Line { readiness: state, ..(*old).clone() });
        Some((old, Arc::clone(line)))
    }

    fn forget(&mut self, key: &ObjectKey) -> Option<Arc<Line>> {
        let old = self.lines.remove(key)?;
        if let Some(count) = self.namespaces.get_mut(key.namespace()) {
            *count -= 1;
            if *count == 0 {
                self.namespaces.remove(key.namespace());
            }
        }
        Some(old)
    }

    /// Holds the shown order until [`TableModel::release`]; rows still show their newest content.
    pub fn hold(&mut self) {
        if self.held.is_none() {
            self.held = Some(Held { order: self.order.clone(), ..Held::default() });
        }
    }

    /// Shows the true order again. Whether it differs from the shown one.
    pub fn release(&mut self) -> bool {
        self.held.take().is_some_and(|held| {
            let keys = held.order.iter().map(|line| &line.key);
            !keys.eq(self.order.iter().map(|line| &line.key))
        })
    }

    /// What would move, were the order not held.
    pub fn pending(&self) -> Pending {
        self.held.as_ref().map_or_else(Pending::default, |held| Pending {
            new: held.new.len(),
            moved: held.moved.len(),
            gone: held.gone.len(),
        })
    }

    fn shown(&self) -> &[Arc<Line>] {
        self.held.as_ref().map_or(&self.order, |held| &held.order)
    }

    /// Keys of `count` shown rows from the `first` on.
    pub fn window(&self, first: usize, count: usize) -> Vec<ObjectKey> {
        self.shown().iter().skip(first).take(count).map(|line| line.key.clone()).collect()
    }

    /// Rows that are shown: the matched ones, or as many as were when the order was held.
    pub fn len(&self) -> usize {
        self.shown().len()
    }

    /// Whether no row is shown.
    pub fn is_empty(&self) -> bool {
        self.shown().is_empty()
    }

    /// Place of a key among the shown rows.
    pub fn position(&self, key: &ObjectKey) -> Option<usize> {
        self.shown().iter().position(|line| line.key == *key)
    }

    /// Key at a place among the shown rows.
    pub fn key_at(&self, at: usize) -> Option<&ObjectKey> {
        self.shown().get(at).map(|line| &line.key)
    }

    /// What is known of a key.
    pub fn line(&self, key: &ObjectKey) -> Option<&Arc<Line>> {
        self.lines.get(key)
    }

    /// Rows that the query matches.
    pub fn matched(&self) -> usize {
        self.order.len()
    }

    /// All rows.
    pub fn total(&self) -> usize {
        self.lines.len()
    }

    /// Whether the rows lie in more than one namespace.
    pub fn many_namespaces(&self) -> bool {
        self.namespaces.len() > 1
    }
}
