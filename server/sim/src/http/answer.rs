//! Responses: JSON, refusals, warnings.
//!
//! Invariant: every refusal carries its `Status` object, and 429 its `Retry-After`.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::Value;

use crate::status::{Reason, Status};

/// Type of aggregated discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A response of any kind.
pub(crate) fn raw(code: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// 200 with JSON.
pub(crate) fn json(value: &Value) -> Response {
    raw(200, "application/json", value.to_string())
}

/// 200 with the groups as one document.
pub(crate) fn aggregated(value: &Value) -> Response {
    let mut response = raw(200, AGGREGATED, value.to_string());
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// 200 with text.
pub(crate) fn text(text: &'static str) -> Response {
    raw(200, "text/plain; charset=utf-8", text)
}

/// A page, or none.
pub(crate) fn page(page: Option<Value>) -> Response {
    page.map_or_else(not_a_page, |page| json(&page))
}

/// 404 of an address that means nothing: plain text, as the real server has it.
pub(crate) fn not_a_page() -> Response {
    raw(404, "text/plain; charset=utf-8", "404 page not found\n")
}

/// A refusal.
pub(crate) fn status(status: &Status) -> Response {
    let mut response = raw(status.reason.code(), "application/json", status.to_json().to_string());
    if status.reason == Reason::RequestEntityTooLarge {
        // The rest of the body may still be on its way, so nothing else can follow on this connection.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(secs) = status.retry_after_secs() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}

/// The response with warnings.
pub(crate) fn warn(mut response: Response, warnings: &[String]) -> Response {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
