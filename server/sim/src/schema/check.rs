//! Checking a value against a [`Schema`], with the causes that the real server names.
//!
//! Invariant: checking changes nothing and stops at nothing: every broken field is named.

use serde_json::Value;

use super::{Count, Path, Schema, Type};
use crate::status::Cause;

/// Longest rendering of a bad value in a message, in characters: enough to recognise it.
const SHOWN_CHARS: usize = 200;

impl Schema {
    /// Everything wrong with the value; empty = valid.
    pub fn check(&self, value: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        node(self, value, &Path::default(), &mut causes);
        causes
    }
}

fn node(schema: &Schema, value: &Value, path: &Path, causes: &mut Vec<Cause>) {
    if value.is_null() && schema.nullable {
        return;
    }
    if let Some(wanted) = mismatch(schema, value) {
        let is = type_name(value);
        let message = format!("{} in body must be of type {wanted}: {is:?}", path.text());
        causes.push(type_invalid(path, &format!("{is:?}"), &message));
        return;
    }
    if !schema.values.is_empty() && !schema.values.contains(value) {
        causes.push(unsupported(schema, value, path));
    }
    match value {
        Value::Object(map) => object(schema, map, path, causes),
        Value::Array(list) => array(schema, list, path, causes),
        Value::String(text) => string(schema, text, value, path, causes),
        Value::Number(number) => numeric(schema, number, value, path, causes),
        Value::Null | Value::Bool(_) => {}
    }
}

fn mismatch(schema: &Schema, value: &Value) -> Option<&'static str> {
    if schema.int_or_string {
        let fits = value.is_string() || is_integer(value);
        return (!fits).then_some("integer,string");
    }
    let ty = schema.ty?;
    let fits = match ty {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer => is_integer(value),
        Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
    };
    (!fits).then_some(ty.name())
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn object(
    schema: &Schema,
    map: &serde_json::Map<String, Value>,
    path: &Path,
    causes: &mut Vec<Cause>,
) {
    for key in &schema.required {
        if !map.contains_key(key) {
            let message = "Required value".to_owned();
            let field = path.child(key).text().to_owned();
            causes.push(Cause { reason: "FieldValueRequired", message, field });
        }
    }
    counted(schema.property_count, map.len(), path, "properties", causes);
    for (key, value) in map {
        if let Some(schema) = schema.field(key) {
            node(schema, value, &path.child(key), causes);
        }
    }
}

fn array(schema: &Schema, list: &[Value], path: &Path, causes: &mut Vec<Cause>) {
    counted(schema.item_count, list.len(), path, "items", causes);
    if let Some(schema) = &schema.items {
        for (index, item) in list.iter().enumerate() {
            node(schema, item, &path.item(index), causes);
        }
    }
}

fn counted(count: Count, len: usize, path: &Path, what: &str, causes: &mut Vec<Cause>) {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    if let Some(max) = count.max.filter(|max| len > *max) {
        let message = format!("Too many: {len}: must have at most {max} items");
        causes.push(Cause { reason: "FieldValueTooMany", message, field: path.text().to_owned() });
    }
    if let Some(min) = count.min.filter(|min| len < *min) {
        let why = format!("{} in body should have at least {min} {what}", path.text());
        causes.push(invalid(path, &len.to_string(), &why));
    }
}

fn string(schema: &Schema, text: &str, value: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let chars = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if let Some(max) = schema.length.max.filter(|max| chars > *max) {
        let message = format!("Too long: may not be more than {max} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", message, field: path.text().to_owned() });
    }
    if let Some(min) = schema.length.min.filter(|min| chars < *min) {
        let why = format!("{} in body should be at least {min} chars long", path.text());
        causes.push(invalid(path, &shown(value), &why));
    }
    if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        let why = format!("{} in body should match '{}'", path.text(), pattern.as_str());
        causes.push(invalid(path, &shown(value), &why));
    }
    let is_time = schema.format.as_deref() == Some("date-time");
    if is_time && text.parse::<jiff::Timestamp>().is_err() {
        let why = format!("{} in body must be of type date-time: {text:?}", path.text());
        causes.push(invalid(path, &shown(value), &why));
    }
}

