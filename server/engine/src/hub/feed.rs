//! The feed of a fabric with its readers: the newest events, in order, in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{
    feed::{Event, FeedLog, Since},
    kind::Kind,
    object::ObjectKey,
    wire::Cursor,
};

use super::{
    keyed::ReaderId,
    mailbox::{Mailbox, Sub},
};

/// Most events that are kept per fabric.
pub const MOST_EVENTS: usize = 10_000;
/// Events that a reader from nothing begins with.
pub const FIRST_EVENTS: usize = 200;

/// An event with its text.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event.
    pub event: Arc<Event>,
    /// Its JSON text.
    pub text: Arc<str>,
}

impl Entry {
    /// From its text; none if that is no event.
    fn read(text: Arc<str>) -> Option<Self> {
        let event = serde_json::from_str(&text).ok()?;
        Some(Self { event: Arc::new(event), text })
    }
}

#[derive(Debug)]
struct Inner {
    log: FeedLog<Entry>,
    readers: BTreeMap<ReaderId, (Arc<Mailbox>, Sub)>,
}

impl Inner {
    fn append(&mut self, entry: Entry) -> u64 {
        let text = Arc::clone(&entry.text);
        let position = self.log.push(entry);
        for (mailbox, sub) in self.readers.values() {
            mailbox.post_event(*sub, position, &text);
        }
        position
    }
}

/// See the module.
#[derive(Debug)]
pub struct FeedTopic {
    epoch: Arc<str>,
    inner: Mutex<Inner>,
}

/// What a reader begins with.
#[derive(Debug)]
pub struct FeedBegin {
    /// Place after `since`.
    pub at: Cursor,
    /// Whether its place was known here.
    pub resumed: bool,
    /// What it missed.
    pub since: Since<Arc<str>>,
}

impl FeedTopic {
    /// An empty feed of this process.
    pub fn new(epoch: Arc<str>) -> Self {
        Self {
            epoch,
            inner: Mutex::new(Inner { log: FeedLog::new(MOST_EVENTS), readers: BTreeMap::new() }),
        }
    }

    /// A feed that goes on: its newest events, oldest first, and the position that the next will have.
    pub fn resumed(epoch: Arc<str>, next: u64, events: Vec<(u64, Arc<str>)>) -> Self {
        let entries = events
            .into_iter()
            .filter_map(|(position, text)| Some((position, Entry::read(text)?)))
            .collect();
        let log = FeedLog::resumed(MOST_EVENTS, next, entries);
        Self { epoch, inner: Mutex::new(Inner { log, readers: BTreeMap::new() }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the event that `make` makes for its position, and posts it. Returns both.
    pub fn push(&self, make: impl FnOnce(u64) -> Event) -> Option<(u64, Arc<str>)> {
        let mut inner = self.inner();
        let event = make(inner.log.next_position());
        let text: Arc<str> = serde_json::to_string(&event).ok()?.into();
        let position = inner.append(Entry { event: Arc::new(event), text: Arc::clone(&text) });
        Some((position, text))
    }

    /// Takes over an event that another process appended. Older ones than what is held are dropped.
    pub fn take_over(&self, position: u64, text: Arc<str>) {
        let mut inner = self.inner();
        if position < inner.log.next_position() {
            return;
        }
        if let Some(entry) = Entry::read(text) {
            inner.log.skip_to(position);
            inner.append(entry);
        }
    }

    /// Leaves positions out, so that the next event has this one at least.
    pub fn skip_to(&self, next: u64) {
        self.inner().log.skip_to(next);
    }

    /// Position of the newest event; 0 before the first.
    pub fn head(&self) -> u64 {
        self.inner().log.head()
    }

    /// Subscribes a reader and tells it what it missed.
    pub fn subscribe(
        &self,
        id: ReaderId,
        mailbox: Arc<Mailbox>,
        sub: Sub,
        at: Option<(&str, u64)>,
    ) -> FeedBegin {
        let mut inner = self.inner();
        let known =
            at.filter(|(epoch, position)| *epoch == &*self.epoch && *position <= inner.log.head());
        let since = match known {
            Some((_, position)) => inner.log.since(position),
            None => Since { gap: None, events: inner.log.newest(FIRST_EVENTS) },
        };
        let since = Since {
            gap: since.gap,
            events: since.events.into_iter().map(|(at, entry)| (at, entry.text)).collect(),
        };
        mailbox.open_feed(sub);
        inner.readers.insert(id, (mailbox, sub));
        FeedBegin {
            at: Cursor(self.epoch.to_string(), inner.log.head()),
            resumed: known.is_some(),
            since,
        }
    }

    /// Forgets a reader.
    pub fn unsubscribe(&self, id: ReaderId) {
        self.inner().readers.remove(&id);
    }

    /// Place after the newest event, and the newest `most` events, oldest first.
    pub fn newest(&self, most: usize) -> (Cursor, Vec<Arc<Event>>) {
        let inner = self.inner();
        let events = inner.log.newest(most).into_iter().map(|(_, entry)| entry.event).collect();
        (Cursor(self.epoch.to_string(), inner.log.head()), events)
    }

    /// The newest events about an object, newest first.
    pub fn about(&self, kind: Kind, key: &ObjectKey, most: usize) -> Vec<Arc<Event>> {
        let subject = format!("{kind}/{key}");
        let inner = self.inner();
        let events = inner.log.newest_first().map(|(_, entry)| &entry.event);
        events
            .filter(|event| event.subject.as_deref() == Some(subject.as_str()))
            .take(most)
            .cloned()
            .collect()
    }
}
