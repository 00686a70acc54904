//! Dropping what a schema does not know, and filling in what it presets.
//!
//! Invariant: a value that the schema knows is never dropped; a value that is there is never replaced.

use serde_json::Value;

use super::{Path, Schema};

impl Schema {
    /// Drops unknown fields and says which they were, as paths in the order of the object.
    pub fn prune(&self, value: &mut Value) -> Vec<String> {
        let mut dropped = Vec::new();
        prune(self, value, &Path::default(), &mut dropped);
        dropped
    }

    /// Fills in the defaults of absent fields, at every depth.
    pub fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, schema) in &self.properties {
                    if let (false, Some(default)) = (map.contains_key(key), &schema.default) {
                        map.insert(key.clone(), default.clone());
                    }
                }
                for (key, value) in map {
                    if let Some(schema) = self.field(key) {
                        schema.fill(value);
                    }
                }
            }
            Value::Array(list) => {
                for item in list {
                    if let Some(schema) = &self.items {
                        schema.fill(item);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn prune(schema: &Schema, value: &mut Value, path: &Path, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| {
                let known = schema.knows(key);
                if !known {
                    dropped.push(path.child(key).text().to_owned());
                } else if let Some(schema) = schema.field(key) {
                    prune(schema, value, &path.child(key), dropped);
                }
                known
            });
        }
        Value::Array(list) => {
            if let Some(schema) = &schema.items {
                for (index, item) in list.iter_mut().enumerate() {
                    prune(schema, item, &path.item(index), dropped);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
