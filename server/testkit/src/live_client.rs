//! A native client of the live link: the browser's own protocol code, driven over real sockets in real time.
//!
//! What it shows ([`Seen::shown`]) is built from the link's outputs alone, as pages are, so that it can be compared
//! with what the link holds and with the truth.
//!
//! Invariant: nothing is decided here that the link decides; nothing of a client outlives its [`LiveClient`].

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::wire::{
    Want,
    link::{Input, Link, LinkState, Status},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

mod driver;
mod line;
mod seen;

pub use seen::{Heard, Move, Run, Seen, Shown};

/// Orders of a test that wait for the driver; a test that sends more waits.
const ORDERS: usize = 16;
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to connect.
    pub address: SocketAddr,
    /// Name and version, for the server's log.
    pub name: String,
    /// API token with which it signs in; none: as nobody.
    pub token: Option<String>,
    /// What to follow from the start.
    pub wants: Vec<Want>,
    /// Seed of the jitter in its retries.
    pub seed: u64,
}

impl Options {
    /// A client of [`crate::account`] that follows these topics as rows.
    pub fn rows(address: SocketAddr, topics: &[&str]) -> Self {
        let wants = topics.iter().map(|topic| Want::rows(*topic)).collect();
        let token = Some(crate::account::TOKEN.to_owned());
        Self { address, name: "testkit/1".to_owned(), token, wants, seed: 1 }
    }
}

/// The link with what was seen of it, under one lock that is held for one step at a time.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) seen: Seen,
}

pub(crate) type Shared = Arc<Mutex<Inner>>;

pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See the module.
#[derive(Debug)]
pub struct LiveClient {
    shared: Shared,
    orders: mpsc::Sender<Input>,
    /// Parent of the driver.
    _driver: JoinSet<()>,
}

impl LiveClient {
    /// Begins to connect.
    pub fn start(options: Options) -> Self {
        let link = Link::new(&options.name);
        let shared = Arc::new(Mutex::new(Inner { link, seen: Seen::default() }));
        let (orders, received) = mpsc::channel(ORDERS);
        let mut driver = JoinSet::new();
        driver.spawn(driver::run(options, Arc::clone(&shared), received));
        Self { shared, orders, _driver: driver }
    }

    /// Looks at the link and at what was seen.
    pub fn look<T>(&self, at: impl FnOnce(&Link, &Seen) -> T) -> T {
        let inner = lock(&self.shared);
        at(&inner.link, &inner.seen)
    }

    /// Gives the link an input of one's own, for example [`Input::Subscribe`] or [`Input::Wake`].
    pub async fn order(&self, input: Input) {
        // The driver ends only with this handle.
        let _ = self.orders.send(input).await;
    }

    /// What a pill would show now.
    pub fn status(&self) -> Status {
        self.look(|link, _| link.status(driver::now()))
    }

    /// Notes from now on when each change comes, or no longer.
    pub fn record(&self, recording: bool) {
        lock(&self.shared).seen.recording = recording;
    }

    /// Whether frames come.
    pub fn is_live(&self) -> bool {
        matches!(self.status().state, LinkState::Live { .. })
    }

    /// The local end of the newest connection.
    pub fn local(&self) -> Option<SocketAddr> {
        self.look(|_, seen| seen.local)
    }

    /// Versions of all keys that are shown of a topic; none before it was complete once.
    pub fn versions(&self, topic: &str) -> Option<BTreeMap<String, u64>> {
        self.look(|_, seen| {
            let shown = seen.shown.get(topic)?;
            Some(shown.held.iter().map(|(key, held)| (key.clone(), held.version)).collect())
        })
    }

    /// Waits until something holds; false if it does not come in time.
    pub async fn until(
        &self,
        within: Duration,
        mut holds: impl FnMut(&Link, &Seen) -> bool,
    ) -> bool {
        let begun = Instant::now();
        loop {
            if self.look(&mut holds) {
                return true;
            }
            if begun.elapsed() > within {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
