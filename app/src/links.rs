//! Addresses of the pages, written and read in one place.
//!
//! Invariant: no page spells an address itself.

use domain::{
    kind::Kind,
    object::{ObjectKey, ObjectRef},
    topic::FabricId,
};

/// The settings, an office page.
pub const SETTINGS: &str = "/settings";
/// The audit log, an office page.
pub const AUDIT: &str = "/audit";
/// One's own account, an office page.
pub const ACCOUNT: &str = "/account";
/// Where the form that signs out posts to.
pub const LOGOUT: &str = "/logout";

/// Whether a path is an office page's, which only the server knows.
pub(crate) fn is_office(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    [SETTINGS, AUDIT, ACCOUNT].iter().any(|office| office.get(1..) == Some(first))
}

/// Where to sign in and then go on at an address of the console, given as path and query.
pub fn sign_in(next: &str) -> String {
    format!("/login?next={}", encode(next))
}

/// The overview of the fabrics in a state, by its word.
pub fn in_state(word: &str) -> String {
    format!("/?state={word}")
}

/// The page of a fabric.
pub fn fabric(fabric: &FabricId) -> String {
    format!("/f/{fabric}")
}

/// The list of a kind.
pub fn list(fabric: &FabricId, kind: Kind) -> String {
    format!("/f/{fabric}/{}", kind.about().plural)
}

/// The page of an object. Namespace and name come from a cluster and may hold anything.
pub fn object(fabric: &FabricId, kind: Kind, key: &ObjectKey) -> String {
    format!("{}/{}/{}", list(fabric, kind), encode(key.namespace()), encode(key.name()))
}

/// The page of an object that something refers to.
pub fn reference(fabric: &FabricId, object: &ObjectRef) -> String {
    self::object(fabric, object.kind, &object.key)
}

/// Percent-encodes everything but unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16).map(|c| c.to_ascii_uppercase()));
            }
        }
    }
    out
}

/// Where in the console a person is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The fabric, if it is within one.
    pub fabric: Option<FabricId>,
    /// The kind, if it is a list or an object.
    pub kind: Option<Kind>,
    /// Namespace and name as they stand in the address, if it is an object.
    pub object: Option<(String, String)>,
}

impl Place {
    /// The place that a path leads to; what cannot be read is absent.
    pub fn of(path: &str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        if parts.next() != Some("f") {
            return Self::default();
        }
        let fabric = parts.next().and_then(|name| name.parse().ok());
        let kind = parts.next().and_then(Kind::from_plural);
        let object = parts.next().map(str::to_owned).zip(parts.next().map(str::to_owned));
        Self { fabric, kind, object }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_place() {
        let demo: FabricId = "demo-2".parse().unwrap();
        let key = ObjectKey::new("default", "leaf-01").unwrap();
        let place = Place::of(&object(&demo, Kind::Switch, &key));
        assert_eq!(place.fabric, Some(demo.clone()));
        assert_eq!(place.kind, Some(Kind::Switch));
        assert_eq!(place.object, Some(("default".into(), "leaf-01".into())));
        assert_eq!(Place::of(&list(&demo, Kind::Vpc)).object, None);
        assert_eq!(Place::of(&fabric(&demo)).kind, None);
        assert_eq!(Place::of("/"), Place::default());
        assert_eq!(Place::of("/login"), Place::default());
    }

    #[test]
    fn office_pages_are_known_by_their_first_part() {
        for path in ["/settings", "/settings/", "/settings/users/ann", "/audit/1", "/account"] {
            assert!(is_office(path), "{path}");
        }
        for path in ["/", "", "/f/settings", "/settingsx", "/login"] {
            assert!(!is_office(path), "{path}");
        }
    }

    #[test]
    fn the_way_to_sign_in_keeps_the_whole_address() {
        assert_eq!(
            sign_in("/f/demo/vpcs?q=a&b=c#d"),
            "/login?next=%2Ff%2Fdemo%2Fvpcs%3Fq%3Da%26b%3Dc%23d"
        );
    }

    #[test]
    fn a_hostile_name_stays_one_part_of_the_path() {
        let key = ObjectKey::new("default", "a?b#c%\"><\u{1b}é").unwrap();
        let path = object(&"demo".parse().unwrap(), Kind::Vpc, &key);
        assert_eq!(path, "/f/demo/vpcs/default/a%3Fb%23c%25%22%3E%3C%1B%C3%A9");
    }
}
