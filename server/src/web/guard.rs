//! From where we may be asked: `Host` against DNS rebinding, `Origin` against cross-site sockets and posts.
//!
//! Invariant: decided before anything else is done with a request.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::probes::problem;

/// Which `Host` and `Origin` are ours.
#[derive(Debug)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    /// What is ours, given where we listen, our public address and further origins of a browser.
    pub fn new(listen: SocketAddr, public_url: Option<&str>, allowed_origins: &[String]) -> Self {
        let port = listen.port();
        let mut hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .map(|host| format!("{host}:{port}"))
            .collect();
        hosts.push(listen.to_string());
        let mut origins: Vec<String> = hosts.iter().map(|host| format!("http://{host}")).collect();
        if let Some(url) = public_url {
            origins.push(url.to_owned());
            hosts.extend(url.split_once("://").map(|(_, host)| host.to_owned()));
        }
        origins.extend(allowed_origins.iter().cloned());
        Self { hosts, origins }
    }

    /// Why a request must not be answered, if so.
    fn refusal(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        authority: Option<&str>,
    ) -> Option<Response> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(authority);
        if !host.is_some_and(|host| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)))
        {
            let detail = "this server does not answer to that host name; use the address it printed, or set `public_url`";
            return Some(problem(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail));
        }
        let matters = path.starts_with("/api/v1/live")
            || !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let origin = headers.get(header::ORIGIN);
        let ours = origin.is_none_or(|origin| {
            origin.to_str().is_ok_and(|origin| self.origins.iter().any(|known| known == origin))
        });
        if matters && !ours {
            let detail = "this origin may not use the live link or change anything; add it to `allowed_origins` if it should";
            return Some(problem(StatusCode::FORBIDDEN, "csrf", detail));
        }
        None
    }
}

/// Refuses what does not come from where it may.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(ToString::to_string);
    match guard.refusal(
        request.method(),
        request.uri().path(),
        request.headers(),
        authority.as_deref(),
    ) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, path: &str, host: &str, origin: Option<&str>) -> u16 {
        let guard = Guard::new(
            "127.0.0.1:3000".parse().unwrap(),
            Some("https://hnp.example"),
            &["https://portal.example".to_owned()],
        );
        let mut headers = HeaderMap::new();
        if !host.is_empty() {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        guard.refusal(method, path, &headers, None).map_or(200, |refusal| refusal.status().as_u16())
    }

    #[test]
    fn only_our_own_host_names_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:3000", 200),
            ("localhost:3000", 200),
            ("[::1]:3000", 200),
            ("hnp.example", 200),
            ("evil.example", 421),
            ("127.0.0.1", 421),
            ("127.0.0.1:3001", 421),
            ("127.0.0.1:3000.evil.example", 421),
            ("", 421),
        ] {
            assert_eq!(status(&Method::GET, "/", host, None), expected, "{host}");
        }
    }

    #[test]
    fn a_foreign_origin_gets_neither_socket_nor_change() {
        let host = "127.0.0.1:3000";
        for (origin, expected) in [
            (None, 200),
            (Some("http://127.0.0.1:3000"), 200),
            (Some("https://portal.example"), 200),
            (Some("https://hnp.example"), 200),
            (Some("https://evil.example"), 403),
            (Some("null"), 403),
            (Some("http://127.0.0.1:3000.evil.example"), 403),
            (Some("http://127.0.0.1:3001"), 403),
        ] {
            assert_eq!(status(&Method::GET, "/api/v1/live", host, origin), expected, "{origin:?}");
            assert_eq!(
                status(&Method::POST, "/api/page/list", host, origin),
                expected,
                "{origin:?}"
            );
            assert_eq!(
                status(&Method::GET, "/", host, origin),
                200,
                "reading a page is no secret here: {origin:?}"
            );
        }
    }
}
