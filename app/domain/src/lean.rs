//! Reads a JSON value as a type, with as little code as possible: every byte of it is sent to browsers.
//!
//! `serde_json` reads a type from text, from bytes and from a value, structures from lists as well as
//! from maps, and explains what is wrong in words. All of that is code per type. Here a type is read in
//! one way only, from a [`Value`] in the form in which it is written, and an error is just that.
//!
//! Invariant: what this reads, `serde_json` reads alike; it only refuses more.

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, map};

/// A value does not have the form of the type that it was to be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSON does not have the expected form")]
pub struct Unreadable;

impl de::Error for Unreadable {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Reads a value as a type.
pub fn read<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, Unreadable> {
    T::deserialize(Lean(value))
}

/// Reads JSON text as a type.
pub fn read_text<T: de::DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    read(&parse(text)?)
}

/// The value that a JSON text spells.
pub fn parse(text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable)
}

type Result<T, E = Unreadable> = std::result::Result<T, E>;

struct Lean<'de>(&'de Value);

impl<'de> Lean<'de> {
    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let Value::Array(items) = self.0 else { return Err(Unreadable) };
        let mut items = Items(items.iter());
        let value = visitor.visit_seq(&mut items)?;
        if items.0.len() == 0 { Ok(value) } else { Err(Unreadable) }
    }

    fn fields<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let Value::Object(fields) = self.0 else { return Err(Unreadable) };
        visitor.visit_map(Fields { rest: fields.iter(), value: None })
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let Value::Number(number) = self.0 else { return Err(Unreadable) };
        match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => visitor.visit_u64(number),
            (_, Some(number), _) => visitor.visit_i64(number),
            (.., Some(number)) => visitor.visit_f64(number),
            _ => Err(Unreadable),
        }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let Value::String(text) = self.0 else { return Err(Unreadable) };
        visitor.visit_str(text)
    }
}

/// Methods of [`Deserializer`] that differ in their name only.
macro_rules! alike {
    ($how:ident: $($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$how(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Lean<'de> {
    type Error = Unreadable;

    alike!(number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64);
    alike!(text: deserialize_char deserialize_str deserialize_string deserialize_identifier);
    alike!(list: deserialize_seq);
    alike!(fields: deserialize_map);

    forward_to_deserialize_any! { i128 u128 bytes byte_buf }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.text(visitor),
            Value::Array(_) => self.list(visitor),
            Value::Object(_) => self.fields(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_bool(self.0.as_bool().ok_or(Unreadable)?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.as_null().ok_or(Unreadable)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.fields(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

/// `"Variant"` or `{"Variant": content}`.
impl<'de> EnumAccess<'de> for Lean<'de> {
    type Error = Unreadable;
    type Variant = Content<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'de>)> {
        let (name, content) = match self.0 {
            Value::String(name) => (name, None),
            Value::Object(fields) if fields.len() == 1 => {
                fields.iter().next().map(|(name, value)| (name, Some(value))).ok_or(Unreadable)?
            }
            _ => return Err(Unreadable),
        };
        Ok((seed.deserialize(as_name(name))?, Content(content)))
    }
}

fn as_name(text: &str) -> StrDeserializer<'_, Unreadable> {
    text.into_deserializer()
}

struct Content<'de>(Option<&'de Value>);

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<()> {
        if self.0.is_none_or(Value::is_null) { Ok(()) } else { Err(Unreadable) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(Lean(self.0.ok_or(Unreadable)?))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        Lean(self.0.ok_or(Unreadable)?).list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        Lean(self.0.ok_or(Unreadable)?).fields(visitor)
    }
}

struct Items<'de>(std::slice::Iter<'de, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Unreadable;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.0.next().map(|item| seed.deserialize(Lean(item))).transpose()
    }
}

struct Fields<'de> {
    rest: map::Iter<'de>,
    value: Option<&'de Value>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Unreadable;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(as_name(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(Lean(self.value.take().ok_or(Unreadable)?))
    }
}

/// The fields of an object, taken one by one.
pub(crate) struct Taken(Map<String, Value>);

