//! JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386).
//!
//! Invariant: a patch that fails changes nothing, because it works on a copy.

use serde::Deserialize;
use serde_json::Value;

use crate::status::{Reason, Status};

/// Most operations in one JSON patch, as the real server has it.
const MAX_OPERATIONS: usize = 10_000;

/// Lays a merge patch over a value: `null` removes.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
    Move { from: String, path: String },
    Copy { from: String, path: String },
    Test { path: String, value: Value },
}

/// Carries out a JSON patch.
pub(crate) fn json(target: &Value, patch: &Value) -> Result<Value, Status> {
    let operations: Vec<Operation> = serde_json::from_value(patch.clone())
        .map_err(|cause| Status::bad_request(format!("error decoding patch: {cause}")))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(Status::new(Reason::RequestEntityTooLarge, "too many operations in the patch"));
    }
    let mut value = target.clone();
    for operation in operations {
        carry_out(&mut value, operation)?;
    }
    Ok(value)
}

fn carry_out(target: &mut Value, operation: Operation) -> Result<(), Status> {
    match operation {
        Operation::Add { path, value } => add(target, &path, value),
        Operation::Remove { path } => remove(target, &path).map(drop),
        Operation::Replace { path, value } => {
            *target.pointer_mut(&path).ok_or_else(|| missing("replace", &path))? = value;
            Ok(())
        }
        Operation::Move { from, path } => {
            let value = remove(target, &from)?;
            add(target, &path, value)
        }
        Operation::Copy { from, path } => {
            let value = target.pointer(&from).cloned().ok_or_else(|| missing("copy", &from))?;
            add(target, &path, value)
        }
        Operation::Test { path, value } => {
            if target.pointer(&path) == Some(&value) {
                return Ok(());
            }
            Err(unprocessable(&format!("testing value {path} failed: test failed")))
        }
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Status> {
    let Some((parent, key)) = path.rsplit_once('/') else {
        *target = value;
        return Ok(());
    };
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(unescape(key), value);
            Ok(())
        }
        Some(Value::Array(list)) => {
            let index = if key == "-" { Some(list.len()) } else { key.parse().ok() };
            let index =
                index.filter(|index| *index <= list.len()).ok_or_else(|| missing("add", path))?;
            list.insert(index, value);
            Ok(())
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
            Err(missing("add", path))
        }
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, Status> {
    let (parent, key) = path.rsplit_once('/').ok_or_else(|| missing("remove", path))?;
    let removed = match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&unescape(key)),
        Some(Value::Array(list)) => {
            key.parse().ok().filter(|index| *index < list.len()).map(|index| list.remove(index))
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => None,
    };
    removed.ok_or_else(|| missing("remove", path))
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

fn missing(operation: &str, path: &str) -> Status {
    unprocessable(&format!(
        "{operation} operation does not apply: doc is missing path: {path:?}: missing value"
    ))
}

fn unprocessable(message: &str) -> Status {
    Status::new(
        Reason::Invalid,
        format!("the server rejected our request due to an error in our request: {message}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_removes_with_null_and_replaces_lists() {
        let mut value = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(&mut value, &json!({"a": {"b": null, "c": [3]}, "e": {"f": null, "g": 1}}));
        assert_eq!(value, json!({"a": {"c": [3]}, "d": 1, "e": {"g": 1}}));
    }

    #[test]
    fn the_six_operations_do_what_the_standard_says() {
        let value = json!({"a": [1, 3], "b": {"x/y": 1}});
        let patch = json!([
            {"op": "test", "path": "/a/0", "value": 1},
            {"op": "add", "path": "/a/1", "value": 2},
            {"op": "add", "path": "/a/-", "value": 4},
            {"op": "replace", "path": "/b/x~1y", "value": 9},
            {"op": "copy", "from": "/a/0", "path": "/c"},
            {"op": "move", "from": "/b", "path": "/d"},
            {"op": "remove", "path": "/a/0"},
        ]);
        assert_eq!(json(&value, &patch).unwrap(), json!({"a": [2, 3, 4], "c": 1, "d": {"x/y": 9}}));
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused() {
        for patch in [
            json!([{"op": "test", "path": "/a", "value": 2}]),
            json!([{"op": "remove", "path": "/b"}]),
            json!([{"op": "add", "path": "/b/c", "value": 1}]),
            json!([{"op": "replace", "path": "/b", "value": 1}]),
        ] {
            assert_eq!(
                json(&json!({"a": 1}), &patch).unwrap_err().reason,
                Reason::Invalid,
                "{patch}"
            );
        }
        assert_eq!(json(&json!({}), &json!({})).unwrap_err().reason, Reason::BadRequest);
    }
}
