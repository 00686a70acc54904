//! The specs of all kinds, typed.
//!
//! Invariant: decoding never changes what it reads.

use serde_json::Value;

use crate::kind::Kind;

/// A decoded spec.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {}

/// Why an object does not read as its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {reason}")]
pub struct Unreadable {
    /// Where, for example `spec.subnets.web.vlan`.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

impl Spec {
    /// Reads the spec of an object.
    pub fn decode(_kind: Kind, _object: &Value) -> Result<(), Unreadable> {
        Ok(())
    }
}
