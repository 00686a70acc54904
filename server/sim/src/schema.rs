//! A structural schema: the `openAPIV3Schema` of a custom resource definition, parsed once.
//!
//! It is used five times: to check, to fill in defaults, to drop what is unknown, to tell server-side apply
//! which lists are merged, and to be shown by `kubectl explain`.
//!
//! Invariant: nothing here knows a particular kind; no value is changed by checking it.

pub(crate) mod check;
pub(crate) mod parse;
pub(crate) mod prune;

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

/// JSON type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A map or a struct.
    Object,
    /// A list.
    Array,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A flag.
    Boolean,
}

impl Type {
    /// As the schema spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// How server-side apply treats a list: `x-kubernetes-list-type`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListType {
    /// One value with one owner.
    #[default]
    Atomic,
    /// A set of scalars.
    Set,
    /// Objects told apart by these keys.
    Map(Vec<String>),
}

/// A limit on a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The limit.
    pub value: f64,
    /// Whether the limit itself is outside.
    pub exclusive: bool,
}

/// Limits on a count: characters, items or properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// At least so many.
    pub min: Option<u64>,
    /// At most so many.
    pub max: Option<u64>,
}

/// One node of a schema.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the flags of the format, each on its own"
)]
pub struct Schema {
    /// Type, none = any.
    pub ty: Option<Type>,
    /// `format`, where it is checked: `int32`, `int64`, `date-time`.
    pub format: Option<String>,
    /// Allowed values, empty = all.
    pub values: Vec<Value>,
    /// Keys that must be there.
    pub required: Vec<String>,
    /// Fields.
    pub properties: BTreeMap<String, Schema>,
    /// Schema of the values of a map.
    pub additional: Option<Box<Schema>>,
    /// Schema of list items.
    pub items: Option<Box<Schema>>,
    /// Lower limit.
    pub minimum: Option<Bound>,
    /// Upper limit.
    pub maximum: Option<Bound>,
    /// Characters.
    pub length: Count,
    /// Items.
    pub item_count: Count,
    /// Properties.
    pub property_count: Count,
    /// Pattern of a text.
    pub pattern: Option<Regex>,
    /// Whether `null` is a value.
    pub nullable: bool,
    /// Whether unknown fields stay: `x-kubernetes-preserve-unknown-fields`.
    pub preserve: bool,
    /// Whether both integers and texts are fine: `x-kubernetes-int-or-string`.
    pub int_or_string: bool,
    /// Value of an absent field.
    pub default: Option<Value>,
    /// How a list is merged.
    pub list_type: ListType,
    /// Whether a map has one owner: `x-kubernetes-map-type: atomic`.
    pub atomic_map: bool,
}

/// What holds below the part of an object that its schema describes.
static PERMISSIVE: LazyLock<Schema> = LazyLock::new(Schema::permissive);

impl Schema {
    /// Takes everything.
    pub fn permissive() -> Self {
        Self { preserve: true, ..Self::default() }
    }

    /// The schema of the value under `key` of a map or struct.
    pub fn field(&self, key: &str) -> Option<&Self> {
        self.properties.get(key).or(self.additional.as_deref())
    }

    /// The schema of the value under `key`, permissive where there is none.
    pub fn below(&self, key: &str) -> &Self {
        self.field(key).unwrap_or(&PERMISSIVE)
    }

    /// The schema of list items, permissive where there is none.
    pub fn item(&self) -> &Self {
        self.items.as_deref().unwrap_or(&PERMISSIVE)
    }

    /// Whether `key` may be there.
    pub fn knows(&self, key: &str) -> bool {
        self.preserve || self.field(key).is_some()
    }
}

/// Where in an object a value lies, written like `spec.links[0].vlan`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn child(&self, key: &str) -> Self {
        if self.0.is_empty() {
            return Self(key.to_owned());
        }
        Self(format!("{}.{key}", self.0))
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}
