//! What is held and what was recorded, over HTTP: events of a fabric, changes of an object, and [`objects`].
//!
//! Invariant: what is not recorded is said to be so; nothing is guessed.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::{
    feed::EventType,
    history::Content,
    kind::Kind,
    object::ObjectKey,
    time::Timestamp,
    topic::{FabricId, Topic},
};
use engine::store::{EventQuery, Recorded, Store, StoreError};
use serde_json::{Value, json, value::RawValue};

use super::{Front, probes::problem};

/// Entries in an answer, unless `limit` says otherwise.
const USUAL: usize = 100;
/// Most entries in an answer.
const MOST: usize = 1_000;
/// An answer ends with the entry that brings it beyond so many bytes: an object may have 3 MiB.
const MOST_BYTES: usize = 8 * 1024 * 1024;

pub mod objects;

type Parameters = BTreeMap<String, String>;

/// Events as they are answered: their texts as they were told.
#[derive(serde::Serialize)]
struct Told {
    /// Identity of the feed, to which positions belong.
    feed: Option<String>,
    recorded: bool,
    /// Position after which nothing is missing here but what never was; none: nothing is kept.
    from: Option<String>,
    events: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// `GET /api/v1/fabrics/{f}/events?since=&before=&type=&subject=&limit=`, oldest first from `since`, else
/// the newest, newest first. `next` is the place to go on from.
pub async fn events(
    State(front): State<Front>,
    Path(fabric): Path<String>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = async {
        let fabric = known_fabric(&front, &fabric)?;
        only(&asked, &["since", "before", "type", "subject", "limit"])?;
        let query = EventQuery {
            after: number(&asked, "since")?,
            before: number(&asked, "before")?,
            kinds: kinds_of(&asked)?,
            subject: asked.get("subject").cloned(),
            newest_first: !asked.contains_key("since"),
            limit: limit(&asked)?,
        };
        let (events, from) = match &front.records {
            Some(records) => {
                let oldest = EventQuery { limit: 1, ..EventQuery::default() };
                let oldest = records.events(&fabric, &oldest).await?;
                let kept = oldest.first().map(|oldest| oldest.position.saturating_sub(1));
                let from = kept.map(|kept| kept.max(query.after.unwrap_or_default()));
                (records.events(&fabric, &query).await?, from.map(|from| from.to_string()))
            }
            None => (Vec::new(), None),
        };
        let full = events.len() == query.limit;
        let next = events.last().filter(|_| full).map(|event| event.position.to_string());
        let texts: Result<Vec<Box<RawValue>>, _> =
            events.iter().map(|event| RawValue::from_string(event.text.to_string())).collect();
        let texts = texts.map_err(|error| Refusal::damaged(&error))?;
        let recorded = front.records.is_some();
        let feed = front.hub.feed(&fabric).map(|feed| feed.newest(0).0.0);
        Ok::<_, Refusal>(Json(Told { feed, recorded, from, events: texts, next }).into_response())
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

/// `GET …/objects/{kind}/{ns}/{name}/history?before=&limit=`, newest first.
pub async fn history(
    State(front): State<Front>,
    Path((fabric, kind, namespace, name)): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let found = async {
        let fabric = known_fabric(&front, &fabric)?;
        only(&asked, &["before", "limit"])?;
        let kind = known_kind(&kind)?;
        let key = known_key(&namespace, &name)?;
        let (before, limit) = (number(&asked, "before")?, limit(&asked)?);
        let records = records(&front)?;
        let changes = records.history(&fabric, kind, &key, before, limit).await?;
        let full = changes.len() == limit;
        let bytes = |change: &Recorded| match &change.change.content {
            Content::Put(value) | Content::Patch(value) => size(value),
            Content::Gone => 0,
        };
        let last = changes.last().filter(|_| full).map(|change| change.seq.to_string());
        let (changes, cut) = page(changes, limit, bytes, |change| change.seq.to_string());
        let next = cut.or(last);
        let changes: Vec<Value> = changes.iter().map(change).collect();
        Ok::<_, Refusal>(Json(json!({"changes": changes, "next": next})).into_response())
    };
    found.await.unwrap_or_else(Refusal::into_response)
}

/// The entries of an answer, and where the next one goes on: at most `limit`, and not many more bytes than
/// [`MOST_BYTES`].
fn page<T>(
    entries: impl IntoIterator<Item = T>,
    limit: usize,
    bytes: impl Fn(&T) -> usize,
    place: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let (mut page, mut size) = (Vec::new(), 0_usize);
    for entry in entries {
        if page.len() == limit || size > MOST_BYTES {
            let next = page.last().map(place);
            return (page, next);
        }
        size = size.saturating_add(bytes(&entry));
        page.push(entry);
    }
    (page, None)
}

/// Bytes of a value as it is answered.
fn size(value: &Value) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

fn change(recorded: &Recorded) -> Value {
    let change = &recorded.change;
    let (op, value) = match &change.content {
        Content::Put(value) => ("put", Some(value)),
        Content::Patch(patch) => ("patch", Some(patch)),
        Content::Gone => ("gone", None),
    };
    json!({
        "seq": recorded.seq.to_string(), "time": time(change.at_ms), "version": change.version.to_string(),
        "uid": *change.uid, "found": change.found, "manager": change.manager.as_deref(), "op": op, "value": value,
    })
}

fn time(at_ms: i64) -> Option<String> {
    Timestamp::from_unix_ms(at_ms).ok().map(|time| time.to_string())
}

/// Why a question is not answered.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Refusal {
    fn bad(code: &'static str, detail: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, detail }
    }

    fn damaged(error: &serde_json::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "damaged_record",
            detail: format!("a recorded event does not read: {error}"),
        }
    }

    fn into_response(self) -> Response {
        problem(self.status, self.code, &self.detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "records_unavailable",
            detail: error.to_string(),
        }
    }
}

fn records(front: &Front) -> Result<&Arc<dyn Store>, Refusal> {
    front.records.as_ref().ok_or_else(|| Refusal {
        status: StatusCode::NOT_FOUND,
        code: "not_recorded",
        detail: "this server keeps no records".to_owned(),
    })
}

fn known_fabric(front: &Front, name: &str) -> Result<FabricId, Refusal> {
    let known = name
        .parse::<FabricId>()
        .ok()
        .filter(|fabric| front.hub.keyed(&Topic::State(fabric.clone())).is_some());
    known.ok_or_else(|| Refusal {
        status: StatusCode::NOT_FOUND,
        code: "no_fabric",
        detail: super::map::NO_FABRIC.to_owned(),
    })
}

fn known_kind(name: &str) -> Result<Kind, Refusal> {
    Kind::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.iter().map(ToString::to_string).collect();
        Refusal::bad("bad_kind", format!("`kind` is one of {}", known.join(", ")))
    })
}

