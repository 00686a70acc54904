//! Snapshots over HTTP: the very frames of the live link, ending in `synced` per topic.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::wire::{At, ClientFrame, Cursor, PROTOCOL, View, Want};
use engine::hub::{Hub, session};

use super::probes::problem;
use crate::config::Limits;

/// `GET …?topic=objects/prod/Switch@9f3c…:1203&view=row`.
pub async fn one(
    State(hub): State<Arc<Hub>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match wants(query.as_deref().unwrap_or_default()) {
        Ok(wants) => answer(&hub, wants, &headers),
        Err(detail) => problem(StatusCode::BAD_REQUEST, "bad_query", &detail),
    }
}

/// `POST` with a `hello` as its body.
pub async fn many(
    State(hub): State<Arc<Hub>>,
    State(limits): State<Limits>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if body.len() > limits.inbound_bytes {
        return problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            &format!("a hello has at most {} bytes", limits.inbound_bytes),
        );
    }
    match serde_json::from_slice(&body) {
        Ok(ClientFrame::Hello { protocol: PROTOCOL, topics, .. }) => answer(&hub, topics, &headers),
        Ok(ClientFrame::Hello { protocol, .. }) => problem(
            StatusCode::BAD_REQUEST,
            "unknown_protocol",
            &format!("this server speaks protocol {PROTOCOL}, not {protocol}"),
        ),
        Ok(_) => problem(StatusCode::BAD_REQUEST, "bad_frame", "the body must be a `hello` frame"),
        Err(error) => problem(
            StatusCode::BAD_REQUEST,
            "bad_frame",
            &format!("the body is not a `hello` frame: {error}"),
        ),
    }
}

fn answer(hub: &Arc<Hub>, wants: Vec<Want>, headers: &HeaderMap) -> Response {
    let frames = session::snapshot(hub, wants);
    let mut body = String::with_capacity(frames.iter().map(String::len).sum::<usize>() + 32);
    body.push_str(r#"{"frames":["#);
    body.push_str(&frames.join(","));
    body.push_str("]}");
    let mut hash = DefaultHasher::new();
    body.hash(&mut hash);
    let tag = format!("\"{:016x}\"", hash.finish());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    (
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::ETAG, tag),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ],
        body,
    )
        .into_response()
}

fn wants(query: &str) -> Result<Vec<Want>, String> {
    let mut topics = Vec::new();
    let mut view = View::Row;
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
            other => {
                return Err(format!("unknown parameter `{other}`; there are `topic` and `view`"));
            }
        }
    }
    if topics.is_empty() {
        return Err("say which: `topic=objects/{fabric}/{Kind}`".to_owned());
    }
    topics.into_iter().map(|text| placed(&text, view)).collect()
}

fn placed(text: &str, view: View) -> Result<Want, String> {
    let Some((topic, place)) = text.split_once('@') else {
        return Ok(Want { view, ..Want::rows(text) });
    };
    let cursor = place
        .rsplit_once(':')
        .and_then(|(epoch, version)| Some(Cursor(epoch.to_owned(), version.parse().ok()?)));
    let cursor = cursor.ok_or_else(|| format!("`{place}` is no cursor; write `epoch:version`"))?;
    Ok(Want { view, at: Some(At::Cursor(cursor)), ..Want::rows(topic) })
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
        let wants = wants("topic=objects%2Fprod%2FSwitch@9f3c:1203&view=full").unwrap();
        assert_eq!(wants[0].at, Some(At::Cursor(Cursor("9f3c".into(), 1203))));
        assert_eq!((wants[0].topic.as_str(), wants[0].view), ("objects/prod/Switch", View::Full));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        for (query, says) in [
            ("", "say which"),
            ("view=all&topic=a", "`row` or `full`"),
            ("topic=a@b", "epoch:version"),
            ("x=1", "unknown parameter"),
        ] {
            assert!(wants(query).unwrap_err().contains(says), "{query}");
        }
    }
}
