//! The rows of a list page: the table's model fed by the topics, and the signals that pages derive from.
//!
//! Invariant: the model is changed by the link's batches and by the query only; a row that changes in
//! place wakes nobody but itself.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    kind::Kind,
    object::{ObjectKey, Row},
    readiness::Readiness,
    report::{ListPage, ListQuery},
    state::{KindWatch, SwitchReadiness},
    topic::Topic as TopicName,
    wire::{
        Item, Want,
        ledger::{Delta, Held},
    },
};
use leptos::prelude::*;

use super::{
    span::Span,
    standing::{Facts, Standing, standing},
};
use crate::{
    fabrics,
    live::{Live, Topic, read_as},
    table::{
        Line,
        model::{Change, Pending, TableModel},
        query::Query,
    },
};

/// Prefix of the keys of a switch's readiness in a state topic.
const READINESS: &str = "readiness/";

/// What a row shows: the last that was known, and whether it is gone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    /// Its row.
    pub(super) row: Arc<Row>,
    /// Whether the object is gone, while its row is still held.
    pub(super) gone: bool,
}

/// What is known of the list as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows that are shown.
    pub(super) shown: usize,
    /// Rows that are here.
    pub(super) here: usize,
    /// Rows that match, where all are here or the server said so.
    pub(super) matched: Option<usize>,
    /// All rows, where that was observed.
    pub(super) total: Option<usize>,
    /// Whether all are here.
    pub(super) complete: bool,
    /// What the held order hides.
    pub(super) pending: Pending,
    /// Whether there is more than one namespace.
    pub(super) namespaces: bool,
}

/// What the server said at first.
#[derive(Clone, PartialEq)]
struct First {
    asked: ListQuery,
    matched: Option<usize>,
    total: Option<usize>,
}

/// See the module. Copy.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// The kind.
    pub(super) kind: Kind,
    objects: Topic,
    state: Topic,
    model: StoredValue<TableModel>,
    complete: StoredValue<bool>,
    /// Rises when the order or the totals changed.
    beat: RwSignal<u64>,
    asked: Memo<ListQuery>,
    query: Memo<Query>,
    first: StoredValue<First>,
    watch: Memo<Option<KindWatch>>,
}

impl Rows {
    /// Takes over what the server rendered, and follows from there.
    pub(super) fn new(page: &ListPage, asked: Memo<ListQuery>) -> Self {
        let (live, kind) = (Live::expect(), page.kind);
        let name = TopicName::Objects(page.fabric.id.clone(), kind);
        if !page.partial && page.total.is_some() {
            live.seed(&name, page.at.clone(), items(page));
        }
        fabrics::seed(live, &page.fabric);
        let query = Memo::new(move |_| asked.with(|asked| Query::compile(kind, asked)));
        let state = live.follow(Want::rows(TopicName::State(page.fabric.id.clone()).to_string()));
        let rows = Self {
            kind,
            objects: live.follow(Want::rows(name.to_string())),
            state,
            model: StoredValue::new(first_model(page, query.get_untracked())),
            complete: StoredValue::new(!page.partial && page.total.is_some()),
            beat: RwSignal::new(0),
            asked,
            query,
            first: StoredValue::new(First {
                asked: asked.get_untracked(),
                matched: page.matched,
                total: page.total,
            }),
            watch: state.value(&format!("watch/{kind}")),
        };
        rows.objects.on_deltas(move |deltas| rows.take(deltas));
        if kind == Kind::Switch {
            rows.state.on_deltas(move |deltas| rows.take_state(deltas));
        }
        rows
    }

    fn take(self, deltas: &[Delta]) {
        let reordered = if self.complete.try_get_value() == Some(false) && self.objects.is_synced()
        {
            let rows = self.objects.read(all_rows);
            self.model.try_update_value(|model| model.reset(rows));
            self.complete.try_update_value(|complete| *complete = true);
            true
        } else {
            self.apply(deltas.iter().filter_map(change).collect())
        };
        if reordered {
            self.beat.try_update(|beat| *beat += 1);
        }
    }

    fn take_state(self, deltas: &[Delta]) {
        if self.apply(deltas.iter().filter_map(readiness_change).collect()) {
            self.beat.try_update(|beat| *beat += 1);
        }
    }

    /// Whether the order or a total changed.
    fn apply(self, changes: Vec<Change>) -> bool {
        let applied = self.model.try_update_value(|model| {
            let total = model.total();
            let change = model.apply(changes);
            change.reordered() || model.total() != total
        });
        applied.unwrap_or_default()
    }

    /// Reads the model as the query wants it. Tracked: wakes when order, totals or query change.
    fn with<R: Default>(self, read: impl FnOnce(&TableModel) -> R) -> R {
        self.beat.track();
        let query = self.query.get();
        let read = self.model.try_update_value(|model| {
            model.ask(query);
            read(model)
        });
        read.unwrap_or_default()
    }

    /// Keys of the rows in a span.
    pub(super) fn keys(self, span: Signal<Span>) -> Memo<Vec<ObjectKey>> {
        Memo::new(move |_| {
            let span = span.get();
            self.with(|model| model.window(span.first, span.count))
        })
    }

