//! What of a fabric is watched: on or off, which kinds, in which namespaces, under which labels.
//!
//! Invariant: a plan in hand was checked; no set of kinds is empty.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    mistake::{Field, Mistake},
    selector::LabelSelector,
};
use crate::kind::Kind;

/// Most namespaces of a plan: each is a watch of its own for each kind.
pub const MOST_NAMESPACES: usize = 64;
/// Longest name of a namespace, in bytes.
const LONGEST_NAMESPACE: usize = 63;

/// Name of a Kubernetes namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}

impl TryFrom<String> for Namespace {
    type Error = Mistake;

    fn try_from(text: String) -> Result<Self, Mistake> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edge = |c: Option<char>| c.is_some_and(|c| c != '-');
        if text.len() <= LONGEST_NAMESPACE
            && text.chars().all(legal)
            && edge(text.chars().next())
            && edge(text.chars().next_back())
        {
            return Ok(Self(text));
        }
        let shown: String = text.chars().take(80).collect();
        Err(Mistake::Malformed {
            field: Field::Namespaces,
            problem: format!("`{shown}` is no namespace"),
        })
    }
}

/// Kinds to watch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Option<BTreeSet<Kind>>", into = "Option<BTreeSet<Kind>>")]
pub enum Kinds {
    /// Every kind that HNP knows, and those it will know. In JSON: null.
    #[default]
    All,
    /// These.
    Only(BTreeSet<Kind>),
}

impl TryFrom<Option<BTreeSet<Kind>>> for Kinds {
    type Error = Mistake;

    fn try_from(kinds: Option<BTreeSet<Kind>>) -> Result<Self, Mistake> {
        match kinds {
            None => Ok(Self::All),
            Some(kinds) if kinds.is_empty() => Err(Mistake::Empty { field: Field::Kinds }),
            Some(kinds) => Ok(Self::Only(kinds)),
        }
    }
}

impl From<Kinds> for Option<BTreeSet<Kind>> {
    fn from(kinds: Kinds) -> Self {
        match kinds {
            Kinds::All => None,
            Kinds::Only(kinds) => Some(kinds),
        }
    }
}

/// Which objects of a kind are watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Namespaces; empty: all.
    pub namespaces: BTreeSet<Namespace>,
    /// Labels; none: any.
    pub labels: Option<LabelSelector>,
}

impl Coverage {
    /// Whether everything is watched.
    pub fn is_whole(&self) -> bool {
        self.namespaces.is_empty() && self.labels.is_none()
    }

    /// Whether an object would be watched.
    pub fn covers(&self, namespace: &str, object: &Value) -> bool {
        let here = self.namespaces.is_empty()
            || self.namespaces.iter().any(|wanted| wanted.as_str() == namespace);
        let Some(selector) = &self.labels else { return here };
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        here && selector.matches(&labels.collect())
    }

    /// One text that is the same for the same coverage, and empty where everything is watched.
    pub fn text(&self) -> String {
        if self.is_whole() {
            return String::new();
        }
        let namespaces: Vec<&str> = self.namespaces.iter().map(Namespace::as_str).collect();
        let labels = self.labels.as_ref().map(LabelSelector::as_str).unwrap_or_default();
        format!("{};{labels}", namespaces.join(","))
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchPlan {
    /// Whether it is watched at all.
    pub enabled: bool,
    /// Which kinds.
    pub kinds: Kinds,
    /// In which namespaces; empty: in all.
    pub namespaces: BTreeSet<Namespace>,
    /// Under which labels; none: any.
    pub labels: Option<LabelSelector>,
}

impl Default for WatchPlan {
    fn default() -> Self {
        Self { enabled: true, kinds: Kinds::All, namespaces: BTreeSet::new(), labels: None }
    }
}

/// A plan as a form gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanInput {
    /// Whether it is watched at all.
    pub enabled: bool,
    /// Names of kinds; none: all.
    pub kinds: Option<Vec<String>>,
    /// Names of namespaces, blanks and empty ones ignored; empty: all.
    pub namespaces: Vec<String>,
    /// A label selector; empty: any.
    pub labels: String,
}

impl WatchPlan {
    /// Checks a form; every mistake is named, not just the first.
    pub fn parse(input: &PlanInput) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut note = |mistake| mistakes.push(mistake);
        let kinds = kinds(input.kinds.as_deref()).map_err(&mut note).unwrap_or_default();
        let namespaces = namespaces(&input.namespaces).map_err(&mut note).unwrap_or_default();
        let labels = match input.labels.trim() {
            "" => None,
            text => text.parse().map_err(&mut note).ok(),
        };
        if mistakes.is_empty() {
            Ok(Self { enabled: input.enabled, kinds, namespaces, labels })
        } else {
            Err(mistakes)
        }
    }

