//! What narrows a subscription: keys, labels. Later: rights.

use std::collections::BTreeSet;

use domain::wire::labels::Labels;

use super::payload::Payload;

/// What narrows a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these keys.
    pub keys: Option<BTreeSet<String>>,
    /// Only objects with such labels.
    pub labels: Option<Labels>,
}

impl Filter {
    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        self.keys.is_none() && self.labels.is_none()
    }

    /// Whether a value passes.
    pub fn passes(&self, key: &str, payload: &Payload) -> bool {
        self.passes_key(key)
            && self.labels.as_ref().is_none_or(|labels| {
                payload.meta.as_ref().is_some_and(|meta| labels.matches(&meta.row.labels))
            })
    }

    /// Whether a key passes, whatever its value.
    pub fn passes_key(&self, key: &str) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.contains(key))
    }
}