    /// Counts and what they rest on.
    pub(super) fn tally(self) -> Memo<Tally> {
        Memo::new(move |_| {
            let (first, asked) = (self.first.get_value(), self.asked.get());
            let listed = self.watch.with(|watch| watch.as_ref().is_some_and(was_listed));
            let complete = self.complete.get_value();
            let (shown, here, matched, pending, namespaces) = self.with(|model| {
                (
                    model.len(),
                    model.total(),
                    model.matched(),
                    model.pending(),
                    model.many_namespaces(),
                )
            });
            let (matched, total) = if complete {
                (listed.then_some(matched), listed.then_some(here))
            } else {
                (first.matched.filter(|_| first.asked == asked), first.total)
            };
            Tally { shown, here, matched, total, complete, pending, namespaces }
        })
    }

    /// The watch of the kind, as far as it is known.
    pub(super) fn watch(self) -> Memo<Option<KindWatch>> {
        self.watch
    }

    /// Decides something from the facts. Tracked.
    pub(super) fn decide<R>(self, tally: Memo<Tally>, decide: impl FnOnce(Facts<'_>) -> R) -> R {
        let tally = tally.get();
        self.watch.with(|watch| {
            decide(Facts {
                kind: self.kind,
                watch: watch.as_ref(),
                complete: tally.complete,
                here: tally.here,
                shown: tally.shown,
            })
        })
    }

    /// What stands in place of rows.
    pub(super) fn standing(self, tally: Memo<Tally>) -> Memo<Standing> {
        Memo::new(move |_| self.decide(tally, standing))
    }

    /// Why the query cannot be read, if it cannot.
    pub(super) fn problem(self) -> Memo<Option<String>> {
        Memo::new(move |_| self.query.with(|query| query.problem().map(str::to_owned)))
    }

    /// What one row shows. Wakes only when this row changes.
    pub(super) fn row(self, key: &ObjectKey) -> Memo<Shown> {
        let (entry, key) = (self.objects.entry(&key.to_string()), key.clone());
        Memo::new(move |last: Option<&Shown>| {
            entry.track();
            let line = self
                .model
                .with_value(|model| model.line(&key).map(|line: &Arc<Line>| Arc::clone(&line.row)));
            match (line, last) {
                (Some(row), _) => Shown { row, gone: false },
                (None, Some(last)) => Shown { row: Arc::clone(&last.row), gone: true },
                (None, None) => Shown { row: Arc::default(), gone: true },
            }
        })
    }

    /// Readiness of a switch, where it was observed. Wakes only when it changes.
    pub(super) fn readiness(self, key: &ObjectKey) -> Memo<Option<SwitchReadiness>> {
        self.state.value(&format!("{READINESS}{key}"))
    }

    /// Holds the order, or lets it go.
    pub(super) fn hold(self, hold: bool) {
        let differs = self.model.try_update_value(|model| {
            if hold {
                model.hold();
                false
            } else {
                model.release()
            }
        });
        if differs == Some(true) {
            self.beat.try_update(|beat| *beat += 1);
        }
    }

    /// Place of a key among the shown rows.
    pub(super) fn position(self, key: &ObjectKey) -> Option<usize> {
        self.model.try_with_value(|model| model.position(key)).flatten()
    }

    /// Key at a place, or the last one.
    pub(super) fn key_at(self, at: usize) -> Option<ObjectKey> {
        let key = self
            .model
            .try_with_value(|model| model.key_at(at.min(model.len().saturating_sub(1))).cloned());
        key.flatten()
    }
}

/// Whether a kind was listed once, so that its rows may be counted.
fn was_listed(watch: &KindWatch) -> bool {
    watch.state == domain::state::WatchState::Live || watch.as_of.is_some()
}

fn first_model(page: &ListPage, query: Query) -> TableModel {
    let mut model = TableModel::new(query);
    let ready = page.fabric.readiness.iter();
    model.apply(
        ready.map(|(key, ready)| Change::Readiness(key.clone(), Some(ready.state))).collect(),
    );
    model.reset(page.rows.iter().map(|line| (line.key.clone(), Arc::new(line.row.clone()))));
    model
}

/// The page's rows as the entries of their topic.
fn items(page: &ListPage) -> Vec<Item> {
    let item = |line: &domain::report::ListRow| {
        let o = serde_json::to_value(&line.row).ok()?;
        Some(Item { k: line.key.to_string(), uid: Some(line.uid.clone()), v: line.version, o })
    };
    page.rows.iter().filter_map(item).collect()
}

fn all_rows(held: &BTreeMap<String, Held>) -> Vec<(ObjectKey, Arc<Row>)> {
    let row = |(key, held): (&String, &Held)| Some((key.parse().ok()?, Arc::new(read_as(held)?)));
    held.iter().filter_map(row).collect()
}

fn change(delta: &Delta) -> Option<Change> {
    match delta {
        Delta::Put(key, held) => Some(Change::Put(key.parse().ok()?, Arc::new(read_as(held)?))),
        Delta::Gone(key) => Some(Change::Gone(key.parse().ok()?)),
    }
}

fn readiness_change(delta: &Delta) -> Option<Change> {
    let state = |held: &Held| read_as::<SwitchReadiness>(held).map(|ready| ready.state);
    let (key, state): (&String, Option<Readiness>) = match delta {
        Delta::Put(key, held) => (key, state(held)),
        Delta::Gone(key) => (key, None),
    };
    Some(Change::Readiness(key.strip_prefix(READINESS)?.parse().ok()?, state))
}
