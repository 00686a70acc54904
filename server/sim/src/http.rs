//! The API over HTTP: from a request to the room that answers it.
//!
//! The order of the doors: faults → token → address → rights → the resource.
//!
//! Invariant: no answer is given to somebody who has no right to it; nothing here knows a kind.

pub(crate) mod address;
pub(crate) mod answer;
pub(crate) mod read;
pub(crate) mod review;
pub(crate) mod view;
pub(crate) mod watching;
pub(crate) mod writing;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Request, header},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    discovery,
    fault::{Answer, Fault},
    openapi,
    options::{FaultRoute, Rights, Token},
    policy::{self, Attempt},
    resource::{Resource, ResourceId},
    status::{Reason, Status},
};
use address::{Address, Query, ResourceAddress};

impl Cluster {
    /// The API as a router, for serving it in any way.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }
}

/// A request past the first doors.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) cluster: Cluster,
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) token: Token,
}

impl Call {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn accept(&self) -> &str {
        self.header(header::ACCEPT)
    }
}

async fn handle(State(cluster): State<Cluster>, request: Request<Body>) -> Response {
    let clock = cluster.inner.options.clock.clone();
    let mut response = match respond(cluster, request).await {
        Ok(response) => response,
        Err(status) => answer::status(&status),
    };
    // A server tells the time that it has, right or wrong.
    if let Ok(date) = HeaderValue::from_str(&clock.date()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn respond(cluster: Cluster, request: Request<Body>) -> Result<Response, Status> {
    let (parts, body) = request.into_parts();
    let address = Address::parse(parts.uri.path());
    if address == Address::Faults {
        return faults(cluster, &parts.method, &parts.headers, body).await;
    }
    misbehave(&cluster, &address).await?;
    if let Some(response) = for_everybody(&address) {
        return Ok(response);
    }
    let token = authenticate(&cluster, &parts.headers)?;
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let call = Call { cluster, method: parts.method, query, headers: parts.headers, token };
    match address {
        Address::Resource(address) => resource(call, &address, body).await,
        Address::Unknown | Address::Health | Address::Version | Address::Faults => {
            Ok(answer::not_a_page())
        }
        page @ (Address::Core
        | Address::Groups
        | Address::Group(_)
        | Address::GroupVersion(..)
        | Address::OpenApi
        | Address::OpenApiGroup(_)
        | Address::OpenApiV2) => Ok(page_of(&call, &page)),
    }
}

/// What the faults of the moment do to a request.
async fn misbehave(cluster: &Cluster, address: &Address) -> Result<(), Status> {
    let resource = match address {
        Address::Resource(address) => Some(ResourceId::new(&address.group, &address.plural)),
        _ => None,
    };
    let mut conditions = cluster.inner.conditions.subscribe();
    // The sender lives as long as the cluster that is borrowed here, so waiting cannot fail.
    drop(conditions.wait_for(|conditions| !conditions.hangs(resource.as_ref())).await);
    let (latency, answer) = {
        let conditions = conditions.borrow();
        (conditions.latency_millis, conditions.answer)
    };
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    match answer {
        None => Ok(()),
        Some(Answer::Unauthorized) => Err(Status::new(Reason::Unauthorized, "Unauthorized")),
        Some(Answer::ServerError) => {
            Err(Status::new(Reason::InternalError, "Internal error occurred: on request"))
        }
        Some(Answer::TooMany(secs)) => {
            Err(Status::too_many("too many requests, please try again later", secs))
        }
    }
}

fn for_everybody(address: &Address) -> Option<Response> {
    match address {
        Address::Health => Some(answer::text("ok")),
        Address::Version => Some(answer::json(&discovery::version())),
        _ => None,
    }
}

fn authenticate(cluster: &Cluster, headers: &HeaderMap) -> Result<Token, Status> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = sent.and_then(|sent| sent.strip_prefix("Bearer "));
    let known = cluster.tokens().list.iter().find(|token| Some(token.secret.as_str()) == secret);
    known.cloned().ok_or_else(|| Status::new(Reason::Unauthorized, "Unauthorized"))
}

/// Pages about the API itself.
fn page_of(call: &Call, address: &Address) -> Response {
    let core = call.cluster.core();
    let registry = &core.registry;
    let accept = call.accept();
    match address {
        Address::Core if discovery::wants_aggregated(accept) => {
            answer::aggregated(&discovery::aggregated_core(registry))
        }
        Address::Core => answer::json(&discovery::core()),
        Address::Groups if discovery::wants_aggregated(accept) => {
            answer::aggregated(&discovery::aggregated_groups(registry))
        }
        Address::Groups => answer::json(&discovery::groups(registry)),
        Address::Group(group) => answer::page(discovery::group(registry, group)),
        Address::GroupVersion(group, version) => {
            answer::page(discovery::resources(registry, group, version))
        }
        Address::OpenApi => answer::json(&openapi::index(registry, core.store.revision())),
        Address::OpenApiGroup(path) => answer::page(openapi::document(registry, path)),
        Address::OpenApiV2 => openapi_v2(accept),
        Address::Resource(_)
        | Address::Unknown
        | Address::Health
        | Address::Version
        | Address::Faults => answer::not_a_page(),
    }
}

/// The old document is served only as JSON and holds no types: clients that can read version 3 do.
fn openapi_v2(accept: &str) -> Response {
    if accept.contains("json") || accept.contains("*/*") || accept.is_empty() {
        return answer::json(&openapi::v2());
    }
    answer::status(&Status::new(
        Reason::NotAcceptable,
        "only application/json is served here; see /openapi/v3",
    ))
}

async fn resource(call: Call, address: &ResourceAddress, body: Body) -> Result<Response, Status> {
    let attempt = Attempt {
        verb: verb(&call, address).to_owned(),
        resource: ResourceId::new(&address.group, &address.plural),
        subresource: address.subresource.clone(),
        namespace: address.namespace.clone(),
        name: address.name.clone(),
    };
    let allowed =
        policy::allows(&call.token, &attempt, &call.cluster.inner.conditions.borrow().forbidden);
    if !allowed {
        return Err(policy::refusal(&call.token, &attempt));
    }
    let found =
        call.cluster.core().registry.at(&address.group, &address.version, &address.plural).cloned();
    let Some(found) = found else { return Ok(answer::not_a_page()) };
    if !answers(&found, address) {
        return Ok(answer::not_a_page());
    }
    if !found.is_stored() {
        return review::answer(call, &found, body).await;
    }
    match call.method {
        Method::GET if attempt.verb == "watch" => watching::open(&call, &found, address),
        Method::GET if address.name.is_empty() => read::list(&call, &found, address),
        Method::GET => read::get(&call, &found, address),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            writing::write(call, &found, address, body).await
        }
        _ => Err(Status::new(
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        )),
    }
}

