//! `/audit`: the log as a page, in the words of its API.
//!
//! Invariant: the page shows nothing that the API would refuse; without filters it answers however long the
//! log is.

use app::office::audit::{AuditPage, Chain, Filters};
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use engine::store::{StoreError, directory::AuditQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Front,
    api::audit::{
        self, Checked,
        asked::{FILTERS, Parameters, read},
    },
    office,
};

/// Entries on a page.
const ON_PAGE: usize = 50;
/// Longest log that is checked at each look at the page, in entries; a longer one when asked for.
const CHECKED_AT_ONCE: u64 = 5_000;

/// `GET /audit`.
pub async fn show(State(front): State<Front>, Query(mut asked): Query<Parameters>) -> Response {
    let check = asked.remove("check").is_some();
    let query = read(&asked, &["cursor"]);
    let filters = filters(&asked);
    let misread =
        query.as_ref().err().map(|misread| (misread.name.clone(), misread.detail.clone()));
    let found = match query {
        Ok(query) => audit::page(&front, AuditQuery { limit: ON_PAGE, ..query }).await,
        Err(_) => Ok((Vec::new(), None)),
    };
    let status = match (&misread, &found) {
        (Some(_), _) => StatusCode::BAD_REQUEST,
        (None, Err(_)) => StatusCode::SERVICE_UNAVAILABLE,
        (None, Ok(_)) => StatusCode::OK,
    };
    let (links, next, chain) = match found {
        Ok((links, next)) => (links, next, chain(&front, &asked, check).await),
        Err(error) => (Vec::new(), None, Chain::Unreadable(error.to_string())),
    };
    let page = AuditPage {
        filters,
        misread,
        links,
        newest: asked.contains_key("cursor").then(|| way("/audit", &asked, None)),
        older: next.map(|next| way("/audit", &asked, Some(("cursor", &next)))),
        chain,
        exports: [("JSON", "json"), ("CSV", "csv")]
            .map(|(name, form)| (name, way("/api/v1/audit/export", &asked, Some(("format", form)))))
            .to_vec(),
    };
    office::framed(status, "Audit log", page.view())
}

fn filters(asked: &Parameters) -> Filters {
    let of = |name: &str| asked.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
    Filters {
        user: of("user"),
        act: of("act"),
        fabric: of("fabric"),
        outcome: of("outcome"),
        q: of("q"),
        since: of("since"),
        until: of("until"),
    }
}

/// What is known of the chain.
async fn chain(front: &Front, asked: &Parameters, check: bool) -> Chain {
    match newest(front).await {
        Ok(newest) if newest > CHECKED_AT_ONCE && !check => {
            return Chain::Unchecked { way: way("/audit", asked, Some(("check", "now"))) };
        }
        Ok(_) => {}
        Err(error) => return Chain::Unreadable(error.to_string()),
    }
    match audit::state(front).await {
        Ok(Checked::Intact(verified)) => {
            Chain::Intact { entries: verified.seq, sealed: verified.key.is_some() }
        }
        Ok(Checked::Broken(why)) => Chain::Broken(why),
        Err(error) => Chain::Unreadable(error.to_string()),
    }
}

/// Number of the newest entry; 0: there is none.
async fn newest(front: &Front) -> Result<u64, StoreError> {
    let query = AuditQuery { limit: 1, ..AuditQuery::default() };
    let newest = front.registrar.directory().audit(&query).await?;
    Ok(newest.first().map_or(0, |link| link.seq))
}

/// An address with the filters that are set, and something more.
fn way(path: &str, asked: &Parameters, more: Option<(&str, &str)>) -> String {
    let set = FILTERS.iter().filter_map(|name| {
        let value = asked.get(*name)?.trim();
        (!value.is_empty()).then_some((*name, value))
    });
    let pairs: Vec<String> = set
        .chain(more)
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}
