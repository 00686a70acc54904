//! The form of what is asked and answered under `/api/v1`: bodies, queries, versions, pages, refusals.
//!
//! Invariant: every refusal is a problem with a code; no body is read beyond its bound; what is not
//! understood in a body or a query is refused, never skipped.

use std::collections::BTreeMap;

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use domain::time::Timestamp;
use engine::store::directory::OrderError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::web::probes::{Refusal, problem};

/// Largest body of a request, in bytes, where nothing is pasted into it.
pub const LARGEST_BODY: usize = 256 * 1024;
/// Largest body with a connection in it, in bytes: the largest kubeconfig, written as a text in JSON.
pub const LARGEST_CONNECTION: usize = 1_536 * 1024;
/// Entries in an answer, unless `limit` says otherwise.
const USUAL: usize = 100;
/// Most entries in an answer.
const MOST: usize = 1_000;

/// Parameters of a query.
pub type Parameters = BTreeMap<String, String>;

/// A body in JSON of at most so many bytes, as a handler takes it. Unknown fields are refused where the type says so.
#[derive(Debug)]
pub struct Given<T, const MOST: usize = LARGEST_BODY>(pub T);

impl<S: Send + Sync, T: DeserializeOwned, const MOST: usize> FromRequest<S> for Given<T, MOST> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            let detail = "send JSON, with the header `content-type: application/json`";
            return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail).into());
        }
        let Ok(bytes) = to_bytes(request.into_body(), MOST).await else {
            let detail = format!("the body did not arrive, or is larger than {MOST} bytes");
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &detail).into());
        };
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let read = serde_path_to_error::deserialize(&mut reader);
        let read = read.map_err(|error| unread(&error.path().to_string(), error.inner()))?;
        reader.end().map_err(|error| unread(".", &error))?;
        Ok(Self(read))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Why a body could not be read: no JSON at all, or not what is asked for. The words are the reader's about
/// the form; what was sent is not repeated, since it may hold a password.
fn unread(path: &str, error: &serde_json::Error) -> Refusal {
    if !error.is_data() {
        let detail =
            format!("the body is no JSON, from line {} column {}", error.line(), error.column());
        return problem(StatusCode::BAD_REQUEST, "bad_json", &detail).into();
    }
    let said = error.to_string();
    let form = ["unknown field", "missing field", "duplicate field"];
    let words = if form.iter().any(|words| said.starts_with(words)) {
        said.split(" at line ").next().unwrap_or_default().to_owned()
    } else {
        "this value is not what the field takes; see `/api/v1/openapi.json`".to_owned()
    };
    let named = said.split('`').nth(1).filter(|_| said.starts_with("missing field"));
    let field = match (path, named) {
        (".", Some(named)) => named.to_owned(),
        (path, Some(named)) => format!("{path}.{named}"),
        (path, None) => path.to_owned(),
    };
    invalid(&field, &words)
}

/// 422: which field, and what would do.
pub fn invalid(field: &str, detail: &str) -> Refusal {
    let body = json!({
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "code": "invalid", "detail": format!("{field}: {detail}"), "field": field,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::UNPROCESSABLE_ENTITY, kind, body.to_string()).into_response().into()
}

/// What the directory says, as an answer.
pub fn refused(error: &OrderError) -> Refusal {
    let detail = error.to_string();
    match error {
        OrderError::Exists { .. } => problem(StatusCode::CONFLICT, "exists", &detail),
        OrderError::Missing { .. } => {
            return missing(&format!(
                "{detail}; it may have been removed, or its name is mistyped"
            ));
        }
        OrderError::Changed { revision, .. } => {
            let mut response = problem(StatusCode::PRECONDITION_FAILED, "changed", &detail);
            tag(&mut response, &format!("{revision}"));
            response
        }
        OrderError::LastAdmin => problem(StatusCode::CONFLICT, "last_admin", &detail),
        OrderError::SetUpUsed => problem(StatusCode::GONE, "set_up_used", &detail),
        OrderError::TooMany { .. } => problem(StatusCode::CONFLICT, "too_many", &detail),
        OrderError::Store(_) => {
            tracing::error!(%error, "the directory failed");
            problem(StatusCode::SERVICE_UNAVAILABLE, "directory_unavailable", &detail)
        }
    }
    .into()
}

/// 404: no such thing, or not for this caller.
pub fn missing(detail: &str) -> Refusal {
    problem(StatusCode::NOT_FOUND, "not_found", detail).into()
}

/// An answer that nobody keeps.
pub fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, kind, body.to_string()).into_response()
}

