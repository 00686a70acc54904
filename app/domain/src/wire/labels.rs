//! Label selectors, as `kubectl -l` reads them: `a=b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, joined by commas.

use std::{collections::BTreeMap, str::FromStr};

/// A label selector: all requirements must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// Why a text is not a label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{part}` is not a label requirement; write `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` or `!key`"
)]
pub struct LabelsError {
    part: String,
}

impl Labels {
    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
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

impl FromStr for Labels {
    type Err = LabelsError;

    fn from_str(text: &str) -> Result<Self, LabelsError> {
        let parts = split_outside_parentheses(text);
        parts
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(part: &str) -> Result<Requirement, LabelsError> {
    let refuse = || LabelsError { part: part.chars().take(100).collect() };
    let key = |text: &str| {
        let text = text.trim();
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !text.is_empty() && text.chars().all(legal) {
            Ok(text.to_owned())
        } else {
            Err(refuse())
        }
    };
    let value = |text: &str| {
        let text = text.trim();
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.chars().all(legal) { Ok(text.to_owned()) } else { Err(refuse()) }
    };
    if let Some((head, list)) = part.split_once('(') {
        let list = list.trim_end().strip_suffix(')').ok_or_else(refuse)?;
        let values = list.split(',').map(value).collect::<Result<_, _>>()?;
        let head = head.trim_end();
        return if let Some(name) = head.strip_suffix(" notin") {
            Ok(Requirement::NotIn(key(name)?, values))
        } else {
            Ok(Requirement::In(key(head.strip_suffix(" in").ok_or_else(refuse)?)?, values))
        };
    }
    if let Some((name, text)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(key(name)?, vec![value(text)?]));
    }
    if let Some((name, text)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(key(name)?, vec![value(text)?]));
    }
    match part.strip_prefix('!') {
        Some(name) => Ok(Requirement::Absent(key(name)?)),
        None => Ok(Requirement::Exists(key(part)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        selector.parse::<Labels>().unwrap().matches(&labels)
    }

    #[test]
    fn each_form_selects_as_kubectl_does() {
        let leaf = [("role", "leaf"), ("fabric.githedgehog.com/vpc", "vpc-1")];
        for (selector, expected) in [
            ("", true),
            ("role=leaf", true),
            ("role==leaf", true),
            ("role!=leaf", false),
            ("other!=x", true),
            ("role in (leaf, spine)", true),
            ("role notin (leaf)", false),
            ("other notin (leaf)", true),
            ("role", true),
            ("!role", false),
            ("!other", true),
            ("fabric.githedgehog.com/vpc=vpc-1,role=leaf", true),
            ("role=leaf,other", false),
        ] {
            assert_eq!(selects(selector, &leaf), expected, "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_part() {
        for selector in ["=x", "a in x", "a in (x", "a b", "a=b c", "a=<b>", "!"] {
            assert!(selector.parse::<Labels>().is_err(), "{selector}");
        }
        assert!("ok=1,b@d".parse::<Labels>().unwrap_err().to_string().contains("b@d"));
    }
}