fn known_key(namespace: &str, name: &str) -> Result<ObjectKey, Refusal> {
    format!("{namespace}/{name}").parse().map_err(|_| {
        Refusal::bad("bad_key", format!("`{namespace}/{name}` is no namespace and name"))
    })
}

fn only(asked: &Parameters, known: &[&str]) -> Result<(), Refusal> {
    match asked.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::bad(
            "bad_query",
            format!("unknown parameter `{name}`; there are {}", known.join(", ")),
        )),
        None => Ok(()),
    }
}

fn number(asked: &Parameters, name: &str) -> Result<Option<u64>, Refusal> {
    asked
        .get(name)
        .map(|text| {
            text.parse().map_err(|_| {
                Refusal::bad("bad_query", format!("`{name}` is a position, a whole number"))
            })
        })
        .transpose()
}

fn limit(asked: &Parameters) -> Result<usize, Refusal> {
    match number(asked, "limit")? {
        None => Ok(USUAL),
        Some(limit @ 1..=1_000) => Ok(usize::try_from(limit).unwrap_or(MOST)),
        Some(_) => Err(Refusal::bad("bad_query", format!("`limit` is from 1 to {MOST}"))),
    }
}

fn kinds_of(asked: &Parameters) -> Result<Vec<EventType>, Refusal> {
    let Some(types) = asked.get("type") else { return Ok(Vec::new()) };
    let read = |name: &str| {
        EventType::from_name(name).ok_or_else(|| {
            let known: Vec<_> = EventType::ALL.iter().map(|kind| kind.name()).collect();
            Refusal::bad("bad_query", format!("`type` is one of {}", known.join(", ")))
        })
    };
    types.split(',').map(read).collect()
}
