//! The audit log over HTTP: searched, exported, verified. Only for admins everywhere, as the map says.
//!
//! Invariant: nothing here changes an entry; who takes a copy of the log is in the log.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use domain::{
    audit::{Act, Deed, Link, Outcome},
    time::Timestamp,
};
use engine::{
    store::{
        StoreError,
        directory::{AuditQuery, Order, OrderError},
    },
    vault::{Verified, VerifyError, verify},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    registrar::caller::Caller,
    web::{Front, probes::problem},
};

pub mod asked;
pub mod export;

use self::{
    asked::{Misread, Parameters, read},
    export::Format,
};

/// Checks of the whole log at once; further ones wait their turn. Each reads all of it.
static CHECKS: Semaphore = Semaphore::const_new(1);

/// `GET /api/v1/audit?user=&act=&fabric=&outcome=&q=&since=&until=&cursor=&limit=`, newest first.
pub async fn list(State(front): State<Front>, Query(asked): Query<Parameters>) -> Response {
    let query = match read(&asked, &["cursor", "limit"]) {
        Ok(query) => query,
        Err(misread) => return misread_as_problem(&misread),
    };
    match page(&front, query).await {
        Ok((links, next)) => {
            let entries: Vec<Value> = links.iter().map(entry).collect();
            Json(json!({"entries": entries, "next": next})).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

/// A page of entries, and the cursor of the next one.
pub async fn page(
    front: &Front,
    query: AuditQuery,
) -> Result<(Vec<Link>, Option<String>), StoreError> {
    let limit = query.limit;
    let one_more = AuditQuery { limit: limit + 1, ..query };
    let mut links = front.registrar.directory().audit(&one_more).await?;
    let more = links.len() > limit;
    links.truncate(limit);
    let next = links.last().filter(|_| more).map(|last| asked::cursor(last.seq));
    Ok((links, next))
}

/// `GET /api/v1/audit/export?format=json|csv` with the filters of the list. Is itself in the log.
pub async fn export(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(mut asked): Query<Parameters>,
) -> Response {
    let word = asked.remove("format").unwrap_or_else(|| "json".to_owned());
    let Some(format) = Format::from_word(&word) else {
        return problem(StatusCode::BAD_REQUEST, "bad_query", "`format` is `json` or `csv`");
    };
    let query = match read(&asked, &[]) {
        Ok(query) => query,
        Err(misread) => return misread_as_problem(&misread),
    };
    let filters: Vec<String> = asked
        .iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| format!("{name}={}", value.trim()))
        .collect();
    let scope = if filters.is_empty() { "all entries".to_owned() } else { filters.join(" ") };
    let deed = Deed::done(caller.doer(), Act::AuditExport, "audit")
        .because(format!("{} of {scope}", format.word()));
    let done = match front.registrar.order(Order::Tell, &deed).await {
        Ok(done) => done,
        Err(error) => return not_told(&error),
    };
    // What is written meanwhile, this export included, is not in it: it has an end.
    let query = AuditQuery { before: Some(done.seq), ..query };
    let directory = front.registrar.directory().clone();
    file(format, export::body(directory, query, format))
}

fn file(format: Format, body: Body) -> Response {
    let mut response = Response::new(body);
    let name = format!("attachment; filename=\"hnp-audit.{}\"", format.word());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// `GET /api/v1/audit/verify`: whether the log is as it was written.
pub async fn check(State(front): State<Front>) -> Response {
    match state(&front).await {
        Ok(state) => Json(state.as_json()).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// What a check of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is as it was written.
    Intact(Verified),
    /// It is not, or nobody can tell.
    Broken(String),
}

impl Checked {
    fn as_json(&self) -> Value {
        match self {
            Self::Intact(Verified { seq, digest, key }) => json!({
                "intact": true, "entries": seq.to_string(), "head": digest, "sealed_with": key, "why": null,
            }),
            Self::Broken(why) => json!({
                "intact": false, "entries": null, "head": null, "sealed_with": null, "why": why,
            }),
        }
    }
}

/// Checks the whole log.
pub async fn state(front: &Front) -> Result<Checked, StoreError> {
    let _turn = CHECKS.acquire().await;
    match verify(front.registrar.directory().as_ref(), Some(&front.vault)).await {
        Ok(verified) => Ok(Checked::Intact(verified)),
        Err(VerifyError::Store(error)) => Err(error),
        Err(broken @ (VerifyError::Broken(_) | VerifyError::OtherKey { .. })) => {
            Ok(Checked::Broken(broken.to_string()))
        }
    }
}

/// An entry as it is answered.
pub(super) fn entry(link: &Link) -> Value {
    let mut entry = match serde_json::from_str::<Value>(&link.text) {
        Ok(Value::Object(deed)) => deed,
        _ => serde_json::Map::new(),
    };
    for name in ["on", "fabric", "before", "after", "evidence"] {
        entry.entry(name).or_insert(Value::Null);
    }
    if let Some(who) = entry.get_mut("who").and_then(Value::as_object_mut) {
        for name in ["user", "credential", "from"] {
            who.entry(name).or_insert(Value::Null);
        }
    }
    entry.insert("seq".to_owned(), json!(link.seq.to_string()));
    entry.insert("time".to_owned(), json!(time(link.at_ms)));
    entry.insert("digest".to_owned(), json!(link.digest));
    Value::Object(entry)
}

fn time(ms: i64) -> Option<String> {
    Timestamp::from_unix_ms(ms).ok().map(|time| time.to_string())
}

const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    }
}

fn misread_as_problem(misread: &Misread) -> Response {
    let code = if misread.name == "cursor" { "bad_cursor" } else { "bad_query" };
    problem(StatusCode::BAD_REQUEST, code, &misread.detail)
}

fn unavailable(error: &StoreError) -> Response {
    tracing::error!(%error, "the audit log could not be read");
    let detail = format!("the audit log cannot be read: {error}; see `/readyz`");
    problem(StatusCode::SERVICE_UNAVAILABLE, "directory_unavailable", &detail)
}

fn not_told(error: &OrderError) -> Response {
    tracing::error!(%error, "an export could not be written to the audit log");
    let detail = format!("nothing is exported that cannot be written to the audit log: {error}");
    problem(StatusCode::SERVICE_UNAVAILABLE, "directory_unavailable", &detail)
}
