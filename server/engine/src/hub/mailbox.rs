//! What waits for one connection. The hub puts in, one session takes out.
//!
//! A lock and no channel, because newer must replace older; it is held for a map operation, never
//! across an await. Bound: at most one change per visible key and [`MOST_EVENTS`] events per feed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{
    outbox::{Effect, Outbox, Waiting},
    wire::View,
};
use tokio::sync::Notify;

use super::payload::Payload;

/// Most events of one feed that wait for one connection; beyond, the oldest go and a `gap` says so.
pub const MOST_EVENTS: usize = 1_000;
/// Most changes in one `ch`.
const MOST_CHANGES: usize = 256;
/// Most bytes in one `ch`, roughly.
const MOST_BYTES: usize = 64 * 1024;

/// Number of a subscription within its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sub(pub u32);

/// A change as it waits.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The key has this value.
    Put {
        /// The value.
        payload: Arc<Payload>,
        /// Whether a patch may say it: the reader surely has the version before.
        patchable: bool,
    },
    /// The key is gone.
    Gone {
        /// `metadata.uid`.
        uid: Arc<str>,
    },
    /// The key is no longer selected.
    Out,
}

impl Delivery {
    fn size(&self, view: View) -> usize {
        match self {
            Self::Put { payload, .. } => payload.text(view).len(),
            Self::Gone { .. } | Self::Out => 100,
        }
    }
}

/// What a session takes out.
#[derive(Debug)]
pub enum Mail {
    /// Changes of a keyed topic, and the place that they reach.
    Changes(Sub, Vec<Waiting<Delivery>>, u64),
    /// Events of a feed, after a possible gap.
    Events(Sub, Option<(u64, u64)>, Vec<(u64, Arc<str>)>),
    /// The topic begins anew: subscribe again, from nothing.
    Reset(Sub),
}