/// Says which version of a thing an answer is about.
pub fn tag(response: &mut Response, version: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// Whether the caller has this version already (`If-None-Match`).
pub fn has_already(headers: &HeaderMap, version: &str) -> bool {
    let held = headers.get(header::IF_NONE_MATCH).and_then(|held| held.to_str().ok());
    held.is_some_and(|held| {
        held.split(',').map(str::trim).any(|held| {
            held == "*" || held.strip_prefix("W/").unwrap_or(held) == format!("\"{version}\"")
        })
    })
}

/// The revision that a change is made on (`If-Match`); none: whatever it is. Of a version `17.4` the part before
/// the point is the revision; what follows are facts that nobody changes by hand.
pub fn expected(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(held) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let held = held.to_str().unwrap_or_default().trim();
    if held == "*" {
        return Ok(None);
    }
    let inner = held.strip_prefix('"').and_then(|held| held.strip_suffix('"'));
    let revision = inner.and_then(|held| held.split('.').next()).and_then(|held| held.parse().ok());
    let detail = "`If-Match` is no version of this; send the `ETag` of the last answer as it was";
    revision
        .map(Some)
        .ok_or_else(|| Refusal::from(problem(StatusCode::PRECONDITION_FAILED, "changed", detail)))
}

/// Refuses parameters that a route does not know.
pub fn only(asked: &Parameters, known: &[&str]) -> Result<(), Refusal> {
    match asked.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(bad_query(&format!("unknown parameter `{name}`; known here: {known}")))
        }
        None => Ok(()),
    }
}

/// 400 for a query that cannot be meant.
pub fn bad_query(detail: &str) -> Refusal {
    problem(StatusCode::BAD_REQUEST, "bad_query", detail).into()
}

/// How many entries somebody wants.
pub fn limit(asked: &Parameters) -> Result<usize, Refusal> {
    let Some(limit) = asked.get("limit") else { return Ok(USUAL) };
    let limit = limit.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| bad_query(&format!("`limit` is a whole number from 1 to {MOST}")))
}

/// A page of a list that is in the order of its keys: the entries after `cursor`, and where to go on.
pub fn page<T>(
    all: impl IntoIterator<Item = T>,
    asked: &Parameters,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let limit = limit(asked)?;
    let cursor = asked.get("cursor");
    let mut page: Vec<T> = all
        .into_iter()
        .filter(|entry| cursor.is_none_or(|cursor| key(entry) > *cursor))
        .take(limit + 1)
        .collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(key);
    Ok((page, next))
}

/// A time as answers write it.
pub fn time(ms: i64) -> Option<String> {
    Timestamp::from_unix_ms(ms).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_version_is_recognised_as_it_was_given() {
        for (value, expected_is) in [
            ("\"17\"", Some(Some(17))),
            ("\"17.4\"", Some(Some(17))),
            ("*", Some(None)),
            ("W/\"17\"", None),
            ("17", None),
            ("\"x\"", None),
        ] {
            assert_eq!(expected(&with("if-match", value)).ok(), expected_is, "{value}");
        }
        assert_eq!(expected(&HeaderMap::new()).ok(), Some(None));
        assert!(has_already(&with("if-none-match", "\"1\", W/\"17.4\""), "17.4"));
        assert!(!has_already(&with("if-none-match", "\"17.3\""), "17.4"));
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let all: Vec<String> = (0..7).map(|n| format!("k{n}")).collect();
        let mut asked = Parameters::from([("limit".to_owned(), "3".to_owned())]);
        let mut seen = Vec::new();
        loop {
            let (page, next) = page(all.clone(), &asked, Clone::clone).map_err(|_| ()).unwrap();
            seen.extend(page);
            let Some(next) = next else { break };
            asked.insert("cursor".to_owned(), next);
        }
        assert_eq!(seen, all);
        for limit in ["0", "1001", "-1", "x", ""] {
            let asked = Parameters::from([("limit".to_owned(), limit.to_owned())]);
            assert!(page(all.clone(), &asked, Clone::clone).is_err(), "{limit}");
        }
    }

    #[test]
    fn a_body_that_does_not_fit_names_its_field_and_repeats_no_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            #[expect(dead_code, reason = "read by the test's reader alone")]
            n: u8,
        }
        let read = |text: &str| {
            let mut reader = serde_json::Deserializer::from_str(text);
            let error = serde_path_to_error::deserialize::<_, Form>(&mut reader).unwrap_err();
            unread(&error.path().to_string(), error.inner()).into_response()
        };
        assert_eq!(read("{").status(), 400);
        assert_eq!(read("{}").status(), 422);
        assert_eq!(read(r#"{"n":"hunter2"}"#).status(), 422);
    }
}
