//! Objects over HTTP: lists as of now or of a moment, one object, and what it is related to.
//!
//! Invariant: an object is said to be absent only where its kind is live; what is not known is said to be so.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use app::{
    api::ApiError,
    table::{Line, query::Query as Wish, search::read_sort},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use domain::{
    history::Moment,
    kind::Kind,
    object::ObjectKey,
    readiness::Readiness,
    report::{Edge, ListQuery, Relations},
    state::{SwitchReadiness, WatchState},
    topic::{FabricId, Topic},
};
use engine::{hub::keyed::KeyedTopic, store::Known};
use serde_json::{Value, json};

use super::{
    Parameters, Refusal, known_fabric, known_key, known_kind, limit, only, page, records, size,
    time,
};
use crate::{registrar::caller::Caller, web::Front};

/// What narrows or orders a list of what is held now.
const WISHES: [&str; 3] = ["q", "label", "sort"];

/// `GET /api/v1/fabrics/{f}/objects?kind=&at=&q=&label=&sort=&cursor=&limit=`: objects as of now or of a
/// moment, by key unless `sort` says otherwise.
pub async fn list(
    State(front): State<Front>,
    Path(fabric): Path<String>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = async {
        let fabric = known_fabric(&front, &fabric)?;
        only(&asked, &["kind", "at", "q", "label", "sort", "cursor", "limit"])?;
        let kind = asked.get("kind").map(String::as_str).unwrap_or_default();
        let kind = known_kind(kind)?;
        let limit = limit(&asked)?;
        let after = asked.get("cursor").map(|cursor| place(cursor)).transpose()?;
        let Some(at) = asked.get("at") else {
            let wish = wish(kind, &asked)?;
            return Ok(
                Json(held(&front, &fabric, kind, &wish, after.as_ref(), limit)?).into_response()
            );
        };
        if let Some(wish) = WISHES.iter().find(|wish| asked.contains_key(**wish)) {
            let detail = format!("`{wish}` is for what is held now; leave out `at`, or `{wish}`");
            return Err(Refusal::bad("bad_query", detail));
        }
        let moment: Moment =
            at.parse().map_err(|error| Refusal::bad("bad_moment", format!("{error}")))?;
        let known = records(&front)?.at(&fabric, kind, moment).await?;
        if known.forgotten {
            return Err(Refusal {
                status: StatusCode::GONE,
                code: "not_kept",
                detail: format!(
                    "what {kind} was at that moment is no longer kept; see `history_max_age` and `history_max_bytes`"
                ),
            });
        }
        if known.origin.is_none() {
            return Err(Refusal {
                status: StatusCode::NOT_FOUND,
                code: "not_recorded",
                detail: format!(
                    "nothing of {kind} is recorded of that moment; records begin later, or were let go"
                ),
            });
        }
        Ok::<_, Refusal>(Json(as_of(kind, at, &known, after.as_ref(), limit)).into_response())
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

/// What of a list is asked for, read as pages read it.
fn wish(kind: Kind, asked: &Parameters) -> Result<Wish, Refusal> {
    let text = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let mut query = ListQuery { text: text("q"), labels: text("label"), ..ListQuery::default() };
    query.sort = read_sort(&text("sort"));
    let wish = Wish::compile(kind, &query);
    match wish.problem() {
        Some(problem) => Err(Refusal::bad("bad_query", problem.to_owned())),
        None => Ok(wish),
    }
}

/// An object as it is held.
struct Held {
    line: Line,
    version: u64,
    uid: Arc<str>,
    full: Arc<str>,
}

impl Held {
    fn json(&self) -> Value {
        json!({
            "key": self.line.key.to_string(), "uid": *self.uid, "version": self.version.to_string(),
            "object": serde_json::from_str::<Value>(&self.full).ok(),
        })
    }
}

/// What is held now, where the kind was listed.
fn held(
    front: &Front,
    fabric: &FabricId,
    kind: Kind,
    wish: &Wish,
    after: Option<&ObjectKey>,
    limit: usize,
) -> Result<Value, Refusal> {
    let topic = front.hub.keyed(&Topic::Objects(fabric.clone(), kind));
    let Some(topic) = topic.filter(|topic| topic.is_listed()) else {
        return Ok(
            json!({"kind": kind, "at": null, "observed": false, "items": null, "next": null}),
        );
    };
    let live = topic.watch() == WatchState::Live;
    let readiness = if kind == Kind::Switch { readiness(front, fabric) } else { BTreeMap::new() };
    let mut lines = all(&topic, &readiness);
    let total = lines.len();
    lines.retain(|held| wish.matches(&held.line));
    lines.sort_by(|a, b| order(wish, &a.line, &b.line));
    let matched = lines.len();
    let first = match after {
        None => 0,
        Some(key) => begin(wish, &lines, key)?,
    };
    let rest = lines.iter().skip(first);
    let (page, next) = page(rest, limit, |held| held.full.len(), |held| cursor(&held.line.key));
    let items: Vec<Value> = page.into_iter().map(Held::json).collect();
    Ok(json!({
        "kind": kind, "at": null, "observed": live, "total": total, "matched": matched,
        "items": items, "next": next,
    }))
}

fn all(topic: &KeyedTopic, readiness: &BTreeMap<ObjectKey, Readiness>) -> Vec<Held> {
    topic.read(|log| {
        let entries = log.iter().filter_map(|entry| {
            let meta = entry.value.meta.as_ref()?;
            let readiness = readiness.get(&meta.key).copied();
            Some(Held {
                line: Line { key: meta.key.clone(), row: Arc::clone(&meta.row), readiness },
                version: entry.version,
                uid: Arc::clone(&entry.value.uid),
                full: Arc::clone(&entry.value.full),
            })
        });
        entries.collect()
    })
}

/// By the wish's columns; else by key, so that a place in the list holds though its object goes.
fn order(wish: &Wish, a: &Line, b: &Line) -> Ordering {
    if wish.is_sorted() { wish.compare(a, b) } else { a.key.cmp(&b.key) }
}

/// Where a list goes on after an object.
fn begin(wish: &Wish, lines: &[Held], key: &ObjectKey) -> Result<usize, Refusal> {
    if !wish.is_sorted() {
        return Ok(lines.partition_point(|held| held.line.key <= *key));
    }
    let at = lines.iter().position(|held| held.line.key == *key);
    at.map(|at| at + 1).ok_or_else(|| Refusal {
        status: StatusCode::GONE,
        code: "cursor_lost",
        detail: "the object after which this list goes on is not in it any more; begin anew"
            .to_owned(),
    })
}

/// How far the switches of a fabric are.
fn readiness(front: &Front, fabric: &FabricId) -> BTreeMap<ObjectKey, Readiness> {
    let Some(topic) = front.hub.keyed(&Topic::State(fabric.clone())) else {
        return BTreeMap::new();
    };
    topic.read(|log| {
        let entries = log.iter().filter_map(|entry| {
            let key = entry.key.strip_prefix("readiness/")?.parse().ok()?;
            let state: SwitchReadiness = serde_json::from_str(&entry.value.row).ok()?;
            Some((key, state.state))
        });
        entries.collect()
    })
}

/// `GET …/objects/{kind}/{ns}/{name}`: an object as it is held now.
pub async fn one(
    State(front): State<Front>,
    Path(path): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = || {
        only(&asked, &[])?;
        let (kind, key, topic) = address(&front, &path)?;
        let entry = topic.read(|log| log.get(&key.to_string()).cloned());
        let entry = entry.ok_or_else(|| absent(&topic, kind, &key))?;
        let object: Value =
            serde_json::from_str(&entry.value.full).map_err(|error| Refusal::damaged(&error))?;
        Ok::<_, Refusal>(json!({
            "kind": kind, "key": key.to_string(), "uid": *entry.value.uid, "version": entry.version.to_string(),
            "observed": topic.watch() == WatchState::Live, "object": object,
        }))
    };
    found().map_or_else(Refusal::into_response, |object| Json(object).into_response())
}

/// `GET …/objects/{kind}/{ns}/{name}/relations`: what it names, and what names it.
pub async fn relations(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = async {
        only(&asked, &[])?;
        let fabric = known_fabric(&front, &path.0)?;
        let (kind, key, topic) = address(&front, &path)?;
        if topic.read(|log| log.get(&key.to_string()).is_none()) {
            return Err(absent(&topic, kind, &key));
        }
        let relations = front.backend(caller).relations(fabric, kind, key).await?;
        Ok::<_, Refusal>(Json(related(&relations)).into_response())
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

fn related(relations: &Relations) -> Value {
    let edges = |edges: &[Edge]| -> Vec<Value> {
        edges
            .iter()
            .map(|edge| {
                json!({
                    "field": edge.field, "kind": edge.object.kind, "key": edge.object.key.to_string(),
                    "part": edge.part, "presence": edge.presence,
                })
            })
            .collect()
    };
    json!({
        "needs": edges(&relations.needs), "needed_by": edges(&relations.needed_by),
        "unknown": relations.unknown, "unreadable": relations.unreadable,
    })
}

/// The kind and key that a path names, and the topic that has it.
fn address(
    front: &Front,
    (fabric, kind, namespace, name): &(String, String, String, String),
) -> Result<(Kind, ObjectKey, Arc<KeyedTopic>), Refusal> {
    let fabric = known_fabric(front, fabric)?;
    let kind = known_kind(kind)?;
    let key = known_key(namespace, name)?;
    let topic = front.hub.keyed(&Topic::Objects(fabric, kind));
    let topic = topic.ok_or_else(|| unknown(kind, &key))?;
    Ok((kind, key, topic))
}

/// Why there is no such object: it is absent, or nobody knows.
fn absent(topic: &KeyedTopic, kind: Kind, key: &ObjectKey) -> Refusal {
    if topic.is_listed() && topic.watch() == WatchState::Live {
        return Refusal {
            status: StatusCode::NOT_FOUND,
            code: "no_object",
            detail: format!("there is no {kind} {key}; `objects?kind={kind}` lists them"),
        };
    }
    unknown(kind, key)
}

fn unknown(kind: Kind, key: &ObjectKey) -> Refusal {
    Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "not_observed",
        detail: format!(
            "whether there is a {kind} {key} is not known, since the kind is not watched live; the fabric's state says why"
        ),
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "failed",
            detail: error.to_string(),
        }
    }
}

fn as_of(kind: Kind, at: &str, known: &Known, after: Option<&ObjectKey>, limit: usize) -> Value {
    let entries = known.objects.iter().filter(|(key, _)| after.is_none_or(|after| *key > after));
    let (page, next) = page(entries, limit, |(_, kept)| size(&kept.object), |(key, _)| cursor(key));
    let items: Vec<Value> = page
        .iter()
        .map(|(key, kept)| {
            json!({"key": key.to_string(), "uid": *kept.uid, "version": kept.version.to_string(), "object": kept.object})
        })
        .collect();
    json!({
        "kind": kind, "at": at, "observed": known.observed, "changed": known.changed_ms.and_then(time),
        "total": known.objects.len(), "items": items, "next": next,
    })
}

/// The cursor after an object. What is in it is nobody's business.
fn cursor(key: &ObjectKey) -> String {
    format!("k{}", domain::hex::hex(key.to_string().as_bytes()))
}

/// The object that a cursor stands after.
fn place(cursor: &str) -> Result<ObjectKey, Refusal> {
    let read = || {
        let digits = cursor.strip_prefix('k')?.as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes =
            pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let bytes: Option<Vec<u8>> = bytes.collect();
        String::from_utf8(bytes?).ok()?.parse().ok()
    };
    read().ok_or_else(|| {
        Refusal::bad("bad_cursor", "the cursor is the `next` of the answer before".to_owned())
    })
}