    /// Whether a kind is watched.
    pub fn watches(&self, kind: Kind) -> bool {
        self.enabled
            && match &self.kinds {
                Kinds::All => true,
                Kinds::Only(kinds) => kinds.contains(&kind),
            }
    }

    /// Kinds that are watched, in display order.
    pub fn watched(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(|kind| self.watches(*kind))
    }

    /// Which objects of a watched kind are watched.
    pub fn coverage(&self) -> Coverage {
        Coverage { namespaces: self.namespaces.clone(), labels: self.labels.clone() }
    }
}

fn kinds(names: Option<&[String]>) -> Result<Kinds, Mistake> {
    let Some(names) = names else { return Ok(Kinds::All) };
    let kind = |name: &String| {
        Kind::from_name(name).or_else(|| Kind::from_plural(name)).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            Mistake::Malformed { field: Field::Kinds, problem: format!("`{shown}` is no kind") }
        })
    };
    let kinds = names.iter().map(kind).collect::<Result<BTreeSet<_>, _>>()?;
    Some(kinds).try_into()
}

fn namespaces(names: &[String]) -> Result<BTreeSet<Namespace>, Mistake> {
    let names = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let namespaces =
        names.map(|name| name.to_owned().try_into()).collect::<Result<BTreeSet<_>, _>>()?;
    if namespaces.len() > MOST_NAMESPACES {
        return Err(Mistake::TooMany { field: Field::Namespaces, most: MOST_NAMESPACES });
    }
    Ok(namespaces)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(kinds: Option<&[&str]>, namespaces: &[&str], labels: &str) -> PlanInput {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        PlanInput {
            enabled: true,
            kinds: kinds.map(owned),
            namespaces: owned(namespaces),
            labels: labels.to_owned(),
        }
    }

    #[test]
    fn a_plan_reads_back_from_its_json() {
        for plan in [
            WatchPlan::default(),
            WatchPlan::parse(&input(Some(&["VPC", "switches"]), &["b", " a ", ""], "x in (1,2)"))
                .unwrap(),
        ] {
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<WatchPlan>(&text).unwrap(), plan, "{text}");
        }
        assert!(serde_json::from_value::<WatchPlan>(json!({"kinds": []})).is_err());
        assert!(serde_json::from_value::<WatchPlan>(json!({"namespaces": ["A"]})).is_err());
        assert!(serde_json::from_value::<WatchPlan>(json!({"labels": "a b"})).is_err());
    }

    #[test]
    fn every_mistake_is_named() {
        let mistakes =
            WatchPlan::parse(&input(Some(&["Nope"]), &["UPPER"], "a near (b)")).unwrap_err();
        let fields: Vec<_> = mistakes.iter().map(Mistake::field).collect();
        assert_eq!(fields, [Field::Kinds, Field::Namespaces, Field::Labels]);
        let many: Vec<String> = (0..65).map(|n| format!("n{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(WatchPlan::parse(&input(None, &many, "")).is_err());
        assert!(WatchPlan::parse(&input(Some(&[]), &[], "")).is_err(), "no kind at all");
    }

    #[test]
    fn what_is_covered_follows_namespaces_and_labels() {
        let plan = WatchPlan::parse(&input(None, &["a"], "env=prod")).unwrap();
        let coverage = plan.coverage();
        let prod = json!({"metadata": {"labels": {"env": "prod"}}});
        assert!(coverage.covers("a", &prod));
        assert!(!coverage.covers("b", &prod));
        assert!(!coverage.covers("a", &json!({"metadata": {}})));
        assert!(WatchPlan::default().coverage().covers("any", &json!({})));
        assert_eq!(WatchPlan::default().coverage().text(), "");
        assert_ne!(coverage.text(), "");
    }

    #[test]
    fn a_plan_that_is_off_watches_nothing() {
        let plan = WatchPlan { enabled: false, ..WatchPlan::default() };
        assert_eq!(plan.watched().count(), 0);
        assert_eq!(WatchPlan::default().watched().count(), Kind::ALL.len());
    }
}
