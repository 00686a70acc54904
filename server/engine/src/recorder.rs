//! The recorder of a fabric: the one task that appends to its feed and to its history.
//!
//! The keeper hands it notes and never waits for it. What is told goes to the feed at once; what is
//! recorded goes, in batches, to the [`clerk`], the one task that talks to the database. Only who holds
//! the fabric's lease tells and records; others follow what the holder wrote.
//!
//! What was not noted as it happened (nobody ran, notes came too fast, the database failed) is found by
//! comparing what is held now with what was last recorded, kind by kind, and is said to be so.
//!
//! Invariant: nothing here delays a keeper; no position of the feed is given twice; a change is recorded
//! on top of exactly the state that was recorded before it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{
    connection::Coverage,
    feed::EventType,
    history::Found,
    kind::Kind,
    object::ObjectKey,
    state::{RecordState, Recording, Severity, WatchState},
    topic::{FabricId, Topic},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

pub mod clerk;
mod compare;
mod open;
pub mod tell;

pub use open::{Opened, open};

use self::{
    clerk::{Job, Word},
    compare::Held,
    tell::Told,
};
use crate::{
    clock::now_ms,
    cluster::seen::Event as Observed,
    hub::{Hub, feed::FeedTopic},
    store::{Batch, Change, Known, Mark, Origin, StoredEvent},
};

/// Most notes that wait for the recorder; beyond, the keeper drops them and counts, and what they would
/// have said is found by comparing.
pub const NOTES: usize = 8_192;
/// Most notes taken at once.
const AT_ONCE: usize = 256;
/// Changes and events gathered before they are written, unless [`GATHER`] passes first.
const GATHERED: usize = 512;
/// Longest that something waits to be written.
const GATHER: Duration = Duration::from_millis(50);
/// Most events and changes that wait while the database does not take them; beyond, changes are let go
/// (and found again by comparing), and the oldest events are lost and counted.
const MOST_PENDING: usize = 20_000;
/// Positions of the feed that are reserved in advance.
const RESERVE: u64 = 100_000;

/// What the keeper says.
#[derive(Debug)]
pub enum Note {
    /// Something about the fabric or a watch.
    Told(Told),
    /// An object changed.
    Changed(Box<Changed>),
    /// All that is held of a kind belongs to a storage that is gone.
    Begun(Kind),
    /// Everything of a kind is held now.
    Listed(Kind, Origin),
    /// The watch of a kind is live from now on, or is not.
    Watched(Kind, bool),
}

/// A change of an object, as texts: they are shared, and read by the recorder only.
#[derive(Debug)]
pub struct Changed {
    /// Its kind.
    pub kind: Kind,
    /// Its key.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Version as the cluster writes it.
    pub raw: String,
    /// Its number.
    pub version: u64,
    /// When we saw it, Unix milliseconds.
    pub at_ms: i64,
    /// Whether it was found by comparing lists.
    pub after_gap: bool,
    /// Who made it.
    pub manager: Option<String>,
    /// The object before.
    pub old: Option<Arc<str>>,
    /// The object after.
    pub new: Option<Arc<str>>,
}

/// The keeper's end: notes go in without waiting.
#[derive(Debug, Clone)]
pub struct Scribe {
    notes: mpsc::Sender<Note>,
    missed: Arc<AtomicU64>,
}

impl Scribe {
    /// Notes something; counted as missed if the recorder does not keep up.
    pub fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How far the history of a kind got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// What is recorded is not what is held; `told` says whether people know the difference.
    Behind { found: Found, told: bool },
    /// As [`Self::Behind`], and the clerk was asked what is recorded.
    Asked { found: Found, told: bool },
    /// What is recorded is what was held at this version, and follows note by note. Up to it, the
    /// comparison `told` it or not.
    Level { at: u64, told: bool },
}

