//! Topics: the names of the keyed maps that the live protocol carries, and selections of them.
//!
//! A topic's text is `objects/{fabric}/{Kind}`, `state/{fabric}`, `feed/{fabric}` or `me`; a selection may
//! put `*` in place of a fabric or a kind and then means all that exist, now and later.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// Longest fabric name, in bytes.
const LONGEST_FABRIC: usize = 63;

/// Names that mean something else where fabrics are named: `/settings/fabrics/new`, a role `everywhere`, `all`.
const RESERVED: [&str; 3] = ["all", "everywhere", "new"];

/// Name of a fabric, as in URLs and topics: lower-case letters, digits, `-` and `.`, 1 to 63 of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FabricId(String);

/// Why a text does not name a fabric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a fabric name; use 1 to 63 lower-case letters, digits, `-` or `.`, starting with a letter or digit"
)]
pub struct FabricIdError(String);

impl FabricId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name means something else where fabrics are named; none is made under it.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// The nearest fabric name to a text such as a kubeconfig's context (`admin@Prod` becomes `admin-prod`); never a reserved one.
    pub fn from_context(context: &str) -> Self {
        let mut slug: String = context
            .chars()
            .map(|c| c.to_ascii_lowercase())
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' { c } else { '-' })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(LONGEST_FABRIC)
            .collect();
        slug.truncate(slug.trim_end_matches(['-', '.']).len());
        if slug.is_empty() {
            return Self("fabric".to_owned());
        }
        if RESERVED.contains(&slug.as_str()) {
            slug.push_str("-fabric");
        }
        Self(slug)
    }
}

impl FromStr for FabricId {
    type Err = FabricIdError;

    fn from_str(text: &str) -> Result<Self, FabricIdError> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts_well && text.len() <= LONGEST_FABRIC && text.chars().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FabricIdError(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for FabricId {
    type Error = FabricIdError;

    fn try_from(text: String) -> Result<Self, FabricIdError> {
        text.parse()
    }
}

impl From<FabricId> for String {
    fn from(id: FabricId) -> Self {
        id.0
    }
}

impl fmt::Display for FabricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One keyed map or list that a client may follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Topic {
    /// All objects of a kind in a fabric; key `namespace/name`.
    Objects(FabricId, Kind),
    /// What we know of a fabric: keys `connectivity`, `watch/{Kind}`, `counts/{Kind}`, `readiness/{ns}/{name}`.
    State(FabricId),
    /// What happened in a fabric, in order.
    Feed(FabricId),
    /// What is addressed to whoever looks, in order.
    Me,
}

/// Why a text names no topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a topic; write `objects/{{fabric}}/{{Kind}}`, `state/{{fabric}}`, `feed/{{fabric}}` or `me`"
)]
pub struct TopicError(String);

impl Topic {
    /// The fabric it belongs to, if it belongs to one.
    pub fn fabric(&self) -> Option<&FabricId> {
        match self {
            Self::Objects(fabric, _) | Self::State(fabric) | Self::Feed(fabric) => Some(fabric),
            Self::Me => None,
        }
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        match text.parse::<Selection>() {
            Ok(Selection { family: Family::Objects, fabric: Some(fabric), kind: Some(kind) }) => {
                Ok(Self::Objects(fabric, kind))
            }
            Ok(Selection { family: Family::State, fabric: Some(fabric), .. }) => {
                Ok(Self::State(fabric))
            }
            Ok(Selection { family: Family::Feed, fabric: Some(fabric), .. }) => {
                Ok(Self::Feed(fabric))
            }
            Ok(Selection { family: Family::Me, .. }) => Ok(Self::Me),
            _ => Err(TopicError(text.chars().take(200).collect())),
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, TopicError> {
        text.parse()
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.to_string()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(fabric, kind) => write!(f, "objects/{fabric}/{kind}"),
            Self::State(fabric) => write!(f, "state/{fabric}"),
            Self::Feed(fabric) => write!(f, "feed/{fabric}"),
            Self::Me => f.write_str("me"),
        }
    }
}

/// The families of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `objects/…`
    Objects,
    /// `state/…`
    State,
    /// `feed/…`
    Feed,
    /// `me`
    Me,
}

