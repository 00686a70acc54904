//! How a resource is written down in Rust: one macro for objects, one for closed sets of words.
//!
//! The resources are Go structs on the other side. There, an absent field, a null and an empty value
//! are one thing, and an empty optional field is not written; so it is here.
//!
//! Invariant: no field of an object and no word of a set is lost because this release does not know
//! it; both are kept as they came and written out again.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Go's notion of an empty value, the one that is not written.
pub(crate) trait Go {
    fn is_empty(&self) -> bool;
}

impl Go for bool {
    fn is_empty(&self) -> bool {
        !*self
    }
}

impl Go for String {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl<T> Go for Option<T> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T> Go for Vec<T> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl<K, V> Go for BTreeMap<K, V> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

macro_rules! numbers {
    ($($number:ty)+) => {
        $(impl Go for $number {
            fn is_empty(&self) -> bool {
                *self == 0
            }
        })+
    };
}

numbers! { u8 u16 u32 i64 }

/// Reads a value; null is the empty one.
pub(crate) fn or_empty<'de, D, T>(source: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

/// Objects: `field: Type = "name"` for what may be absent, `field: Type => "name"` for what must be
/// there.
///
/// `#[schemars(extend("x-required" = true))]` marks a field that the schema demands although the
/// fabric fills it in; `x-minimum`, `x-maximum` and `x-default` become what they say (the plain ones
/// are derived from Rust types and thrown away).
macro_rules! shape {
    ($(
        $(#[$meta:meta])*
        $name:ident {
            $(
                $(#[$about:meta])*
                $field:ident: $type:ty $(= $may:literal)? $(=> $must:literal)?,
            )*
        }
    )+) => { $(
        #[derive(
            Debug, Clone, PartialEq, Default,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$about])*
                $(
                    #[serde(
                        rename = $may,
                        default,
                        deserialize_with = "crate::spec::shape::or_empty",
                        skip_serializing_if = "crate::spec::shape::Go::is_empty"
                    )]
                )?
                $(#[serde(rename = $must)])?
                pub $field: $type,
            )*
            /// Fields that this release does not know, as they came.
            #[serde(flatten)]
            pub extra: std::collections::BTreeMap<String, serde_json::Value>,
        }
    )+ };
}

/// Closed sets of words. `enum` sets are closed in the schema too, `string` sets only in the rules
/// of the fabric.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $schema:ident $name:ident {
            $($(#[$about:meta])* $variant:ident = $word:literal,)+
        }
    )+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$about])* $variant,)+
            /// A word that this release does not know, as it came.
            Unknown(String),
        }

        impl $name {
            /// The words of the set, in the order of the schema.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word, as the resource spells it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }

            /// Whether it is a word of the set.
            pub const fn is_known(&self) -> bool {
                !matches!(self, Self::Unknown(_))
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        /// The empty word.
        impl Default for $name {
            fn default() -> Self {
                Self::from("")
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::spec::shape::Go for $name {
            fn is_empty(&self) -> bool {
                self.as_str().is_empty()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
                target.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                String::deserialize(source).map(|word| Self::from(word.as_str()))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                words!(@schema $schema)
            }
        }
    )+ };
    (@schema enum) => { schemars::json_schema!({ "type": "string", "enum": Self::WORDS }) };
    (@schema string) => { schemars::json_schema!({ "type": "string" }) };
}

pub(crate) use {shape, words};
