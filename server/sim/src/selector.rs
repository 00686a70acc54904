//! Label and field selectors of lists and watches.
//!
//! Invariant: an unknown operator or field is a refusal, never "matches everything".

use std::collections::BTreeMap;

use crate::status::Status;

/// What a list or a watch is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(Field, Sign, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Is,
    IsNot,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector` as in a URL.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, Status> {
        let labels = split(labels).into_iter().map(requirement).collect::<Result<_, _>>()?;
        let fields = split(fields).into_iter().map(field).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether nothing was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is meant.
    pub(crate) fn matches(
        &self,
        namespace: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let field = |(field, sign, wanted): &(Field, Sign, String)| {
            let is = match field {
                Field::Name => name,
                Field::Namespace => namespace,
            };
            (is == wanted) == (*sign == Sign::Is)
        };
        self.fields.iter().all(field) && self.labels.iter().all(|label| label.matches(labels))
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => {
                !labels.get(key).is_some_and(|value| values.contains(value))
            }
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

/// Splits at the commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = text.split(|sign: char| {
        match sign {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        sign == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Result<Requirement, Status> {
    let key = |key: &str| {
        let key = key.trim();
        let good = |sign: char| sign.is_ascii_alphanumeric() || "-_./".contains(sign);
        if key.is_empty() || !key.chars().all(good) {
            return Err(bad_label(text));
        }
        Ok(key.to_owned())
    };
    if let Some((left, right)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key(left)?, vec![right.trim().to_owned()]));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key(left)?, vec![right.trim().to_owned()]));
    }
    if let Some(left) = text.strip_prefix('!') {
        return Ok(Requirement::Absent(key(left)?));
    }
    let Some((left, values)) = text.split_once('(') else {
        return Ok(Requirement::Exists(key(text)?));
    };
    let values = values.strip_suffix(')').ok_or_else(|| bad_label(text))?;
    let values = values.split(',').map(|value| value.trim().to_owned()).collect();
    match left.trim().rsplit_once(char::is_whitespace) {
        Some((left, "in")) => Ok(Requirement::In(key(left)?, values)),
        Some((left, "notin")) => Ok(Requirement::NotIn(key(left)?, values)),
        _ => Err(bad_label(text)),
    }
}

fn bad_label(text: &str) -> Status {
    Status::bad_request(format!("unable to parse requirement: {text:?}"))
}

fn field(text: &str) -> Result<(Field, Sign, String), Status> {
    let (key, sign, value) = text
        .split_once("!=")
        .map(|(key, value)| (key, Sign::IsNot, value))
        .or_else(|| text.split_once("==").map(|(key, value)| (key, Sign::Is, value)))
        .or_else(|| text.split_once('=').map(|(key, value)| (key, Sign::Is, value)))
        .ok_or_else(|| Status::bad_request(format!("invalid field selector: {text:?}")))?;
    let field = match key.trim() {
        "metadata.name" => Field::Name,
        "metadata.namespace" => Field::Namespace,
        key => return Err(Status::bad_request(format!("field label not supported: {key}"))),
    };
    Ok((field, sign, value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(labels: &str) -> bool {
        let have = [("app", "web"), ("tier", "front")];
        let have = have.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Selector::parse(labels, "").unwrap().matches("default", "x", &have)
    }

    #[test]
    fn equality_and_set_based_requirements_are_understood() {
        for yes in [
            "",
            "app=web",
            "app==web",
            "app!=db",
            "app in (db, web),tier",
            "!gone",
            "app notin (a,b)",
        ] {
            assert!(meant(yes), "{yes}");
        }
        for no in [
            "app=db",
            "app!=web",
            "app in (a,b)",
            "gone",
            "!app",
            "app=web,tier=back",
            "app notin (web)",
        ] {
            assert!(!meant(no), "{no}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in ["a b", "app in web", "app near (x)", "=x"] {
            assert!(Selector::parse(bad, "").is_err(), "{bad}");
        }
        assert!(Selector::parse("", "spec.role=leaf").is_err());
    }

    #[test]
    fn fields_select_by_name_and_namespace() {
        let selector = Selector::parse("", "metadata.name=a,metadata.namespace!=b").unwrap();
        assert!(selector.matches("default", "a", &BTreeMap::new()));
        assert!(!selector.matches("b", "a", &BTreeMap::new()));
        assert!(!selector.matches("default", "c", &BTreeMap::new()));
    }
}