#[derive(Debug, Default)]
struct Feed {
    waiting: VecDeque<(u64, Arc<str>)>,
    gap: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Boxes {
    keyed: BTreeMap<Sub, Outbox<Delivery>>,
    feeds: BTreeMap<Sub, Feed>,
    resets: BTreeSet<Sub>,
    /// Those for which something waits.
    ready: BTreeSet<Sub>,
    /// Whose turn it was: the others come first.
    last: Option<Sub>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Mailbox {
    boxes: Mutex<Boxes>,
    bell: Notify,
}

impl Mailbox {
    fn boxes(&self) -> MutexGuard<'_, Boxes> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to keep changes of a keyed topic for a reader that stands at `place`.
    pub fn open(&self, sub: Sub, place: u64) {
        let mut boxes = self.boxes();
        boxes.resets.remove(&sub);
        boxes.ready.remove(&sub);
        boxes.keyed.insert(sub, Outbox::new(place));
    }

    /// Begins to keep events of a feed.
    pub fn open_feed(&self, sub: Sub) {
        let mut boxes = self.boxes();
        boxes.ready.remove(&sub);
        boxes.feeds.insert(sub, Feed::default());
    }

    /// Keeps the place of a keyed topic at `held`, whatever is posted; none: lets it go again.
    pub fn hold(&self, sub: Sub, held: Option<u64>) {
        if let Some(outbox) = self.boxes().keyed.get_mut(&sub) {
            outbox.hold(held);
        }
    }

    /// Forgets a subscription and what waits for it.
    pub fn close(&self, sub: Sub) {
        let mut boxes = self.boxes();
        boxes.keyed.remove(&sub);
        boxes.feeds.remove(&sub);
        boxes.resets.remove(&sub);
        boxes.ready.remove(&sub);
    }

    /// Puts a change in.
    pub fn post(&self, sub: Sub, key: &Arc<str>, version: u64, effect: Effect, delivery: Delivery) {
        let mut boxes = self.boxes();
        let Some(outbox) = boxes.keyed.get_mut(&sub) else { return };
        outbox.put(key, version, effect, delivery);
        // What came and went unread leaves nothing to say.
        if outbox.is_empty() {
            boxes.ready.remove(&sub);
            return;
        }
        boxes.ready.insert(sub);
        drop(boxes);
        self.bell.notify_one();
    }

    /// Notes that a change does not concern a subscription.
    pub fn skip(&self, sub: Sub, version: u64) {
        if let Some(outbox) = self.boxes().keyed.get_mut(&sub) {
            outbox.skip(version);
        }
    }

    /// Puts an event in.
    pub fn post_event(&self, sub: Sub, position: u64, event: &Arc<str>) {
        let mut boxes = self.boxes();
        let Some(feed) = boxes.feeds.get_mut(&sub) else { return };
        feed.waiting.push_back((position, Arc::clone(event)));
        if feed.waiting.len() > MOST_EVENTS
            && let Some((lost, _)) = feed.waiting.pop_front()
        {
            feed.gap = Some(feed.gap.map_or((lost, lost), |(from, _)| (from, lost)));
        }
        boxes.ready.insert(sub);
        drop(boxes);
        self.bell.notify_one();
    }

    /// Says that a topic begins anew.
    pub fn post_reset(&self, sub: Sub) {
        let mut boxes = self.boxes();
        if boxes.keyed.remove(&sub).is_some() {
            boxes.ready.remove(&sub);
            boxes.resets.insert(sub);
        }
        drop(boxes);
        self.bell.notify_one();
    }

    /// Waits until something may wait.
    ///
    /// # Cancel safety
    /// Nothing is taken here.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Takes what is next, in turns over the subscriptions; `view` tells how long their changes are.
    pub fn take(&self, view: impl Fn(Sub) -> View) -> Option<Mail> {
        let mut boxes = self.boxes();
        if let Some(sub) = boxes.resets.pop_first() {
            return Some(Mail::Reset(sub));
        }
        let sub = boxes.next()?;
        boxes.last = Some(sub);
        let mail = boxes.take_of(sub, view(sub));
        if !boxes.has_left(sub) {
            boxes.ready.remove(&sub);
        }
        mail
    }

    /// Newest version considered for a subscription, if nothing waits for it.
    pub fn idle_head(&self, sub: Sub) -> Option<u64> {
        self.boxes().keyed.get(&sub).filter(|outbox| outbox.is_empty()).map(Outbox::considered)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        let boxes = self.boxes();
        boxes.ready.is_empty() && boxes.resets.is_empty()
    }

    /// Changes that wait, in all.
    pub fn n_waiting(&self) -> usize {
        let boxes = self.boxes();
        boxes.resets.len()
            + boxes.keyed.values().map(Outbox::len).sum::<usize>()
            + boxes.feeds.values().map(|feed| feed.waiting.len()).sum::<usize>()
    }
}

impl Boxes {
    fn next(&self) -> Option<Sub> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.ready.range((after, Bound::Unbounded)).next();
        later.or_else(|| self.ready.first()).copied()
    }

    fn has_left(&self, sub: Sub) -> bool {
        self.keyed.get(&sub).is_some_and(|outbox| !outbox.is_empty())
            || self.feeds.get(&sub).is_some_and(|feed| !feed.waiting.is_empty())
    }

    fn take_of(&mut self, sub: Sub, view: View) -> Option<Mail> {
        if let Some(feed) = self.feeds.get_mut(&sub) {
            let most = feed.waiting.len().min(MOST_CHANGES);
            return Some(Mail::Events(sub, feed.gap.take(), feed.waiting.drain(..most).collect()));
        }
        let outbox = self.keyed.get_mut(&sub)?;
        let (mut count, mut bytes) = (0, 0);
        let (changes, place) = outbox.take(|waiting| {
            count += 1;
            bytes += waiting.change.size(view);
            count < MOST_CHANGES && bytes < MOST_BYTES
        });
        Some(Mail::Changes(sub, changes, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(mailbox: &Mailbox, position: u64) {
        mailbox.post_event(Sub(1), position, &Arc::from("{}"));
    }

    #[test]
    fn a_feed_that_overflows_tells_what_fell_out() {
        let mailbox = Mailbox::default();
        mailbox.open_feed(Sub(1));
        for position in 1..=(MOST_EVENTS as u64 + 5) {
            event(&mailbox, position);
        }
        assert_eq!(mailbox.n_waiting(), MOST_EVENTS);
        let Some(Mail::Events(_, gap, events)) = mailbox.take(|_| View::Row) else { panic!() };
        assert_eq!((gap, events[0].0), (Some((1, 5)), 6));
    }

    #[test]
    fn subscriptions_take_turns() {
        let mailbox = Mailbox::default();
        for sub in [Sub(1), Sub(2)] {
            mailbox.open(sub, 0);
            for version in 1..=600 {
                mailbox.post(
                    sub,
                    &Arc::from(version.to_string()),
                    version,
                    Effect::Create,
                    Delivery::Out,
                );
            }
        }
        let order: Vec<u32> = std::iter::from_fn(|| mailbox.take(|_| View::Row))
            .map(|mail| match mail {
                Mail::Changes(sub, ..) => sub.0,
                other => panic!("{other:?}"),
            })
            .take(4)
            .collect();
        assert_eq!(order, [1, 2, 1, 2]);
    }

    #[test]
    fn a_reset_drops_what_waited() {
        let mailbox = Mailbox::default();
        mailbox.open(Sub(1), 0);
        mailbox.post(Sub(1), &Arc::from("a"), 1, Effect::Create, Delivery::Out);
        mailbox.post_reset(Sub(1));
        mailbox.post(Sub(1), &Arc::from("a"), 2, Effect::Create, Delivery::Out);
        assert!(matches!(mailbox.take(|_| View::Row), Some(Mail::Reset(Sub(1)))));
        assert!(mailbox.take(|_| View::Row).is_none());
    }
}
