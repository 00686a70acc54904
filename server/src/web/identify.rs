//! Who asks: a bearer token, a token offered by a live link, or the cookie of a session.
//!
//! Invariant: decided before any handler; a credential that does not hold is refused where it was sent on
//! purpose (a token) and counts as nothing where the browser sends it by itself (a cookie); what a cookie
//! may change, it may only from our own pages.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
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
                if is_hidden_socket(request.headers()) {
                    let detail = "a live link that is signed in by a cookie must come from our own pages: the header `Origin` is missing; programs use an API token";
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

/// Whether a socket does not say from which page it is opened: browsers always do. Which origins are ours, and
/// what changes something, the guard has judged already; it does not know who holds a cookie that counts.
fn is_hidden_socket(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_KEY) && !headers.contains_key(header::ORIGIN)
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
    fn a_socket_says_from_which_page_it_is_opened() {
        let (key, origin) = (("sec-websocket-key", "x"), ("origin", "http://127.0.0.1:3000"));
        for (pairs, hidden) in [(&[][..], false), (&[key], true), (&[key, origin], false)] {
            assert_eq!(is_hidden_socket(&headers(pairs)), hidden, "{pairs:?}");
        }
    }
}