impl Taken {
    /// The fields of an object.
    pub(crate) fn of(value: Value) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Unreadable),
        }
    }

    /// A field that may be anything, but must be there.
    pub(crate) fn value(&mut self, name: &str) -> Result<Value> {
        self.0.remove(name).ok_or(Unreadable)
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Unreadable),
        }
    }

    /// A list that must be there.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>> {
        match self.0.remove(name) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(Unreadable),
        }
    }

    /// A field; one that is absent reads as null.
    pub(crate) fn field<T: de::DeserializeOwned>(&mut self, name: &str) -> Result<T> {
        read(self.0.get(name).unwrap_or(&Value::Null))
    }

    /// A field, or what stands for it where it is absent.
    pub(crate) fn or_default<T: de::DeserializeOwned + Default>(
        &mut self,
        name: &str,
    ) -> Result<T> {
        self.0.get(name).map_or_else(|| Ok(T::default()), read)
    }

    /// A whole number that is written as text; none where it is absent.
    pub(crate) fn version(&mut self, name: &str) -> Result<Option<u64>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| Unreadable),
            Some(_) => Err(Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{kind::Kind, object::ObjectKey, report::Presence, wire::Cursor};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sample {
        flag: bool,
        number: i64,
        #[serde(default)]
        small: u8,
        text: Option<String>,
        any: Option<Value>,
        by_kind: BTreeMap<Kind, usize>,
        by_key: BTreeMap<ObjectKey, Presence>,
        at: Cursor,
        answer: Result<String, Refusal>,
        pair: (u64, Option<f64>),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Refusal {
        Plain,
        With { reason: String },
        Twice(u8, u8),
    }

    fn same(value: &Value) -> Option<Sample> {
        let (lean, full) = (read::<Sample>(value), Sample::deserialize(value));
        assert_eq!(lean.as_ref().ok(), full.as_ref().ok(), "{full:?}");
        lean.ok()
    }

    fn sample() -> Value {
        json!({
            "flag": true, "number": -3, "small": 200, "text": "t", "any": { "a": [1, 2.5, null, "x"] },
            "by_kind": { "Switch": 4 }, "by_key": { "default/leaf-01": "absent" },
            "at": ["e", "18446744073709551615"], "answer": { "Err": { "With": { "reason": "r" } } },
            "pair": [7, 1.5], "unknown to us": { "is": "ignored" },
        })
    }

    #[test]
    fn each_form_is_read_as_serde_json_reads_it() {
        assert_eq!(same(&sample()).unwrap().at.1, u64::MAX);
        for answer in [
            json!({ "Ok": "yes" }),
            json!({ "Err": "Plain" }),
            json!({ "Err": { "Twice": [1, 2] } }),
        ] {
            let mut value = sample();
            value["answer"] = answer;
            assert!(same(&value).is_some());
        }
    }

    #[test]
    fn an_absent_option_is_none_and_anything_else_that_is_absent_is_refused() {
        for field in ["flag", "number", "small", "text", "any", "by_kind", "at", "answer", "pair"] {
            let mut value = sample();
            value.as_object_mut().unwrap().remove(field);
            assert_eq!(
                same(&value).is_some(),
                ["small", "text", "any"].contains(&field),
                "{field}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_field_of_any_form_is_read_or_refused_as_by_serde_json(
            field in prop::sample::select(vec!["flag", "number", "small", "text", "any", "by_kind", "by_key", "at", "answer", "pair"]),
            form in prop::sample::select(vec![
                json!(null), json!(true), json!(0), json!(-1), json!(255), json!(256), json!(1.5), json!(u64::MAX), json!(""), json!("Plain"),
                json!([]), json!([1]), json!([1, 2]), json!([1, 2, 3]), json!(["e", "1"]), json!(["e", 1]), json!({}), json!({ "Switch": 1 }), json!({ "Ok": "a" }),
                json!({ "Err": "With" }), json!({ "Err": { "Twice": [1, 2, 3] } }), json!({ "Err": { "Plain": null } }), json!({ "a/b": "present" }), json!({ "Nope": 1 }),
            ]),
        ) {
            let mut value = sample();
            value[field] = form;
            same(&value);
        }
    }
}
