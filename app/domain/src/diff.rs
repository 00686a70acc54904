//! Differences between two JSON values: lists of changed fields for people, merge patches for the
//! wire.
//!
//! Invariant: nothing here knows a kind, except for the list of what counts of an Agent.
//! Invariant: a patch is only made where applying it gives exactly the new value.

mod agent;
mod patch;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use agent::{agent_changes, agent_state, agent_state_changes, counts_for_agent};
pub use patch::{apply_merge_patch, merge_patch};

/// One field that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// JSON pointer of the field; empty for the whole value.
    pub pointer: String,
    /// Value before; absent: the field was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// Value after; absent: the field is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// What changed, as far as it was wanted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Changed fields, sorted by the names on their way.
    pub items: Vec<FieldChange>,
    /// How many more changed.
    #[serde(default)]
    pub truncated: usize,
}

/// How much of a difference is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most changes that are listed.
    pub items: usize,
    /// Most bytes of a value; longer ones are cut and end in a marker.
    pub value_bytes: usize,
}

impl Default for Limits {
    /// What a person reads: 100 changes of 512 bytes.
    fn default() -> Self {
        Self { items: 100, value_bytes: 512 }
    }
}

/// The fields that differ, as deep as they can be told apart. A list of plain values counts as one
/// field; items of other lists are compared by their place.
pub fn changes(old: Option<&Value>, new: Option<&Value>, limits: Limits) -> Changes {
    let mut walk =
        Walk { pointer: String::new(), limits, keep: &|_| true, found: Changes::default() };
    walk.compare(old, new);
    walk.found
}

struct Walk<'k> {
    pointer: String,
    limits: Limits,
    /// Whether a change at a pointer is wanted.
    keep: &'k dyn Fn(&str) -> bool,
    found: Changes,
}

impl Walk<'_> {
    fn compare(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (old, new) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for name in names {
                    self.inside(&escaped(name), old.get(name), new.get(name));
                }
            }
            (Some(Value::Array(old)), Some(Value::Array(new)))
                if !(is_plain(old) && is_plain(new)) =>
            {
                for place in 0..old.len().max(new.len()) {
                    self.inside(&place.to_string(), old.get(place), new.get(place));
                }
            }
            (old, new) => self.note(old, new),
        }
    }

    fn inside(&mut self, step: &str, old: Option<&Value>, new: Option<&Value>) {
        let len = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(step);
        self.compare(old, new);
        self.pointer.truncate(len);
    }

    fn note(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if !(self.keep)(&self.pointer) {
            return;
        }
        if self.found.items.len() >= self.limits.items {
            self.found.truncated += 1;
            return;
        }
        self.found.items.push(FieldChange {
            pointer: self.pointer.clone(),
            from: old.map(|value| cut(value, self.limits.value_bytes)),
            to: new.map(|value| cut(value, self.limits.value_bytes)),
        });
    }
}

fn escaped(name: &str) -> String {
    if name.contains(['~', '/']) {
        name.replace('~', "~0").replace('/', "~1")
    } else {
        name.to_owned()
    }
}

fn is_plain(items: &[Value]) -> bool {
    !items.iter().any(|item| item.is_object() || item.is_array())
}

/// A value, or the beginning of it as text with a marker that says how long it is.
fn cut(value: &Value, limit: usize) -> Value {
    let text = match value {
        Value::String(text) if text.len() <= limit => return value.clone(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) => return value.clone(),
    };
    if text.len() <= limit {
        return value.clone();
    }
    let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let head = text.get(..end).unwrap_or_default();
    Value::String(format!("{head}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests;
