//! The state topic of a fabric: published only where it changed.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    clock::Stamp,
    hub::{keyed::KeyedTopic, payload::Payload},
};

/// See the module.
#[derive(Debug)]
pub(super) struct StateBook {
    topic: Arc<KeyedTopic>,
    texts: BTreeMap<Arc<str>, String>,
    version: u64,
}

impl StateBook {
    pub(super) fn new(topic: Arc<KeyedTopic>) -> Self {
        Self { topic, texts: BTreeMap::new(), version: 0 }
    }

    /// Publishes a value, if it differs from the last one.
    pub(super) fn set(&mut self, key: &str, value: &impl Serialize) {
        let Ok(text) = serde_json::to_string(value) else { return };
        if self.texts.get(key) == Some(&text) {
            return;
        }
        self.version += 1;
        let key: Arc<str> = key.into();
        self.topic.put(&key, self.version, Payload::state(text.clone(), Stamp::received_now()));
        self.texts.insert(key, text);
    }

    /// Takes a value back: it is not known any more.
    pub(super) fn unset(&mut self, key: &str) {
        if self.texts.remove(key).is_some() {
            self.version += 1;
            self.topic.remove(key, self.version);
        }
    }

    /// Keys that begin so.
    pub(super) fn keys_under(&self, prefix: &str) -> Vec<Arc<str>> {
        self.texts.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// The text last published under a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }
}
