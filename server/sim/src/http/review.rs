//! Answers to "what may I do?": from the same policy that refuses requests.
//!
//! Invariant: nothing is stored.

use axum::{body::Body, http::Method, response::Response};
use serde_json::{Value, json};

use super::{Call, answer, writing};
use crate::{
    options::Rights,
    policy::{self, Attempt},
    resource::{Behaviour, Resource, ResourceId},
    status::{Reason, Status},
};

/// POST of a review.
pub(super) async fn answer(
    call: Call,
    resource: &Resource,
    body: Body,
) -> Result<Response, Status> {
    if call.method != Method::POST {
        return Err(Status::new(
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        ));
    }
    let body = writing::read_body(&call.cluster, body).await?;
    let mut review = writing::read_object(&call, &body)?;
    let status = match resource.behaviour {
        Behaviour::RulesReview => rules(&call),
        Behaviour::AccessReview
        | Behaviour::Custom
        | Behaviour::Plain
        | Behaviour::Namespaces
        | Behaviour::Definitions => access(&call, &review),
    };
    let map =
        review.as_object_mut().ok_or_else(|| Status::bad_request("the body is not an object"))?;
    map.insert("apiVersion".to_owned(), resource.api_version().into());
    map.insert("kind".to_owned(), resource.kind.clone().into());
    map.insert("status".to_owned(), status);
    Ok(answer::raw(201, "application/json", review.to_string()))
}

fn access(call: &Call, review: &Value) -> Value {
    let Some(wanted) = review.pointer("/spec/resourceAttributes") else {
        return json!({"allowed": call.token.rights != Rights::Nothing});
    };
    let text = |key| wanted.get(key).and_then(Value::as_str).unwrap_or_default();
    let attempt = Attempt {
        verb: text("verb").to_owned(),
        resource: ResourceId::new(text("group"), text("resource")),
        subresource: text("subresource").to_owned(),
        namespace: text("namespace").to_owned(),
        name: text("name").to_owned(),
    };
    let allowed =
        policy::allows(&call.token, &attempt, &call.cluster.inner.conditions.borrow().forbidden);
    json!({"allowed": allowed})
}

fn rules(call: &Call) -> Value {
    let verbs: &[&str] = match call.token.rights {
        Rights::ReadWrite => &["*"],
        Rights::ReadOnly => &["get", "list", "watch"],
        Rights::Nothing => &[],
    };
    let mut rules = vec![json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]})];
    if !verbs.is_empty() {
        rules.push(json!({"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]}));
    }
    let pages = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
    ];
    json!({"resourceRules": rules, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": pages}],
        "incomplete": !call.cluster.inner.conditions.borrow().forbidden.is_empty()})
}
