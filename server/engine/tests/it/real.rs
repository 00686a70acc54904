//! The same against real API servers, where their programs are there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use domain::{
    kind::Kind,
    state::{Connectivity, WatchState},
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize as _;
use serde_json::{Value, json};
use testkit::{RealServer, User, Variant};

use crate::house::{Watched, key_and_version, until, until_true};

fn api(client: &Client, kind: Kind) -> Api<DynamicObject> {
    let about = kind.about();
    let gvk = GroupVersionKind::gvk(about.api.group, about.api.version, about.name);
    Api::namespaced_with(
        client.clone(),
        "default",
        &ApiResource::from_gvk_with_plural(&gvk, about.plural),
    )
}

/// Creates an object, or merges it into the one that is there. Not by server-side apply: the old server
/// turns empty texts into nulls on that way and then refuses them.
async fn apply(client: &Client, object: &Value) {
    let kind = Kind::from_name(object["kind"].as_str().unwrap()).unwrap();
    let name = object["metadata"]["name"].as_str().unwrap();
    let api = api(client, kind);
    let whole: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    // A server that has just installed a CRD may refuse once.
    for attempt in 0.. {
        let done = match api.create(&PostParams::default(), &whole).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.patch(name, &PatchParams::default(), &Patch::Merge(object)).await
            }
            other => other,
        };
        match done {
            Ok(_) => break,
            Err(error) if attempt > 20 => panic!("{kind} {name}: {error}"),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
    }
    if let Some(status) = object.get("status") {
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({"status": status})))
            .await
            .unwrap();
    }
}

async fn truth(client: &Client, kind: Kind) -> BTreeMap<String, String> {
    let list = api(client, kind).list(&ListParams::default()).await.unwrap();
    list.items
        .iter()
        .map(|object| key_and_version(&serde_json::to_value(object).unwrap()))
        .collect()
}

async fn agreement(client: &Client, engine: &Watched) {
    for kind in Kind::primary() {
        let truth = truth(client, kind).await;
        until(&format!("{kind} to agree"), || {
            if engine.held(kind) == truth { Ok(()) } else { Err(engine.held(kind)) }
        })
        .await;
    }
}

/// The demo's objects, and a real server with our CRDs that holds them.
async fn populated(variant: Variant) -> Option<(RealServer, Client, Vec<Value>)> {
    let server = RealServer::start(variant).await.unwrap()?;
    server.install_crds(&crds()).await.unwrap();
    let client = server.client(User::Admin).await.unwrap();
    let objects = objects();
    for object in &objects {
        apply(&client, object).await;
    }
    Some((server, client, objects))
}

/// Folder of test data: named by a variable of the environment, else beside the repository.
fn folder(variable: &str, beside: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where data lies"
    )]
    let named = std::env::var(variable).ok().map(PathBuf::from);
    let folder = named.unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(beside)
    });
    folder.is_dir().then_some(folder)
}

/// Every document in the YAML files of a folder, in the order of their names.
fn documents(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let documents = serde_norway::Deserializer::from_str(&text)
            .map(|document| Value::deserialize(document).unwrap());
        documents.filter(Value::is_object).collect::<Vec<_>>()
    };
    files.iter().flat_map(read).collect()
}

/// The real CRDs where they are there, else ours.
fn crds() -> Vec<Value> {
    if let Some(folder) = folder("HNP_TEST_CRDS", "crds") {
        return documents(&folder);
    }
    println!("using our own CRDs: HNP_TEST_CRDS names no folder of the real ones");
    domain::crd::crds()
}

/// The sample objects where they are there, else the demo's.
fn objects() -> Vec<Value> {
    let mut objects = if let Some(folder) = folder("HNP_TEST_SAMPLES", "samples") {
        ["profiles", "valid", "agents"]
            .iter()
            .flat_map(|part| documents(&folder.join(part)))
            .collect()
    } else {
        println!("using the demo's objects: HNP_TEST_SAMPLES names no folder of samples");
        sim::seed::fabric(sim::seed::Scale::Vlab, 7, engine::clock::now_ms())
    };
    // The old server takes an empty text in a required field for null; some company is full of these.
    objects.retain(|object| {
        Kind::from_name(object["kind"].as_str().unwrap()).is_some_and(|kind| {
            kind.is_primary() || matches!(kind, Kind::Agent | Kind::SwitchProfile)
        })
    });
    objects
}

