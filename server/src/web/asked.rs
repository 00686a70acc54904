//! What a request over HTTP asks for: a `hello` as its body, or topics in its query.
//!
//! Invariant: what cannot be read is answered with a sentence that says what to write.

use axum::http::{HeaderMap, StatusCode};
use domain::wire::{At, ClientFrame, Cursor, PROTOCOL, View, Want};

use super::probes::{Refusal, problem};
use crate::config::Limits;

/// Longest that a poll waits, in seconds.
pub(super) const LONGEST_WAIT: u64 = 25;

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Topics, with their places and the view.
    pub(super) wants: Vec<Want>,
    /// How long to wait for news, in seconds; none: not said.
    pub(super) wait: Option<u64>,
}

/// The wishes of a `hello` that came as a body.
pub(super) fn of_body(body: &[u8], limits: &Limits) -> Result<Vec<Want>, Refusal> {
    if body.len() > limits.inbound_bytes {
        let detail = format!("a hello has at most {} bytes", limits.inbound_bytes);
        return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &detail).into());
    }
    let refuse = |code, detail: &str| Err(problem(StatusCode::BAD_REQUEST, code, detail).into());
    match serde_json::from_slice(body) {
        Ok(ClientFrame::Hello { protocol: PROTOCOL, topics, .. }) => few(topics, limits),
        Ok(ClientFrame::Hello { protocol, .. }) => refuse(
            "unknown_protocol",
            &format!("this server speaks protocol {PROTOCOL}, not {protocol}"),
        ),
        Ok(_) => refuse("bad_frame", "the body must be a `hello` frame"),
        Err(error) => refuse("bad_frame", &format!("the body is not a `hello` frame: {error}")),
    }
}

/// The wishes of a query, `topic=objects/prod/Switch@9f3c…:1203&view=row`.
pub(super) fn of_query(query: Option<&str>, limits: &Limits) -> Result<Vec<Want>, Refusal> {
    let Query { wants, wait } = query_of(query)?;
    if wait.is_some() {
        return Err(bad_query("`wait` is for `/api/v1/live/poll`"));
    }
    if wants.is_empty() {
        return Err(bad_query("say which: `topic=objects/{fabric}/{Kind}`"));
    }
    few(wants, limits)
}

/// A query with nothing demanded of it.
pub(super) fn query_of(query: Option<&str>) -> Result<Query, Refusal> {
    read(query.unwrap_or_default()).map_err(|detail| bad_query(&detail))
}

/// As many wishes as a connection may have.
pub(super) fn few(wants: Vec<Want>, limits: &Limits) -> Result<Vec<Want>, Refusal> {
    if wants.len() <= limits.topics {
        return Ok(wants);
    }
    let detail = format!("at most {} topics at once; use `*` or ask for fewer", limits.topics);
    Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "too_many_topics", &detail).into())
}

/// Puts the place of `Last-Event-ID` into the wishes of somebody who comes back: it is newer than what the
/// address says.
pub(super) fn resume(mut wants: Vec<Want>, headers: &HeaderMap) -> Vec<Want> {
    let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let Some(id) = id.filter(|id| !id.is_empty()) else { return wants };
    let single = wants.len() == 1 && wants.iter().all(|want| !want.topic.contains('*'));
    let at = match cursor(id).filter(|_| single) {
        Some(cursor) => At::Cursor(cursor),
        None => At::Token(id.to_owned()),
    };
    for want in &mut wants {
        want.at = Some(at.clone());
    }
    wants
}

/// What somebody is told whose query says something else than it should.
pub(super) fn bad_query(detail: &str) -> Refusal {
    problem(StatusCode::BAD_REQUEST, "bad_query", detail).into()
}

fn read(query: &str) -> Result<Query, String> {
    let mut topics = Vec::new();
    let (mut view, mut wait) = (View::Row, None);
    for (name, value) in form_pairs(query) {
        match name.as_str() {
            "topic" | "topics" => topics.extend(value.split(',').map(str::to_owned)),
            "view" => {
                view = match value.as_str() {
                    "row" => View::Row,
                    "full" => View::Full,
                    other => return Err(format!("`view` is `{other}`; it is `row` or `full`")),
                }
            }
            "wait" => {
                let seconds = value.parse::<u64>().map_err(|_| {
                    format!("`wait` is `{value}`; it is seconds, 0 to {LONGEST_WAIT}")
                })?;
                wait = Some(seconds.min(LONGEST_WAIT));
            }
            other => {
                return Err(format!(
                    "unknown parameter `{other}`; there are `topic`, `view` and, to poll, `wait`"
                ));
            }
        }
    }
    let wants = topics.into_iter().map(|text| placed(&text, view)).collect::<Result<_, _>>()?;
    Ok(Query { wants, wait })
}

fn placed(text: &str, view: View) -> Result<Want, String> {
    let Some((topic, place)) = text.split_once('@') else {
        return Ok(Want { view, ..Want::rows(text) });
    };
    let at = match cursor(place) {
        Some(cursor) => At::Cursor(cursor),
        None if topic.contains('*') => At::Token(place.to_owned()),
        None => return Err(format!("`{place}` is no cursor; write `epoch:version`")),
    };
    Ok(Want { view, at: Some(at), ..Want::rows(topic) })
}

fn cursor(text: &str) -> Option<Cursor> {
    let (epoch, version) = text.rsplit_once(':')?;
    Some(Cursor(epoch.to_owned(), version.parse().ok()?))
}

fn form_pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_may_follow_the_topic() {
        let query = read("topic=objects%2Fprod%2FSwitch@9f3c:1203&view=full").unwrap();
        let want = &query.wants[0];
        assert_eq!(want.at, Some(At::Cursor(Cursor("9f3c".into(), 1203))));
        assert_eq!((want.topic.as_str(), want.view), ("objects/prod/Switch", View::Full));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        for (query, says) in [
            ("view=all&topic=a", "`row` or `full`"),
            ("topic=a@b", "epoch:version"),
            ("x=1", "unknown parameter"),
            ("wait=soon", "0 to 25"),
            ("wait=-1", "0 to 25"),
            ("wait=", "0 to 25"),
        ] {
            assert!(read(query).unwrap_err().contains(says), "{query}");
        }
    }

    #[test]
    fn nobody_waits_longer_than_a_proxy_would() {
        for (query, wait) in
            [("", None), ("wait=0", Some(0)), ("wait=7", Some(7)), ("wait=90", Some(25))]
        {
            assert_eq!(read(query).unwrap().wait, wait, "{query}");
        }
    }

    #[test]
    fn the_last_event_beats_the_address() {
        let mut headers = HeaderMap::new();
        let wants = || read("topic=state/a@e:1").unwrap().wants;
        assert_eq!(resume(wants(), &headers), wants());
        headers.insert("last-event-id", "f:2".parse().unwrap());
        assert_eq!(resume(wants(), &headers)[0].at, Some(At::Cursor(Cursor("f".into(), 2))));
        let many = read("topic=state/a@e:1,state/b").unwrap().wants;
        let token = Some(At::Token("f:2".into()));
        assert!(resume(many, &headers).iter().all(|want| want.at == token), "one for all of them");
    }
}
