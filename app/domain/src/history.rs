//! History: what of an object is worth keeping, how a change of it is said, and moments in time.
//!
//! Invariant: what is replayed from a whole value and the changes after it equals what was recorded.
//! Invariant: of Agents only state is kept, never heartbeats, counters or temperatures.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    diff::{agent_state, apply_merge_patch, merge_patch},
    kind::Kind,
    time::{Timestamp, TimestampError},
};

/// How a change came to our notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// As it happened.
    Live,
    /// By comparing a list with what we held: when exactly it happened, and what lay between, is not known.
    AfterGap,
    /// By comparing with what was recorded before a time in which nobody recorded.
    AfterDowntime,
    /// In the very first list: it was there before we looked.
    First,
}

/// What an object became.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// This value.
    Put(Value),
    /// What it was, changed by this merge patch (RFC 7396).
    Patch(Value),
    /// Gone.
    Gone,
}

/// A moment of a fabric's history; as text `now`, an RFC 3339 time, or `v` and a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// The newest.
    Now,
    /// Unix milliseconds.
    Time(i64),
    /// All changes up to this version of the cluster's storage.
    Version(u64),
}

/// Why a text is not a [`Moment`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// It begins like a version, but no number follows.
    #[error("`{0}` is not a version; write `v` and a number, for example `v1234`")]
    Version(String),
    /// It is no time either.
    #[error("{0}; or write `now`, or a version such as `v1234`")]
    Time(#[from] TimestampError),
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if text == "now" {
            return Ok(Self::Now);
        }
        let Some(digits) = text.strip_prefix('v') else {
            return Ok(Self::Time(text.parse::<Timestamp>()?.unix_ms()));
        };
        let number = digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(version) if number => Ok(Self::Version(version)),
            _ => Err(MomentError::Version(text.chars().take(40).collect())),
        }
    }
}

/// A time outside the years 0 to 9999 is shown as the nearest that is inside.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Version(version) => write!(f, "v{version}"),
            Self::Time(ms) => {
                let inside = (*ms).clamp(Timestamp::MIN.unix_ms(), Timestamp::MAX.unix_ms());
                match Timestamp::from_unix_ms(inside) {
                    Ok(time) => time.fmt(f),
                    Err(_) => Err(fmt::Error),
                }
            }
        }
    }
}

/// What the history keeps of an object: of most kinds all, of agents only state. The version never:
/// it is told beside the object, and by itself it is no change.
pub fn recorded(kind: Kind, object: &Value) -> Value {
    let mut kept = match kind {
        Kind::Agent | Kind::GatewayAgent => agent_state(object),
        _ => object.clone(),
    };
    if let Some(metadata) = kept.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in ["resourceVersion", "managedFields"] {
            metadata.remove(name);
        }
    }
    kept
}

/// How it is said that `old` became `new`, both as [`recorded`]; none if nothing changed. A patch only
/// where it is shorter than the value and can say it.
pub fn content(old: Option<&Value>, new: Option<&Value>) -> Option<Content> {
    match (old, new) {
        (Some(_), None) => Some(Content::Gone),
        (None, None) => None,
        (None, Some(new)) => Some(Content::Put(new.clone())),
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => Some(match merge_patch(old, new) {
            Some(patch) if length(&patch) < length(new) => Content::Patch(patch),
            Some(_) | None => Content::Put(new.clone()),
        }),
    }
}

/// What an object is after a change. A patch of nothing is a patch of an empty value, as RFC 7396 has it.
pub fn apply(state: Option<Value>, change: &Content) -> Option<Value> {
    match change {
        Content::Gone => None,
        Content::Put(value) => Some(value.clone()),
        Content::Patch(patch) => {
            let mut value = state.unwrap_or_default();
            apply_merge_patch(&mut value, patch);
            Some(value)
        }
    }
}

/// Bytes of a value as JSON, counted without writing it anywhere.
fn length(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    if serde_json::to_writer(&mut count, value).is_err() {
        return usize::MAX;
    }
    count.0
}

#[cfg(test)]
mod tests;
