//! Laying an applied object over a live one, and taking away what nobody owns any more.
//!
//! Invariant: a field that the applied object does not name keeps its value.

use serde_json::Value;

use super::{Fields, element};
use crate::schema::{ListType, Schema};

/// Lays `applied` over `live`, list by list as the schema says.
pub(crate) fn merge(schema: &Schema, live: &mut Value, applied: &Value) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !schema.atomic_map => {
            for (key, value) in applied {
                let below = schema.below(key);
                match live.get_mut(key) {
                    Some(old) => merge(below, old, value),
                    None => drop(live.insert(key.clone(), value.clone())),
                }
            }
        }
        (Value::Array(live), Value::Array(applied)) if schema.list_type != ListType::Atomic => {
            let below = schema.item();
            for item in applied {
                let wanted = element(&schema.list_type, item);
                let old = live.iter_mut().find(|old| element(&schema.list_type, old) == wanted);
                match old {
                    Some(old) => merge(below, old, item),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, applied) => *live = applied.clone(),
    }
}

/// Takes the members of `gone` out of a value.
pub(crate) fn take_away(schema: &Schema, value: &mut Value, gone: &Fields) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| {
                let Some(below) = gone.child(&format!("f:{key}")) else { return true };
                if below.member {
                    return false;
                }
                let schema = schema.below(key);
                take_away(schema, value, below);
                true
            });
        }
        Value::Array(list) => {
            let items = schema.item();
            list.retain_mut(|item| {
                let Some(below) = gone.child(&element(&schema.list_type, item)) else {
                    return true;
                };
                if below.member {
                    return false;
                }
                take_away(items, item, below);
                true
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
