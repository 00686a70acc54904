//! What is followed and held, and the signals that show it. Pure but for the signals: no clock, no socket.
//!
//! The link takes each frame as it comes; what came of it waits here until [`Store::flush`].
//!
//! Invariant: what waits is bounded by the number of keys, not by the rate: a newer delta replaces an
//! older one of its key; [`Store`] sets no signal itself, it hands out [`News`] to be told after the lock.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    topic::{Selection, Topic as TopicName},
    wire::{
        ClientFrame, Cursor, Item, MOST_SEEN, Want,
        journey::{Journey, Slowest},
        ledger::{Delta, Held, Ledger, Phase},
        link::{How, Input, Line, Link, Output, Stamps, Status, Tally},
    },
};
use leptos::prelude::*;

use super::news::{EventListener, GapListener, News, TopicNews};

/// How this client names itself in the server's log.
const CLIENT: &str = concat!("web/", env!("CARGO_PKG_VERSION"));

/// What the driver has to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// Open a line.
    Dial(Line, How),
    /// Drop it.
    HangUp(Line),
    /// Send a frame.
    Send(Line, ClientFrame),
    /// Ask for the session.
    AskSession,
}

/// Called with each batch of one topic.
pub(super) type DeltaListener = Arc<dyn Fn(&[Delta]) + Send + Sync>;

/// Readers and signal of a key that is read.
type Entry = (usize, ArcRwSignal<Option<Held>>);

/// The signals of one topic.
struct Cell {
    phase: ArcRwSignal<Phase>,
    changed: ArcRwSignal<u64>,
    entries: BTreeMap<String, Box<Entry>>,
    listeners: Vec<(u64, DeltaListener)>,
}

/// What came and was not told yet.
#[derive(Default)]
struct Batch {
    deltas: BTreeMap<String, BTreeMap<String, Delta>>,
    events: Vec<(String, serde_json::Value)>,
    gaps: Vec<(String, u64, u64)>,
    refused: Option<String>,
    /// Of the first batches of changes, at most [`MOST_SEEN`]: they wait longest.
    stamps: Vec<Stamps>,
}

/// Who follows a topic, with a number of their own; the newest last.
#[derive(Default)]
struct Followers(Vec<(u64, Want)>);

/// See the module.
pub(super) struct Store {
    link: Link,
    next_id: u64,
    // Boxed maps and lists of listeners: each further kind of map is kilobytes of code in the browser.
    followers: BTreeMap<String, Box<Followers>>,
    asked: BTreeMap<String, Box<Want>>,
    orders: Vec<Order>,
    batch: Batch,
    slowest: Slowest,
    cells: BTreeMap<String, Box<Cell>>,
    /// Sorted.
    known: Vec<String>,
    on_event: Vec<(u64, EventListener)>,
    on_gap: Vec<(u64, GapListener)>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            link: Link::new(CLIENT),
            next_id: 0,
            followers: BTreeMap::new(),
            asked: BTreeMap::new(),
            orders: Vec::new(),
            batch: Batch::default(),
            slowest: Slowest::default(),
            cells: BTreeMap::new(),
            known: Vec::new(),
            on_event: Vec::new(),
            on_gap: Vec::new(),
        }
    }
}

impl Store {
    /// A number that nobody else has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Takes one step of the link. What is to be done waits in [`Store::orders`], what is to be told in [`Store::flush`].
    pub(super) fn step(&mut self, now: u64, jitter: u64, input: Input) {
        for output in self.link.step(now, jitter, input) {
            self.gather(output);
        }
    }