/// Who tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// Not known yet.
    Waiting,
    /// We; positions up to `reserved` are ours.
    Leading { reserved: u64 },
    /// Somebody else.
    Following { holder: String },
    /// We, and nothing is recorded.
    Alone,
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    fabric: FabricId,
    hub: Arc<Hub>,
    feed: Arc<FeedTopic>,
    notes: mpsc::Receiver<Note>,
    coverage: Coverage,
    missed: Arc<AtomicU64>,
    keeper: mpsc::Sender<Observed>,
    /// To and from the clerk; none without a database.
    clerk: Option<(mpsc::Sender<Job>, mpsc::Receiver<Word>)>,
    role: Role,
    kinds: BTreeMap<Kind, Progress>,
    origins: BTreeMap<Kind, Origin>,
    /// What the clerk is to be asked next.
    to_ask: VecDeque<Kind>,
    pending: Batch,
    flush_at: Option<Instant>,
    /// Whether what is pending has waited long enough.
    due: bool,
    /// Whether positions were asked for that did not come yet.
    reserving: bool,
    last_ms: i64,
    state: RecordState,
    /// What was last said of it.
    said: Option<RecordState>,
}

/// What a recorder needs beside its database.
#[derive(Debug)]
pub struct Beginning {
    /// The fabric.
    pub fabric: FabricId,
    /// Where its topics are.
    pub hub: Arc<Hub>,
    /// Its feed.
    pub feed: Arc<FeedTopic>,
    /// What of a kind is watched.
    pub coverage: Coverage,
    /// Who is told how recording goes.
    pub keeper: mpsc::Sender<Observed>,
    /// The clerk's ends; none: nothing is recorded.
    pub clerk: Option<(mpsc::Sender<Job>, mpsc::Receiver<Word>)>,
}

impl Recorder {
    /// A recorder and the keeper's end of it.
    pub fn new(beginning: Beginning) -> (Self, Scribe) {
        let Beginning { fabric, hub, feed, coverage, keeper, clerk } = beginning;
        let (notes, inbox) = mpsc::channel(NOTES);
        let missed = Arc::new(AtomicU64::new(0));
        let (role, state) = match &clerk {
            Some(_) => (Role::Waiting, Recording::Starting),
            None => (Role::Alone, Recording::Off),
        };
        let recorder = Self {
            fabric,
            hub,
            feed,
            notes: inbox,
            coverage,
            missed: Arc::clone(&missed),
            keeper,
            clerk,
            role,
            kinds: BTreeMap::new(),
            origins: BTreeMap::new(),
            to_ask: VecDeque::new(),
            pending: Batch::default(),
            flush_at: None,
            due: false,
            reserving: false,
            last_ms: 0,
            state: RecordState { state, since: now_ms(), reason: None, unrecorded: 0 },
            said: None,
        };
        (recorder, Scribe { notes, missed })
    }

    /// Tells and records until the keeper is gone, then sees to it that all of it is written.
    pub async fn run(mut self) {
        let mut notes = Vec::with_capacity(AT_ONCE);
        loop {
            self.say_state().await;
            // Every branch only waits; what was received is taken care of below.
            let woke = tokio::select! {
                biased;
                Some(word) = heard(&mut self.clerk) => Woke::Word(word),
                n = self.notes.recv_many(&mut notes, AT_ONCE), if self.role != Role::Waiting => Woke::Notes(n),
                () = due(self.flush_at) => Woke::Due,
            };
            match woke {
                Woke::Word(word) => self.word(word).await,
                Woke::Notes(0) => break,
                Woke::Notes(_) => {
                    for note in notes.drain(..) {
                        self.take(note);
                    }
                    self.count_missed();
                }
                Woke::Due => {
                    self.flush_at = None;
                    self.due = true;
                }
            }
            self.hand_over();
        }
        self.finish().await;
    }

