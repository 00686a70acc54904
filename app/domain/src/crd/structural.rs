//! From a schema as schemars makes it to the structural schema that an API server wants.
//!
//! Invariant: what only a Rust type says (bounds of integers, defaults, null) does not get through;
//! what the fabric says of a field does.

use serde_json::{Map, Value};

/// Makes a schema structural: no null, no unions, Go's formats, no open objects except where said.
pub(super) fn structural(schema: Value) -> Value {
    let Value::Object(schema) = schema else {
        // `true`: anything goes.
        return open();
    };
    let mut schema = without_null(schema);
    numbers(&mut schema);
    for name in ["$schema", "title", "default"] {
        schema.remove(name);
    }
    properties(&mut schema);
    if let Some(items) = schema.remove("items") {
        schema.insert("items".to_owned(), structural(items));
    }
    match schema.remove("additionalProperties") {
        // Where unknown fields are kept in Rust, the API server prunes them.
        None | Some(Value::Bool(_)) => {}
        Some(values) => {
            schema.insert("additionalProperties".to_owned(), structural(values));
        }
    }
    for (mark, name) in
        [("x-minimum", "minimum"), ("x-maximum", "maximum"), ("x-default", "default")]
    {
        if let Some(value) = schema.remove(mark) {
            schema.insert(name.to_owned(), value);
        }
    }
    if schema.remove("x-open").is_some() {
        schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    Value::Object(schema)
}

fn open() -> Value {
    serde_json::json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// An optional value is a union with null: a list of types, or `anyOf`. What is left of it is the
/// value, with what was said of the field.
fn without_null(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(types)) = schema.get("type") {
        let kept = types.iter().find(|name| *name != "null").cloned();
        schema.insert("type".to_owned(), kept.unwrap_or(Value::Null));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(parts)) = schema.remove("anyOf") {
        let is_null = |part: &Value| part.get("type").is_some_and(|name| name == "null");
        let part = parts.into_iter().find(|part| !is_null(part));
        if let Some(Value::Object(part)) = part {
            for (name, value) in without_null(part) {
                schema.entry(name).or_insert(value);
            }
        }
    }
    schema
}

/// Go's generator writes a format for 32 and 64 bits only, and no bounds.
fn numbers(schema: &mut Map<String, Value>) {
    let format = match schema.get("type").and_then(Value::as_str) {
        Some("integer") => match schema.get("format").and_then(Value::as_str) {
            Some("int32" | "uint32") => Some("int32"),
            Some("int64" | "uint64") => Some("int64"),
            _ => None,
        },
        Some("number") => None,
        _ => return,
    };
    for name in ["minimum", "maximum", "format"] {
        schema.remove(name);
    }
    if let Some(format) = format {
        schema.insert("format".to_owned(), format.into());
    }
}

/// Makes each property structural; an object without properties says nothing of them. A property
/// that is marked as demanded joins the list of those.
fn properties(schema: &mut Map<String, Value>) {
    let Some(Value::Object(found)) = schema.remove("properties") else { return };
    let mut demanded: Vec<Value> = match schema.remove("required") {
        Some(Value::Array(names)) => names,
        _ => Vec::new(),
    };
    let mut kept = Map::new();
    for (name, mut property) in found {
        let mark = property.as_object_mut().and_then(|members| members.remove("x-required"));
        if mark.is_some() {
            demanded.push(name.clone().into());
        }
        kept.insert(name, structural(property));
    }
    if !kept.is_empty() {
        schema.insert("properties".to_owned(), Value::Object(kept));
    }
    if !demanded.is_empty() {
        demanded.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        schema.insert("required".to_owned(), Value::Array(demanded));
    }
}
