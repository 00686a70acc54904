//! Merge patches, RFC 7396.
//!
//! Invariant: `apply_merge_patch(old, merge_patch(old, new))` gives `new`, or there is no patch.

use serde_json::{Map, Value};

/// The patch that makes `new` of `old`. None where no merge patch can: it cannot set a member of an
/// object to null, because null means to remove it.
pub fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return sayable(new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (name, value) in new {
        match old.get(name) {
            Some(before) if before == value => {}
            Some(before) if !value.is_null() => {
                patch.insert(name.clone(), merge_patch(before, value)?);
            }
            None if !value.is_null() && sayable(value) => {
                patch.insert(name.clone(), value.clone());
            }
            Some(_) | None => return None,
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    patch.extend(gone.map(|name| (name.clone(), Value::Null)));
    Some(Value::Object(patch))
}

/// Whether a value says the same as a patch: no member of an object is null. Lists are taken as
/// they are, whatever is in them.
fn sayable(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().all(|inner| !inner.is_null() && sayable(inner)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            true
        }
    }
}

/// Applies a merge patch.
pub fn apply_merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else if let Some(member) = members.get_mut(name) {
            apply_merge_patch(member, value);
        } else {
            let mut member = Value::Null;
            apply_merge_patch(&mut member, value);
            members.insert(name.clone(), member);
        }
    }
}
