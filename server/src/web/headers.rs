//! Headers on every answer. The Content-Security-Policy of pages carries a nonce and is set where it is made.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::proxy::Peer;

/// Content-Security-Policy of a page whose scripts carry this nonce.
pub fn policy(nonce: &str) -> String {
    format!(
        "default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Content-Security-Policy of a page without the client: signing in, setting up. What is written into it by
/// ourselves (the theme, before the first paint) may run; nothing may be loaded.
pub fn without_scripts(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Whether the page at this path has no client: nobody is signed in there, and a password is typed.
pub fn is_scriptless(path: &str) -> bool {
    ["/login", "/setup"].iter().any(|page| {
        path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What anything that is not a page may do: nothing.
const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How long browsers come back by HTTPS only, in seconds: a year. Without `includeSubDomains`: others are
/// not ours to decide about.
const HSTS: &str = "max-age=31536000";

/// Adds what every answer carries.
pub async fn harden(request: Request, next: Next) -> Response {
    let https = request.extensions().get::<Peer>().is_some_and(|peer| peer.https);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    // What says nothing about keeping it is not kept: it may be somebody's.
    let keeping = if headers.contains_key(header::ETAG) { "private, no-cache" } else { "no-store" };
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(keeping));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_where_passwords_are_typed_have_no_script_at_all() {
        for path in ["/login", "/login/oidc", "/setup/abc", "/setup"] {
            assert!(is_scriptless(path), "{path}");
        }
        for path in ["/", "/loginx", "/f/login", "/settings"] {
            assert!(!is_scriptless(path), "{path}");
        }
        assert!(without_scripts("n").contains("script-src 'nonce-n';"));
        assert!(policy("n").contains("script-src 'nonce-n' 'strict-dynamic' 'wasm-unsafe-eval'"));
    }
}
