//! Probes, metrics, and the form of every error.

use std::{collections::BTreeSet, fmt::Write as _};

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{
    kind::Kind,
    readiness::Readiness,
    state::{Connectivity, FabricState, KindWatch, SwitchReadiness, WatchState},
    topic::{FabricId, Topic},
};
use engine::{hub::Hub, store::StoreError};
use serde_json::json;

use super::{Front, MetricsAt};
use crate::registrar::caller::Caller;

/// An RFC 9457 problem: a code that a program can match, a detail that a person can act on.
pub fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank", "title": status.canonical_reason().unwrap_or("error"), "status": status.as_u16(), "code": code, "detail": detail,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// An answer instead of what was asked for; boxed, since most requests get no refusal.
#[derive(Debug)]
pub struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The database works and every fabric has reached a known state. A cluster that is away is a known state;
/// a registered fabric that was not even begun is none.
pub async fn readyz(
    State(Front { hub, records, registrar, .. }): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let failing = |error: StoreError| {
        problem(StatusCode::SERVICE_UNAVAILABLE, "database", &error.to_string())
    };
    if let Some(records) = records
        && let Err(error) = records.check().await
    {
        return failing(error);
    }
    let registered = match registrar.directory().fabrics().await {
        Ok(registered) => registered,
        Err(error) => return failing(error),
    };
    let registered = registered.into_iter().filter(|fabric| fabric.enabled).map(|fabric| fabric.id);
    let all: BTreeSet<FabricId> = hub.fabrics().into_iter().chain(registered).collect();
    let waiting: Vec<String> = all
        .into_iter()
        .filter(|fabric| {
            let state =
                state_of::<FabricState>(&hub, &Topic::State(fabric.clone()), "connectivity")
                    .map(|state| state.state);
            matches!(state, None | Some(Connectivity::Unknown | Connectivity::Connecting))
        })
        .map(|fabric| if caller.who.sees(&fabric) { fabric.to_string() } else { String::new() })
        .collect();
    if waiting.is_empty() {
        return "ok\n".into_response();
    }
    // To whom a fabric does not exist, its name is not told, nor how many there are.
    let named: Vec<String> = waiting.into_iter().filter(|name| !name.is_empty()).collect();
    let named = if named.is_empty() { "fabrics".to_owned() } else { named.join(", ") };
    problem(StatusCode::SERVICE_UNAVAILABLE, "starting", &format!("still connecting to: {named}"))
}

/// What a route answers that does not know the method.
pub async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this address does not take that method; see the HTTP interface in docs",
    )
}

/// Prometheus metrics: what the process does, for who sees every fabric, since its counts are of all of
/// them; and of fabrics what the caller may see.
pub async fn metrics(
    State(Front { hub, metrics, .. }): State<Front>,
    Extension(caller): Extension<Caller>,
) -> impl IntoResponse {
    let open = metrics == MetricsAt::Open && !caller.is_somebody();
    let caller = if open { Caller::of_metrics() } else { caller };
    let mut out = String::new();
    if caller.who.rights.everywhere.is_some() {
        hub.metrics.print(&mut out);
    }
    let mut gauges = Gauges::default();
    for fabric in hub.fabrics().into_iter().filter(|fabric| caller.who.sees(fabric)) {
        gauges.read(&hub, &fabric);
    }
    for (name, lines) in [
        ("hnp_fabric_connected", gauges.connected),
        ("hnp_watch_state", gauges.watches),
        ("hnp_objects", gauges.objects),
        ("hnp_switch_ready", gauges.switches),
    ] {
        let _ = write!(out, "# TYPE {name} gauge\n{lines}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out)
}

/// Lines of each gauge, kept apart: Prometheus wants all lines of a metric together.
#[derive(Debug, Default)]
struct Gauges {
    connected: String,
    watches: String,
    objects: String,
    switches: String,
}

impl Gauges {
    fn read(&mut self, hub: &Hub, fabric: &FabricId) {
        let topic = Topic::State(fabric.clone());
        let connected = state_of::<FabricState>(hub, &topic, "connectivity")
            .is_some_and(|state| state.state == Connectivity::Connected);
        let value = u8::from(connected);
        let _ = writeln!(self.connected, "hnp_fabric_connected{{fabric=\"{fabric}\"}} {value}");
        for kind in Kind::ALL {
            let state = state_of::<KindWatch>(hub, &topic, &format!("watch/{kind}"))
                .map_or(WatchState::Starting, |watch| watch.state)
                .word();
            let _ = writeln!(
                self.watches,
                "hnp_watch_state{{fabric=\"{fabric}\",kind=\"{kind}\",state=\"{state}\"}} 1"
            );
            let objects = hub.keyed(&Topic::Objects(fabric.clone(), *kind));
            if let Some(objects) = objects.filter(|topic| topic.is_listed()) {
                let n = objects.read(domain::log::KeyLog::len);
                let _ = writeln!(
                    self.objects,
                    "hnp_objects{{fabric=\"{fabric}\",kind=\"{kind}\"}} {n}"
                );
            }
        }
        print_switches(hub, fabric, &topic, &mut self.switches);
    }
}

fn print_switches(hub: &Hub, fabric: &FabricId, topic: &Topic, out: &mut String) {
    let Some(state) = hub.keyed(topic) else { return };
    state.read(|log| {
        for entry in log.iter() {
            let Some(key) = entry.key.strip_prefix("readiness/") else { continue };
            let ready = serde_json::from_str::<SwitchReadiness>(&entry.value.row)
                .is_ok_and(|readiness| readiness.state == Readiness::Ready);
            let _ = writeln!(
                out,
                "hnp_switch_ready{{fabric=\"{}\",switch=\"{}\"}} {}",
                fabric,
                label(key),
                u8::from(ready)
            );
        }
    });
}

/// A label's value, escaped as Prometheus wants it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn state_of<T: serde::de::DeserializeOwned>(hub: &Hub, topic: &Topic, key: &str) -> Option<T> {
    hub.keyed(topic)?
        .read(|log| log.get(key).and_then(|entry| serde_json::from_str(&entry.value.row).ok()))
}
