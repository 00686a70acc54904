//! What a URL means.
//!
//! Invariant: pure; a path that means nothing is [`Address::Unknown`], never a guess.

use std::collections::BTreeMap;

/// What a path addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `/healthz`, `/livez`, `/readyz` and what lies below them.
    Health,
    /// `/version`.
    Version,
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    /// `/apis/{group}`.
    Group(String),
    /// `/api/v1` and `/apis/{group}/{version}`.
    GroupVersion(String, String),
    /// `/openapi/v3`.
    OpenApi,
    /// `/openapi/v3/{path}`.
    OpenApiGroup(String),
    /// `/openapi/v2`.
    OpenApiV2,
    /// Objects.
    Resource(ResourceAddress),
    /// `/hnp-sim/faults`.
    Faults,
    /// Nothing.
    Unknown,
}

/// Which objects a path addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ResourceAddress {
    /// Group, empty for the core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Namespace, empty for all or none.
    pub namespace: String,
    /// Plural.
    pub plural: String,
    /// Name, empty for all.
    pub name: String,
    /// `status` and the like, or empty.
    pub subresource: String,
}

impl Address {
    /// Reads a path.
    pub(crate) fn parse(path: &str) -> Self {
        let segments: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["hnp-sim", "faults"] => Self::Faults,
            ["openapi", "v2"] => Self::OpenApiV2,
            ["openapi", "v3"] => Self::OpenApi,
            ["openapi", "v3", path @ ..] => Self::OpenApiGroup(path.join("/")),
            ["api"] => Self::Core,
            ["api", version] => Self::GroupVersion(String::new(), (*version).to_owned()),
            ["api", version, rest @ ..] => resource("", version, rest),
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["apis", group, version] => {
                Self::GroupVersion((*group).to_owned(), (*version).to_owned())
            }
            ["apis", group, version, rest @ ..] => resource(group, version, rest),
            _ => Self::Unknown,
        }
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Address {
    let (namespace, rest) = match rest {
        // `namespaces/x/status` is a part of the namespace itself, anything else lies in it.
        ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, inside @ ..] if !inside.is_empty() => (*namespace, inside),
        _ => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, subresource] => (*plural, *name, *subresource),
        _ => return Address::Unknown,
    };
    let text = |text: &str| text.to_owned();
    Address::Resource(ResourceAddress {
        group: text(group),
        version: text(version),
        namespace: text(namespace),
        plural: text(plural),
        name: text(name),
        subresource: text(subresource),
    })
}

/// Undoes percent-encoding; `+` stays, as in paths.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(sign: u8) -> Option<u8> {
    char::from(sign).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The query of a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query; of a key given twice the last counts.
    pub(crate) fn parse(query: &str) -> Self {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        };
        Self(query.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// A value, or empty.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    /// Whether a flag is set.
    pub(crate) fn is(&self, key: &str) -> bool {
        matches!(self.text(key), "true" | "1" | "True")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> [String; 6] {
        let Address::Resource(a) = Address::parse(path) else { panic!("{path}") };
        [a.group, a.version, a.namespace, a.plural, a.name, a.subresource]
    }

    #[test]
    fn paths_of_objects_are_taken_apart() {
        assert_eq!(
            place("/apis/g.io/v1/namespaces/ns/things/a/status"),
            ["g.io", "v1", "ns", "things", "a", "status"]
        );
        assert_eq!(place("/apis/g.io/v1/things"), ["g.io", "v1", "", "things", "", ""]);
        assert_eq!(place("/api/v1/namespaces/ns"), ["", "v1", "", "namespaces", "ns", ""]);
        assert_eq!(
            place("/api/v1/namespaces/ns/status"),
            ["", "v1", "", "namespaces", "ns", "status"]
        );
        assert_eq!(
            place("/api/v1/namespaces/ns/configmaps/a%2Eb"),
            ["", "v1", "ns", "configmaps", "a.b", ""]
        );
        assert_eq!(Address::parse("/apis/g/v1/a/b/c/d"), Address::Unknown);
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=a%20in+%28b%2Cc%29&watch=1&x");
        assert_eq!(query.text("labelSelector"), "a in (b,c)");
        assert!(query.is("watch"));
        assert!(!query.is("x"));
    }
}
