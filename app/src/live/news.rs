//! What signals and listeners are to be told, put together under the lock and told after it.
//!
//! Invariant: listeners come before the signals of the same batch.

use std::sync::Arc;

use domain::{
    feed::Event,
    wire::ledger::{Delta, Held, Phase},
};
use leptos::prelude::*;

use super::store::DeltaListener;

/// Called with each entry of a feed: topic, event.
pub(super) type EventListener = Arc<dyn Fn(&str, &Event) + Send + Sync>;
/// Called with each gap of a feed: topic, first, last position.
pub(super) type GapListener = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// What one topic's readers are to be told.
pub(super) struct TopicNews {
    pub(super) deltas: Vec<Delta>,
    pub(super) listeners: Vec<DeltaListener>,
    pub(super) entries: Vec<(ArcRwSignal<Option<Held>>, Option<Held>)>,
    pub(super) phase: (ArcRwSignal<Phase>, Phase),
    pub(super) changed: ArcRwSignal<u64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct News {
    pub(super) known: Option<Vec<String>>,
    pub(super) refused: Option<String>,
    pub(super) topics: Vec<TopicNews>,
    pub(super) events: Vec<(String, Event)>,
    pub(super) gaps: Vec<(String, u64, u64)>,
    pub(super) on_event: Vec<EventListener>,
    pub(super) on_gap: Vec<GapListener>,
}

impl News {
    /// Tells everybody; the lock must be free.
    pub(super) fn tell(self) {
        for topic in self.topics {
            topic.tell();
        }
        for (topic, from, to) in &self.gaps {
            self.on_gap.iter().for_each(|listener| listener(topic, *from, *to));
        }
        for (topic, event) in &self.events {
            self.on_event.iter().for_each(|listener| listener(topic, event));
        }
    }
}

impl TopicNews {
    fn tell(self) {
        self.listeners.iter().for_each(|listener| listener(&self.deltas));
        for (signal, value) in self.entries {
            if signal.with_untracked(|shown| *shown != value) {
                signal.set(value);
            }
        }
        let (signal, phase) = self.phase;
        if signal.with_untracked(|shown| *shown != phase) {
            signal.set(phase);
        }
        self.changed.update(|count| *count += 1);
    }
}
