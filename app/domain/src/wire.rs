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

pub mod labels;
pub mod ledger;
pub mod link;
mod read;

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
}

impl Want {
    /// All of a topic, as rows, from nothing.
    pub fn rows(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), view: View::Row, at: None, labels: None, keys: None }
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

/// A topic's head in a ping: topic, version, watch state, lag in milliseconds if it is measured.
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
mod tests {
    use serde_json::json;

    use super::*;

    fn round<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(
        text: &str,
    ) -> T {
        let value: T = serde_json::from_str(text).unwrap();
        let again: T = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
        assert_eq!(value, again);
        value
    }

    #[test]
    fn the_documented_client_frames_are_understood() {
        let hello: ClientFrame = round(
            r#"{"t":"hello","protocol":1,"client":"web/1.0","topics":[{"topic":"objects/prod/Switch","view":"row","at":["9f3c","1180"],"labels":"role=leaf"}]}"#,
        );
        let ClientFrame::Hello { topics, .. } = hello else { panic!() };
        assert_eq!(topics[0].at, Some(At::Cursor(Cursor("9f3c".into(), 1180))));
        let sub: ClientFrame =
            round(r#"{"t":"sub","topics":[{"topic":"objects/*/*","at":"opaque"}]}"#);
        let ClientFrame::Sub { topics } = sub else { panic!() };
        assert_eq!(
            (topics[0].view, topics[0].at.clone()),
            (View::Row, Some(At::Token("opaque".into())))
        );
        for text in [
            r#"{"t":"unsub","topics":["a"]}"#,
            r#"{"t":"pong","ts":17}"#,
            r#"{"t":"ping","n":3}"#,
            r#"{"t":"resync","topic":"a"}"#,
            r#"{"t":"need","topic":"a","key":"default/leaf-01"}"#,
        ] {
            round::<ClientFrame>(text);
        }
    }

    const SERVER_FRAMES: [&str; 12] = [
        r#"{"t":"welcome","protocol":1,"sid":"s","user":null,"build":"b","ping_ms":10000,"pong_ms":5000,"session_expires":null}"#,
        r#"{"t":"snapshot","topic":"t","items":[{"k":"default/leaf-01","uid":"u","v":"1180","o":{}}],"done":120,"total":432}"#,
        r#"{"t":"synced","topic":"t","at":["9f3c","1200"],"recovered":"log"}"#,
        r#"{"t":"keys","topic":"t","live":["a1b2"]}"#,
        r#"{"t":"ch","n":57,"topic":"t","at":["9f3c","1203"],"ms":[1,2,3],"b":[{"k":"a","uid":"u","op":"put","v":"1201","o":{},"folded":0},{"k":"b","op":"patch","base":"1190","v":"1202","p":{}},{"k":"c","uid":"u","op":"del","v":"1203"},{"k":"d","op":"out","v":"9"}]}"#,
        r#"{"t":"evt","topic":"feed/prod","id":"7","e":{}}"#,
        r#"{"t":"gap","topic":"feed/prod","from":"1","to":"2"}"#,
        r#"{"t":"ping","ts":17,"heads":[["objects/prod/Switch","1203","live",12],["state/prod","3","live",null]],"token":"x"}"#,
        r#"{"t":"pong","n":3}"#,
        r#"{"t":"revoke","topic":"t","reason":"rights"}"#,
        r#"{"t":"err","topic":"t","code":"bad_selector","message":"m"}"#,
        r#"{"t":"bye","code":4401,"reason":"session_expired","reconnect_in_ms":null}"#,
    ];

    #[test]
    fn the_documented_server_frames_are_understood() {
        for text in SERVER_FRAMES {
            assert_eq!(ServerFrame::read(text), Ok(round::<ServerFrame>(text)));
        }
    }

    #[test]
    fn a_frame_that_lacks_a_field_or_has_it_in_another_form_is_read_alike_by_both_readers() {
        let forms = [
            json!(null),
            json!(1),
            json!("1"),
            json!("log"),
            json!([]),
            json!([1]),
            json!(["e", "2"]),
            json!({}),
        ];
        for text in SERVER_FRAMES {
            let whole: Value = serde_json::from_str(text).unwrap();
            for field in whole.as_object().unwrap().keys() {
                let mut lacking = whole.clone();
                lacking.as_object_mut().unwrap().remove(field);
                let others = forms.iter().map(|form| {
                    let mut other = whole.clone();
                    other[field] = form.clone();
                    other
                });
                for frame in others.chain([lacking]).map(|frame| frame.to_string()) {
                    let derived: Option<ServerFrame> = serde_json::from_str(&frame).ok();
                    assert_eq!(ServerFrame::read(&frame).ok(), derived, "{frame}");
                }
            }
        }
    }

    #[test]
    fn a_version_beyond_53_bits_keeps_its_digits() {
        let cursor: Cursor = round(r#"["e","18446744073709551615"]"#);
        assert_eq!(cursor.1, u64::MAX);
        assert!(serde_json::from_str::<Cursor>(r#"["e","12x"]"#).is_err());
    }

    #[test]
    fn close_codes_say_whether_to_come_back() {
        for close in [
            Close::Slow,
            Close::ResyncNeeded,
            Close::NoPong,
            Close::RateLimited,
            Close::SessionExpired,
            Close::Restart,
        ] {
            assert!(may_reconnect(close.code()), "{close:?}");
        }
        for close in [
            Close::BadFrames,
            Close::LoggedOut,
            Close::TooManyConnections,
            Close::Forbidden,
            Close::TooLarge,
            Close::UnknownProtocol,
        ] {
            assert!(!may_reconnect(close.code()), "{close:?}");
        }
    }

    #[test]
    fn a_key_hash_is_the_head_of_its_sha256() {
        assert_eq!(key_hash("default/leaf-01").len(), 16);
        assert_eq!(key_hash("abc"), "ba7816bf8f01cfea");
    }
}
