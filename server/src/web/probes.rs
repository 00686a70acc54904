//! Probes, metrics, who am I, and the form of every error.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{
    kind::Kind,
    readiness::Readiness,
    state::{Connectivity, FabricState, KindWatch, SwitchReadiness, WatchState},
    topic::Topic,
};
use engine::hub::Hub;
use serde_json::json;

/// An RFC 9457 problem: a code that a program can match, a detail that a person can act on.
pub fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank", "title": status.canonical_reason().unwrap_or("error"), "status": status.as_u16(), "code": code, "detail": detail,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Every fabric has reached a known state. A cluster that is away is a known state.
pub async fn readyz(State(hub): State<Arc<Hub>>) -> Response {
    let waiting: Vec<String> = hub
        .fabrics()
        .into_iter()
        .filter(|fabric| {
            let state =
                state_of::<FabricState>(&hub, &Topic::State(fabric.clone()), "connectivity")
                    .map(|state| state.state);
            matches!(state, None | Some(Connectivity::Unknown | Connectivity::Connecting))
        })
        .map(|fabric| fabric.to_string())
        .collect();
    if waiting.is_empty() {
        return "ok\n".into_response();
    }
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "starting",
        &format!("still connecting to: {}", waiting.join(", ")),
    )
}

/// Who am I: before accounts exist, one local actor with all rights.
pub async fn session() -> Json<serde_json::Value> {
    Json(
        json!({"user": null, "roles": ["admin"], "expires": null, "note": "there are no accounts yet; only this machine can connect"}),
    )
}

/// Prometheus metrics.
pub async fn metrics(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    let mut out = String::new();
    hub.metrics.print(&mut out);
    let _ = writeln!(
        out,
        "# TYPE hnp_fabric_connected gauge\n# TYPE hnp_watch_state gauge\n# TYPE hnp_objects gauge\n# TYPE hnp_switch_ready gauge"
    );
    for fabric in hub.fabrics() {
        let topic = Topic::State(fabric.clone());
        let connected = state_of::<FabricState>(&hub, &topic, "connectivity")
            .is_some_and(|state| state.state == Connectivity::Connected);
        let _ =
            writeln!(out, "hnp_fabric_connected{{fabric=\"{fabric}\"}} {}", u8::from(connected));
        for kind in Kind::ALL {
            let state = state_of::<KindWatch>(&hub, &topic, &format!("watch/{kind}"))
                .map_or(WatchState::Starting, |watch| watch.state);
            let _ = writeln!(
                out,
                "hnp_watch_state{{fabric=\"{fabric}\",kind=\"{kind}\",state=\"{}\"}} 1",
                state.word()
            );
            if let Some(objects) =
                hub.keyed(&Topic::Objects(fabric.clone(), *kind)).filter(|topic| topic.is_listed())
            {
                let _ = writeln!(
                    out,
                    "hnp_objects{{fabric=\"{fabric}\",kind=\"{kind}\"}} {}",
                    objects.read(domain::log::KeyLog::len)
                );
            }
        }
        print_switches(&hub, &topic, &mut out);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out)
}

fn print_switches(hub: &Hub, topic: &Topic, out: &mut String) {
    let Some(state) = hub.keyed(topic) else { return };
    state.read(|log| {
        for entry in log.iter() {
            let Some(key) = entry.key.strip_prefix("readiness/") else { continue };
            let ready = serde_json::from_str::<SwitchReadiness>(&entry.value.row)
                .is_ok_and(|readiness| readiness.state == Readiness::Ready);
            let _ = writeln!(
                out,
                "hnp_switch_ready{{fabric=\"{}\",switch=\"{}\"}} {}",
                topic.fabric(),
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
