//! The keeper of a fabric: the one task that owns what we know of it and writes its topics.
//!
//! It receives everything that can happen ([`Event`]) through one bounded channel, and decides nothing
//! about pages or connections.
//!
//! Invariant: nobody else writes a topic of its fabric; a state is published only when it changed;
//! what was found by comparing lists is said to be so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{
    feed::EventType,
    hex::hex,
    kind::Kind,
    object::ObjectKey,
    readiness::AgentDigest,
    state::{
        Cause, Connectivity, FabricState, KindCount, KindWatch, Lag, RecordState, Severity,
        WatchState,
    },
    topic::{FabricId, Topic},
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod book;
mod judge;
mod kinds;
mod switches;

use self::{book::StateBook, kinds::KindBook};
use crate::{
    clock::now_ms,
    cluster::{
        gate::Gate,
        seen::{Event, Seen, WatchReport},
    },
    hub::{Cell, Hub, feed::FeedTopic, keyed::KeyedTopic},
    recorder::{Note, Scribe, tell},
    store::Origin,
};

/// Most observations that wait for the keeper; beyond, watches wait, and the API server is their buffer.
pub const OBSERVATIONS: usize = 1_024;
/// Most observations taken before states are published.
const BATCH: usize = 256;
/// How often states that change by time alone are looked at.
const TICK: Duration = Duration::from_secs(1);

/// One observation, for whoever listens in (`hnp watch`).
#[derive(Debug, Clone)]
pub enum Tapped {
    /// An object changed.
    Object {
        /// Its kind.
        kind: Kind,
        /// Its key.
        key: ObjectKey,
        /// What happened.
        change: EventType,
        /// Version.
        version: String,
        /// From receipt to decoded and published, in microseconds.
        us: u64,
    },
    /// The watch of a kind changed its state.
    Watch(Kind, KindWatch),
}

/// How a fabric begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Its cluster is asked.
    Connecting,
    /// It is switched off.
    Disabled,
    /// It cannot be asked: why, and what to do.
    Unusable(String),
}

/// What a keeper is made from.
#[derive(Debug)]
pub struct Keep {
    /// Name of the fabric.
    pub fabric: FabricId,
    /// Address of its API server.
    pub server: String,
    /// Epoch of what has no number of the cluster's: names this process.
    pub process: String,
    /// How it begins.
    pub start: Start,
    /// Kinds that are not watched.
    pub paused: Vec<Kind>,
    /// What of a kind is watched, and how its versions are counted: part of the epoch. Empty: everything, as
    /// the cluster counts.
    pub view: String,
    /// Whether versions are numbered here, since several namespaces are watched.
    pub numbered: bool,
    /// Its feed, to which the recorder appends.
    pub feed: Arc<FeedTopic>,
    /// Where what happens is noted.
    pub scribe: Scribe,
    /// Where each kind's versions came from when it was last recorded, and the newest of them.
    pub origins: BTreeMap<Kind, (Origin, u64)>,
    /// Who listens in on every observation.
    pub tap: Option<mpsc::Sender<Tapped>>,
}

/// What may have changed since states were last published, so that a change of one object costs no look at all kinds.
#[derive(Debug)]
struct Dirty {
    kinds: BTreeSet<Kind>,
    readiness: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Keeper {
    fabric: FabricId,
    start: Start,
    view: String,
    numbered: bool,
    hub: Arc<Hub>,
    inbox: mpsc::Receiver<Event>,
    tap: Option<mpsc::Sender<Tapped>>,
    state: StateBook,
    scribe: Scribe,
    origins: BTreeMap<Kind, (Origin, u64)>,
    records: Option<RecordState>,
    kinds: BTreeMap<Kind, KindBook>,
    fabric_state: FabricState,
    identity: Option<String>,
    /// By how much the cluster's clock is ahead of ours, in milliseconds.
    ahead_ms: Option<i64>,
    agents: BTreeMap<ObjectKey, AgentDigest>,
    starts: BTreeMap<ObjectKey, Vec<i64>>,
    tapped: Vec<Tapped>,
    dirty: Dirty,
}

impl Keeper {
    /// A keeper that knows nothing yet; its topics are added to the hub.
    pub fn new(plan: Keep, hub: &Arc<Hub>, inbox: mpsc::Receiver<Event>) -> Self {
        let Keep {
            fabric,
            server,
            process,
            start,
            paused,
            view,
            numbered,
            feed,
            scribe,
            origins,
            tap,
        } = plan;
        let epoch: Arc<str> = process.into();
        let state_topic = Arc::new(KeyedTopic::new(epoch, true));
        let now = now_ms();
        let begin = |kind: &Kind| {
            if paused.contains(kind) { WatchState::Paused } else { WatchState::Starting }
        };
        let kinds: BTreeMap<Kind, KindBook> =
            Kind::ALL.iter().map(|kind| (*kind, KindBook::new(begin(kind), now))).collect();
        let mut cells: Vec<(Topic, Cell)> = kinds
            .iter()
            .map(|(kind, book)| {
                (Topic::Objects(fabric.clone(), *kind), Cell::Keyed(Arc::clone(&book.topic)))
            })
            .collect();
        cells.push((Topic::State(fabric.clone()), Cell::Keyed(Arc::clone(&state_topic))));
        cells.push((Topic::Feed(fabric.clone()), Cell::Feed(feed)));
        let mut keeper = Self {
            scribe,
            origins,
            records: None,
            fabric,
            start,
            view,
            numbered,
            state: StateBook::new(state_topic),
            hub: Arc::clone(hub),
            inbox,
            tap,
            kinds,
            fabric_state: unknown(server, now),
            identity: None,
            ahead_ms: None,
            agents: BTreeMap::new(),
            starts: BTreeMap::new(),
            tapped: Vec::new(),
            dirty: Dirty { kinds: Kind::ALL.iter().copied().collect(), readiness: true },
        };
        // A page that opens now finds every key, each saying that nothing is known.
        keeper.publish();
        hub.add(cells);
        keeper
    }

