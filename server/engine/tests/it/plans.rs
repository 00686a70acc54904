//! What of a fabric is watched: kinds, namespaces, labels; and starting, stopping and replacing one alone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use domain::{
    connection::{Access, PlanInput, Secret, WatchPlan},
    history::Moment,
    kind::Kind,
    state::{Cause, Connectivity, WatchState},
    topic::{FabricId, Topic},
};
use engine::{
    cluster::{access, kubeconfig::Permissions, request::PROBE_DEADLINE},
    fabric::{Plan, Reach},
    recorder::{self, clerk::Pace},
    store::{Store, sqlite::SqliteStore},
};
use serde_json::{Value, json};
use sim::Fault;
use tokio::{net::TcpListener, time::Instant};

use crate::house::{Embedded, PATIENCE, Watched, until, until_true};

fn plan(kinds: Option<&[&str]>, namespaces: &[&str], labels: &str) -> WatchPlan {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let input = PlanInput {
        enabled: true,
        kinds: kinds.map(owned),
        namespaces: owned(namespaces),
        labels: labels.to_owned(),
    };
    WatchPlan::parse(&input).unwrap()
}

fn server(namespace: &str, name: &str, env: &str) -> Value {
    json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
        "metadata": {"name": name, "namespace": namespace, "labels": {"env": env}}, "spec": {}})
}

/// A cluster with servers in three namespaces.
async fn spread() -> Embedded {
    let house = Embedded::start(
        sim::Options { crds: domain::crd::crds(), ..sim::Options::default() },
        None,
        false,
    )
    .await;
    for namespace in ["a", "b", "c"] {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let _ = house.cluster.apply(object);
        house.cluster.apply(server(namespace, "one", "prod")).unwrap();
        house.cluster.apply(server(namespace, "two", "test")).unwrap();
    }
    house
}

async fn watched(house: &Embedded, watch: WatchPlan) -> Watched {
    let reach = Reach::Ready(Box::new(house.target().await));
    Watched::begin(Plan::of("test".parse().unwrap(), reach, watch))
}

fn servers(engine: &Watched) -> BTreeSet<String> {
    engine.held(Kind::Server).into_keys().collect()
}

