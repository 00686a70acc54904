//! The clerk: the one task of a fabric that talks to the database. It holds the lease, writes what the
//! recorder hands over, in order, and reads what others wrote while they hold it.
//!
//! Invariant: a batch is written once, or said to be failing and tried again; nothing is written without
//! the lease; no wait is without a bound.

use std::{sync::Arc, time::Duration};

use domain::{history::Moment, kind::Kind, topic::FabricId};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    clock::now_ms,
    store::{Batch, Claim, EventQuery, Known, Lease, Store, StoreError, StoredEvent},
};

/// Most jobs that wait; beyond, the recorder gathers.
pub const JOBS: usize = 4;
/// Most words that wait for the recorder; beyond, the clerk waits.
pub const WORDS: usize = 64;
/// Positions that a new leader takes at first; more are asked for as they are used.
const FIRST_RESERVE: u64 = 100_000;
/// Most events read at once from what others wrote.
const TAIL: usize = 500;
/// Longest pause between two tries to write.
const MOST_PAUSE: Duration = Duration::from_secs(5);
/// Longest that the last batch is tried for when the process ends.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// What the clerk is to do.
#[derive(Debug)]
pub enum Job {
    /// Write this.
    Write(Box<Batch>),
    /// Say what is recorded of a kind.
    Ask(Kind),
    /// Reserve positions up to this one.
    Reserve(u64),
}

/// What the clerk says.
#[derive(Debug)]
pub enum Word {
    /// We hold the lease now.
    Leading {
        /// Position that the next event may have.
        next: u64,
        /// Positions up to this one are ours.
        reserved: u64,
        /// Set where the last holder ended without a word: when it last renewed, if that is known.
        unclean: Option<Option<i64>>,
    },
    /// Somebody else holds it.
    Following {
        /// Who.
        holder: String,
    },
    /// Positions up to this one are ours; none: it did not work, ask again.
    Reserved(Option<u64>),
    /// What the holder of the lease told.
    Written(Vec<StoredEvent>),
    /// The database does not do what it is asked: why, and what to do.
    Failing(String),
    /// It does again.
    Well,
    /// What is recorded of a kind.
    Recorded(Kind, Box<Known>),
}

/// How often things are done.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A lease that is not renewed ends after this time.
    pub lease: Duration,
    /// It is renewed, or asked for, this often.
    pub renew: Duration,
    /// What others wrote is read this often.
    pub tail: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(5),
            tail: Duration::from_millis(500),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Clerk {
    fabric: FabricId,
    store: Arc<dyn Store>,
    holder: String,
    pace: Pace,
    jobs: mpsc::Receiver<Job>,
    words: mpsc::Sender<Word>,
    claim: Option<Claim>,
    /// Position up to which what others wrote was read.
    read: u64,
    failing: bool,
    said_following: Option<String>,
    /// When the last tries end, once nobody hands over any more.
    give_up: Option<Instant>,
}

impl Clerk {
    /// A clerk and the recorder's ends of it. `read` is the position that the feed begins after.
    pub fn new(
        fabric: FabricId,
        store: Arc<dyn Store>,
        holder: String,
        pace: Pace,
        read: u64,
    ) -> (Self, (mpsc::Sender<Job>, mpsc::Receiver<Word>)) {
        let (to_clerk, jobs) = mpsc::channel(JOBS);
        let (words, from_clerk) = mpsc::channel(WORDS);
        let clerk = Self {
            fabric,
            store,
            holder,
            pace,
            jobs,
            words,
            claim: None,
            read,
            failing: false,
            said_following: None,
            give_up: None,
        };
        (clerk, (to_clerk, from_clerk))
    }

