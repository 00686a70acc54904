//! The testkit against its own servers: what it does to them is really done.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation is not met")]

use std::time::Duration;

use http::Request;
use kube::Client;
use serde_json::{Value, json};
use testkit::{RealServer, User, Variant};

const THINGS: &str = "/apis/testkit.hnp.example/v1/namespaces/default/things";

fn definition() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.testkit.hnp.example"},
        "spec": {"group": "testkit.hnp.example", "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open}}]}})
}

async fn ask(client: &Client, path: &str) -> Result<Value, kube::Error> {
    client.request(Request::get(path).body(Vec::new()).unwrap()).await
}

#[tokio::test]
async fn a_server_is_paused_stopped_killed_and_started_again_with_its_data() {
    let Some(mut server) = RealServer::start(Variant::Crd).await.unwrap() else { return };
    server.install_crds(&[definition()]).await.unwrap();
    let client = server.client(User::Admin).await.unwrap();
    let thing =
        json!({"apiVersion": "testkit.hnp.example/v1", "kind": "Thing", "metadata": {"name": "a"}});
    let made = client
        .request::<Value>(Request::post(THINGS).body(thing.to_string().into_bytes()).unwrap())
        .await;
    let uid = made.unwrap().pointer("/metadata/uid").cloned();
    assert!(uid.is_some());

    server.pause().unwrap();
    // A process may answer once more before the signal reaches it.
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    let asked = loop {
        let mut asked = Box::pin(ask(&client, THINGS));
        match tokio::time::timeout(Duration::from_millis(500), &mut asked).await {
            Err(_) => break asked,
            Ok(_) => assert!(tokio::time::Instant::now() < deadline, "it never holds still"),
        }
    };
    server.resume().unwrap();
    asked.await.unwrap();

    server.stop().unwrap();
    assert!(ask(&server.client(User::Admin).await.unwrap(), THINGS).await.is_err());
    server.start_again().await.unwrap();
    server.kill();
    server.start_again().await.unwrap();
    server.compact().await.unwrap();
    let client = server.client(User::Admin).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    let again = loop {
        match ask(&client, &format!("{THINGS}/a")).await {
            Ok(again) => break again,
            Err(cause) => assert!(tokio::time::Instant::now() < deadline, "{cause}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(again.pointer("/metadata/uid").cloned(), uid, "the data stayed");
    assert!(ask(&server.client(User::Nobody).await.unwrap(), THINGS).await.is_err());
}