/// One topic or, with `*`, several: what a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection {
    /// Which family.
    pub family: Family,
    /// Which fabric; none means each.
    pub fabric: Option<FabricId>,
    /// Which kind (objects only); none means each.
    pub kind: Option<Kind>,
}

impl Selection {
    /// Whether it holds a `*`.
    pub fn is_wildcard(&self) -> bool {
        self.family != Family::Me
            && (self.fabric.is_none() || (self.family == Family::Objects && self.kind.is_none()))
    }

    /// Whether a topic is selected.
    pub fn matches(&self, topic: &Topic) -> bool {
        let family = match topic {
            Topic::Objects(_, kind) => {
                self.family == Family::Objects && self.kind.is_none_or(|wanted| wanted == *kind)
            }
            Topic::State(_) => self.family == Family::State,
            Topic::Feed(_) => self.family == Family::Feed,
            Topic::Me => self.family == Family::Me,
        };
        family && self.fabric.as_ref().is_none_or(|wanted| Some(wanted) == topic.fabric())
    }
}

impl FromStr for Selection {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let refuse = || TopicError(text.chars().take(200).collect());
        let mut parts = text.split('/');
        let family = match parts.next() {
            Some("objects") => Family::Objects,
            Some("state") => Family::State,
            Some("feed") => Family::Feed,
            Some("me") => {
                let alone = parts.next().is_none();
                let me = Self { family: Family::Me, fabric: None, kind: None };
                return if alone { Ok(me) } else { Err(refuse()) };
            }
            _ => return Err(refuse()),
        };
        let fabric = match parts.next() {
            Some("*") => None,
            Some(name) => Some(name.parse().map_err(|_| refuse())?),
            None => return Err(refuse()),
        };
        let kind = match (family, parts.next()) {
            (Family::Objects, Some("*")) | (Family::State | Family::Feed, None) => None,
            (Family::Objects, Some(name)) => Some(Kind::from_name(name).ok_or_else(refuse)?),
            _ => return Err(refuse()),
        };
        if parts.next().is_some() {
            return Err(refuse());
        }
        Ok(Self { family, fabric, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_read_back_as_they_were_written() {
        for text in ["objects/prod/Switch", "objects/a.b-c/VPC", "state/prod", "feed/demo-2", "me"]
        {
            assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_topic_is_refused() {
        for text in [
            "",
            "objects",
            "objects/prod",
            "objects/prod/switch",
            "objects/Prod/Switch",
            "state",
            "state/prod/x",
            "me/x",
            "me/*",
            "objects/prod/Switch/",
            "feed/",
        ] {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
        assert!("objects/*/Switch".parse::<Topic>().is_err(), "a wildcard is no single topic");
    }

    #[test]
    fn a_star_selects_each_and_a_name_only_its_own() {
        let topic: Topic = "objects/prod/Switch".parse().unwrap();
        for (text, expected) in [
            ("objects/*/*", true),
            ("objects/prod/*", true),
            ("objects/*/Switch", true),
            ("objects/prod/Switch", true),
            ("objects/other/*", false),
            ("objects/*/VPC", false),
            ("state/*", false),
            ("feed/prod", false),
            ("me", false),
        ] {
            assert_eq!(text.parse::<Selection>().unwrap().matches(&topic), expected, "{text}");
        }
    }

    #[test]
    fn a_context_always_gives_a_legal_fabric_name() {
        for (context, expected) in [
            ("kubernetes-admin@Prod_1", "kubernetes-admin-prod-1"),
            ("--", "fabric"),
            ("", "fabric"),
            ("Ünder", "nder"),
            ("a.b", "a.b"),
        ] {
            let id = FabricId::from_context(context);
            assert_eq!(id.as_str(), expected);
            assert!(id.as_str().parse::<FabricId>().is_ok());
        }
        for reserved in RESERVED {
            assert!(reserved.parse::<FabricId>().unwrap().is_reserved());
            assert!(!FabricId::from_context(reserved).is_reserved(), "{reserved}");
        }
        assert!(FabricId::from_context(&"x".repeat(200)).as_str().parse::<FabricId>().is_ok());
    }
}
