//! The live protocol, version 1: its frames, close codes and limits, in their serde form.
//!
//! Server and browser use these very types; third parties use the JSON. Unknown fields are ignored, so
//! that yesterday's tab reads today's frames.
//!
//! Invariant: nothing here moves bytes or keeps state.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::hex::hex;

pub mod journey;
pub mod labels;
pub mod ledger;
pub mod link;
mod read;
pub mod sse;

/// The version of the protocol that these types speak.
pub const PROTOCOL: u32 = 1;
/// WebSocket subprotocol of JSON text frames.
pub const SUBPROTOCOL: &str = "hnp.live.v1";
/// Silence after which the server pings, in milliseconds (±20 %).
pub const PING_MS: u64 = 10_000;
/// Time that a client has to answer a ping, in milliseconds.
pub const PONG_MS: u64 = 5_000;
/// Silence after which a client gives a connection up, in milliseconds of wall clock: it must have been
/// noticed within 16 s, and browsers' timers come late.
pub const SILENCE_MS: u64 = 15_000;
/// Most measurements in one pong; further batches of that time are not reported.
pub const MOST_SEEN: usize = 64;

/// A place in a topic: epoch and version. On the wire `["9f3c…","1203"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String, #[serde(with = "version_text")] pub u64);

/// Versions travel as text, since JSON numbers lose digits above 2⁵³ in many readers.
mod version_text {
    use serde::{Deserialize, Deserializer, Serializer};

    // Where a pointer has four bytes, eight are not trivial.
    #[cfg_attr(
        target_pointer_width = "64",
        expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")
    )]
    pub(super) fn serialize<S: Serializer>(
        version: &u64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(version)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            serde::de::Error::custom(format!(
                "`{text}` is not a version; versions are whole numbers as text"
            ))
        })
    }
}

/// Where a client wants to resume: nowhere, a cursor, or (for a wildcard) a token that the server made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum At {
    /// A place in one topic.
    Cursor(Cursor),
    /// Places in all topics of a wildcard, opaque to the client.
    Token(String),
}

/// How much of an object a subscription carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// What lists need.
    #[default]
    Row,
    /// The object as the cluster serves it, without managedFields and credentials.
    Full,
}

/// A wish to follow a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// A topic, or a selection with `*`.
    pub topic: String,
    /// How much of each object.
    #[serde(default)]
    pub view: View,
    /// Where to resume; absent: from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// A Kubernetes label selector that narrows an objects topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Keys that narrow an objects topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// Number of the wish, which comes back in `synced`: what is complete under another one is not under this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s: Option<u32>,
}

impl Want {
    /// All of a topic, as rows, from nothing.
    pub fn rows(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), view: View::Row, at: None, labels: None, keys: None, s: None }
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ClientFrame {
    /// The first frame.
    Hello {
        /// Must be [`PROTOCOL`].
        protocol: u32,
        /// Name and version, for the log.
        #[serde(default)]
        client: String,
        /// What to follow.
        #[serde(default)]
        topics: Vec<Want>,
    },
    /// Follow more.
    Sub {
        /// What.
        topics: Vec<Want>,
    },
    /// Follow less.
    Unsub {
        /// Topics as they were asked for.
        topics: Vec<String>,
    },
    /// Answer to the server's ping.
    Pong {
        /// The ping's `ts`.
        ts: u64,
        /// Milliseconds from the server's write stamp (the last of `ch.ms`) to the paint of the batches since the
        /// last pong, by the server's clock; at most [`MOST_SEEN`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seen: Vec<u32>,
    },
    /// Are you there?
    Ping {
        /// Comes back in the pong.
        n: u64,
    },
    /// I have lost something of this topic: send it anew.
    Resync {
        /// The topic.
        topic: String,
    },
    /// I lack the base of a patch: send this key whole.
    Need {
        /// The topic.
        topic: String,
        /// The key.
        key: String,
    },
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub k: String,
    /// `metadata.uid`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Version.
    #[serde(with = "version_text")]
    pub v: u64,
    /// The value in the subscription's view.
    pub o: Value,
}

/// A change of one key in a `ch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// The key has this value now.
    Put {
        /// The key.
        k: String,
        /// `metadata.uid`, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
        /// Version.
        #[serde(with = "version_text")]
        v: u64,
        /// The value.
        o: Value,
        /// Older changes that were folded into this one.
        #[serde(default)]
        folded: u32,
    },
    /// The key's value changed by this merge patch (RFC 7396) from the version `base`.
    Patch {
        /// The key.
        k: String,
        /// Version the patch applies to.
        #[serde(with = "version_text")]
        base: u64,
        /// Version after it.
        #[serde(with = "version_text")]
        v: u64,
        /// The patch.
        p: Value,
    },
    /// The key is gone.
    Del {
        /// The key.
        k: String,
        /// `metadata.uid` of what was deleted, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
        /// Version of the delete.
        #[serde(with = "version_text")]
        v: u64,
    },
    /// The key is no longer selected or visible, though not deleted.
    Out {
        /// The key.
        k: String,
        /// Version.
        #[serde(with = "version_text")]
        v: u64,
    },
}

impl Op {
    /// Its key and version.
    pub fn of(&self) -> (&str, u64) {
        let (Self::Put { k, v, .. }
        | Self::Patch { k, v, .. }
        | Self::Del { k, v, .. }
        | Self::Out { k, v }) = self;
        (k, *v)
    }
}

/// How a topic was resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovered {
    /// By the changes since the cursor.
    Log,
    /// By the changed objects and the list of live keys.
    Keys,
    /// Not: by a full snapshot.
    None,
}

