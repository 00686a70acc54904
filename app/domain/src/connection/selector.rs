//! Label selectors, as kubectl takes them: read once, matched as Kubernetes matches them.
//!
//! Invariant: what is not understood is refused, never "matches everything"; the text is what was written.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::mistake::{Field, Mistake};

/// Longest selector, in bytes: it travels in a URL.
const LONGEST: usize = 2_048;
/// Longest name part of a label's key, and longest value, in bytes.
const LONGEST_PART: usize = 63;
/// Longest prefix of a label's key, in bytes.
const LONGEST_PREFIX: usize = 253;

/// A selector that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelSelector {
    text: String,
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl LabelSelector {
    /// The text, as it goes to the API server.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an object with these labels is meant.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                labels.get(key).is_some_and(|value| values.contains(value))
            }
            Requirement::NotIn(key, values) => {
                labels.get(key).is_none_or(|value| !values.contains(value))
            }
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

impl From<LabelSelector> for String {
    fn from(selector: LabelSelector) -> Self {
        selector.text
    }
}

impl TryFrom<String> for LabelSelector {
    type Error = Mistake;

    fn try_from(text: String) -> Result<Self, Mistake> {
        text.parse()
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for LabelSelector {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let field = Field::Labels;
        let text = text.trim();
        if text.is_empty() {
            return Err(Mistake::Empty { field });
        }
        if text.len() > LONGEST {
            return Err(Mistake::TooLong { field, limit: "2048 bytes" });
        }
        let requirements = parts(text).into_iter().map(|part| {
            requirement(part.trim()).ok_or_else(|| Mistake::Malformed {
                field,
                problem: format!("`{}` is no requirement", part.trim()),
            })
        });
        let requirements = requirements.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { text: text.to_owned(), requirements })
    }
}

/// Splits at the commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    if let Some((left, right)) = text.split_once("!=") {
        return Some(Requirement::NotIn(key(left)?, vec![value(right)?]));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Requirement::In(key(left)?, vec![value(right)?]));
    }
    if let Some(absent) = text.strip_prefix('!') {
        return Some(Requirement::Absent(key(absent)?));
    }
    let Some((left, set)) = text.split_once('(') else {
        return Some(Requirement::Exists(key(text)?));
    };
    let values = set.strip_suffix(')')?.split(',').map(value).collect::<Option<Vec<_>>>()?;
    let mut words = left.split_ascii_whitespace();
    let (name, operator) = (key(words.next()?)?, words.next()?);
    match (operator, words.next()) {
        ("in", None) => Some(Requirement::In(name, values)),
        ("notin", None) => Some(Requirement::NotIn(name, values)),
        _ => None,
    }
}

/// A label's key: a name, with a DNS name and a slash before it if need be.
fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(good) {
                return None;
            }
            name
        }
        None => text,
    };
    (!name.is_empty() && is_part(name)).then(|| text.to_owned())
}

/// A label's value: may be empty.
fn value(text: &str) -> Option<String> {
    let text = text.trim();
    is_part(text).then(|| text.to_owned())
}

fn is_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST_PART
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && edge(text.chars().next())
        && edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> BTreeMap<String, String> {
        [("app", "web"), ("example.net/tier", "front")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn requirements_match_as_in_kubernetes() {
        for (text, expected) in [
            ("app=web", true),
            ("app == web", true),
            ("app=db", false),
            ("app!=db", true),
            ("gone!=x", true),
            ("app", true),
            ("gone", false),
            ("!gone", true),
            ("!app", false),
            ("app in (db, web),example.net/tier=front", true),
            ("app notin (web)", false),
            ("app=web,example.net/tier!=front", false),
        ] {
            let selector: LabelSelector = text.parse().unwrap();
            assert_eq!(selector.matches(&labels()), expected, "{text}");
            assert_eq!(selector.as_str(), text);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "a b",
            "a in b",
            "a near (b)",
            "=x",
            "a=b,",
            "a=b c",
            "a in (b",
            "A B/c=d",
            "-a",
            "a=-b",
            "a in (b) c",
        ] {
            let mistake = text.parse::<LabelSelector>().unwrap_err();
            assert_eq!(mistake.field(), Field::Labels, "{text}");
        }
    }
}
