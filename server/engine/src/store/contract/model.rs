//! Any moment of any history equals a model that keeps every state; whatever was checkpointed or let go
//! in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::{
    history::{self, Found, Moment},
    kind::Kind,
    object::ObjectKey,
};
use proptest::{collection, prelude::*};
use serde_json::{Value, json};

use super::{BEGAN, claimed, fabric, key};
use crate::store::{Batch, Change, Claim, Known, Origin, Retention, Store};

/// Kinds that the model writes; one of them rarely.
const KINDS: [Kind; 2] = [Kind::Vpc, Kind::Switch];
/// Names that the model writes: few, so that they meet.
const NAMES: usize = 4;

/// What happens.
#[derive(Debug, Clone)]
pub(in crate::store) enum Step {
    /// An object is seen as a value, or gone, some time after what was seen before.
    Seen { kind: usize, name: usize, value: Option<u8>, later_ms: i64 },
    /// A list brings changes of several objects at once, their versions in any order.
    Listed { kind: usize, values: Vec<Option<u8>>, shuffle: u64 },
    /// What was seen is written.
    Written,
    /// The cluster's storage goes back.
    Rewound { kind: usize },
    /// The store is made to keep a checkpoint.
    Checkpoint { kind: usize },
    /// What is older than this goes.
    Upkeep { age_ms: i64 },
}

/// Any sequence of steps.
pub(in crate::store) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![4 => Just(0_usize), 1 => Just(1_usize)];
    let value = || proptest::option::weighted(0.8, any::<u8>());
    let step = prop_oneof![
        8 => (kind.clone(), 0..NAMES, value(), 0..3_i64)
            .prop_map(|(kind, name, value, later)| Step::Seen { kind, name, value, later_ms: later * 10 }),
        1 => (kind.clone(), collection::vec(value(), NAMES), any::<u64>())
            .prop_map(|(kind, values, shuffle)| Step::Listed { kind, values, shuffle }),
        4 => Just(Step::Written),
        1 => kind.clone().prop_map(|kind| Step::Rewound { kind }),
        2 => kind.prop_map(|kind| Step::Checkpoint { kind }),
        1 => (0..300_i64).prop_map(|age_ms| Step::Upkeep { age_ms }),
    ];
    collection::vec(step, 1..80)
}

/// A change as the model keeps it: the whole state of the object after it.
#[derive(Debug, Clone)]
struct Kept {
    name: ObjectKey,
    rewinds: u32,
    version: u64,
    at_ms: i64,
    value: Option<Value>,
}

/// A kind as the model keeps it.
#[derive(Debug, Default)]
struct Book {
    all: Vec<Kept>,
    written: usize,
    rewinds: u32,
    version: u64,
}

impl Book {
    fn at(&self, moment: Moment) -> BTreeMap<ObjectKey, (u64, Value)> {
        let mut state = BTreeMap::new();
        for change in self.all.iter().filter(|change| self.is_in(change, moment)) {
            match &change.value {
                Some(value) => {
                    state.insert(change.name.clone(), (change.version, value.clone()));
                }
                None => {
                    state.remove(&change.name);
                }
            }
        }
        state
    }

    fn is_in(&self, change: &Kept, moment: Moment) -> bool {
        match moment {
            Moment::Now => true,
            Moment::Time(ms) => change.at_ms <= ms,
            Moment::Version(version) => change.rewinds < self.rewinds || change.version <= version,
        }
    }

    /// Whether all that is older than what was let go is in the state at a moment: then it is kept.
    fn must_be_kept(&self, moment: Moment, cut_ms: i64) -> bool {
        self.all
            .iter()
            .filter(|change| change.at_ms <= cut_ms)
            .all(|change| self.is_in(change, moment))
    }

    fn moments(&self) -> Vec<Moment> {
        let times: BTreeSet<i64> =
            self.all.iter().flat_map(|change| [change.at_ms - 1, change.at_ms]).collect();
        let versions: BTreeSet<u64> =
            self.all.iter().flat_map(|change| [change.version - 1, change.version]).collect();
        let times = times.into_iter().map(Moment::Time);
        times.chain(versions.into_iter().map(Moment::Version)).chain([Moment::Now]).collect()
    }
}

/// The model and the store beside each other.
struct Run {
    store: Arc<dyn Store>,
    claim: Claim,
    books: [Book; 2],
    waiting: Batch,
    now_ms: i64,
    /// Everything at or before it may have been let go.
    cut_ms: i64,
}

