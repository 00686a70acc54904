//! Who asks: a bearer token, a token offered by a live link, or the cookie of a session.
//!
//! Invariant: decided before any handler; a credential that does not hold is refused where it was sent on
//! purpose (a token) and counts as nothing where the browser sends it by itself (a cookie); what a cookie
//! may change, it may only from our own pages.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use engine::store::StoreError;
use tower_sessions::Session;

use super::{Front, map::unauthorized, probes::problem, proxy::Peer};
use crate::registrar::{Unknown, caller::Caller};

/// What a live link from another origin offers its token as.
const TOKEN_PROTOCOL: &str = "hnp.token.";

/// Puts the [`Caller`] into the request.
pub async fn identify(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let from = request.extensions().get::<Peer>().map(|peer| peer.address);
    let caller = match token(request.headers()) {
        Some(token) => match front.registrar.token(&token, from).await {
            Ok(Ok(caller)) => caller,
            Ok(Err(unknown)) => return unauthorized(&unknown.to_string()),
            Err(error) => return unavailable(&error),
        },
        None => match by_cookie(&front, session_key(&request), from).await {
            Ok(Ok(caller)) => {
                if !comes_from_us(request.method(), request.headers()) {
                    let detail = "a change that is signed in by a cookie must come from our own pages: the header `Origin` is missing; programs use an API token";
                    return problem(StatusCode::FORBIDDEN, "csrf", detail);
                }
                caller
            }
            Ok(Err(_)) => Caller::nobody(from),
            Err(error) => return unavailable(&error),
        },
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn by_cookie(
    front: &Front,
    key: Option<String>,
    from: Option<IpAddr>,
) -> Result<Result<Caller, Unknown>, StoreError> {
    match key {
        Some(key) => front.registrar.session(&key, from).await,
        None => Ok(Err(Unknown::Absent)),
    }
}

fn session_key(request: &Request) -> Option<String> {
    request.extensions().get::<Session>().and_then(Session::id).map(|id| id.to_string())
}

/// A token in the headers.
fn token(headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((scheme, token)) = bearer.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Some(token.trim().to_owned());
    }
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let offered = offered.split(',').find_map(|name| name.trim().strip_prefix(TOKEN_PROTOCOL))?;
    Some(offered.to_owned())
}

/// Whether what changes something, or opens a socket, says that it comes from a page of ours. Which origins
/// those are, the guard has checked already; here it must not be missing.
fn comes_from_us(method: &Method, headers: &HeaderMap) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let socket = headers.contains_key(header::SEC_WEBSOCKET_KEY);
    (reads && !socket) || headers.contains_key(header::ORIGIN)
}

fn unavailable(error: &StoreError) -> Response {
    tracing::error!(%error, "a credential could not be looked up");
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "directory_unavailable",
        "who you are cannot be looked up, because the database fails; try again, or see `/readyz`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_token_is_found_where_it_may_be() {
        for (pairs, found) in [
            (&[("authorization", "Bearer hnp_a")][..], Some("hnp_a")),
            (&[("authorization", "bearer  hnp_a ")], Some("hnp_a")),
            (&[("authorization", "Basic eDp5")], None),
            (&[("sec-websocket-protocol", "hnp.live.v1, hnp.token.abc")], Some("abc")),
            (&[("sec-websocket-protocol", "hnp.live.v1")], None),
            (&[], None),
        ] {
            assert_eq!(token(&headers(pairs)).as_deref(), found, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_changes_nothing_without_an_origin() {
        let origin = headers(&[("origin", "http://127.0.0.1:3000")]);
        let socket = headers(&[("sec-websocket-key", "x")]);
        for (method, headers, passes) in [
            (Method::GET, &HeaderMap::new(), true),
            (Method::POST, &HeaderMap::new(), false),
            (Method::DELETE, &HeaderMap::new(), false),
            (Method::POST, &origin, true),
            (Method::GET, &socket, false),
        ] {
            assert_eq!(comes_from_us(&method, headers), passes, "{method} {headers:?}");
        }
    }
}
