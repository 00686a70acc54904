//! Credentials that a cluster holds, and those that we use, are on no way out.

use std::fmt::Write as _;

use domain::kind::Kind;
use serde_json::json;
use testkit::account;

use crate::{
    house::{Answer, TestHouse, Yard},
    process::Hnp,
    socket::Client,
};

/// What must never come out.
const PLANTED: &str = "PLANTED-SECRET";

/// Puts credentials wherever an Agent has some.
fn plant(yard: &Yard) {
    let patch = json!({
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PLANTED},
            // Seen, so that it is known to have arrived.
            "labels": {"planted": "yes"},
        },
        "spec": {
            "users": [{"name": "admin", "password": PLANTED}],
            "version": {"username": PLANTED, "password": PLANTED, "ca": PLANTED},
            "alloy": {"targets": PLANTED},
            "config": {"alloy": {"password": PLANTED}},
        },
    });
    yard.patch(Kind::Agent, "leaf-01", patch);
}

fn clean(place: &str, text: &str) {
    assert!(!text.is_empty(), "{place} says something");
    for secret in [PLANTED, "sim-admin", account::TOKEN, account::PASSWORD, account::KEPT] {
        let found = text.find(secret).map(|at| &text[at.saturating_sub(120)..at]);
        assert!(found.is_none(), "{place} tells a credential after {found:?}");
    }
}

const PAGES: [&str; 7] = [
    "/",
    "/f/test",
    "/f/test/agents",
    "/f/test/agents?q=PLANTED",
    "/f/test/agents/default/leaf-01",
    "/f/test/switches/default/leaf-01",
    "/metrics",
];

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_on_no_page_in_no_snapshot_and_in_no_frame() {
    let house = TestHouse::vlab().await;
    let wants = json!([{"topic": "objects/*/*", "view": "full"}, {"topic": "state/*"}, {"topic": "feed/*"}]);
    let mut client = Client::hello(house.address, wants.clone()).await;
    client.synced("feed/test").await;
    plant(&house.yard);
    house.agreement(Kind::Agent).await;
    client
        .until_held("objects/test/Agent", |held| {
            held["default/leaf-01"].1["metadata"]["labels"]["planted"] == "yes"
        })
        .await;
    house.yard.touch("leaf-01", "an event");
    clean("an event", &client.until("evt").await.to_string());
    clean("the socket", &format!("{:?}", client.held));
    assert!(!format!("{:?}", client.held).contains("managedFields"));

    for view in ["row", "full"] {
        let topics = "objects/*/*,state/*,feed/*";
        let answer = house.get(&format!("/api/v1/live/snapshot?topics={topics}&view={view}")).await;
        clean(view, &answer.body);
        assert!(answer.body.contains("leaf-01"));
    }
    for path in PAGES {
        if !path.contains("q=") {
            clean(path, &house.get(path).await.body);
        }
    }
    for (name, body) in [
        ("overview", json!({})),
        ("frame", json!({})),
        (
            "list",
            json!({"fabric": "test", "kind": "Agent", "query": {"text": "leaf", "columns": {}, "labels": "", "sort": []}}),
        ),
        ("object", json!({"fabric": "test", "kind": "Agent", "key": "default/leaf-01"})),
        ("relations", json!({"fabric": "test", "kind": "Agent", "key": "default/leaf-01"})),
    ] {
        let request = house.http.post(house.url(&format!("/api/page/{name}"))).json(&body);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        clean(name, &answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_in_no_log_of_the_binary() {
    let yard = Yard::vlab().await;
    plant(&yard);
    account::admin_at(&yard.folder.path().join("data/hnp.db")).await.unwrap();
    let arguments = ["serve", "--kubeconfig", "kubeconfig", "--listen", "127.0.0.1:0"];
    let mut hnp = Hnp::start_with(yard.folder.path(), &arguments, &[("HNP_LOG", "trace")]);
    let address = hnp.address().await;
    let mut client =
        Client::hello(address, json!([{"topic": "objects/*/*", "view": "full"}])).await;
    client.synced("objects/test/Agent").await;
    let http = account::http();
    let mut pages = String::new();
    for path in PAGES {
        let answer = Answer::of(http.get(format!("http://{address}{path}"))).await;
        let _ = write!(pages, "{}", answer.body);
    }
    hnp.terminate();
    let ended = hnp.end().await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.code);
    assert!(ended.err.len() > 10_000, "at `trace` there is much to say");
    // The token on its way into a request is marked as sensitive, whatever the library logs.
    clean("the log", &ended.err.replace("q=PLANTED", ""));
}
