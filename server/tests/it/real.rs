//! `hnp watch` against real API servers, where their programs are there.

use std::collections::BTreeSet;

use domain::kind::Kind;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use testkit::{RealServer, User, Variant};

use crate::{
    house::{Folder, PATIENCE},
    process::Hnp,
};

fn api(client: &Client, kind: Kind) -> Api<DynamicObject> {
    let about = kind.about();
    let gvk = GroupVersionKind::gvk(about.api.group, about.api.version, about.name);
    let resource = ApiResource::from_gvk_with_plural(&gvk, about.plural);
    Api::namespaced_with(client.clone(), "default", &resource)
}

/// Creates an object; a server that has just installed a CRD may refuse for a while.
async fn create(client: &Client, kind: Kind, object: &Value) {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let begin = tokio::time::Instant::now();
    while let Err(error) = api(client, kind).create(&PostParams::default(), &object).await {
        assert!(begin.elapsed() < PATIENCE, "{kind}: {error}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn watched(variant: Variant) {
    let Some(server) = RealServer::start(variant).await.unwrap() else { return };
    server.install_crds(&domain::crd::crds()).await.unwrap();
    let client = server.client(User::Admin).await.unwrap();
    let seed = sim::seed::fabric(sim::seed::Scale::Vlab, 7, engine::clock::now_ms());
    let mut samples = Vec::new();
    for kind in Kind::primary() {
        let mut some: Vec<Value> =
            seed.iter().filter(|object| object["kind"] == kind.about().name).cloned().collect();
        some.truncate(2);
        for object in &some {
            create(&client, kind, object).await;
        }
        samples.push((kind, some.remove(0)));
    }
    let folder = Folder::new();
    let path = server.kubeconfig(User::Admin).display().to_string();
    let mut hnp = Hnp::start(folder.path(), &["watch", "--kubeconfig", &path, "--json"]);
    let mut live = BTreeSet::new();
    while live.len() < Kind::primary().count() {
        let said: Value = serde_json::from_str(&hnp.line().await.unwrap()).unwrap();
        let kind = Kind::from_name(said["kind"].as_str().unwrap()).unwrap();
        if said["state"] == "live" && kind.is_primary() {
            live.insert(kind);
        }
    }
    for (kind, sample) in &samples {
        let mut object = sample.clone();
        object["metadata"] = json!({"name": "probe", "namespace": "default"});
        create(&client, *kind, &object).await;
        let labels = json!({"metadata": {"labels": {"a": "2"}}});
        let merge = Patch::Merge(&labels);
        api(&client, *kind).patch("probe", &PatchParams::default(), &merge).await.unwrap();
        api(&client, *kind).delete("probe", &DeleteParams::default()).await.unwrap();
        for word in ["added", "modified", "deleted"] {
            hnp.until(|line| {
                let said: Value = serde_json::from_str(line).unwrap();
                said["type"] == word
                    && said["kind"] == kind.to_string()
                    && said["key"] == "default/probe"
            })
            .await;
        }
    }
    hnp.terminate();
    let ended = hnp.end().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{variant:?}");
    let last: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "summary");
    for row in last["kinds"].as_array().unwrap() {
        let kind = Kind::from_name(row["kind"].as_str().unwrap()).unwrap();
        if kind.is_primary() {
            assert_eq!(row["state"], "live", "{variant:?}: {row}");
            assert!(row["events"].as_u64().unwrap() >= 3, "{variant:?}: {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_sees_twelve_kinds_and_each_change_of_a_crd_server() {
    watched(Variant::Crd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_sees_twelve_kinds_and_each_change_of_a_kube_apiserver() {
    watched(Variant::Full).await;
}
