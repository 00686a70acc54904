//! What goes into the link and what comes out of it.
//!
//! Invariant: values only; what they mean is decided by the link.

use super::super::{ClientFrame, ServerFrame, Want, ledger::Delta};

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Begin.
    Start,
    /// The socket is open.
    Opened,
    /// A frame came.
    Frame(Box<ServerFrame>),
    /// Something came that is not a frame.
    Garbage,
    /// The socket closed, with this code (1006 if there was none).
    Closed(u16),
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
    /// Open a socket.
    Dial,
    /// Close the socket, without waiting for anything.
    HangUp,
    /// Send a frame.
    Send(ClientFrame),
    /// Keys of a topic changed.
    Changed(String, Vec<Delta>),
    /// A topic is complete now.
    Synced(String),
    /// An entry of a feed came: topic, position, envelope.
    Event(String, u64, serde_json::Value),
    /// Entries of a feed are no longer held by the server: topic, first, last.
    Gap(String, u64, u64),
    /// The server refused something: a sentence for people.
    Refused(String),
}

/// Where the link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Not begun.
    Idle,
    /// A socket is being opened, until then.
    Dialing {
        /// Unix milliseconds.
        give_up: u64,
    },
    /// `hello` is sent, `welcome` must come until then.
    Greeting {
        /// Unix milliseconds.
        give_up: u64,
    },
    /// Frames come.
    Live {
        /// Since when, Unix milliseconds.
        since: u64,
        /// When silence means death, Unix milliseconds.
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
