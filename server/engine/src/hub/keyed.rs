//! A keyed topic with its readers: one lock over both, so that position and snapshot are one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::{
    log::{KeyLog, Put, Resume, Tombstone},
    outbox::Effect,
    state::WatchState,
};

use super::{
    filter::Filter,
    mailbox::{Delivery, Mailbox, Sub},
    payload::Payload,
};
use crate::clock::now_ms;

/// Names one reader of a topic in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderId(u64);

impl ReaderId {
    /// A new one.
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A reader of a topic.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Where its changes go.
    pub mailbox: Arc<Mailbox>,
    /// Under which number.
    pub sub: Sub,
    /// What it wants to see.
    pub filter: Filter,
    /// Version up to which it may have been told of keys, by whomever.
    knows: u64,
}

impl Reader {
    /// A reader that was told nothing yet.
    pub fn new(mailbox: Arc<Mailbox>, sub: Sub, filter: Filter) -> Self {
        Self { mailbox, sub, filter, knows: 0 }
    }

    /// What a key does that comes into its sight: another process may have told it, and then its end is not
    /// folded away with its beginning.
    fn coming(&self, version: u64) -> Effect {
        if version <= self.knows { Effect::Update } else { Effect::Create }
    }
}

/// What a reader begins with.
#[derive(Debug)]
pub struct Begin {
    /// Epoch of the topic.
    pub epoch: Arc<str>,
    /// Version up to which the reader knows everything after `resume`; never before its place.
    pub head: u64,
    /// What it missed.
    pub resume: Resume<Arc<Payload>>,
}

#[derive(Debug)]
struct Inner {
    log: KeyLog<Arc<Payload>>,
    readers: BTreeMap<ReaderId, Reader>,
    watch: WatchState,
    /// Delivery lag, in milliseconds, where it is measured.
    lag: Option<u64>,
    /// Whether the map was complete once: before, nobody may call it synced.
    listed: bool,
}

/// See the module.
#[derive(Debug)]
pub struct KeyedTopic {
    inner: Mutex<Inner>,
}