async fn holds(engine: &Watched, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|key| (*key).to_owned()).collect();
    until("the servers of the plan", || {
        let held = servers(engine);
        if held == expected && engine.count(Kind::Server).is_some() { Ok(()) } else { Err(held) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_chosen_kinds_are_watched_and_the_others_are_paused() {
    let house = spread().await;
    let engine = watched(&house, plan(Some(&["Server"]), &[], "")).await;
    until_true("Server to be live", || engine.live_kinds() == [Kind::Server]).await;
    until_true("the fabric to be connected", || {
        engine.connectivity().state == Connectivity::Connected
    })
    .await;
    assert!(
        Kind::ALL
            .iter()
            .filter(|kind| **kind != Kind::Server)
            .all(|kind| engine.kind(*kind).state == WatchState::Paused)
    );
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_namespaces_are_one_topic_that_follows_each() {
    let house = spread().await;
    let engine = watched(&house, plan(None, &["a", "b"], "")).await;
    engine.twelve_live().await;
    holds(&engine, &["a/one", "a/two", "b/one", "b/two"]).await;
    assert_eq!(engine.kind(Kind::Server).namespace.as_deref(), Some("a, b"));
    house.cluster.apply(server("b", "three", "prod")).unwrap();
    house.cluster.apply(server("c", "three", "prod")).unwrap();
    house.cluster.delete(Kind::Server, "a", "one").unwrap();
    holds(&engine, &["a/two", "b/one", "b/three", "b/two"]).await;
    // Broken off and compacted: each namespace lists again, and nothing of the others is lost.
    house.fault(&Fault::Refuse);
    until_true("the silence to be noticed", || {
        engine.connectivity().state == Connectivity::Disconnected
    })
    .await;
    house.cluster.delete(Kind::Server, "b", "two").unwrap();
    house.cluster.apply(server("a", "four", "prod")).unwrap();
    house.fault(&Fault::Compact);
    house.fault(&Fault::Heal);
    holds(&engine, &["a/four", "a/two", "b/one", "b/three"]).await;
    engine.twelve_live().await;
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_and_a_restored_backup_are_noticed_with_several_namespaces_too() {
    let house = spread().await;
    let engine = watched(&house, plan(None, &["a", "b"], "")).await;
    engine.twelve_live().await;
    for round in 0..30 {
        house.cluster.apply(server("a", &format!("s{round}"), "prod")).unwrap();
    }
    until_true("all servers", || servers(&engine).len() == 34).await;
    house.fault(&Fault::Rewind { versions: 20 });
    until("the servers of the backup", || {
        let (held, there) = (servers(&engine), house.truth(Kind::Server));
        let there: BTreeSet<String> =
            there.into_keys().filter(|key| !key.starts_with("c/")).collect();
        if held == there { Ok(()) } else { Err((held, there)) }
    })
    .await;
    house.fault(&Fault::Refuse);
    until_true("the silence to be noticed", || {
        engine.connectivity().state == Connectivity::Disconnected
    })
    .await;
    house.fault(&Fault::ChangeIdentity { seed: 99 });
    house.fault(&Fault::Heal);
    holds(&engine, &[]).await;
    engine.twelve_live().await;
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_namespace_and_a_selector_show_what_matches_and_lose_what_stops_matching() {
    let house = spread().await;
    let engine = watched(&house, plan(None, &["a"], "env in (prod)")).await;
    holds(&engine, &["a/one"]).await;
    house.cluster.apply(server("a", "three", "prod")).unwrap();
    holds(&engine, &["a/one", "a/three"]).await;
    house
        .cluster
        .patch_merge(Kind::Server, "a", "one", json!({"metadata": {"labels": {"env": "test"}}}))
        .unwrap();
    holds(&engine, &["a/three"]).await;
    house
        .cluster
        .patch_merge(Kind::Server, "a", "one", json!({"metadata": {"labels": {"env": "prod"}}}))
        .unwrap();
    holds(&engine, &["a/one", "a/three"]).await;
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fabric_is_replaced_alone_and_its_topics_begin_anew() {
    let house = spread().await;
    let mut engine = watched(&house, plan(None, &[], "")).await;
    engine.twelve_live().await;
    let whole = engine.objects(Kind::Server).read(|log| log.epoch().to_string());
    let reach = Reach::Ready(Box::new(house.target().await));
    let fabric: FabricId = "test".parse().unwrap();
    engine.replace(Plan::of(fabric.clone(), reach, plan(None, &["b"], ""))).await;
    holds(&engine, &["b/one", "b/two"]).await;
    let part = engine.objects(Kind::Server).read(|log| log.epoch().to_string());
    assert_ne!(whole, part, "a place in the one means nothing in the other");
    engine.stop().await;
    assert!(engine.hub.keyed(&Topic::State(fabric)).is_none(), "its topics are gone");
    assert!(engine.hub.fabrics().is_empty());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fabric_that_is_off_or_unusable_says_so_and_asks_nobody() {
    let house = spread().await;
    let off = WatchPlan { enabled: false, ..WatchPlan::default() };
    let mut engine = watched(&house, off).await;
    until_true("the word", || engine.connectivity().state == Connectivity::Disabled).await;
    assert!(Kind::ALL.iter().all(|kind| engine.kind(*kind).state == WatchState::Paused));
    let reach = Reach::Unusable("mend it".to_owned());
    engine.replace(Plan::of("test".parse().unwrap(), reach, WatchPlan::default())).await;
    until_true("the reason", || engine.connectivity().cause == Some(Cause::Config)).await;
    assert_eq!(engine.connectivity().reason.as_deref(), Some("mend it"));
    assert_eq!(engine.connectivity().state, Connectivity::Disconnected);
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_does_not_wait_for_a_cluster_that_never_answers() {
    const ROUNDS: u32 = 10;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let access = Access::Direct {
        server: format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(),
        ca_pem: None,
        token: Secret::new("t"),
        tls_server_name: None,
    };
    let begin = Instant::now();
    let mut held = Vec::new();
    for _ in 0..ROUNDS {
        let target = access::target(&access, Permissions::NONE).await;
        let reach = Reach::from(target);
        let mut engine =
            Watched::begin(Plan::of("test".parse().unwrap(), reach, WatchPlan::default()));
        // The probe is on its way now, and nobody will answer it.
        held.push(listener.accept().await.unwrap());
        engine.stop().await;
    }
    assert!(
        begin.elapsed() < PROBE_DEADLINE * (ROUNDS - 1),
        "each stop waited for its probe: {:?}",
        begin.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_watched_any_more_is_not_told_to_be_deleted() {
    let house = spread().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
    let fabric: FabricId = "test".parse().unwrap();
    let open = |watch: WatchPlan| {
        let (store, fabric) = (Arc::clone(&store), fabric.clone());
        let house = &house;
        async move {
            let records =
                recorder::open(store, &fabric, "one".to_owned(), Pace::default()).await.unwrap();
            let reach = Reach::Ready(Box::new(house.target().await));
            Plan { records: Some(records), ..Plan::of(fabric, reach, watch) }
        }
    };
    let recorded = |kind| store.at(&fabric, kind, Moment::Now);
    let mut engine = Watched::begin(open(WatchPlan::default()).await);
    holds(&engine, &["a/one", "a/two", "b/one", "b/two", "c/one", "c/two"]).await;
    engine.twelve_live().await;
    // What was never recorded is found by comparing, which takes its time.
    let begin = Instant::now();
    while recorded(Kind::Server).await.unwrap().objects.len() < 6 {
        assert!(begin.elapsed() < PATIENCE, "six servers are recorded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    engine.stop().await;
    assert_eq!(recorded(Kind::Server).await.unwrap().objects.len(), 6);
    house.cluster.delete(Kind::Server, "a", "two").unwrap();
    engine.replace(open(plan(None, &["a"], "")).await).await;
    holds(&engine, &["a/one"]).await;
    until_true("the delete that was not seen to be told", || {
        engine.messages().iter().any(|told| told.contains("a/two") && told.contains("deleted"))
    })
    .await;
    let of_others = |told: &String| told.contains("b/") || told.contains("c/");
    assert!(!engine.messages().iter().any(of_others), "{:?}", engine.messages());
    engine.stop().await;
    let objects = recorded(Kind::Server).await.unwrap().objects;
    let keys: Vec<String> = objects.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["a/one", "b/one", "b/two", "c/one", "c/two"]);
    engine.end().await;
    house.end().await;
}
