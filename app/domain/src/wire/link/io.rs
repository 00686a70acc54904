//! What goes into the link and what comes out of it.
//!
//! Invariant: values only; what they mean is decided by the link.

use super::super::{ClientFrame, ServerFrame, Want, ledger::Delta};

/// Names one connection or request of a link. Each dial has a new one, so that what comes late of an old line
/// is known as such and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(pub u32);

/// A way to reach the server, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// One connection, both ways.
    WebSocket,
    /// An answer that does not end; what we say is a new request.
    Sse,
    /// Requests that are answered once there is something to say.
    LongPoll,
    /// Requests that are answered at once, every few seconds.
    Poll,
}

impl Transport {
    /// The word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::WebSocket => "ws",
            Self::Sse => "sse",
            Self::LongPoll | Self::Poll => "poll",
        }
    }

    /// Whether it is made of requests that end with their answers.
    pub const fn is_poll(self) -> bool {
        matches!(self, Self::LongPoll | Self::Poll)
    }
}

/// How a line is opened.
#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// A WebSocket; `hello` follows once it is open.
    WebSocket,
    /// `POST …/live/sse` with this `hello`.
    Sse(Box<ClientFrame>),
    /// `POST …/live/poll` with this `hello`.
    Poll {
        /// How long the server may wait for something to say, in seconds.
        wait_s: u32,
        /// The body.
        hello: Box<ClientFrame>,
    },
}

/// What the server says of our session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// It is good: HTTP works.
    Works,
    /// Sign in (401).
    SignIn,
    /// Come back later (429, 503), or nobody answers.
    Away,
}

impl Session {
    /// What a status of the session's address means; none: no answer.
    pub const fn of(status: Option<u16>) -> Self {
        match status {
            Some(401) => Self::SignIn,
            Some(200..=299) => Self::Works,
            _ => Self::Away,
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Begin.
    Start,
    /// The WebSocket is open.
    Opened(Line),
    /// A frame came.
    Frame(Line, Box<ServerFrame>),
    /// A poll was answered with these frames; its line is closed thereby.
    Answer(Line, Vec<ServerFrame>),
    /// Something came that is not a frame.
    Garbage(Line),
    /// The line closed, with this close code (1006 if there was none) or status of HTTP.
    Closed(Line, u16),
    /// The answer to [`Output::AskSession`].
    Session(Session),
    /// [`deadline`](super::Link::deadline) passed.
    Timeout,
    /// A person wants to retry now.
    RetryNow,
    /// The page is visible again, was restored, or the clock jumped.
    Wake,
    /// The browser says it is online.
    Online,
    /// The browser says it is offline.
    Offline,
    /// Follow a topic.
    Subscribe(Want),
    /// Follow it no longer.
    Unsubscribe(String),
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a line.
    Dial(Line, How),
    /// Close a line, without waiting for anything.
    HangUp(Line),
    /// Send a frame; by WebSocket only.
    Send(Line, ClientFrame),
    /// Ask for the session; an answer to an older question is no longer wanted.
    AskSession,
    /// Keys of a topic changed.
    Changed(String, Vec<Delta>),
    /// Changes came that the server had stamped.
    Stamped(Stamps),
    /// A topic is complete now.
    Synced(String),
    /// An entry of a feed came: topic, position, envelope.
    Event(String, u64, serde_json::Value),
    /// Entries of a feed are no longer held by the server: topic, first, last.
    Gap(String, u64, u64),
    /// The server refused something: a sentence for people.
    Refused(String),
}

/// When the newest change of a batch passed by, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    /// Delivered by the watch, by the server's clock.
    pub watch: i64,
    /// Published by the hub, by the server's clock.
    pub hub: i64,
    /// Written to the line, by the server's clock.
    pub write: i64,
    /// Received, by our clock.
    pub got: i64,
}

/// Where the link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Not begun.
    Idle,
    /// A line is being opened, until then.
    Dialing {
        /// Unix milliseconds.
        give_up: u64,
    },
    /// `hello` is sent, `welcome` must come until then.
    Greeting {
        /// Unix milliseconds.
        give_up: u64,
    },
    /// A line failed without a word; whether HTTP works must be known until then.
    Asking {
        /// Unix milliseconds.
        give_up: u64,
    },
    /// Frames come.
    Live {
        /// Since when, Unix milliseconds.
        since: u64,
        /// When silence means death (between polls: when the next is due), Unix milliseconds.
        silent_after: u64,
    },
    /// The next dial is due then.
    Waiting {
        /// Unix milliseconds.
        retry_at: u64,
    },
    /// The browser says there is no network.
    Offline,
    /// The server does not want us back: the close code says why.
    Ended(u16),
}

/// What the pill shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Where the link stands.
    pub state: LinkState,
    /// How the server is reached, or tried.
    pub transport: Transport,
    /// When a better way is tried next, Unix milliseconds; none on the best one, or while it is tried.
    pub better_at: Option<u64>,
    /// Round trip of the last ping, in milliseconds.
    pub rtt_ms: Option<u64>,
    /// Since when what is shown may be out of date, Unix milliseconds.
    pub stale_since: Option<u64>,
    /// How often the link was resumed.
    pub resumes: u64,
    /// How often something was found missing and fetched again.
    pub lost: u64,
    /// Changes received.
    pub changes: u64,
    /// When the last frame came, Unix milliseconds.
    pub last_frame: Option<u64>,
}

/// What the link has seen of one fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How often its topics were resumed: the most of any of them.
    pub resumes: u64,
    /// How often something of it was found missing; what nobody can place counts for each fabric.
    pub lost: u64,
    /// The longest delivery lag among its topics, in milliseconds; none where it is not measured.
    pub lag_ms: Option<u64>,
}
