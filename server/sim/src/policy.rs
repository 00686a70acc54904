//! Who may do what: one function, asked by every request and by access reviews.
//!
//! Invariant: pure; what is not allowed here is refused, whatever the route.

use std::collections::BTreeSet;

use crate::{
    options::{Rights, Token},
    resource::ResourceId,
    status::Status,
};

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// To which resource.
    pub resource: ResourceId,
    /// `status`, or empty.
    pub subresource: String,
    /// In which namespace, or empty.
    pub namespace: String,
    /// To which object, or empty.
    pub name: String,
}

/// Rights taken away by a fault: user (none = everybody) and resource.
pub(crate) type Forbidden = BTreeSet<(Option<String>, ResourceId)>;

/// Group of access reviews, which everybody may create.
const REVIEWS: &str = "authorization.k8s.io";

/// Whether the holder of a token may do it.
pub(crate) fn allows(token: &Token, attempt: &Attempt, forbidden: &Forbidden) -> bool {
    if attempt.resource.group() == REVIEWS && attempt.verb == "create" {
        return true;
    }
    let is_forbidden = |user: Option<String>| forbidden.contains(&(user, attempt.resource.clone()));
    if is_forbidden(None) || is_forbidden(Some(token.user.clone())) {
        return false;
    }
    match token.rights {
        Rights::ReadWrite => true,
        Rights::ReadOnly => matches!(attempt.verb.as_str(), "get" | "list" | "watch"),
        Rights::Nothing => false,
    }
}

/// The answer to whom it is not allowed.
pub(crate) fn refusal(token: &Token, attempt: &Attempt) -> Status {
    let slash = if attempt.subresource.is_empty() { "" } else { "/" };
    let place = if attempt.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", attempt.namespace)
    };
    let why = format!(
        "User {:?} cannot {} resource \"{}{slash}{}\" in API group {:?} {place}",
        token.user,
        attempt.verb,
        attempt.resource.plural(),
        attempt.subresource,
        attempt.resource.group(),
    );
    Status::forbidden(&attempt.resource, &attempt.name, &why)
}
