//! The live link, as pages use it: follow a topic, read a key, be told what changed.
//!
//! [`Live`] is one of the app's contexts; the shell provides it once. Pages call [`Live::seed`] with what
//! the server rendered and [`Live::follow`] with what they want; both work on the server too, where the
//! seed is all there ever is, because the driver is only woken by an effect.
//!
//! Deliveries are gathered and applied once per animation frame, so whatever is read here may trail the
//! wire by one frame.
//!
//! Invariant: nothing here decides how a link behaves, that is `domain::wire::link`; no signal is set while
//! the lock is held; on the server no clock, socket or timer is touched.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    feed::Event,
    topic::Topic as TopicName,
    wire::{
        Cursor, Item, Want,
        journey::Journey,
        ledger::{Delta, Held, Phase},
        link::{Input, Status, Tally},
    },
};
use leptos::prelude::*;
use serde::de::DeserializeOwned;

mod browser;
mod driver;
mod frame;
mod news;
mod request;
mod shared;
mod socket;
mod store;

use shared::Shared;

/// The live link of this page. Copy; all clones are the same link.
#[derive(Clone, Copy)]
pub struct Live(StoredValue<Arc<Shared>>);

impl Live {
    /// Makes the link, puts it into the context and lets it wake once the page is hydrated.
    pub fn provide() -> Self {
        let live = Self::asleep();
        provide_context(live);
        let shared = live.shared();
        Effect::new(move |_| driver::start(&shared));
        live
    }

    /// The link of this page.
    ///
    /// # Panics
    /// If no parent called [`Live::provide`]: a page outside of the shell.
    pub fn expect() -> Self {
        expect_context()
    }

    /// A link that nothing wakes: it shows what it is seeded with.
    pub fn asleep() -> Self {
        Self(StoredValue::new(Arc::default()))
    }

    fn shared(self) -> Arc<Shared> {
        self.0.try_get_value().unwrap_or_default()
    }

    /// What the pill shows; `None` until the page is hydrated. Wakes its readers only when it changes.
    pub fn status(self) -> Signal<Option<Status>> {
        self.shared().status.read_only().into()
    }

    /// Unix milliseconds, once a second; `None` until the page is hydrated, so that both sides render the same.
    pub fn now(self) -> Signal<Option<i64>> {
        self.shared().now.read_only().into()
    }

    /// Milliseconds from the delivery of a change by the watch to its animation frame, of the newest batch.
    /// `None` while none came, or where the clocks of server and browser do not agree.
    pub fn pixel_ms(self) -> Signal<Option<u64>> {
        self.shared().pixel.read_only().into()
    }

    /// The slowest journey of a change to the screen in the last hour; untracked.
    pub fn slowest(self, now: i64) -> Option<Journey> {
        let now = u64::try_from(now).unwrap_or_default();
        self.shared().with(|store| store.slowest(now))
    }

    /// What the link saw of a fabric; untracked.
    pub fn tally(self, fabric: &str) -> Tally {
        self.shared().with(|store| store.tally(fabric))
    }

    /// What the server last refused, as a sentence; `None` while it refused nothing.
    pub fn refused(self) -> Signal<Option<String>> {
        self.shared().refused.read_only().into()
    }

    /// What the server answers to a plain request, beside the link; none where it refuses or cannot be reached.
    pub async fn get(path: &str, query: &[(&str, String)]) -> Option<String> {
        request::get(path, query).await
    }

    /// Tries to connect now instead of waiting for the backoff.
    pub fn retry_now(self) {
        self.shared().input(Input::RetryNow);
    }

    /// Follows a topic for as long as the current reactive owner lives.
    ///
    /// Equal wants of one topic share a subscription; a want with another view, keys or labels replaces it
    /// until its owner is gone. A topic that a followed wildcard covers is not asked for again.
    pub fn follow(self, want: Want) -> Topic {
        let topic = self.topic(&want.topic);
        self.follow_while_owned(want);
        topic
    }

    /// As [`Live::follow`] for a selection with `*`: its topics become readable as they appear.
    pub fn follow_all(self, want: Want) -> Topics {
        let topics = Topics { live: self, selection: StoredValue::new(want.topic.clone()) };
        self.follow_while_owned(want);
        topics
    }

    fn follow_while_owned(self, want: Want) {
        let shared = self.shared();
        let id = shared.with(store::Store::next_id);
        let topic = want.topic.clone();
        on_cleanup({
            let shared = Arc::clone(&shared);
            move || shared.unfollow(&topic, id)
        });
        Effect::new(move |_| shared.follow(id, want.clone()));
    }

    /// A handle to a topic that somebody else follows (or nobody).
    pub fn topic(self, topic: &str) -> Topic {
        Topic { live: self, name: StoredValue::new(topic.to_owned()) }
    }

