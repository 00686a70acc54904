//! How often each fault was injected.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Counts by name.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_name: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    /// One more.
    pub(crate) fn add(&self, name: &'static str) {
        let mut counts = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name).or_default() += 1;
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
