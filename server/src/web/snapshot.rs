//! Snapshots over HTTP: the very frames of the live link, ending in `synced` per topic.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    Extension,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::wire::Want;
use engine::hub::{Hub, session};

use super::asked;
use crate::{config::Limits, registrar::caller::Caller};

/// `GET …?topic=objects/prod/Switch@9f3c…:1203&view=row`.
pub async fn one(
    State(hub): State<Arc<Hub>>,
    State(limits): State<Limits>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match asked::of_query(query.as_deref(), &limits) {
        Ok(wants) => answer(&hub, &caller, wants, &headers),
        Err(refusal) => refusal.into_response(),
    }
}

/// `POST` with a `hello` as its body.
pub async fn many(
    State(hub): State<Arc<Hub>>,
    State(limits): State<Limits>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match asked::of_body(&body, &limits) {
        Ok(wants) => answer(&hub, &caller, wants, &headers),
        Err(refusal) => refusal.into_response(),
    }
}

fn answer(hub: &Arc<Hub>, caller: &Caller, wants: Vec<Want>, headers: &HeaderMap) -> Response {
    let frames = session::snapshot(hub, caller.viewer(), wants);
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