/// Runs steps and compares every moment. `checkpoint` makes the store keep one of a kind now.
pub(in crate::store) async fn any_moment_equals_the_model(
    store: Arc<dyn Store>,
    steps: Vec<Step>,
    checkpoint: impl AsyncFn(Kind),
) {
    let claim = claimed(&*store, &fabric("prod"), "model", BEGAN).await;
    let (books, waiting) = ([Book::default(), Book::default()], Batch::default());
    let mut run = Run { store, claim, books, waiting, now_ms: BEGAN, cut_ms: i64::MIN };
    for step in steps {
        match step {
            Step::Seen { kind, name, value, later_ms } => {
                run.now_ms += later_ms;
                let version = run.books[kind].version + 1;
                run.seen(kind, name, version, value, Found::Live);
            }
            Step::Listed { kind, values, shuffle } => {
                run.now_ms += 10;
                let first = run.books[kind].version;
                for (name, value) in values.into_iter().enumerate() {
                    let place = (name as u64 + shuffle) % NAMES as u64;
                    run.seen(kind, name, first + 1 + place, value, Found::AfterGap);
                }
            }
            Step::Written => run.write().await,
            Step::Rewound { kind } => run.rewind(kind).await,
            Step::Checkpoint { kind } => {
                run.write().await;
                checkpoint(KINDS[kind]).await;
            }
            Step::Upkeep { age_ms } => {
                run.write().await;
                let retention = Retention { max_age_ms: age_ms, max_bytes: u64::MAX };
                run.store.upkeep(retention, run.now_ms).await.unwrap();
                run.cut_ms = run.cut_ms.max(run.now_ms - age_ms);
            }
        }
    }
    run.write().await;
    run.compare().await;
}

impl Run {
    fn seen(&mut self, kind: usize, name: usize, version: u64, value: Option<u8>, found: Found) {
        let book = &mut self.books[kind];
        let name = key(&format!("o{name}"));
        let before = book.all.iter().rev().find(|change| change.name == name);
        let before = before.and_then(|change| change.value.as_ref());
        let value = value.map(|value| {
            json!({ "spec": { "low": value % 4, "high": value / 4 }, "same": "x".repeat(40) })
        });
        let Some(content) = history::content(before, value.as_ref()) else { return };
        book.version = book.version.max(version);
        book.all.push(Kept {
            name: name.clone(),
            rewinds: book.rewinds,
            version,
            at_ms: self.now_ms,
            value,
        });
        self.waiting.changes.push(Change {
            kind: KINDS[kind],
            key: name,
            uid: "u".into(),
            version,
            at_ms: self.now_ms,
            found,
            manager: None,
            content,
        });
    }

    async fn write(&mut self) {
        let batch = std::mem::take(&mut self.waiting);
        self.store.append(&fabric("prod"), self.claim, &batch).await.unwrap();
        for book in &mut self.books {
            book.written = book.all.len();
        }
    }

    async fn rewind(&mut self, kind: usize) {
        // What was seen before is of the storage before.
        self.write().await;
        let book = &mut self.books[kind];
        book.rewinds += 1;
        book.version /= 2;
        let origin = Origin { identity: "cluster".to_owned(), rewinds: book.rewinds };
        self.waiting.origins = vec![(KINDS[kind], origin)];
        self.write().await;
    }

    async fn compare(&self) {
        for (kind, book) in KINDS.into_iter().zip(&self.books) {
            for moment in book.moments() {
                let known = self.store.at(&fabric("prod"), kind, moment).await.unwrap();
                if known.forgotten && !book.must_be_kept(moment, self.cut_ms) {
                    continue;
                }
                assert_eq!(values(known), book.at(moment), "{kind} at {moment}");
            }
            let Some(last) = book.all.last() else { continue };
            let history =
                self.store.history(&fabric("prod"), kind, &last.name, None, 1_000).await.unwrap();
            let kept = |change: &&Kept| change.name == last.name && change.at_ms > self.cut_ms;
            assert!(history.len() >= book.all.iter().filter(kept).count(), "{kind}");
        }
    }
}

fn values(known: Known) -> BTreeMap<ObjectKey, (u64, Value)> {
    assert!(!known.forgotten, "it should be kept");
    known.objects.into_iter().map(|(key, kept)| (key, (kept.version, kept.object))).collect()
}
