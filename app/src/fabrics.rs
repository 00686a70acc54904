//! The fabrics, as the whole app sees them: seeded with what the server rendered, live afterwards.
//!
//! One of the app's contexts: rail, switcher, title and pages all read the same state topics.
//!
//! Invariant: what was not observed is absent; nothing here fills in a zero.

use std::{
    collections::BTreeMap,
    sync::{Arc, Once},
};

use domain::{
    kind::Kind,
    object::ObjectKey,
    report::{FabricSummary, Overview},
    state::{Connectivity, FabricState, KindCount, KindWatch, RecordState, SwitchReadiness},
    topic::{FabricId, Topic as TopicName},
    wire::{
        Item, Want,
        ledger::{Held, Phase},
    },
};
use leptos::prelude::*;
use serde::Serialize;

use crate::{
    api::{ApiError, read_frame, read_overview},
    codec::Lean,
    live::{Live, Topics, read_as},
};

/// What is known of a fabric: its state topic, read as types.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// Connectivity; absent until the first word of it.
    pub state: Option<FabricState>,
    /// Watch of each kind.
    pub watches: BTreeMap<Kind, KindWatch>,
    /// Whether what happens is recorded; absent until the first word of it.
    pub records: Option<RecordState>,
    /// Objects of each kind that was listed.
    pub counts: BTreeMap<Kind, KindCount>,
    /// Readiness of each switch.
    pub readiness: BTreeMap<ObjectKey, SwitchReadiness>,
}

impl Known {
    /// Reads the entries of a state topic; what does not read is left out.
    pub fn of(held: &BTreeMap<String, Held>) -> Self {
        let mut known = Self::default();
        for (key, value) in held {
            match key.split_once('/') {
                None if key == CONNECTIVITY => known.state = read_as(value),
                None if key == RECORDS => known.records = read_as(value),
                Some(("watch", kind)) => put(&mut known.watches, Kind::from_name(kind), value),
                Some(("counts", kind)) => put(&mut known.counts, Kind::from_name(kind), value),
                Some(("readiness", key)) => put(&mut known.readiness, key.parse().ok(), value),
                _ => {}
            }
        }
        known
    }
}

const CONNECTIVITY: &str = "connectivity";
const RECORDS: &str = "records";

fn put<K: Ord, T: serde::de::DeserializeOwned>(
    map: &mut BTreeMap<K, T>,
    key: Option<K>,
    held: &Held,
) {
    if let Some((key, value)) = key.zip(read_as(held)) {
        map.insert(key, value);
    }
}

/// A summary as the entries of its state topic.
pub fn items(summary: &FabricSummary) -> Vec<Item> {
    let version = summary.at.1;
    let item = |k: String, value: &dyn erased::Value| {
        value.json().map(|o| Item { k, uid: None, v: version, o })
    };
    let state = std::iter::once(item(CONNECTIVITY.to_owned(), &summary.state));
    let watches = summary.watches.iter().map(|(kind, watch)| item(format!("watch/{kind}"), watch));
    let counts = summary.counts.iter().map(|(kind, count)| item(format!("counts/{kind}"), count));
    let readiness =
        summary.readiness.iter().map(|(key, ready)| item(format!("readiness/{key}"), ready));
    let records = summary.records.iter().map(|records| item(RECORDS.to_owned(), records));
    state.chain(records).chain(watches).chain(counts).chain(readiness).flatten().collect()
}

/// Lets values of several types share one closure.
mod erased {
    use super::Serialize;

    pub(super) trait Value {
        fn json(&self) -> Option<serde_json::Value>;
    }

    impl<T: Serialize> Value for T {
        fn json(&self) -> Option<serde_json::Value> {
            serde_json::to_value(self).ok()
        }
    }
}

/// Hands a summary to the link, which resumes from there.
pub fn seed(live: Live, summary: &FabricSummary) {
    live.seed(&TopicName::State(summary.id.clone()), summary.at.clone(), items(summary));
}

/// The fabrics. Copy.
#[derive(Clone, Copy)]
pub struct Fabrics {
    live: Live,
    topics: Topics,
    read: Resource<Result<Overview, ApiError>, Lean>,
    /// Several parts of the frame wait for the same word, on the server on several threads at once.
    /// Seeding once, before any of them reads, keeps what they built from being thrown away while it
    /// is written out.
    seeded: StoredValue<Arc<Once>>,
}

impl Fabrics {
    /// Asks the server for the fabrics and puts them into the context.
    pub fn provide(live: Live) -> Self {
        let read = overview(false);
        let topics = live.follow_all(Want::rows(STATES));
        let fabrics = Self { live, topics, read, seeded: StoredValue::new(Arc::new(Once::new())) };
        provide_context(fabrics);
        fabrics
    }

    /// The fabrics of this app.
    ///
    /// # Panics
    /// Outside of the frame.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Waits for the server's first word and seeds the link with it. Returns when it was said, Unix milliseconds.
    pub async fn ready(self) -> Result<i64, ApiError> {
        let overview = self.read.await?;
        self.seeded.get_value().call_once(|| {
            for summary in &overview.fabrics {
                seed(self.live, summary);
            }
        });
        Ok(overview.now_ms)
    }

    /// The names of all fabrics, sorted. Tracked.
    pub fn ids(self) -> Vec<FabricId> {
        self.topics.names().get().into_iter().filter_map(|topic| topic.fabric().cloned()).collect()
    }

    /// What is known of a fabric. Tracked: wakes its readers with each batch of its state topic.
    pub fn known(self, fabric: &FabricId) -> Known {
        let topic = self.live.topic(&TopicName::State(fabric.clone()).to_string());
        topic.changed().get();
        topic.read(Known::of)
    }

    /// Connectivity of a fabric; unknown until the first word of it. Tracked, and cheap: no more is read.
    pub fn connectivity(self, fabric: &FabricId) -> Connectivity {
        let topic = self.live.topic(&TopicName::State(fabric.clone()).to_string());
        topic.changed().get();
        let state: Option<FabricState> =
            topic.read(|held| held.get(CONNECTIVITY).and_then(read_as));
        state.map_or(Connectivity::Unknown, |state| state.state)
    }

    /// What is known of a fabric, as a signal that changes only when something of it does.
    pub fn watch(self, fabric: FabricId) -> Memo<Known> {
        let topic = self.live.topic(&TopicName::State(fabric).to_string());
        let changed = topic.changed();
        Memo::new(move |_| {
            changed.get();
            topic.read(Known::of)
        })
    }

    /// Whether anything of a fabric is known at all. Tracked.
    pub fn has(self, fabric: &FabricId) -> bool {
        let topic = self.live.topic(&TopicName::State(fabric.clone()).to_string());
        topic.phase().get() == Phase::Synced
    }
}

/// Asks for the overview, with the events or without. One resource for all who ask: each further one is
/// a further copy of its code.
pub fn overview(with_events: bool) -> Resource<Result<Overview, ApiError>, Lean> {
    let ask = move |()| async move {
        if with_events { read_overview().await } else { read_frame().await }
    };
    Resource::new_with_options(|| (), ask, true)
}

/// The state topics of all fabrics.
const STATES: &str = "state/*";
