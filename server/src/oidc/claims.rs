//! What a provider says of a person, and what follows from it here.
//!
//! Invariant: nobody gets a role that no rule gives them; a claim is never half read.

use std::collections::BTreeSet;

use domain::access::Rights;
use serde_json::{Map, Value};

use super::trouble::plain;
use crate::config::Oidc;

/// Claims by name.
pub(super) type Claims = Map<String, Value>;

/// Longest subject, in bytes. `OpenID` Connect Core 1.0, 2: at most 255 ASCII characters.
const LONGEST_SUBJECT: usize = 255;

/// Somebody whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `issuer subject`: who they are, for good.
    pub identity: String,
    /// How they are called; none: the provider does not say.
    pub name: Option<String>,
    /// What they may do; none: the provider decides nothing about it.
    pub rights: Option<Rights>,
    /// What the claim of roles says, cut: for the audit log.
    pub said: String,
}

impl Person {
    /// Who these claims are about, by the rules of a configuration; none: they do not say who.
    pub(super) fn of(settings: &Oidc, subject: &str, claims: &Claims) -> Option<Self> {
        let fits = (1..=LONGEST_SUBJECT).contains(&subject.len())
            && subject.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
        let values = values(claims, &settings.role_claim);
        fits.then(|| Self {
            identity: format!("{} {subject}", settings.issuer),
            name: find(claims, &settings.name_claim).and_then(Value::as_str).map(str::to_owned),
            rights: (!settings.rules.is_empty()).then(|| rights(settings, &values)),
            said: plain(&values.into_iter().collect::<Vec<_>>().join(", ")),
        })
    }

    /// Whether something is still to be asked for: a claim that matters and is absent.
    pub(super) fn lacks(settings: &Oidc, claims: &Claims) -> bool {
        let absent = |name: &str| find(claims, name).is_none();
        absent(&settings.name_claim) || (!settings.rules.is_empty() && absent(&settings.role_claim))
    }
}

/// A claim: of this very name (which may have dots), else inside of objects.
fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    let inner = claims.get(first)?.as_object()?;
    find(inner, rest)
}

/// The values of a claim: a text, or those of a list that are texts.
fn values(claims: &Claims, name: &str) -> BTreeSet<String> {
    match find(claims, name) {
        Some(Value::String(text)) => BTreeSet::from([text.clone()]),
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => BTreeSet::new(),
    }
}

fn rights(settings: &Oidc, values: &BTreeSet<String>) -> Rights {
    let given = settings.rules.iter().filter(|rule| values.contains(&rule.value));
    given.fold(Rights::default(), |rights, rule| rights.with(rule.fabric.clone(), rule.role))
}

#[cfg(test)]
mod tests {
    use domain::access::Role;
    use serde_json::json;

    use super::*;
    use crate::config::Rule;

    fn settings(role_claim: &str) -> Oidc {
        let rule = |value: &str, fabric: Option<&str>, role| Rule {
            value: value.to_owned(),
            fabric: fabric.map(|fabric| fabric.parse().unwrap()),
            role,
        };
        Oidc {
            issuer: "https://id.example".to_owned(),
            client_id: "hnp".to_owned(),
            client_secret_file: None,
            redirect_url: None,
            scopes: Vec::new(),
            name_claim: "preferred_username".to_owned(),
            role_claim: role_claim.to_owned(),
            rules: vec![
                rule("admins", None, Role::Admin),
                rule("netops", Some("prod"), Role::Operator),
                rule("all", None, Role::Viewer),
            ],
            ca_file: None,
        }
    }

    fn person(role_claim: &str, claims: &Value) -> Person {
        Person::of(&settings(role_claim), "7", claims.as_object().unwrap()).unwrap()
    }

    #[test]
    fn roles_follow_from_values_by_rules_alone() {
        let prod = "prod".parse().unwrap();
        let viewer_and_operator = Rights::everywhere(Role::Viewer).with(Some(prod), Role::Operator);
        for (claim, claims, expected) in [
            ("groups", json!({"groups": ["all", "netops", "x"]}), viewer_and_operator),
            ("groups", json!({"groups": "admins"}), Rights::everywhere(Role::Admin)),
            ("groups", json!({"groups": ["Admins", " admins", "admins,all"]}), Rights::default()),
            ("groups", json!({"groups": {"admins": true}}), Rights::default()),
            ("groups", json!({"groups": [["admins"], 7, null]}), Rights::default()),
            ("groups", json!({}), Rights::default()),
            ("a.b", json!({"a": {"b": ["all"]}}), Rights::everywhere(Role::Viewer)),
            ("a.b", json!({"a.b": ["all"]}), Rights::everywhere(Role::Viewer)),
            (
                "https://x.example/roles",
                json!({"https://x.example/roles": "all"}),
                Rights::everywhere(Role::Viewer),
            ),
        ] {
            assert_eq!(person(claim, &claims).rights, Some(expected), "{claim} {claims}");
        }
    }

    #[test]
    fn without_rules_the_provider_decides_nothing_and_its_claim_is_not_asked_for() {
        let bare = Oidc { rules: Vec::new(), ..settings("groups") };
        let claims = json!({"preferred_username": "ann", "groups": ["admins"]});
        let claims = claims.as_object().unwrap();
        assert_eq!(Person::of(&bare, "7", claims).unwrap().rights, None);
        let named = json!({"preferred_username": "ann"});
        assert!(!Person::lacks(&bare, named.as_object().unwrap()));
        assert!(Person::lacks(&settings("groups"), named.as_object().unwrap()));
        assert!(!Person::lacks(&settings("groups"), claims));
    }

    #[test]
    fn an_identity_is_the_issuer_with_its_subject() {
        assert_eq!(person("groups", &json!({})).identity, "https://id.example 7");
        for bad in ["", "a\nb", "é", &"x".repeat(256)] {
            assert_eq!(Person::of(&settings("groups"), bad, &Map::new()), None, "{bad:?}");
        }
    }
}
