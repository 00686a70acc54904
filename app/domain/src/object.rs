//! What exists in a cluster: keys, versions, the row that a list shows of an object.
//!
//! Invariant: nothing here knows how an object was read; a [`Row`] is data, not a promise of health.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};

use crate::kind::Kind;

/// Namespace and name: the key of an object within its kind, written `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey {
    namespace: String,
    name: String,
}

/// Why a text is not an [`ObjectKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key; write `namespace/name`")]
pub struct KeyError(String);

impl ObjectKey {
    /// Puts a key together from its parts, which must not be empty or hold a slash.
    pub fn new(namespace: &str, name: &str) -> Result<Self, KeyError> {
        let bad = |part: &str| part.is_empty() || part.contains('/');
        if bad(namespace) || bad(name) {
            return Err(KeyError(format!("{namespace}/{name}")));
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ObjectKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (namespace, name) = text.split_once('/').ok_or_else(|| KeyError(text.to_owned()))?;
        Self::new(namespace, name).map_err(|_| KeyError(text.to_owned()))
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One value in a row, as the column shows it. Untagged on the wire: `"spine"`, `65100`, `true`, `["a"]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A flag.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several texts, in the object's order.
    List(Vec<String>),
}

/// By hand: what serde derives for an untagged type tries one form after the other, in much more code.
impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flag, a whole number, a text or a list of texts")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Cell, E> {
        Ok(Cell::Flag(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cell, E> {
        Ok(Cell::Number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cell, E> {
        number.try_into().map(Cell::Number).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Cell, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Cell::List(texts))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(list) => f.write_str(&list.join(", ")),
        }
    }
}

/// What a list needs of an object: the `o` of the view `row`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// `metadata.creationTimestamp`, RFC 3339, as the cluster serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// `metadata.generation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Column id to value; a column without a value is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cells: BTreeMap<String, Cell>,
    /// Why the object does not read as its kind, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// How a column shows its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Prose.
    Text,
    /// Names, addresses, ports: the mono face.
    Mono,
    /// Right-aligned whole numbers.
    Number,
    /// Yes or no.
    Flag,
    /// An RFC 3339 time.
    Time,
    /// Several names.
    List,
}

/// A column of a kind's list, beside name, namespace and age, which every list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Key in [`Row::cells`], also the `data-col` of its cells and its name in a URL.
    pub id: &'static str,
    /// Heading.
    pub label: &'static str,
    /// How its cells look.
    pub form: Form,
}

/// An object of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key)
    }
}

/// One edge: a field of an object names another object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// JSON pointer of the field in the source, for example `/spec/subnet`.
    pub field: String,
    /// The object that is named.
    pub to: ObjectRef,
    /// A part of it, such as a subnet of a VPC or a port of a switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_reads_back_as_it_was_written(namespace in "[a-z][a-z0-9.-]{0,9}", name in "[a-z][a-z0-9.-]{0,20}") {
            let key = ObjectKey::new(&namespace, &name).unwrap();
            prop_assert_eq!(key.to_string().parse::<ObjectKey>().unwrap(), key);
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        for text in ["", "a", "/a", "a/", "a/b/c", "/"] {
            assert!(text.parse::<ObjectKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn cells_keep_their_type_on_the_wire() {
        let cells = vec![
            Cell::Flag(true),
            Cell::Number(65100),
            Cell::Text("true".into()),
            Cell::List(vec!["a".into()]),
        ];
        let text = serde_json::to_string(&cells).unwrap();
        assert_eq!(text, r#"[true,65100,"true",["a"]]"#);
        assert_eq!(serde_json::from_str::<Vec<Cell>>(&text).unwrap(), cells);
        for no_cell in ["null", "1.5", "18446744073709551615", "{}", "[1]"] {
            assert!(serde_json::from_str::<Cell>(no_cell).is_err(), "{no_cell}");
        }
    }
}
