//! JSON merge patches, both ways.
//!
//! Invariant: merging `delta(a, b)` into `a` gives `b`, where `b` holds no null.

use serde_json::{Map, Value};

/// The smallest merge patch that makes `new` of `old`; none where they are the same.
pub(super) fn delta(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Some(new.clone()) };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| new.get(*key).is_none_or(Value::is_null)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new.iter().filter(|(_, value)| !value.is_null()) {
        let change = match old.get(key) {
            Some(before) => delta(before, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Merges a patch into a value, as RFC 7386 says.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, change) in patch {
        if change.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_delta_merged_into_the_old_gives_the_new() {
        let old = json!({"a": {"x": 1, "y": [1, 2]}, "b": "old", "c": {"gone": true}});
        for new in [
            json!({"a": {"x": 1, "y": [1]}, "b": "new", "d": {"e": {}}}),
            json!({"a": "flat", "c": {"gone": true}}),
            json!({}),
        ] {
            let mut value = old.clone();
            merge(&mut value, &delta(&old, &new).unwrap());
            assert_eq!(value, new);
        }
        assert_eq!(delta(&old, &old), None);
    }

    #[test]
    fn a_delta_names_only_what_differs() {
        let patch =
            delta(&json!({"a": {"x": 1, "y": 2}, "b": 3}), &json!({"a": {"x": 1, "y": 4}, "b": 3}));
        assert_eq!(patch, Some(json!({"a": {"y": 4}})));
    }
}
