//! How a cluster is set up: seed, tokens, clock, sizes.
//!
//! Invariant: nothing is read from the environment; the only clock read of the crate is `wall_clock`.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::admission::Admission;

/// Tells the time; tests give their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock of one's own.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// The time as HTTP writes it.
    pub(crate) fn date(&self) -> String {
        jiff::Timestamp::try_from(self.now())
            .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            .unwrap_or_default()
    }

    /// The time in RFC 3339, whole seconds, UTC.
    pub fn stamp(&self) -> String {
        jiff::Timestamp::try_from(self.now())
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "the one edge of this crate where the clock is read")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    ReadWrite,
    /// Get, list and watch.
    ReadOnly,
    /// Nothing beside discovery and asking for one's rights.
    Nothing,
}

/// One bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What a client sends.
    pub secret: String,
    /// Name of the user, as in messages.
    pub user: String,
    /// What it may do.
    pub rights: Rights,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, {:?})", self.user, self.rights)
    }
}

/// The tokens a cluster knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Those that may be sent.
    pub list: Vec<Token>,
}

impl Tokens {
    /// Three tokens, made of the given secrets: `admin`, `reader` and `nobody`.
    pub fn three(admin: &str, reader: &str, nobody: &str) -> Self {
        let token = |user: &str, secret: &str, rights| Token {
            secret: secret.to_owned(),
            user: user.to_owned(),
            rights,
        };
        Self {
            list: vec![
                token("admin", admin, Rights::ReadWrite),
                token("reader", reader, Rights::ReadOnly),
                token("nobody", nobody, Rights::Nothing),
            ],
        }
    }

    /// The token of a user.
    pub fn of_user(&self, user: &str) -> Option<&Token> {
        self.list.iter().find(|token| token.user == user)
    }
}

impl Default for Tokens {
    /// Well-known secrets for tests and loopback demos: `sim-admin`, `sim-reader`, `sim-nobody`.
    fn default() -> Self {
        Self::three("sim-admin", "sim-reader", "sim-nobody")
    }
}

/// Whether the route for faults exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultRoute {
    /// It does not.
    #[default]
    Closed,
    /// `POST /hnp-sim/faults` takes a [`crate::Fault`] from whoever may write.
    Open,
}

/// How a cluster is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of uids and generated names.
    pub seed: u64,
    /// What rewrites objects before they are stored.
    pub admission: Admission,
    /// How many events are kept for watches and paged lists; older ones answer 410.
    pub history: usize,
    /// Who may come in.
    pub tokens: Tokens,
    /// What time it is.
    pub clock: Clock,
    /// Whether faults can be set over HTTP.
    pub fault_route: FaultRoute,
    /// Custom resource definitions that are there from the start.
    pub crds: Vec<Value>,
    /// Field manager of writes within the process.
    pub manager: String,
    /// Largest request body in bytes.
    pub body_limit_bytes: usize,
    /// How many watches may be open; more are answered 429.
    pub watch_limit: usize,
    /// How often a quiet watch gets a bookmark, if it wants any.
    pub bookmark_every: Duration,
}

/// Events kept: a minute of 150 changes a second.
const HISTORY_EVENTS: usize = 10_000;
/// Largest body, as the real server has it.
const BODY_LIMIT_BYTES: usize = 3 << 20;
/// Open watches: twenty clients with all kinds, and room.
const WATCH_LIMIT: usize = 1_024;

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 7,
            admission: Admission::None,
            history: HISTORY_EVENTS,
            tokens: Tokens::default(),
            clock: Clock::new(wall_clock),
            fault_route: FaultRoute::Closed,
            crds: crate::definition::all(),
            manager: "sim".to_owned(),
            body_limit_bytes: BODY_LIMIT_BYTES,
            watch_limit: WATCH_LIMIT,
            bookmark_every: Duration::from_mins(1),
        }
    }
}