/// Whether the address makes sense for the resource.
fn answers(resource: &Arc<Resource>, address: &ResourceAddress) -> bool {
    let is_place =
        resource.scope == crate::resource::Scope::Namespaced || address.namespace.is_empty();
    let is_part = match address.subresource.as_str() {
        "" => true,
        "status" => resource.has_status && !address.name.is_empty(),
        _ => false,
    };
    is_place && is_part
}

fn verb(call: &Call, address: &ResourceAddress) -> &'static str {
    let watches = matches!(call.query.text("watch"), "true" | "1");
    match (&call.method, address.name.is_empty()) {
        (&Method::GET, _) if watches => "watch",
        (&Method::GET, true) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "deletecollection",
        (&Method::DELETE, false) => "delete",
        _ => "get",
    }
}

/// Sets faults, where the route is open, for whoever may write.
async fn faults(
    cluster: Cluster,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Status> {
    if cluster.inner.options.fault_route == FaultRoute::Closed || method != Method::POST {
        return Ok(answer::not_a_page());
    }
    let token = authenticate(&cluster, headers)?;
    if token.rights != Rights::ReadWrite {
        return Err(Status::new(Reason::Forbidden, "faults are for those who may write"));
    }
    let body = writing::read_body(&cluster, body).await?;
    let fault: Fault = serde_json::from_slice(&body)
        .map_err(|cause| Status::bad_request(format!("the body is not a fault: {cause}")))?;
    cluster.fault(&fault)?;
    let done: Value =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    Ok(answer::json(&done))
}