    fn gather(&mut self, output: Output) {
        match output {
            Output::Dial(line, how) => self.orders.push(Order::Dial(line, how)),
            Output::HangUp(line) => self.orders.push(Order::HangUp(line)),
            Output::Send(line, frame) => self.orders.push(Order::Send(line, frame)),
            Output::AskSession => self.orders.push(Order::AskSession),
            Output::Stamped(stamps) => {
                if self.batch.stamps.len() < MOST_SEEN {
                    self.batch.stamps.push(stamps);
                }
            }
            Output::Changed(topic, deltas) => {
                self.batch
                    .deltas
                    .entry(topic)
                    .or_default()
                    .extend(deltas.into_iter().map(|delta| (key_of(&delta).to_owned(), delta)));
            }
            Output::Synced(topic) => {
                self.batch.deltas.entry(topic).or_default();
            }
            Output::Event(topic, _, envelope) => self.batch.events.push((topic, envelope)),
            Output::Gap(topic, from, to) => self.batch.gaps.push((topic, from, to)),
            Output::Refused(message) => self.batch.refused = Some(message),
        }
    }

    /// Takes what the driver has to do.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// When the link wants [`Input::Timeout`], Unix milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.link.deadline()
    }

    /// What the pill shows.
    pub(super) fn status(&self, now: u64) -> Status {
        self.link.status(now)
    }

    /// Whether something waits to be told.
    pub(super) fn has_news(&self) -> bool {
        let batch = &self.batch;
        !batch.deltas.is_empty()
            || !batch.events.is_empty()
            || !batch.gaps.is_empty()
            || batch.refused.is_some()
    }

    /// What a fabric went through.
    pub(super) fn tally(&self, fabric: &str) -> Tally {
        self.link.tally(fabric)
    }

    /// The slowest journey of a change to the screen in the hour before `now`, Unix milliseconds.
    pub(super) fn slowest(&self, now: u64) -> Option<Journey> {
        self.slowest.of_the_hour(now)
    }

    /// Notes that what came since the last call is on screen at `painted`, Unix milliseconds; none: in a hidden tab it
    /// is not. Returns the longest journey of it, in milliseconds.
    pub(super) fn paint(&mut self, painted: Option<u64>) -> Option<u64> {
        let stamps = std::mem::take(&mut self.batch.stamps);
        let painted = painted?;
        let ahead = self.link.clock_ahead_ms();
        let mut longest = None;
        for stamps in stamps {
            let at = i64::try_from(painted).unwrap_or(i64::MAX);
            let Some(journey) = Journey::of(stamps, at, ahead) else { continue };
            self.link.painted(journey.seen());
            self.slowest.add(painted, journey);
            longest = longest.max(Some(u64::from(journey.total())));
        }
        longest
    }

    /// Takes everything that waits to be told.
    pub(super) fn flush(&mut self) -> News {
        let stamps = std::mem::take(&mut self.batch.stamps);
        let batch = std::mem::replace(&mut self.batch, Batch { stamps, ..Batch::default() });
        let mut news = News {
            refused: batch.refused,
            gaps: batch.gaps,
            on_event: all(&self.on_event),
            on_gap: all(&self.on_gap),
            ..News::default()
        };
        for (topic, deltas) in batch.deltas {
            let deltas = deltas.into_values().collect();
            news.topics.extend(self.topic_news(&topic, deltas));
        }
        news.events = batch
            .events
            .into_iter()
            .filter_map(|(topic, envelope)| Some((topic, domain::lean::read(&envelope).ok()?)))
            .collect();
        news.known = self.newly_known();
        news
    }

    fn newly_known(&mut self) -> Option<Vec<String>> {
        let same = self.link.ledgers().map(|(topic, _)| topic).eq(self.known.iter());
        if same {
            return None;
        }
        self.known = self.link.ledgers().map(|(topic, _)| topic.to_owned()).collect();
        Some(self.known.clone())
    }

    /// What the signals of a topic are to be told; none if nobody reads it.
    fn topic_news(&self, topic: &str, deltas: Vec<Delta>) -> Option<TopicNews> {
        let cell = self.cells.get(topic)?;
        let entries = deltas
            .iter()
            .filter_map(|delta| {
                let (_, signal) = &**cell.entries.get(key_of(delta))?;
                let value = match delta {
                    Delta::Put(_, held) => Some(held.clone()),
                    Delta::Gone(_) => None,
                };
                Some((signal.clone(), value))
            })
            .collect();
        Some(TopicNews {
            deltas,
            listeners: all(&cell.listeners),
            entries,
            phase: (cell.phase.clone(), self.phase(topic)),
            changed: cell.changed.clone(),
        })
    }

    /// Follows from now on; returns what the link must be told.
    pub(super) fn follow(&mut self, id: u64, want: Want) -> Vec<Input> {
        self.followers.entry(want.topic.clone()).or_default().0.push((id, want));
        self.reconcile()
    }

    /// Follows no longer; returns what the link must be told.
    pub(super) fn unfollow(&mut self, topic: &str, id: u64) -> Vec<Input> {
        if let Some(followers) = self.followers.get_mut(topic) {
            followers.0.retain(|(other, _)| *other != id);
            if followers.0.is_empty() {
                self.followers.remove(topic);
            }
        }
        self.reconcile()
    }

    /// Compares what is followed with what the link was asked for. The newest follower of a topic decides how.
    fn reconcile(&mut self) -> Vec<Input> {
        let wildcards: Vec<Want> = self
            .followers
            .values()
            .filter_map(|followers| followers.0.last())
            .map(|(_, want)| want.clone())
            .filter(|want| want.topic.contains('*'))
            .collect();
        let covered = |want: &Want| wildcards.iter().any(|wildcard| covers(wildcard, want));
        // What goes goes first: a selection that goes would take what is followed by name along.
        let mut inputs = Vec::new();
        let gone: Vec<String> = self
            .asked
            .iter()
            .filter(|(topic, want)| !self.followers.contains_key(*topic) && !covered(want))
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in gone {
            self.asked.remove(&topic);
            self.batch.deltas.entry(topic.clone()).or_default();
            inputs.push(Input::Unsubscribe(topic));
        }
        for (topic, followers) in &self.followers {
            let Some((_, want)) = followers.0.last() else { continue };
            let known = self.asked.get(topic).map(AsRef::as_ref);
            if known != Some(want) && !(known.is_none() && covered(want)) {
                self.asked.insert(topic.clone(), Box::new(want.clone()));
                inputs.push(Input::Subscribe(want.clone()));
            }
        }
        inputs
    }

    /// Takes over a topic that the server rendered, unless it is followed already.
    pub(super) fn seed(&mut self, topic: &str, at: Cursor, items: Vec<Item>) -> News {
        let followed = self.asked.contains_key(topic)
            || (self.link.ledger(topic).is_some()
                && self.asked.values().any(|want| covers(want, &Want::rows(topic))));
        // A page and its frame may both tell of one topic; the newer word stays, and nobody is woken for an old one.
        let known = self.link.ledger(topic).and_then(Ledger::at);
        if followed || known.is_some_and(|known| known.0 == at.0 && known.1 >= at.1) {
            return News::default();
        }
        let ledger = Ledger::seeded(at, items);
        let deltas =
            ledger.held().iter().map(|(key, held)| Delta::Put(key.clone(), held.clone())).collect();
        self.link.seed(topic, ledger);
        News {
            topics: self.topic_news(topic, deltas).into_iter().collect(),
            known: self.newly_known(),
            ..News::default()
        }
    }

    /// Takes over the place of a feed, unless it is followed already.
    pub(super) fn seed_feed(&mut self, topic: &str, at: Cursor) {
        let followed =
            self.asked.values().any(|want| want.topic == topic || covers(want, &Want::rows(topic)));
        if !followed {
            self.link.seed_feed(topic, at);
        }
    }

    /// How complete a topic is.
    pub(super) fn phase(&self, topic: &str) -> Phase {
        self.link.ledger(topic).map_or(Phase::Loading, Ledger::phase)
    }

    /// Everything held of a topic.
    pub(super) fn held(&self, topic: &str) -> &BTreeMap<String, Held> {
        static NOTHING: BTreeMap<String, Held> = BTreeMap::new();
        self.link.ledger(topic).map_or(&NOTHING, Ledger::held)
    }

    fn cell(&mut self, topic: &str) -> &mut Cell {
        let phase = self.phase(topic);
        self.cells.entry(topic.to_owned()).or_insert_with(|| {
            Box::new(Cell {
                phase: ArcRwSignal::new(phase),
                changed: ArcRwSignal::new(0),
                entries: BTreeMap::new(),
                listeners: Vec::new(),
            })
        })
    }

    /// The signal of a topic's phase.
    pub(super) fn phase_signal(&mut self, topic: &str) -> ArcRwSignal<Phase> {
        self.cell(topic).phase.clone()
    }

    /// The signal that counts a topic's batches.
    pub(super) fn changed_signal(&mut self, topic: &str) -> ArcRwSignal<u64> {
        self.cell(topic).changed.clone()
    }

    /// The signal of a key, with one more reader.
    pub(super) fn entry_signal(&mut self, topic: &str, key: &str) -> ArcRwSignal<Option<Held>> {
        let held = self.held(topic).get(key).cloned();
        let entries = &mut self.cell(topic).entries;
        let (readers, signal) = &mut **entries
            .entry(key.to_owned())
            .or_insert_with(|| Box::new((0, ArcRwSignal::new(held))));
        *readers += 1;
        signal.clone()
    }

    /// One reader of a key less.
    pub(super) fn drop_entry(&mut self, topic: &str, key: &str) {
        let entries = &mut self.cell(topic).entries;
        if let Some((readers, _)) = entries.get_mut(key).map(AsMut::as_mut) {
            *readers -= 1;
            if *readers == 0 {
                entries.remove(key);
            }
        }
    }

    /// Adds a listener to a topic's batches.
    pub(super) fn listen_deltas(&mut self, topic: &str, listener: DeltaListener) -> u64 {
        let id = self.next_id();
        self.cell(topic).listeners.push((id, listener));
        id
    }

    /// Takes it away.
    pub(super) fn forget_deltas(&mut self, topic: &str, id: u64) {
        forget(&mut self.cell(topic).listeners, id);
    }

    /// Adds a listener to the entries of feeds.
    pub(super) fn listen_events(&mut self, listener: EventListener) -> u64 {
        let id = self.next_id();
        self.on_event.push((id, listener));
        id
    }

    /// Takes it away.
    pub(super) fn forget_events(&mut self, id: u64) {
        forget(&mut self.on_event, id);
    }

    /// Adds a listener to the gaps of feeds.
    pub(super) fn listen_gaps(&mut self, listener: GapListener) -> u64 {
        let id = self.next_id();
        self.on_gap.push((id, listener));
        id
    }

    /// Takes it away.
    pub(super) fn forget_gaps(&mut self, id: u64) {
        forget(&mut self.on_gap, id);
    }
}