fn numeric(
    schema: &Schema,
    number: &serde_json::Number,
    value: &Value,
    path: &Path,
    causes: &mut Vec<Cause>,
) {
    let is = number.as_f64().unwrap_or(f64::NAN);
    let mut refuse = |why: String| causes.push(invalid(path, &shown(value), &why));
    if let Some(low) = schema.minimum
        && (is < low.value || (low.exclusive && is <= low.value))
    {
        let or = if low.exclusive { "" } else { " or equal to" };
        refuse(format!("{} in body should be greater than{or} {}", path.text(), low.value));
    }
    if let Some(high) = schema.maximum
        && (is > high.value || (high.exclusive && is >= high.value))
    {
        let or = if high.exclusive { "" } else { " or equal to" };
        refuse(format!("{} in body should be less than{or} {}", path.text(), high.value));
    }
    let fits = match schema.format.as_deref() {
        Some("int32") => is >= f64::from(i32::MIN) && is <= f64::from(i32::MAX),
        Some("int64") => number.as_i64().is_some() || !number.is_u64(),
        _ => true,
    };
    if !fits {
        let format = schema.format.as_deref().unwrap_or_default();
        refuse(format!("{} in body must be of type {format}: {:?}", path.text(), shown(value)));
    }
}

fn unsupported(schema: &Schema, value: &Value, path: &Path) -> Cause {
    let values: Vec<_> = schema.values.iter().map(shown).collect();
    let message =
        format!("Unsupported value: {}: supported values: {}", shown(value), values.join(", "));
    Cause { reason: "FieldValueNotSupported", message, field: path.text().to_owned() }
}

fn invalid(path: &Path, value: &str, why: &str) -> Cause {
    let message = format!("Invalid value: {value}: {why}");
    Cause { reason: "FieldValueInvalid", message, field: path.text().to_owned() }
}

fn type_invalid(path: &Path, value: &str, why: &str) -> Cause {
    Cause { reason: "FieldValueTypeInvalid", ..invalid(path, value, why) }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS {
        return text;
    }
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn causes(schema: &Value, value: &Value) -> Vec<String> {
        Schema::parse(schema).check(value).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_broken_field_is_named_with_its_path() {
        let schema = json!({"type": "object", "required": ["role"], "properties": {
            "role": {"type": "string", "enum": ["spine", "leaf"]},
            "links": {"type": "array", "maxItems": 1, "items": {"type": "object", "properties": {
                "vlan": {"type": "integer", "minimum": 1, "maximum": 4094},
            }}},
        }});
        let value = json!({"links": [{"vlan": 5000}, {"vlan": "x"}]});
        assert_eq!(
            causes(&schema, &value),
            [
                "role: Required value",
                "links: Too many: 2: must have at most 1 items",
                "links[0].vlan: Invalid value: 5000: links[0].vlan in body should be less than or equal to 4094",
                "links[1].vlan: Invalid value: \"string\": links[1].vlan in body must be of type integer: \"string\"",
            ]
        );
        let value = json!({"role": "core"});
        assert_eq!(
            causes(&schema, &value),
            ["role: Unsupported value: \"core\": supported values: \"spine\", \"leaf\""]
        );
    }

    #[test]
    fn a_32_bit_number_is_held_to_32_bits() {
        let schema = json!({"type": "integer", "format": "int32"});
        assert!(causes(&schema, &json!(2_147_483_647)).is_empty());
        assert_eq!(causes(&schema, &json!(4_200_000_000_u32)).len(), 1);
    }

    #[test]
    fn null_is_a_value_only_where_the_schema_says_so() {
        assert_eq!(causes(&json!({"type": "string"}), &json!(null)).len(), 1);
        assert!(causes(&json!({"type": "string", "nullable": true}), &json!(null)).is_empty());
    }

    #[test]
    fn a_port_is_a_number_or_a_text() {
        let schema = json!({"x-kubernetes-int-or-string": true});
        assert!(causes(&schema, &json!(80)).is_empty());
        assert!(causes(&schema, &json!("http")).is_empty());
        assert_eq!(causes(&schema, &json!([])).len(), 1);
    }
}