    /// Keeps until cancelled, then takes its topics away.
    pub async fn run(self, cancel: CancellationToken) {
        let (hub, fabric) = (Arc::clone(&self.hub), self.fabric.clone());
        self.keep(cancel).await;
        hub.remove(&fabric);
    }

    /// Keeps until cancelled; its topics stay as they were then.
    pub async fn keep(mut self, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.begin();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            // Both only wait: `recv_many` takes nothing if it is dropped.
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                n = self.inbox.recv_many(&mut batch, BATCH) => if n == 0 { break },
                _ = tick.tick() => self.dirty.readiness = true,
            }
            for event in batch.drain(..) {
                self.take(event);
            }
            self.judge();
            self.publish();
            if !self.tell_tap(&cancel).await {
                break;
            }
        }
    }

    /// The first word about the cluster.
    fn begin(&mut self) {
        match self.start.clone() {
            Start::Connecting => {
                self.set_connectivity(Connectivity::Connecting, None, None, None);
            }
            Start::Disabled => self.set_connectivity(Connectivity::Disabled, None, None, None),
            Start::Unusable(reason) => {
                let cause = Some(Cause::Config);
                self.set_connectivity(Connectivity::Disconnected, cause, Some(reason), None);
            }
        }
    }

    async fn tell_tap(&mut self, cancel: &CancellationToken) -> bool {
        let Some(tap) = &self.tap else {
            self.tapped.clear();
            return true;
        };
        for tapped in self.tapped.drain(..) {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return false,
                sent = tap.send(tapped) => if sent.is_err() { return false },
            }
        }
        true
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Gate(gate) => self.gate(gate),
            Event::Kind(kind, seen) => self.seen(kind, seen),
            Event::Records(records) => self.records = Some(records),
            Event::Lag(lag) => self.lagging(&lag),
        }
    }

    fn lagging(&mut self, lag: &Lag) {
        self.kinds.values().for_each(|book| book.topic.set_lag(lag.ms));
        self.state.set("lag", lag);
    }

    fn gate(&mut self, gate: Gate) {
        self.dirty.kinds.extend(Kind::ALL);
        self.dirty.readiness = true;
        match gate {
            Gate::Unknown => {}
            Gate::Open(open) => {
                self.fabric_state.version = Some(open.version);
                self.fabric_state.last_answer = Some(open.at_ms);
                self.ahead_ms = open.ahead_ms;
                self.fabric_state.next_try = None;
                if self.identity.as_ref() != Some(&open.identity) {
                    self.recognise(open.identity);
                }
                if matches!(
                    self.fabric_state.state,
                    Connectivity::Disconnected | Connectivity::Unknown
                ) {
                    self.set_connectivity(Connectivity::Connecting, None, None, None);
                }
            }
            Gate::Shut(shut) => {
                self.set_connectivity(
                    Connectivity::Disconnected,
                    Some(shut.cause),
                    Some(shut.reason.clone()),
                    Some(shut.next_try_ms),
                );
                let now = now_ms();
                for kind in Kind::ALL {
                    let Some(book) = self.kinds.get_mut(kind) else { continue };
                    let reason = Some(shut.reason.clone());
                    let report = WatchReport {
                        state: WatchState::Retrying,
                        reason,
                        attempt: shut.attempt,
                        next_try_ms: Some(shut.next_try_ms),
                        namespace: book.watch.namespace.clone(),
                    };
                    // What was never asked for does not "retry": it has not begun.
                    let begun = book.watch.state != WatchState::Starting || shut.attempt > 1;
                    if begun && book.watch.state != WatchState::Paused {
                        if book.watch.state == WatchState::Live {
                            self.scribe.note(Note::Watched(*kind, false));
                        }
                        book.watch = book.next_watch(report, now);
                        book.topic.set_watch(book.watch.state);
                    }
                }
            }
        }
    }

    /// The cluster's storage is not the one that we knew: what we hold of it means nothing.
    fn recognise(&mut self, identity: String) {
        let changed = self.identity.is_some();
        for (kind, book) in &mut self.kinds {
            if let Some((origin, _)) = self.origins.get(kind).filter(|_| !changed) {
                // Every replica counts alike, and so does whoever comes after us.
                book.rewinds = if origin.identity == identity { origin.rewinds } else { 0 };
            }
            book.begin_epoch(epoch(&identity, *kind, book.rewinds, &self.view));
            if changed {
                self.scribe.note(Note::Begun(*kind));
            }
        }
        if changed {
            self.agents.clear();
            self.scribe.note(Note::Told(tell::fabric(
                Severity::Warning,
                "another cluster answers at this address: everything is read anew".to_owned(),
            )));
        }
        self.identity = Some(identity);
    }

    fn seen(&mut self, kind: Kind, seen: Seen) {
        self.dirty.kinds.insert(kind);
        self.dirty.readiness |= matches!(kind, Kind::Agent | Kind::Switch);
        match seen {
            Seen::Watch(report) => self.watch(kind, report),
            Seen::Listed { version, objects, refused, stamp, namespace } => {
                let part = namespace.as_deref();
                self.listed(kind, &version, objects, (refused, stamp), part);
            }
            Seen::Put(admitted, stamp) => self.put(kind, *admitted, stamp, Found::Live),
            Seen::Gone { key, version, stamp, .. } => {
                self.gone(kind, &key, &version, stamp, Found::Live);
            }
            Seen::Bookmark(version) => {
                if let Some(book) = self.kinds.get_mut(&kind)
                    && let Some(version) = book.bookmark(&version)
                {
                    book.topic.advance(version);
                }
            }
        }
    }

    fn watch(&mut self, kind: Kind, report: WatchReport) {
        // It crossed the probe's bad news on its way: it will say so again once the gate is open.
        if report.state == WatchState::Live && self.fabric_state.state == Connectivity::Disconnected
        {
            return;
        }
        let Some(book) = self.kinds.get_mut(&kind) else { return };
        let before = book.watch.state;
        book.watch = book.next_watch(report, now_ms());
        book.topic.set_watch(book.watch.state);
        let watch = book.watch.clone();
        if before == watch.state {
            return;
        }
        if watch.state == WatchState::Missing && book.is_listed() {
            // The CRD is gone and its objects with it.
            book.rewinds += 1;
            let rewinds = book.rewinds;
            let identity = self.identity.as_deref().unwrap_or_default();
            book.begin_epoch(epoch(identity, kind, rewinds, &self.view));
            self.scribe.note(Note::Begun(kind));
            if kind == Kind::Agent {
                self.agents.clear();
            }
        }
        if (before == WatchState::Live) != (watch.state == WatchState::Live) {
            self.scribe.note(Note::Watched(kind, watch.state == WatchState::Live));
        }
        if let Some(told) = tell::watch(kind, before, &watch) {
            self.scribe.note(Note::Told(told));
        }
        self.tapped.push(Tapped::Watch(kind, watch));
    }

    fn set_connectivity(
        &mut self,
        state: Connectivity,
        cause: Option<Cause>,
        reason: Option<String>,
        next_try: Option<i64>,
    ) {
        let before = self.fabric_state.state;
        self.fabric_state.cause = cause;
        self.fabric_state.reason = reason;
        self.fabric_state.next_try = next_try;
        if before != state {
            self.fabric_state.state = state;
            self.fabric_state.since = now_ms();
            if let Some(told) = tell::connectivity(before, &self.fabric_state) {
                self.scribe.note(Note::Told(told));
            }
        }
    }

    /// Publishes whatever state changed.
    fn publish(&mut self) {
        let now = now_ms();
        self.state.set("connectivity", &self.fabric_state);
        if let Some(records) = &self.records {
            self.state.set("records", records);
        }
        for kind in std::mem::take(&mut self.dirty.kinds) {
            let Some(book) = self.kinds.get(&kind) else { continue };
            self.state.set(&format!("watch/{kind}"), &book.watch);
            if book.is_listed() {
                self.state.set(
                    &format!("counts/{kind}"),
                    &KindCount {
                        objects: book.topic.read(domain::log::KeyLog::len),
                        unreadable: book.unreadable(),
                    },
                );
            } else {
                self.state.unset(&format!("counts/{kind}"));
            }
        }
        if std::mem::take(&mut self.dirty.readiness) {
            self.publish_readiness(now);
        }
    }
}

/// The state of a fabric of which nothing is known yet.
fn unknown(server: String, now: i64) -> FabricState {
    FabricState {
        state: Connectivity::Unknown,
        since: now,
        cause: None,
        reason: None,
        next_try: None,
        server,
        version: None,
        last_answer: None,
    }
}

/// How a change was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// As it happened.
    Live,
    /// By comparing a list with what we held.
    AfterGap,
    /// In the very first list: no news.
    First,
}

/// Epoch of an objects topic: which storage, which kind, how often it went back, and what of it is watched.
fn epoch(identity: &str, kind: Kind, rewinds: u32, view: &str) -> Arc<str> {
    let mut digest = Sha256::new_with_prefix(format!("{identity}/{kind}/{rewinds}"));
    if !view.is_empty() {
        digest.update(format!("/{view}"));
    }
    hex(digest.finalize().get(..8).unwrap_or_default()).into()
}