fn all<L: Clone>(listeners: &[(u64, L)]) -> Vec<L> {
    listeners.iter().map(|(_, listener)| listener.clone()).collect()
}

fn forget<L>(listeners: &mut Vec<(u64, L)>, id: u64) {
    listeners.retain(|(other, _)| *other != id);
}

fn key_of(delta: &Delta) -> &str {
    match delta {
        Delta::Put(key, _) | Delta::Gone(key) => key,
    }
}

/// Whether a wildcard brings all that a want of one topic asks for.
fn covers(wildcard: &Want, want: &Want) -> bool {
    let plain = |want: &Want| want.labels.is_none() && want.keys.is_none();
    let (Ok(selection), Ok(topic)) =
        (wildcard.topic.parse::<Selection>(), want.topic.parse::<TopicName>())
    else {
        return false;
    };
    selection.is_wildcard()
        && selection.matches(&topic)
        && wildcard.view == want.view
        && plain(wildcard)
        && plain(want)
}

/// The topics among the known that a selection selects.
pub(super) fn selected(known: &[String], selection: &str) -> Vec<TopicName> {
    let Ok(selection) = selection.parse::<Selection>() else { return Vec::new() };
    known
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(|topic| selection.matches(topic))
        .collect()
}

#[cfg(test)]
mod tests;
