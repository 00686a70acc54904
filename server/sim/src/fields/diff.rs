//! Which fields differ between two versions of an object.
//!
//! Invariant: an object does not differ from itself.

use serde_json::Value;

use super::{Fields, element};
use crate::schema::{ListType, Schema};

/// What differs, from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    /// Only on the right.
    pub added: Fields,
    /// On both sides, with different values.
    pub modified: Fields,
    /// Only on the left.
    pub removed: Fields,
}

impl Diff {
    /// Compares two values of one schema.
    pub(crate) fn between(schema: &Schema, left: &Value, right: &Value) -> Self {
        let mut diff = Self::default();
        if left == right {
            return diff;
        }
        match (left, right) {
            (Value::Object(old), Value::Object(new)) if !schema.atomic_map => {
                for (key, left) in old {
                    let below = schema.below(key);
                    diff.put(&format!("f:{key}"), below, Some(left), new.get(key));
                }
                for (key, right) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                    let below = schema.below(key);
                    diff.put(&format!("f:{key}"), below, None, Some(right));
                }
            }
            (Value::Array(old), Value::Array(new)) if schema.list_type != ListType::Atomic => {
                diff.lists(schema, old, new);
            }
            _ => diff.modified = Fields::leaf(),
        }
        diff
    }

    fn lists(&mut self, schema: &Schema, old: &[Value], new: &[Value]) {
        let below = schema.item();
        let find = |list: &[Value], wanted: &str| {
            list.iter().find(|item| element(&schema.list_type, item) == wanted).cloned()
        };
        for item in old {
            let element = element(&schema.list_type, item);
            self.put(&element, below, Some(item), find(new, &element).as_ref());
        }
        for item in new {
            let element = element(&schema.list_type, item);
            if find(old, &element).is_none() {
                self.put(&element, below, None, Some(item));
            }
        }
    }

    fn put(&mut self, element: &str, schema: &Schema, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (Some(left), Some(right)) => {
                let below = Self::between(schema, left, right);
                self.added.put(element.to_owned(), below.added);
                self.modified.put(element.to_owned(), below.modified);
                self.removed.put(element.to_owned(), below.removed);
            }
            (Some(value), None) => self.removed.put(element.to_owned(), whole(schema, value)),
            (None, Some(value)) => self.added.put(element.to_owned(), whole(schema, value)),
            (None, None) => {}
        }
    }
}

/// A whole value: its own path and everything below.
fn whole(schema: &Schema, value: &Value) -> Fields {
    let mut fields = Fields::of(schema, value);
    fields.member = true;
    fields
}
