//! The words for states, exactly as people read them: connectivity, watches, links, severities.
//!
//! Invariant: `unknown` is a state like any other; nothing here defaults to good news.

use serde::{Deserialize, Serialize};

use crate::readiness::Readiness;

/// Why a cluster does not answer, as a word a program can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Name resolution failed.
    Dns,
    /// The connection was refused, reset or not made.
    Tcp,
    /// The TLS handshake failed.
    Tls,
    /// The server did not answer in time.
    Timeout,
    /// The credentials were refused (401).
    Unauthorized,
    /// The credentials lack a right (403).
    Forbidden,
    /// The server answered with an error of its own (5xx, 429).
    ServerError,
    /// The server said something that is not the Kubernetes API.
    Protocol,
    /// The kubeconfig asks for something unusable.
    Config,
    /// The server, or what it serves, is of a version that HNP does not read.
    Version,
    /// The server's clock and ours differ so far that times cannot be compared.
    ClockSkew,
}

/// Connectivity of a fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// Not asked yet.
    Unknown,
    /// The first attempt is under way.
    Connecting,
    /// The last probe was answered and every kind that the cluster serves is live.
    Connected,
    /// The last probe was answered, but some kinds fail, or its clock is too far from ours to judge what it says.
    Degraded,
    /// The last probe failed.
    Disconnected,
    /// Switched off by a person.
    Disabled,
}

impl Connectivity {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Degraded => "degraded",
            Self::Disconnected => "disconnected",
            Self::Disabled => "disabled",
        }
    }
}

/// Value of the key `connectivity` in a state topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricState {
    /// The word.
    pub state: Connectivity,
    /// Since when, Unix milliseconds.
    pub since: i64,
    /// What failed, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What failed and what to do, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next attempt is due, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<i64>,
    /// The API server's address.
    pub server: String,
    /// What the API server calls its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When the API server last answered a probe, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<i64>,
}

/// State of the watch of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// Nothing asked yet.
    Starting,
    /// The first list is being read.
    Listing,
    /// Listed and followed; what we show is what the cluster holds.
    Live,
    /// Interrupted; what we show is as of the interruption.
    Retrying,
    /// The credentials may not list or watch it.
    Forbidden,
    /// The cluster does not serve it (no such CRD, or another version only).
    Missing,
    /// Switched off by a person.
    Paused,
}

impl WatchState {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Listing => "listing",
            Self::Live => "live",
            Self::Retrying => "retrying",
            Self::Forbidden => "forbidden",
            Self::Missing => "missing",
            Self::Paused => "paused",
        }
    }
}

/// Value of the key `watch/{Kind}` in a state topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindWatch {
    /// The word.
    pub state: WatchState,
    /// Since when, Unix milliseconds.
    pub since: i64,
    /// Why it is not live, in a sentence that says what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attempts since it was last live.
    #[serde(default)]
    pub attempt: u32,
    /// When the next attempt is due, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<i64>,
    /// The one namespace that is watched, where a cluster-wide list is forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// When it was last live, Unix milliseconds: objects are true as of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<i64>,
}

/// Value of the key `counts/{Kind}`: present only once the kind was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    /// Objects in the store.
    pub objects: usize,
    /// Those among them that do not read as their kind.
    pub unreadable: usize,
}

/// Value of the key `readiness/{namespace}/{name}` of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchReadiness {
    /// The word.
    pub state: Readiness,
    /// What it waits for, in words.
    pub reason: String,
    /// Since when, Unix milliseconds, where it can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
}

/// Whether what is observed of a fabric is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// Not known yet.
    Starting,
    /// Here.
    Here,
    /// By another process on the same database.
    Elsewhere,
    /// The database does not take it: what happens meanwhile is told, but kept in memory only.
    Failing,
    /// There is no database.
    Off,
}

impl Recording {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Here => "recorded",
            Self::Elsewhere => "recorded elsewhere",
            Self::Failing => "not recorded",
            Self::Off => "off",
        }
    }
}

/// Value of the key `records` in a state topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordState {
    /// The word.
    pub state: Recording,
    /// Since when, Unix milliseconds.
    pub since: i64,
    /// Why it is not recorded and what to do, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Events and changes that were seen and could not be recorded, since the process started.
    #[serde(default)]
    pub unrecorded: u64,
}

/// Whether delivery lag is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measuring {
    /// It is; see `ms`.
    Measured,
    /// It should be, but cannot; see `reason`.
    Failing,
}

/// Value of the key `lag` in a state topic; absent where no canary is switched on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// The word.
    pub state: Measuring,
    /// From the acknowledgement of a write to its delivery by a watch, in milliseconds; 5000 means that or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// When it was measured, Unix milliseconds.
    pub at: i64,
    /// Why it is not measured, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look when you have time.
    Warning,
    /// Something does not work.
    Error,
    /// Something that others depend on does not work.
    Critical,
}