    /// Takes over a whole topic that the server rendered into the page; the link resumes from there.
    /// Ignored where the topic is already followed: what the link holds is newer.
    pub fn seed(self, topic: &TopicName, at: Cursor, items: Vec<Item>) {
        self.shared().notify(|store| store.seed(&topic.to_string(), at, items));
    }

    /// As [`Live::seed`] for a feed, of which only the place counts.
    pub fn seed_feed(self, topic: &TopicName, at: Cursor) {
        self.shared().with(|store| store.seed_feed(&topic.to_string(), at));
    }

    /// Calls back with each entry of a followed feed (topic, event), oldest first, while the current owner lives.
    pub fn on_event(self, callback: impl Fn(&str, &Event) + Send + Sync + 'static) {
        let shared = self.shared();
        let id = shared.with(|store| store.listen_events(Arc::new(callback)));
        on_cleanup(move || shared.with(|store| store.forget_events(id)));
    }

    /// Calls back with (topic, first, last position) of feed entries that the server no longer holds.
    pub fn on_gap(self, callback: impl Fn(&str, u64, u64) + Send + Sync + 'static) {
        let shared = self.shared();
        let id = shared.with(|store| store.listen_gaps(Arc::new(callback)));
        on_cleanup(move || shared.with(|store| store.forget_gaps(id)));
    }
}

/// One followed topic. Copy.
#[derive(Clone, Copy)]
pub struct Topic {
    live: Live,
    name: StoredValue<String>,
}

impl Topic {
    fn name(self) -> String {
        self.name.try_get_value().unwrap_or_default()
    }

    /// Whether the topic is complete; [`Phase::Loading`] where nothing came and nothing was seeded.
    pub fn phase(self) -> Signal<Phase> {
        self.live.shared().with(|store| store.phase_signal(&self.name())).read_only().into()
    }

    /// Whether the link holds the topic as a whole, untracked and perhaps one frame ahead of [`Topic::phase`].
    pub fn is_synced(self) -> bool {
        self.live.shared().with(|store| store.phase(&self.name())) == Phase::Synced
    }

    /// The value of one key. Wakes its readers only when this key changes.
    pub fn entry(self, key: &str) -> Signal<Option<Held>> {
        let (shared, topic, key) = (self.live.shared(), self.name(), key.to_owned());
        let signal = shared.with(|store| store.entry_signal(&topic, &key));
        on_cleanup(move || shared.with(|store| store.drop_entry(&topic, &key)));
        signal.read_only().into()
    }

    /// As [`Topic::entry`], read as a type; `None` where the key is absent or reads as something else.
    pub fn value<T>(self, key: &str) -> Memo<Option<T>>
    where
        T: DeserializeOwned + PartialEq + Send + Sync + 'static,
    {
        let entry = self.entry(key);
        Memo::new(move |_| entry.with(|held| held.as_ref().and_then(read_as)))
    }

    /// Rises once per batch in which anything of the topic changed (or it became complete).
    pub fn changed(self) -> Signal<u64> {
        self.live.shared().with(|store| store.changed_signal(&self.name())).read_only().into()
    }

    /// Reads everything that is held, by key, without tracking. Must not call back into the link.
    pub fn read<R>(self, reader: impl FnOnce(&BTreeMap<String, Held>) -> R) -> R {
        self.live.shared().with(|store| reader(store.held(&self.name())))
    }

    /// Calls back once per batch with what became of each changed key, in key order, while the current owner lives.
    /// Comes before the signals of the same batch; without changes when the topic has become complete.
    pub fn on_deltas(self, callback: impl Fn(&[Delta]) + Send + Sync + 'static) {
        let (shared, topic) = (self.live.shared(), self.name());
        let id = shared.with(|store| store.listen_deltas(&topic, Arc::new(callback)));
        on_cleanup(move || shared.with(|store| store.forget_deltas(&topic, id)));
    }
}

/// The topics of a followed selection. Copy.
#[derive(Clone, Copy)]
pub struct Topics {
    live: Live,
    selection: StoredValue<String>,
}

impl Topics {
    /// Names of the selected topics that are known so far, sorted; wakes when one appears or goes.
    pub fn names(self) -> Memo<Vec<TopicName>> {
        let known = self.live.shared().known.read_only();
        let selection = self.selection.try_get_value().unwrap_or_default();
        Memo::new(move |_| known.with(|known| store::selected(known, &selection)))
    }

    /// One of them.
    pub fn topic(self, name: &TopicName) -> Topic {
        self.live.topic(&name.to_string())
    }
}

/// A held value as a type; `None` where it reads as something else.
pub fn read_as<T: DeserializeOwned>(held: &Held) -> Option<T> {
    domain::lean::read(&held.value).ok()
}