    /// Works until the recorder is gone, then gives the lease back.
    pub async fn run(mut self) {
        let mut renew = interval(self.pace.renew);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tail = interval(self.pace.tail);
        tail.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Every branch only waits on something that takes nothing when it is dropped.
            let job = tokio::select! {
                biased;
                _ = renew.tick() => { self.renew().await; continue }
                job = self.jobs.recv() => job,
                _ = tail.tick(), if self.claim.is_none() && self.said_following.is_some() => {
                    self.tail().await;
                    continue;
                }
            };
            match job {
                Some(Job::Write(batch)) => self.write(&batch, &mut renew).await,
                Some(Job::Ask(kind)) => self.answer(kind, &mut renew).await,
                Some(Job::Reserve(upto)) => self.reserve(upto).await,
                None => break,
            }
        }
        if let Some(claim) = self.claim {
            let released = self.store.release(&self.fabric, claim, now_ms()).await;
            if let Err(error) = released {
                tracing::warn!(fabric = %self.fabric, %error, "the lease on the records could not be given back");
            }
        }
    }

    async fn say(&self, word: Word) {
        // Without a recorder there is nobody to tell; the closed inbox ends us.
        let _ = self.words.send(word).await;
    }

    async fn renew(&mut self) {
        let ttl = i64::try_from(self.pace.lease.as_millis()).unwrap_or(i64::MAX);
        let claimed = self.store.claim(&self.fabric, &self.holder, now_ms(), ttl).await;
        match claimed {
            Ok(Lease::Held { claim, before_ms, .. }) if self.claim != Some(claim) => {
                self.begin(claim, before_ms).await;
            }
            Ok(Lease::Held { .. }) => self.well().await,
            Ok(Lease::Elsewhere { holder, .. }) => self.follow(holder).await,
            Err(error) => self.fail(&error).await,
        }
    }

    /// The lease is ours: everything that was written before is read first.
    async fn begin(&mut self, claim: Claim, before_ms: Option<i64>) {
        while self.tail().await == TAIL {}
        let begun = async {
            let feed = self.store.feed(&self.fabric).await?;
            let reserved = feed.head.max(feed.reserved) + FIRST_RESERVE;
            self.store.reserve(&self.fabric, claim, reserved).await?;
            Ok((feed, reserved))
        };
        match begun.await {
            Ok((feed, reserved)) => {
                self.claim = Some(claim);
                self.said_following = None;
                self.failing = false;
                let next = feed.head.max(feed.reserved) + 1;
                let unclean = (feed.reserved > feed.head).then_some(before_ms);
                self.say(Word::Leading { next, reserved, unclean }).await;
            }
            Err(error) => self.fail(&error).await,
        }
    }

    async fn follow(&mut self, holder: String) {
        self.claim = None;
        if self.said_following.as_ref() != Some(&holder) {
            self.said_following = Some(holder.clone());
            self.say(Word::Following { holder }).await;
        }
        self.well().await;
    }

    /// Reads what the holder told. Returns how many events there were.
    async fn tail(&mut self) -> usize {
        let query = EventQuery { after: Some(self.read), limit: TAIL, ..EventQuery::default() };
        match self.store.events(&self.fabric, &query).await {
            Ok(events) => {
                let count = events.len();
                if let Some(newest) = events.last() {
                    self.read = newest.position;
                    self.say(Word::Written(events)).await;
                }
                count
            }
            Err(error) => {
                self.fail(&error).await;
                0
            }
        }
    }

    /// Writes a batch, however often it has to be tried, as long as the lease is ours.
    async fn write(&mut self, batch: &Batch, renew: &mut tokio::time::Interval) {
        let mut pause = Duration::from_millis(100);
        loop {
            let Some(claim) = self.claim else { return };
            match self.store.append(&self.fabric, claim, batch).await {
                Ok(()) => {
                    if let Some(newest) = batch.events.last() {
                        self.read = self.read.max(newest.position);
                    }
                    return self.well().await;
                }
                Err(StoreError::LeaseLost { .. }) => return self.lost(),
                Err(error) => self.fail(&error).await,
            }
            // Nobody hands over any more: the process ends, and does not wait for ever.
            if self.words.is_closed() {
                let until = *self.give_up.get_or_insert_with(|| Instant::now() + LAST_TRIES);
                if Instant::now() >= until {
                    tracing::error!(fabric = %self.fabric, events = batch.events.len(), changes = batch.changes.len(), "the last records could not be written");
                    return;
                }
            }
            self.pause(pause, renew).await;
            pause = (pause * 2).min(MOST_PAUSE);
        }
    }

    async fn answer(&mut self, kind: Kind, renew: &mut tokio::time::Interval) {
        let mut pause = Duration::from_millis(100);
        while self.claim.is_some() && !self.words.is_closed() {
            match self.store.at(&self.fabric, kind, Moment::Now).await {
                Ok(known) => {
                    self.well().await;
                    return self.say(Word::Recorded(kind, Box::new(known))).await;
                }
                Err(error) => self.fail(&error).await,
            }
            self.pause(pause, renew).await;
            pause = (pause * 2).min(MOST_PAUSE);
        }
    }

    /// Waits, and renews the lease meanwhile if that is due.
    async fn pause(&mut self, pause: Duration, renew: &mut tokio::time::Interval) {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                _ = renew.tick() => self.renew().await,
            }
        }
    }

    async fn reserve(&mut self, upto: u64) {
        let Some(claim) = self.claim else { return };
        match self.store.reserve(&self.fabric, claim, upto).await {
            Ok(()) => self.say(Word::Reserved(Some(upto))).await,
            Err(StoreError::LeaseLost { .. }) => self.lost(),
            Err(error) => {
                self.fail(&error).await;
                self.say(Word::Reserved(None)).await;
            }
        }
    }

    /// Another hand is on the lease: the next renewal says whose.
    fn lost(&mut self) {
        self.claim = None;
    }

    async fn fail(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(fabric = %self.fabric, %error, "records cannot be kept");
        }
        self.say(Word::Failing(error.to_string())).await;
    }

    async fn well(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!(fabric = %self.fabric, "records are kept again");
            self.say(Word::Well).await;
        }
    }
}
