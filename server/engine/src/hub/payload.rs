//! A value of a keyed topic with its encodings, made once and shared by all readers.

use std::sync::{Arc, OnceLock};

use domain::{
    diff::merge_patch,
    object::{ObjectKey, Reference, Row},
    wire::View,
};

use crate::clock::Stamp;

/// What is known of an object beside its texts; absent in state topics.
#[derive(Debug)]
pub struct Meta {
    /// Namespace and name.
    pub key: ObjectKey,
    /// What lists show.
    pub row: Arc<Row>,
    /// What it names.
    pub references: Vec<Reference>,
}

/// A value with its encodings.
#[derive(Debug)]
pub struct Payload {
    /// `metadata.uid`; empty in state topics.
    pub uid: Arc<str>,
    /// JSON text of the view `row`.
    pub row: Arc<str>,
    /// JSON text of the view `full`.
    pub full: Arc<str>,
    /// Beside the texts.
    pub meta: Option<Meta>,
    /// When it was received and published.
    pub stamp: Stamp,
    /// What turns the row of the version before into this one.
    patch: Option<Patch>,
    row_put: OnceLock<Arc<str>>,
    full_put: OnceLock<Arc<str>>,
}

#[derive(Debug)]
struct Patch {
    base: u64,
    text: Arc<str>,
    /// The change as it stands in a `ch`, made once.
    op: OnceLock<Arc<str>>,
}

impl Payload {
    /// An object.
    pub fn object(uid: Arc<str>, meta: Meta, full: Arc<str>, stamp: Stamp) -> Self {
        let row = serde_json::to_string(&*meta.row).unwrap_or_else(|_| "{}".to_owned());
        Self {
            uid,
            row: row.into(),
            full,
            meta: Some(meta),
            stamp,
            patch: None,
            row_put: OnceLock::new(),
            full_put: OnceLock::new(),
        }
    }

    /// An entry of a state topic.
    pub fn state(text: String, stamp: Stamp) -> Self {
        let text: Arc<str> = text.into();
        Self {
            uid: Arc::from(""),
            row: Arc::clone(&text),
            full: text,
            meta: None,
            stamp,
            patch: None,
            row_put: OnceLock::new(),
            full_put: OnceLock::new(),
        }
    }

    /// Notes how it differs from its predecessor, if that is shorter to say than the whole.
    #[must_use]
    pub fn following(mut self, base: u64, before: &Self) -> Self {
        let values = (serde_json::from_str(&before.row), serde_json::from_str(&self.row));
        if let (Ok(old), Ok(new)) = values
            && let Some(patch) = merge_patch(&old, &new)
        {
            let text = patch.to_string();
            if text.len() < self.row.len() {
                self.patch = Some(Patch { base, text: text.into(), op: OnceLock::new() });
            }
        }
        self
    }

    /// JSON text of a view.
    pub fn text(&self, view: View) -> &Arc<str> {
        match view {
            View::Row => &self.row,
            View::Full => &self.full,
        }
    }

    /// The change as a `put` in a `ch`, shared where nothing was folded into it.
    pub fn put(&self, view: View, key: &str, version: u64, folded: u32) -> Arc<str> {
        let make = || -> Arc<str> {
            let uid = self.uid_field();
            format!(
                r#"{{"op":"put","k":{},{uid}"v":"{version}","o":{},"folded":{folded}}}"#,
                quote(key),
                self.text(view)
            )
            .into()
        };
        if folded > 0 {
            return make();
        }
        let shared = match view {
            View::Row => &self.row_put,
            View::Full => &self.full_put,
        };
        Arc::clone(shared.get_or_init(make))
    }

    /// The change as a `patch` in a `ch`, for a reader that has the version before; shared.
    pub fn patch(&self, view: View, key: &str, version: u64) -> Option<Arc<str>> {
        let Patch { base, text, op } = self.patch.as_ref().filter(|_| view == View::Row)?;
        let make = || -> Arc<str> {
            format!(
                r#"{{"op":"patch","k":{},"base":"{base}","v":"{version}","p":{text}}}"#,
                quote(key)
            )
            .into()
        };
        Some(Arc::clone(op.get_or_init(make)))
    }

    /// An item of a snapshot.
    pub fn item(&self, view: View, key: &str, version: u64) -> String {
        format!(
            r#"{{"k":{},{}"v":"{version}","o":{}}}"#,
            quote(key),
            self.uid_field(),
            self.text(view)
        )
    }

    fn uid_field(&self) -> String {
        if self.uid.is_empty() { String::new() } else { format!(r#""uid":{},"#, quote(&self.uid)) }
    }
}

/// A text as a JSON string.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use domain::wire::{Item, Op};

    use super::*;

    #[test]
    fn what_is_put_together_by_hand_reads_as_the_protocol_says() {
        let before = Payload::state(
            r#"{"a":1,"long":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#.to_owned(),
            Stamp::received_now(),
        );
        let payload = Payload::state(
            r#"{"a":2,"long":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#.to_owned(),
            Stamp::received_now(),
        )
        .following(6, &before);
        let key = "a\"b/<c>";
        let put: Op = serde_json::from_str(&payload.put(View::Row, key, 7, 3)).unwrap();
        assert!(matches!(put, Op::Put { k, v: 7, folded: 3, .. } if k == key));
        let patch: Op = serde_json::from_str(&payload.patch(View::Row, key, 7).unwrap()).unwrap();
        assert!(
            matches!(patch, Op::Patch { base: 6, v: 7, p, .. } if p == serde_json::json!({"a": 2}))
        );
        let item: Item = serde_json::from_str(&payload.item(View::Full, key, 7)).unwrap();
        assert_eq!((item.k.as_str(), item.v, item.uid), (key, 7, None));
    }

    #[test]
    fn an_encoding_is_made_once_and_shared() {
        let payload = Payload::state("{}".to_owned(), Stamp::received_now());
        assert!(Arc::ptr_eq(
            &payload.put(View::Row, "k", 1, 0),
            &payload.put(View::Row, "k", 1, 0)
        ));
    }
}