    /// The last records go to the clerk, which tries for a bounded time once nobody listens to it, and
    /// gives the lease back when there is no more to come.
    async fn finish(mut self) {
        let Some((jobs, mut words)) = self.clerk.take() else { return };
        words.close();
        if matches!(self.role, Role::Leading { .. }) && !self.pending.is_empty() {
            let batch = std::mem::take(&mut self.pending);
            let _ = jobs.send(Job::Write(Box::new(batch))).await;
        }
    }

    fn leads(&self) -> bool {
        matches!(self.role, Role::Leading { .. } | Role::Alone)
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Told(told) => self.tell(told),
            Note::Changed(changed) => self.changed(&changed),
            Note::Begun(kind) => self.fall_behind(kind, Found::AfterGap, true),
            Note::Listed(kind, origin) => {
                self.origins.insert(kind, origin);
                if !matches!(
                    self.kinds.get(&kind),
                    Some(Progress::Level { .. } | Progress::Asked { .. })
                ) {
                    let before = self.kinds.get(&kind).copied();
                    let (found, told) = match before {
                        Some(Progress::Behind { found, told }) => (found, told),
                        _ => (Found::AfterDowntime, false),
                    };
                    self.ask(kind, found, told);
                }
            }
            Note::Watched(kind, live) => {
                // Before it is level, the comparison says how the watch stands.
                let level = matches!(self.kinds.get(&kind), Some(Progress::Level { .. }));
                if level && matches!(self.role, Role::Leading { .. }) {
                    let at_ms = self.time(now_ms());
                    self.pending.marks.push(Mark { kind, at_ms, live });
                }
            }
        }
    }

    fn changed(&mut self, changed: &Changed) {
        if !self.leads() {
            return;
        }
        let (old, new) = (read(changed.old.as_ref()), read(changed.new.as_ref()));
        let progress = self.kinds.get(&changed.kind).copied();
        let known = match progress {
            // The comparison saw it already.
            Some(Progress::Level { at, told }) if changed.version <= at => told,
            _ => false,
        };
        if !known && let Some(told) = tell::object(changed, old.as_ref(), new.as_ref()) {
            self.tell(told);
        }
        let level = matches!(progress, Some(Progress::Level { at, .. }) if changed.version > at);
        if !level || !matches!(self.role, Role::Leading { .. }) {
            return;
        }
        let kept = |value: &serde_json::Value| domain::history::recorded(changed.kind, value);
        let content = domain::history::content(
            old.as_ref().map(kept).as_ref(),
            new.as_ref().map(kept).as_ref(),
        );
        let Some(content) = content else { return };
        let at_ms = self.time(changed.at_ms);
        self.pending.changes.push(Change {
            kind: changed.kind,
            key: changed.key.clone(),
            uid: Arc::clone(&changed.uid),
            version: changed.version,
            at_ms,
            found: if changed.after_gap { Found::AfterGap } else { Found::Live },
            manager: changed.manager.as_deref().map(Arc::from),
            content,
        });
    }

    /// A time that never goes back, though the clock may.
    fn time(&mut self, at_ms: i64) -> i64 {
        self.last_ms = self.last_ms.max(at_ms);
        self.last_ms
    }

    fn tell(&mut self, told: Told) {
        if !self.leads() {
            return;
        }
        if let Role::Leading { reserved } = self.role
            && self.feed.head() >= reserved
        {
            // Only when the database fails for very long: better untold than told under a number that
            // another event will have.
            self.state.unrecorded += 1;
            return;
        }
        let at_ms = now_ms();
        let (kind, subject) = (told.kind, told.subject.as_deref().map(Arc::from));
        let fabric = &self.fabric;
        let Some((position, text)) = self.feed.push(|position| told.event(fabric, position, at_ms))
        else {
            return;
        };
        if matches!(self.role, Role::Leading { .. }) {
            self.pending.events.push(StoredEvent { position, at_ms, kind, subject, text });
        }
    }

    fn notice(&mut self, severity: Severity, message: String) {
        self.tell(Told::plain(EventType::Notice, None, severity, message));
    }

    /// What is recorded of a kind is not what is held any more.
    fn fall_behind(&mut self, kind: Kind, found: Found, told: bool) {
        self.to_ask.retain(|asked| *asked != kind);
        self.kinds.insert(kind, Progress::Behind { found, told });
    }

    /// Asks the clerk what is recorded of a kind; the answer comes after everything that is pending is written.
    fn ask(&mut self, kind: Kind, found: Found, told: bool) {
        match self.role {
            Role::Leading { .. } => {
                self.kinds.insert(kind, Progress::Asked { found, told });
                self.to_ask.push_back(kind);
            }
            Role::Waiting | Role::Following { .. } | Role::Alone => {
                self.kinds.insert(kind, Progress::Behind { found, told });
            }
        }
    }

    /// All kinds that are held are compared anew.
    fn compare_all(&mut self, found: Found, told: bool) {
        for kind in Kind::ALL {
            self.to_ask.retain(|asked| asked != kind);
            let listed = self
                .hub
                .keyed(&Topic::Objects(self.fabric.clone(), *kind))
                .is_some_and(|topic| topic.is_listed());
            if listed && self.origins.contains_key(kind) {
                self.ask(*kind, found, told);
            } else {
                self.kinds.insert(*kind, Progress::Behind { found, told });
            }
        }
    }

    fn count_missed(&mut self) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed == 0 || !self.leads() {
            return;
        }
        self.state.unrecorded += missed;
        self.notice(
            Severity::Warning,
            format!("{missed} observations came faster than they could be told; what changed was found by comparing"),
        );
        if self.role != Role::Alone {
            self.compare_all(Found::AfterGap, false);
        }
    }

    async fn word(&mut self, word: Word) {
        match word {
            Word::Leading { next, reserved, unclean } => {
                self.feed.skip_to(next);
                self.role = Role::Leading { reserved };
                self.set_state(Recording::Here, None);
                if let Some(until) = unclean {
                    self.notice(Severity::Warning, tell::stopped(until));
                }
                self.compare_all(Found::AfterDowntime, false);
            }
            Word::Following { holder } => {
                if self.role != (Role::Following { holder: holder.clone() }) {
                    self.pending = Batch::default();
                    self.to_ask.clear();
                    self.set_state(Recording::Elsewhere, Some(format!("by {holder}")));
                    self.role = Role::Following { holder };
                }
            }
            Word::Reserved(upto) => {
                self.reserving = false;
                if let (Role::Leading { reserved }, Some(upto)) = (&mut self.role, upto) {
                    *reserved = upto;
                }
            }
            Word::Written(events) => {
                for event in events {
                    self.feed.take_over(event.position, event.text);
                }
            }
            Word::Failing(reason) => self.set_state(Recording::Failing, Some(reason)),
            Word::Well => self.recovered(),
            Word::Recorded(kind, known) => self.compare(kind, *known).await,
        }
    }

    fn recovered(&mut self) {
        if self.state.state != Recording::Failing {
            return;
        }
        let reason = self.state.reason.take().unwrap_or_default();
        let since = self.state.since;
        self.set_state(Recording::Here, None);
        self.notice(Severity::Info, tell::recovered(since, &reason));
    }

    fn set_state(&mut self, state: Recording, reason: Option<String>) {
        if self.state.state != state {
            self.state.since = now_ms();
        }
        self.state.state = state;
        self.state.reason = reason;
    }

    /// Compares what was recorded of a kind with what is held, records the difference, and tells it where
    /// people do not know it.
    async fn compare(&mut self, kind: Kind, mut known: Known) {
        let Some(Progress::Asked { found, told }) = self.kinds.get(&kind).copied() else { return };
        let Some(topic) = self.hub.keyed(&Topic::Objects(self.fabric.clone(), kind)) else {
            return;
        };
        if !topic.is_listed() {
            // Reset meanwhile: the next list asks again.
            self.kinds.insert(kind, Progress::Behind { found, told });
            return;
        }
        let (at, held) =
            topic.read(|log| (log.head(), log.iter().filter_map(Held::of).collect::<Vec<_>>()));
        compare::keep_covered(&mut known, &self.coverage);
        let origin = self.origins.get(&kind).cloned();
        let never = known.origin.is_none();
        let found = if never { Found::First } else { found };
        let at_ms = self.time(now_ms());
        let new_origin = origin.clone().filter(|origin| known.origin.as_ref() != Some(origin));
        let work = move || {
            compare::compare(
                kind,
                known,
                &held,
                compare::Mode { found, at_ms, tell: !told && !never },
            )
        };
        // Thousands of objects are read and compared: not on a thread that moves frames.
        let Ok(difference) = tokio::task::spawn_blocking(work).await else { return };
        self.pending.changes.extend(difference.changes);
        self.pending.origins.extend(new_origin.map(|origin| (kind, origin)));
        for told in difference.told {
            self.tell(told);
        }
        let live = topic.watch() == WatchState::Live;
        self.pending.marks.push(Mark { kind, at_ms, live });
        self.kinds.insert(kind, Progress::Level { at, told: !told && !never });
    }

    /// Hands to the clerk what is ready, as far as it takes it.
    fn hand_over(&mut self) {
        let Role::Leading { reserved } = self.role else { return };
        let Some(jobs) = self.clerk.as_ref().map(|(jobs, _)| jobs.clone()) else { return };
        if !self.reserving && self.feed.head() + RESERVE / 4 >= reserved {
            self.reserving = jobs.try_send(Job::Reserve(reserved + RESERVE)).is_ok();
        }
        let full = self.pending.len() >= GATHERED || !self.to_ask.is_empty();
        let due = std::mem::take(&mut self.due);
        if !self.pending.is_empty() && (full || due) {
            match jobs.try_reserve() {
                Ok(slot) => {
                    slot.send(Job::Write(Box::new(std::mem::take(&mut self.pending))));
                }
                Err(_) => self.bound_pending(),
            }
        }
        if self.pending.is_empty() {
            while let Some(kind) = self.to_ask.front() {
                if jobs.try_send(Job::Ask(*kind)).is_err() {
                    break;
                }
                self.to_ask.pop_front();
            }
        }
        let waits = !self.pending.is_empty() || !self.to_ask.is_empty() || self.reserving;
        if waits && self.flush_at.is_none() {
            self.flush_at = Some(Instant::now() + GATHER);
        }
    }

    /// The database has not taken anything for long: changes can be found again, events cannot.
    fn bound_pending(&mut self) {
        if self.pending.len() <= MOST_PENDING {
            return;
        }
        self.state.unrecorded += self.pending.changes.len() as u64;
        self.pending.changes.clear();
        // Where kinds came from is said again once they are compared.
        self.pending.origins.clear();
        self.pending.marks.clear();
        let too_many = self.pending.events.len().saturating_sub(MOST_PENDING / 2);
        self.state.unrecorded += too_many as u64;
        self.pending.events.drain(..too_many);
        self.compare_all(Found::AfterGap, true);
    }

    async fn say_state(&mut self) {
        if self.said.as_ref() != Some(&self.state) {
            self.said = Some(self.state.clone());
            let _ = self.keeper.send(Observed::Records(self.state.clone())).await;
        }
    }
}

/// What woke the recorder.
enum Woke {
    Word(Word),
    Notes(usize),
    Due,
}

async fn heard(clerk: &mut Option<(mpsc::Sender<Job>, mpsc::Receiver<Word>)>) -> Option<Word> {
    match clerk {
        Some((_, words)) => words.recv().await,
        None => None,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn read(text: Option<&Arc<str>>) -> Option<serde_json::Value> {
    serde_json::from_str(text?).ok()
}
