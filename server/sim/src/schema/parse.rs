//! From the JSON of an `openAPIV3Schema` to a [`Schema`], with the metadata every object has.
//!
//! Invariant: a schema that cannot be understood is permissive where it is not understood, never stricter.

use regex::Regex;
use serde_json::{Value, json};

use super::{Bound, Count, ListType, Schema, Type};

impl Schema {
    /// The schema of a whole object: as given, plus `apiVersion`, `kind` and `metadata`.
    pub fn of_object(json: &Value) -> Self {
        let mut schema = Self::parse(json);
        schema.ty = Some(Type::Object);
        let text = Self { ty: Some(Type::String), ..Self::default() };
        schema.properties.insert("apiVersion".to_owned(), text.clone());
        schema.properties.insert("kind".to_owned(), text);
        schema.properties.insert("metadata".to_owned(), Self::parse(&metadata()));
        schema
    }

    /// One node and everything below it.
    pub fn parse(json: &Value) -> Self {
        let flag = |key: &str| json.get(key).and_then(Value::as_bool).unwrap_or(false);
        let list = |key: &str| json.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let properties = json.get("properties").and_then(Value::as_object);
        Self {
            ty: json.get("type").and_then(Value::as_str).and_then(type_of),
            format: json.get("format").and_then(Value::as_str).map(ToOwned::to_owned),
            values: list("enum"),
            required: texts(&list("required")),
            properties: properties
                .map(|map| map.iter().map(|(key, node)| (key.clone(), Self::parse(node))).collect())
                .unwrap_or_default(),
            additional: additional(json.get("additionalProperties")),
            items: json.get("items").map(|node| Box::new(Self::parse(node))),
            minimum: bound(json, "minimum", "exclusiveMinimum"),
            maximum: bound(json, "maximum", "exclusiveMaximum"),
            length: count(json, "minLength", "maxLength"),
            item_count: count(json, "minItems", "maxItems"),
            property_count: count(json, "minProperties", "maxProperties"),
            pattern: json
                .get("pattern")
                .and_then(Value::as_str)
                .and_then(|text| Regex::new(text).ok()),
            nullable: flag("nullable"),
            preserve: flag("x-kubernetes-preserve-unknown-fields"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            default: json.get("default").cloned(),
            list_type: list_type(json),
            atomic_map: json.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
        }
    }
}

fn type_of(name: &str) -> Option<Type> {
    [Type::Object, Type::Array, Type::String, Type::Integer, Type::Number, Type::Boolean]
        .into_iter()
        .find(|ty| ty.name() == name)
}

fn additional(json: Option<&Value>) -> Option<Box<Schema>> {
    match json? {
        Value::Bool(true) => Some(Box::new(Schema::permissive())),
        Value::Bool(false) => None,
        node => Some(Box::new(Schema::parse(node))),
    }
}

fn bound(json: &Value, key: &str, exclusive: &str) -> Option<Bound> {
    let value = json.get(key)?.as_f64()?;
    let exclusive = json.get(exclusive).and_then(Value::as_bool).unwrap_or(false);
    Some(Bound { value, exclusive })
}

fn count(json: &Value, min: &str, max: &str) -> Count {
    let read = |key: &str| json.get(key).and_then(Value::as_u64);
    Count { min: read(min), max: read(max) }
}

fn list_type(json: &Value) -> ListType {
    match json.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => {
            let keys = json.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            ListType::Map(texts(keys.map(Vec::as_slice).unwrap_or_default()))
        }
        _ => ListType::Atomic,
    }
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// `ObjectMeta` of `v1`, as far as objects carry it.
pub(crate) fn metadata() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time", "nullable": true});
    let map =
        json!({"type": "object", "nullable": true, "additionalProperties": {"type": "string"}});
    let owner = json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
        "apiVersion": text, "kind": text, "name": text, "uid": text,
        "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"},
    }});
    json!({"type": "object", "nullable": true, "properties": {
        "name": text, "generateName": text, "namespace": text, "selfLink": text, "uid": text,
        "resourceVersion": text, "generation": {"type": "integer", "format": "int64"},
        "creationTimestamp": time, "deletionTimestamp": time,
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "labels": map, "annotations": map,
        "finalizers": {"type": "array", "nullable": true, "items": text, "x-kubernetes-list-type": "set"},
        "ownerReferences": {"type": "array", "nullable": true, "items": owner,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]},
        "managedFields": {"type": "array", "nullable": true,
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }})
}
