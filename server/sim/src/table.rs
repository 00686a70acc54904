//! Tables for `kubectl get`: the columns of a resource, and the cells of an object.
//!
//! Invariant: a path that finds nothing gives an empty cell, never a refusal.

use serde_json::{Value, json};

use crate::{
    http::view::{Carry, metadata},
    resource::{Column, Resource},
};

/// `columnDefinitions` of a resource: the name and what its definition names.
pub(crate) fn columns(resource: &Resource) -> Value {
    let name = json!({"name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": "Name must be unique within a namespace."});
    let column = |column: &Column| {
        // A date arrives as the age that it is now, which is a text.
        let ty = if column.ty == "date" { "string" } else { &column.ty };
        json!({"name": column.name, "type": ty, "format": column.format,
            "description": column.description, "priority": column.priority})
    };
    std::iter::once(name).chain(resource.columns.iter().map(column)).collect()
}

/// One row.
pub(crate) fn row(
    resource: &Resource,
    object: &Value,
    carry: Carry,
    now: jiff::Timestamp,
) -> Value {
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    let cells = resource.columns.iter().map(|column| cell(column, object, now));
    let cells: Value = std::iter::once(name).chain(cells).collect();
    let object = match carry {
        Carry::Nothing => Value::Null,
        Carry::Metadata => metadata(object),
        Carry::Whole => object.clone(),
    };
    json!({"cells": cells, "object": object})
}

/// A table.
pub(crate) fn table(columns: &Value, rows: &[Value], about: &Value) -> Value {
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": about,
        "columnDefinitions": columns, "rows": rows})
}

fn cell(column: &Column, object: &Value, now: jiff::Timestamp) -> Value {
    let Some(value) = find(object, &column.json_path) else { return Value::Null };
    match (column.ty.as_str(), value) {
        ("date", Value::String(time)) => match time.parse::<jiff::Timestamp>() {
            Ok(then) => age(now.as_second().saturating_sub(then.as_second())).into(),
            Err(_) => "<invalid>".into(),
        },
        ("string", value @ (Value::Array(_) | Value::Object(_))) => value.to_string().into(),
        ("string", Value::Number(number)) => number.to_string().into(),
        ("string", Value::Bool(flag)) => flag.to_string().into(),
        (_, value) => value.clone(),
    }
}

/// Follows `.spec.a.b`, `.spec.links[0].port` and `.metadata.labels.a\.b/c`.
fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = object;
    for step in steps(path) {
        value = match step.parse::<usize>() {
            Ok(index) if value.is_array() => value.get(index)?,
            _ => value.get(&step)?,
        };
    }
    Some(value)
}

fn steps(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut signs = path.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '.' | '[' => steps.push(String::new()),
            ']' | '\'' | '"' => {}
            sign => {
                let sign = if sign == '\\' { signs.next().unwrap_or(sign) } else { sign };
                if let Some(step) = steps.last_mut() {
                    step.push(sign);
                }
            }
        }
    }
    steps.retain(|step| !step.is_empty());
    steps
}

/// An age as `kubectl` writes it: `5s`, `3m20s`, `47h`, `12d`.
fn age(secs: i64) -> String {
    let secs = secs.max(0);
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    let pair = |big: i64, name: &str, small: i64, unit: &str| {
        if small == 0 { format!("{big}{name}") } else { format!("{big}{name}{small}{unit}") }
    };
    match secs {
        0..120 => format!("{secs}s"),
        120..600 => pair(minutes, "m", secs % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ => pair(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_fields_items_and_labels_with_dots() {
        let object =
            json!({"spec": {"links": [{"port": "p1"}]}, "metadata": {"labels": {"a.b/c": "x"}}});
        assert_eq!(find(&object, ".spec.links[0].port"), Some(&json!("p1")));
        assert_eq!(find(&object, ".metadata.labels.a\\.b/c"), Some(&json!("x")));
        assert_eq!(find(&object, ".spec.gone.field"), None);
    }

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        let ages =
            [5, 119, 120, 200, 3_600, 11_100, 90_000, 200_000, 1_000_000, 70_000_000].map(age);
        assert_eq!(
            ages,
            ["5s", "119s", "2m", "3m20s", "60m", "3h5m", "25h", "2d7h", "11d", "2y80d"]
        );
    }
}