/// A topic's head in a ping: topic, version (empty while nobody has read the topic yet), watch state, lag in
/// milliseconds if it is measured.
pub type Head = (String, String, String, Option<u64>);

/// What the server says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The first frame.
    Welcome {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Names the connection, for logs.
        sid: String,
        /// Who is signed in; null before accounts exist.
        user: Option<String>,
        /// The server's build.
        build: String,
        /// See [`PING_MS`].
        ping_ms: u64,
        /// See [`PONG_MS`].
        pong_ms: u64,
        /// When the session ends, RFC 3339; null before accounts exist.
        session_expires: Option<String>,
    },
    /// A part of everything.
    Snapshot {
        /// The topic.
        topic: String,
        /// Keys with their values.
        items: Vec<Item>,
        /// Items sent so far, these included.
        done: usize,
        /// Items in all.
        total: usize,
        /// The place that the whole will have, so that parts of two are never mixed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Cursor>,
    },
    /// What came so far is all, as of a place.
    Synced {
        /// The topic.
        topic: String,
        /// The place.
        at: Cursor,
        /// How it was resumed.
        recovered: Recovered,
        /// Number of the last `ch` sent so far on this connection: a smaller one here means a loss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n: Option<u64>,
        /// Items of the snapshot that this completes: fewer here mean a loss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<usize>,
        /// The wish's [`Want::s`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        s: Option<u32>,
    },
    /// The keys that live: drop what is not among them.
    Keys {
        /// The topic.
        topic: String,
        /// [`key_hash`] of each.
        live: Vec<String>,
    },
    /// Changes.
    Ch {
        /// Counts from 1 per connection.
        n: u64,
        /// The topic.
        topic: String,
        /// The place after these changes.
        at: Cursor,
        /// Version before these changes: whoever has not reached it has missed something.
        #[serde(default, with = "version_text")]
        from: u64,
        /// Unix milliseconds of watch delivery, hub, write, for the newest change.
        #[serde(default)]
        ms: Vec<i64>,
        /// The changes.
        b: Vec<Op>,
    },
    /// An entry of a feed.
    Evt {
        /// The topic.
        topic: String,
        /// Position, as text.
        id: String,
        /// A CloudEvents envelope, see [`crate::feed::Event`].
        e: Value,
    },
    /// Entries of a feed that are no longer held.
    Gap {
        /// The topic.
        topic: String,
        /// First position, as text.
        from: String,
        /// Last position, as text.
        to: String,
    },
    /// I am here, and this is where each topic stands.
    Ping {
        /// Opaque, comes back in the pong.
        ts: u64,
        /// Heads.
        heads: Vec<Head>,
        /// Where a wildcard may resume.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// Number of the last `ch` sent so far on this connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n: Option<u64>,
    },
    /// Answer to the client's ping.
    Pong {
        /// The ping's `n`.
        n: u64,
        /// When the server answered, Unix milliseconds: tells the client how far the clocks are apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<i64>,
    },
    /// You may no longer see this topic.
    Revoke {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
    /// Something you said cannot be done.
    Err {
        /// The topic it is about, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// A word for programs.
        code: ErrCode,
        /// A sentence for people: what, where, what to do.
        message: String,
    },
    /// I am closing.
    Bye {
        /// A [`Close`] code.
        code: u16,
        /// A word for programs.
        reason: String,
        /// When to come back; null: as you see fit.
        reconnect_in_ms: Option<u64>,
    },
}

/// What is wrong with something that a client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrCode {
    /// Not a frame of this protocol.
    BadFrame,
    /// Not a label selector.
    BadSelector,
    /// No such topic.
    UnknownTopic,
    /// More topics than allowed.
    TooMany,
}

/// Why a connection was closed. 4000–4499: reconnect; 4500–4999: do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The client did not read for too long.
    Slow,
    /// The server lost track; resume.
    ResyncNeeded,
    /// No pong.
    NoPong,
    /// Too many messages.
    RateLimited,
    /// Sign in again.
    SessionExpired,
    /// Frames that are not of this protocol, repeatedly.
    BadFrames,
    /// Signed out.
    LoggedOut,
    /// Too many connections.
    TooManyConnections,
    /// Not allowed.
    Forbidden,
    /// A frame too large, or too many topics.
    TooLarge,
    /// A version of the protocol that the server does not speak.
    UnknownProtocol,
    /// The server restarts.
    Restart,
}

impl Close {
    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Slow => 4008,
            Self::ResyncNeeded => 4010,
            Self::NoPong => 4012,
            Self::RateLimited => 4013,
            Self::SessionExpired => 4401,
            Self::BadFrames => 4501,
            Self::LoggedOut => 4503,
            Self::TooManyConnections => 4504,
            Self::Forbidden => 4507,
            Self::TooLarge => 4508,
            Self::UnknownProtocol => 4509,
            Self::Restart => 1012,
        }
    }

    /// The reason, as a word.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::ResyncNeeded => "resync_needed",
            Self::NoPong => "no_pong",
            Self::RateLimited => "rate_limited",
            Self::SessionExpired => "session_expired",
            Self::BadFrames => "bad_frames",
            Self::LoggedOut => "logged_out",
            Self::TooManyConnections => "too_many_connections",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::UnknownProtocol => "unknown_protocol",
            Self::Restart => "restart",
        }
    }
}

/// Whether a client may come back after this close code.
pub const fn may_reconnect(code: u16) -> bool {
    !(code >= 4500 && code <= 4999)
}

/// How a key is named in [`ServerFrame::Keys`]: the first 16 hexadecimal digits of its SHA-256.
pub fn key_hash(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    hex(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests;
