//! Versions of answers: a reader who holds an answer already is told so instead of being sent it again.
//!
//! For answers that are in memory as a whole anyway; whoever knows a cheaper version says it themselves.
//!
//! Invariant: nothing that is streamed passes here; an answer is never said to be held that differs in a byte.

use std::fmt::Write as _;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use super::probes::problem;

/// Largest answer that gets a version, in bytes; handlers end their pages long before.
const LARGEST: usize = 64 * 1024 * 1024;
/// Bytes of the digest that a version is made of.
const KEPT: usize = 12;

/// Gives the answer of a read its version, or says that it is held already.
pub async fn tag(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let held = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if !reads
        || response.status() != StatusCode::OK
        || response.headers().contains_key(header::ETAG)
    {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST).await else {
        let detail = "the answer is too large; ask for fewer entries with `limit`";
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "answer_too_large", detail);
    };
    let version = version(&bytes);
    let Ok(tag) = HeaderValue::from_str(&version) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let known = held.as_ref().and_then(|held| held.to_str().ok());
    if known.is_some_and(|known| names(known, &version)) {
        let mut kept = HeaderMap::new();
        kept.extend(
            parts
                .headers
                .get(header::CACHE_CONTROL)
                .cloned()
                .map(|value| (header::CACHE_CONTROL, value)),
        );
        kept.insert(header::ETAG, tag);
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    parts.headers.insert(header::ETAG, tag);
    parts
        .headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-cache"));
    Response::from_parts(parts, Body::from(bytes))
}

/// Weak: what is compressed on its way is the same answer.
fn version(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut text = "W/\"".to_owned();
    for byte in digest.iter().take(KEPT) {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

/// Whether a list of versions names one.
fn names(list: &str, version: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_a_list_however_it_is_marked() {
        let version = version(b"x");
        let strong = version.trim_start_matches("W/");
        for list in [&version, strong, "*", &format!("\"a\", {strong}")] {
            assert!(names(list, &version), "{list}");
        }
        for list in ["", "\"a\"", "W/\"a\", \"b\""] {
            assert!(!names(list, &version), "{list}");
        }
        assert_ne!(super::version(b"y"), version);
    }
}
