//! From where we may be asked: `Host` against DNS rebinding, `Origin` against cross-site sockets and posts.
//!
//! Invariant: decided before anything else is done with a request, and by its head alone.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::probes::problem;

pub mod csrf;

use self::csrf::{Carried, Intent, Origin, Site};

/// Which `Host` and `Origin` are ours.
#[derive(Debug)]
pub struct Guard {
    hosts: Vec<String>,
    own: Vec<String>,
    allowed: Vec<String>,
    /// Where we listen on every address of the machine: our scheme and port there.
    anywhere: Option<(&'static str, u16)>,
}

impl Guard {
    /// What is ours, given where we listen and whether with TLS, our public address and further origins of
    /// a browser.
    pub fn new(
        listen: SocketAddr,
        tls: bool,
        public_url: Option<&str>,
        allowed_origins: &[String],
    ) -> Self {
        let port = listen.port();
        let (scheme, usual) = if tls { ("https", 443) } else { ("http", 80) };
        let mut hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .map(|host| format!("{host}:{port}"))
            .collect();
        hosts.push(listen.to_string());
        if port == usual {
            let without_port =
                |host: &String| host.rsplit_once(':').map(|(name, _)| name.to_owned());
            hosts.extend(hosts.clone().iter().filter_map(without_port));
        }
        let mut own: Vec<String> = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        if let Some((scheme, host)) = public_url.and_then(|url| url.split_once("://")) {
            own.push(format!("{scheme}://{host}"));
            hosts.push(host.to_owned());
            // Clients that are no browsers may name the usual port.
            let usual = if scheme == "https" { 443 } else { 80 };
            hosts.push(format!("{host}:{usual}"));
        }
        let anywhere = listen.ip().is_unspecified().then_some((scheme, port));
        Self { hosts, own, allowed: allowed_origins.to_vec(), anywhere }
    }

    /// Whether this is a name of ours. A number never leads astray: nobody's DNS answers it.
    fn is_ours(&self, host: &str) -> bool {
        let numbered = || {
            let (_, port) = self.anywhere?;
            let authority: Authority = host.parse().ok()?;
            let usual = authority.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 });
            let address = authority.host().trim_matches(['[', ']']).parse::<IpAddr>();
            (usual == port && address.is_ok()).then_some(())
        };
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) || numbered().is_some()
    }

    fn is_https(&self) -> bool {
        self.anywhere.is_some_and(|(scheme, _)| scheme == "https")
    }

    /// Whose page asks; `host` is the one that was asked for, and ours.
    fn origin(&self, headers: &HeaderMap, host: &str) -> Origin {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Origin::Absent };
        let Some(origin) = origin.to_str().ok().filter(|_| origins.next().is_none()) else {
            return Origin::Foreign;
        };
        let here = |(scheme, _): (&str, u16)| {
            origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) == Some(host)
        };
        if self.own.iter().any(|known| known == origin) || self.anywhere.is_some_and(here) {
            Origin::Own
        } else if self.allowed.iter().any(|known| known == origin) {
            Origin::Allowed
        } else {
            Origin::Foreign
        }
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
        let Some(host) = host.filter(|host| self.is_ours(host)) else {
            let detail = "this server does not answer to that host name; use the address it printed, or set `public_url`";
            return Some(problem(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail));
        };
        let suspicion = csrf::judge(
            Intent::of(method, path),
            Carried::of(headers),
            self.origin(headers, host),
            Site::of(headers),
        )?;
        Some(problem(StatusCode::FORBIDDEN, "csrf", suspicion.detail()))
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
            false,
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

    #[test]
    fn where_every_address_listens_numbers_are_ours_and_names_are_not() {
        let ours = |guard: &Guard, host: &str, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            let refusal = guard.refusal(&Method::POST, "/", &headers, None);
            refusal.map_or(200, |refusal| refusal.status().as_u16())
        };
        let guard = Guard::new("0.0.0.0:3000".parse().unwrap(), true, None, &[]);
        for (host, origin, expected) in [
            ("192.0.2.7:3000", "https://192.0.2.7:3000", 200),
            ("[2001:db8::1]:3000", "https://[2001:db8::1]:3000", 200),
            ("192.0.2.7:3000", "http://192.0.2.7:3000", 403),
            ("192.0.2.7:3000", "https://192.0.2.8:3000", 403),
            ("192.0.2.7:3001", "https://192.0.2.7:3001", 421),
            ("192.0.2.7", "https://192.0.2.7", 421),
            ("evil.example:3000", "https://evil.example:3000", 421),
            ("1.evil.example:3000", "https://1.evil.example:3000", 421),
        ] {
            assert_eq!(ours(&guard, host, origin), expected, "{host} {origin}");
        }
        let usual = Guard::new("0.0.0.0:443".parse().unwrap(), true, None, &[]);
        assert_eq!(ours(&usual, "192.0.2.7", "https://192.0.2.7"), 200);
        assert_eq!(ours(&usual, "localhost", "https://localhost"), 200);
        let near = Guard::new("127.0.0.1:3000".parse().unwrap(), true, None, &[]);
        assert_eq!(ours(&near, "192.0.2.7:3000", "https://192.0.2.7:3000"), 421);
        assert_eq!(ours(&near, "localhost:3000", "https://localhost:3000"), 200);
        assert_eq!(ours(&near, "localhost:3000", "http://localhost:3000"), 403, "TLS is TLS");
    }

    #[test]
    fn a_change_with_a_cookie_says_from_which_page_and_one_with_a_token_need_not() {
        let guard = Guard::new("127.0.0.1:3000".parse().unwrap(), false, None, &[]);
        let status = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in [&[("host", "127.0.0.1:3000")], pairs].concat() {
                headers.append(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
            }
            let refusal = guard.refusal(&Method::POST, "/logout", &headers, None);
            refusal.map_or(200, |refusal| refusal.status().as_u16())
        };
        let (cookie, own) = (("cookie", "hnp_session=x"), ("origin", "http://127.0.0.1:3000"));
        assert_eq!(status(&[cookie]), 403);
        assert_eq!(status(&[cookie, own]), 200);
        assert_eq!(status(&[cookie, own, ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(status(&[cookie, own, ("origin", "https://evil.example")]), 403, "two origins");
        assert_eq!(status(&[("authorization", "Bearer x")]), 200);
        assert_eq!(
            status(&[("authorization", "Bearer x"), ("origin", "https://evil.example")]),
            403
        );
        assert_eq!(status(&[]), 200, "there is nothing to steal yet");
    }
}
