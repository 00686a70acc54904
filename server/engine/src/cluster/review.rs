//! What may be done in a cluster: asked of the cluster itself, by access reviews.
//!
//! Invariant: what could not be asked is an error, never a yes.

use std::collections::BTreeSet;

use domain::{connection::rights::Verb, kind::Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::ClusterError,
    request::{self, Scope},
    target::Target,
};

/// Where access reviews are posted.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

#[derive(Deserialize)]
struct Reviewed {
    status: Verdict,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    allowed: bool,
}

/// Whether something may be done with a resource of a group, in a namespace or in all of them.
pub async fn may(
    target: &Target,
    verb: Verb,
    (group, plural): (&str, &str),
    namespace: Option<&str>,
) -> Result<bool, ClusterError> {
    let mut wanted = json!({"group": group, "resource": plural, "verb": verb.word()});
    if let (Some(namespace), Some(map)) = (namespace, wanted.as_object_mut()) {
        map.insert("namespace".to_owned(), namespace.into());
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted}});
    let answer: Reviewed = request::post(target, REVIEWS, &review, "ask for a right").await?;
    Ok(answer.status.allowed)
}

/// What watching a kind takes and may not be done.
pub async fn lacking(
    target: &Target,
    kind: Kind,
    scope: &Scope,
) -> Result<BTreeSet<Verb>, ClusterError> {
    let about = kind.about();
    let namespace = match scope {
        Scope::Cluster => None,
        Scope::Namespace(namespace) => Some(namespace.as_str()),
    };
    let mut lacking = BTreeSet::new();
    for verb in Verb::READ {
        if !may(target, verb, (about.api.group, about.plural), namespace).await? {
            lacking.insert(verb);
        }
    }
    Ok(lacking)
}

/// Words for a scope, as in "in namespace `a`".
pub fn place(scope: &Scope) -> String {
    match scope {
        Scope::Cluster => "in all namespaces".to_owned(),
        Scope::Namespace(namespace) => format!("in namespace `{namespace}`"),
    }
}

/// Name of whom the cluster takes us for: from 1.28 on it says so, before that only where it refuses something.
pub async fn whoami(target: &Target) -> Option<String> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let uri = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let asked = request::post::<Value>(target, uri, &review, "ask who we are").await;
    match asked {
        Ok(answer) => {
            let name = answer.pointer("/status/userInfo/username").and_then(Value::as_str);
            name.map(str::to_owned)
        }
        Err(_) => None,
    }
}

/// The user that a refusal names: `User "jane" cannot list …`.
pub fn user_of(refusal: &str) -> Option<String> {
    let (_, rest) = refusal.split_once("User \"")?;
    let (name, _) = rest.split_once("\" cannot ")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_user() {
        let text = r#"vpcs.vpc.githedgehog.com is forbidden: User "system:serviceaccount:a:b" cannot list resource "vpcs""#;
        assert_eq!(user_of(text).as_deref(), Some("system:serviceaccount:a:b"));
        assert_eq!(user_of("forbidden"), None);
    }
}