fn kubeconfig(server: &RealServer) -> PathBuf {
    server.kubeconfig(User::Admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_kinds_live_and_each_change_arrives() {
    for variant in [Variant::Crd, Variant::Full] {
        let Some((server, client, objects)) = populated(variant).await else { return };
        let engine = Watched::new(&kubeconfig(&server)).await;
        engine.twelve_live().await;
        agreement(&client, &engine).await;
        for kind in Kind::primary() {
            let mut object =
                objects.iter().find(|object| object["kind"] == kind.about().name).unwrap().clone();
            object["metadata"] = json!({"name": "probe", "namespace": "default"});
            apply(&client, &object).await;
            until_true(&format!("the new {kind}"), || engine.full(kind, "default/probe").is_some())
                .await;
            object["metadata"]["labels"] = json!({"a": "2"});
            apply(&client, &object).await;
            until_true(&format!("the changed {kind}"), || {
                engine
                    .full(kind, "default/probe")
                    .is_some_and(|object| object["metadata"]["labels"]["a"] == "2")
            })
            .await;
            api(&client, kind).delete("probe", &DeleteParams::default()).await.unwrap();
            until_true(&format!("the {kind} to go"), || {
                engine.full(kind, "default/probe").is_none()
            })
            .await;
        }
        agreement(&client, &engine).await;
        engine.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_killed_compacted_and_paused_it_comes_back_with_the_truth() {
    for variant in [Variant::Crd, Variant::Full] {
        let Some((mut server, client, _)) = populated(variant).await else { return };
        let engine = Watched::new(&kubeconfig(&server)).await;
        engine.twelve_live().await;

        // Killed, and compacted before it comes back: 410.
        server.kill();
        until_true("the kill to be noticed", || {
            engine.connectivity().state == Connectivity::Disconnected
        })
        .await;
        server.start_again().await.unwrap();
        api(&client, Kind::Server)
            .delete(&first_server(&client).await, &DeleteParams::default())
            .await
            .unwrap();
        server.compact().await.unwrap();
        let took = until("twelve kinds after the kill", || lacking(&engine)).await;
        println!("{variant:?}: live {took:?} after the server's return from a kill");
        agreement(&client, &engine).await;

        // Half-open: the process is stopped, its sockets stay.
        server.pause().unwrap();
        let noticed = until_true("the pause to be noticed", || {
            engine.connectivity().state == Connectivity::Disconnected
        })
        .await;
        println!("{variant:?}: a paused server was noticed after {noticed:?}");
        assert!(engine.live_kinds().is_empty());
        server.resume().unwrap();
        let took = until("twelve kinds after the pause", || lacking(&engine)).await;
        println!("{variant:?}: live {took:?} after the server went on");
        api(&client, Kind::Server)
            .delete(&first_server(&client).await, &DeleteParams::default())
            .await
            .unwrap();
        agreement(&client, &engine).await;
        engine.end().await;
    }
}

async fn first_server(client: &Client) -> String {
    let list = api(client, Kind::Server).list(&ListParams::default()).await.unwrap();
    list.items[0].metadata.name.clone().unwrap()
}

fn lacking(engine: &Watched) -> Result<(), Vec<String>> {
    let missing: Vec<String> = Kind::primary()
        .filter(|kind| engine.kind(*kind).state != WatchState::Live)
        .map(|kind| format!("{kind}: {:?}", engine.kind(kind)))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_are_named_and_noticed_when_given() {
    let Some((server, client, _)) = populated(Variant::Full).await else { return };
    let engine = Watched::new(&server.kubeconfig(User::Reader)).await;
    until_true("every kind to be forbidden", || {
        Kind::primary().all(|kind| engine.kind(kind).state == WatchState::Forbidden)
    })
    .await;
    assert!(engine.kind(Kind::Switch).reason.unwrap().contains("switches"));
    assert!(Kind::ALL.iter().all(|kind| engine.count(*kind).is_none()));
    let rule = |resources: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "hnp"},
            "rules": [{"apiGroups": ["vpc.githedgehog.com", "wiring.githedgehog.com"], "resources": resources, "verbs": ["get", "list", "watch"]}]})
    };
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "hnp"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hnp"}, "subjects": [{"kind": "Group", "name": "readers", "apiGroup": "rbac.authorization.k8s.io"}]});
    let eleven: Vec<&str> =
        Kind::primary().filter(|kind| *kind != Kind::Vpc).map(|kind| kind.about().plural).collect();
    put_rbac(&client, "clusterroles", &rule(json!(eleven))).await;
    put_rbac(&client, "clusterrolebindings", &binding).await;
    until_true("eleven kinds", || {
        Kind::primary().filter(|kind| engine.kind(*kind).state == WatchState::Live).count() == 11
    })
    .await;
    assert_eq!(engine.kind(Kind::Vpc).state, WatchState::Forbidden);
    put_rbac(&client, "clusterroles", &rule(json!(["*"]))).await;
    engine.twelve_live().await;
    agreement(&client, &engine).await;
    engine.end().await;
}

async fn put_rbac(client: &Client, plural: &str, object: &Value) {
    let gvk =
        GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", object["kind"].as_str().unwrap());
    let api: Api<DynamicObject> =
        Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, plural));
    let name = object["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object)).await.unwrap();
}