impl KeyedTopic {
    /// An empty topic; `listed` says whether empty means empty.
    pub fn new(epoch: Arc<str>, listed: bool) -> Self {
        Self {
            inner: Mutex::new(Inner {
                log: KeyLog::new(epoch, 0),
                readers: BTreeMap::new(),
                watch: WatchState::Starting,
                lag: None,
                listed,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the topic where it lies. Keep it short: changes wait meanwhile.
    pub fn read<R>(&self, read: impl FnOnce(&KeyLog<Arc<Payload>>) -> R) -> R {
        read(&self.inner().log)
    }

    /// Whether the map was complete once.
    pub fn is_listed(&self) -> bool {
        self.inner().listed
    }

    /// State of the watch behind it, for heads.
    pub fn watch(&self) -> WatchState {
        self.inner().watch
    }

    /// Delivery lag of the watch behind it, in milliseconds; none: not measured.
    pub fn lag(&self) -> Option<u64> {
        self.inner().lag
    }

    /// Notes the delivery lag.
    pub fn set_lag(&self, lag: Option<u64>) {
        self.inner().lag = lag;
    }

    /// Notes the state of the watch behind it.
    pub fn set_watch(&self, watch: WatchState) {
        self.inner().watch = watch;
    }

    /// Takes a value in and posts it to the readers.
    pub fn put(&self, key: &Arc<str>, version: u64, payload: Payload) -> Put {
        let mut inner = self.inner();
        let before = inner.log.get(key).cloned();
        let payload = match &before {
            Some(entry) => Arc::new(payload.following(entry.version, &entry.value)),
            None => Arc::new(payload),
        };
        let put = inner.log.put(key, version, Arc::clone(&payload));
        if put == Put::Stale {
            return put;
        }
        if !inner.listed {
            return put;
        }
        let before = before.map(|entry| entry.value);
        for reader in inner.readers.values() {
            let Reader { mailbox, sub, filter, .. } = reader;
            let was = before.as_ref().is_some_and(|before| filter.passes(key, before));
            let is = filter.passes(key, &payload);
            let delivery = || Delivery::Put { payload: Arc::clone(&payload), patchable: was };
            match (was, is) {
                (false, false) => mailbox.skip(*sub, version),
                (true, false) => mailbox.post(*sub, key, version, Effect::Delete, Delivery::Out),
                (false, true) => {
                    mailbox.post(*sub, key, version, reader.coming(version), delivery());
                }
                (true, true) => mailbox.post(*sub, key, version, Effect::Update, delivery()),
            }
        }
        put
    }

    /// Buries a key and tells the readers. Returns what was buried.
    pub fn remove(&self, key: &str, version: u64) -> Option<Arc<Payload>> {
        let mut inner = self.inner();
        let before = Arc::clone(&inner.log.get(key)?.value);
        let Tombstone { key, .. } =
            inner.log.remove(key, version, Arc::clone(&before.uid), now_ms())?;
        for Reader { mailbox, sub, filter, .. } in inner.readers.values() {
            if filter.passes(&key, &before) {
                mailbox.post(
                    *sub,
                    &key,
                    version,
                    Effect::Delete,
                    Delivery::Gone { uid: Arc::clone(&before.uid) },
                );
            } else {
                mailbox.skip(*sub, version);
            }
        }
        Some(before)
    }

    /// Everything up to `version` is in the topic.
    pub fn advance(&self, version: u64) {
        let mut inner = self.inner();
        inner.log.advance(version);
        inner.log.forget_beyond(now_ms());
        for Reader { mailbox, sub, .. } in inner.readers.values() {
            mailbox.skip(*sub, version);
        }
    }

    /// A list is taken in from now on: its parts come in any order and its deletes share a version, so
    /// until [`Self::set_listed`] nobody is told a place beyond the present one.
    pub fn begin_list(&self) {
        let mut inner = self.inner();
        inner.log.begin_list();
        let head = inner.log.head();
        for Reader { mailbox, sub, .. } in inner.readers.values() {
            mailbox.hold(*sub, Some(head));
        }
    }

    /// Keeps no more tombstones than this, once: who comes from before them gets the list of live keys.
    pub fn forget_deletes(&self, most: usize) {
        self.inner().log.keep_tombstones(most);
    }

    /// The topic was read whole; for the first time: from here on, empty means empty.
    pub fn set_listed(&self, version: u64) {
        let mut inner = self.inner();
        let head = inner.log.head();
        inner.log.end_list();
        // What came and went while nobody watched was never known here; another process may have told it.
        inner.log.begin_at(version);
        for Reader { mailbox, sub, .. } in inner.readers.values() {
            mailbox.hold(*sub, None);
        }
        if !std::mem::replace(&mut inner.listed, true) {
            Self::reset_readers(&mut inner, 0);
        } else if version > head {
            // They know more than we did: what of that is gone, we cannot say one by one.
            Self::reset_readers(&mut inner, head + 1);
        }
    }

    /// Begins anew under another epoch, empty and not listed; `head` is where deletes begin to be known.
    pub fn reset(&self, epoch: Arc<str>, head: u64) {
        let mut inner = self.inner();
        inner.log = KeyLog::new(epoch, head);
        inner.listed = false;
        Self::reset_readers(&mut inner, 0);
    }

    /// Resets the readers that know at least this much.
    fn reset_readers(inner: &mut Inner, knows: u64) {
        inner.readers.retain(|_, reader| {
            let stays = reader.knows < knows;
            if !stays {
                reader.mailbox.post_reset(reader.sub);
            }
            stays
        });
    }

    /// Subscribes a reader and tells it what it missed, as of one moment. None while the topic was never
    /// complete: then the reader is kept and will be reset once it is.
    ///
    /// `witnessed` is a version that the cluster surely reached: a place up to it that lies ahead of us was
    /// given by another process that heard earlier, and what we hear until then its owner knows already.
    pub fn subscribe(
        &self,
        id: ReaderId,
        mut reader: Reader,
        at: Option<(&str, u64)>,
        witnessed: u64,
    ) -> Option<Begin> {
        let mut inner = self.inner();
        let head = inner.log.head();
        reader.mailbox.open(reader.sub, head);
        reader.mailbox.hold(reader.sub, inner.log.is_in_list().then_some(head));
        let epoch = Arc::clone(inner.log.epoch());
        let same = at.filter(|(known, _)| **known == *epoch);
        reader.knows = same.map_or(0, |(_, version)| version);
        let ahead = at.filter(|(known, version)| {
            **known == *epoch && *version > inner.log.newest() && *version <= witnessed
        });
        let begin = inner.listed.then(|| {
            if let Some((_, version)) = ahead {
                return Begin { epoch, head: version, resume: Resume::Log(Vec::new()) };
            }
            let resume = inner.log.since(at);
            let place = at.filter(|_| !matches!(resume, Resume::None(_)));
            Begin { epoch, head: place.map_or(head, |(_, at)| at.max(head)), resume }
        });
        inner.readers.insert(id, reader);
        begin
    }

    /// Forgets a reader.
    pub fn unsubscribe(&self, id: ReaderId) {
        self.inner().readers.remove(&id);
    }

    /// Number of readers.
    pub fn n_readers(&self) -> usize {
        self.inner().readers.len()
    }
}
