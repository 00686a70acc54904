//! What a watch brings when all is well.

use domain::{
    kind::Kind,
    readiness::Readiness,
    state::{Connectivity, Lag, Measuring, SwitchReadiness, WatchState},
    topic::Topic,
};
use serde_json::json;

use crate::house::{Embedded, until, until_true};

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_come_live_and_hold_what_the_cluster_holds() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    house.agreement().await;
    until_true("the fabric to be connected", || {
        house.engine.connectivity().state == Connectivity::Connected
    })
    .await;
    assert_eq!(house.engine.count(Kind::Switch).unwrap().objects, 7);
    assert_eq!(house.engine.count(Kind::Connection).unwrap().objects, 25);
    assert!(
        house.engine.messages().iter().all(|message| !message.contains("created")),
        "a first list is no news"
    );
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_update_and_delete_of_each_kind_arrive() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    for kind in Kind::primary() {
        let about = kind.about();
        let mut object = house.cluster.list(kind)[0].clone();
        let name = if kind == Kind::Vpc || kind == Kind::External || kind == Kind::Ipv4Namespace {
            "probe"
        } else {
            "probe-object"
        };
        object["metadata"] = json!({"name": name, "namespace": "default", "labels": {"a": "1"}});
        house.cluster.apply(object).unwrap();
        let key = format!("default/{name}");
        until_true(&format!("the new {kind}"), || house.engine.full(kind, &key).is_some()).await;
        house
            .cluster
            .patch_merge(kind, "default", name, json!({"metadata": {"labels": {"a": "2"}}}))
            .unwrap();
        until_true(&format!("the changed {kind}"), || {
            house
                .engine
                .full(kind, &key)
                .is_some_and(|object| object["metadata"]["labels"]["a"] == "2")
        })
        .await;
        house.cluster.delete(kind, "default", name).unwrap();
        until_true(&format!("the {kind} to go"), || house.engine.full(kind, &key).is_none()).await;
        for verb in ["created", "updated", "deleted"] {
            let message = format!("{} {name} {verb}", about.name);
            assert!(house.engine.messages().contains(&message), "{message}");
        }
    }
    house.agreement().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_with_one_kind_and_two_namespaces_with_one_name_are_not_confused() {
    let mut crds = domain::crd::crds();
    let switch = crds.iter().find(|crd| crd["spec"]["names"]["kind"] == "Switch").unwrap();
    let mut other = switch.clone();
    other["metadata"]["name"] = json!("switches.other.example.com");
    other["spec"]["group"] = json!("other.example.com");
    crds.push(other);
    let house = Embedded::start(sim::Options { crds, ..sim::Options::default() }, None, true).await;
    house.engine.twelve_live().await;
    let mut twin = house.cluster.list(Kind::Switch)[0].clone();
    let name = twin["metadata"]["name"].as_str().unwrap().to_owned();
    twin["metadata"] = json!({"name": name, "namespace": "other"});
    twin["spec"]["description"] = json!("in another namespace");
    house
        .cluster
        .apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}))
        .unwrap();
    house.cluster.apply(twin.clone()).unwrap();
    twin["apiVersion"] = json!("other.example.com/v1beta1");
    twin["metadata"] = json!({"name": "impostor", "namespace": "default"});
    house.cluster.apply(twin).unwrap();
    until_true("the twin", || house.engine.full(Kind::Switch, &format!("other/{name}")).is_some())
        .await;
    house.touch(&name, "the first one");
    until_true("the change", || {
        house.engine.full(Kind::Switch, &format!("default/{name}")).unwrap()["spec"]["description"]
            == "the first one"
    })
    .await;
    assert_eq!(
        house.engine.full(Kind::Switch, &format!("other/{name}")).unwrap()["spec"]["description"],
        "in another namespace"
    );
    assert!(house.engine.full(Kind::Switch, "default/impostor").is_none());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_does_not_read_is_shown_as_unreadable_and_stops_nothing() {
    let mut crds = domain::crd::crds();
    for crd in &mut crds {
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    let house = Embedded::start(sim::Options { crds, ..sim::Options::default() }, None, true).await;
    house.engine.twelve_live().await;
    let odd = [
        ("odd-type", json!({"spec": {"role": {"not": "a text"}, "asn": "x"}})),
        ("no-spec", json!({})),
        (
            "html",
            json!({"spec": {"role": "<script>alert(1)</script>", "description": "\u{1b}[31m\u{0}"}}),
        ),
    ];
    for (name, body) in &odd {
        let mut object = body.clone();
        object["apiVersion"] = json!("wiring.githedgehog.com/v1beta1");
        object["kind"] = json!("Switch");
        object["metadata"] = json!({"name": name, "namespace": "default"});
        house.cluster.apply(object).unwrap();
    }
    let long = "x".repeat(1 << 20);
    let huge = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Switch",
        "metadata": {"name": "huge", "namespace": "default", "annotations": {"note": long}}, "spec": {"role": "spine"}});
    house.cluster.apply(huge).unwrap();
    house.touch("leaf-01", "still followed");
    until_true("the change after them", || {
        house.engine.full(Kind::Switch, "default/leaf-01").unwrap()["spec"]["description"]
            == "still followed"
    })
    .await;
    let reason = |name: &str| {
        house.engine.objects(Kind::Switch).read(|log| {
            log.get(&format!("default/{name}"))
                .unwrap()
                .value
                .meta
                .as_ref()
                .unwrap()
                .row
                .unreadable
                .clone()
        })
    };
    let kept = house.engine.full(Kind::Switch, "default/huge").unwrap();
    assert_eq!(kept["metadata"]["annotations"]["note"].as_str().map(str::len), Some(1 << 20));
    assert!(reason("odd-type").is_some());
    until_true("the count of unreadable ones", || {
        house.engine.count(Kind::Switch).unwrap().unreadable >= 1
    })
    .await;
    assert_eq!(
        house.engine.full(Kind::Switch, "default/html").unwrap()["spec"]["role"],
        "<script>alert(1)</script>",
        "kept faithfully"
    );
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_agents_and_is_unknown_when_they_are_not_watched() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    let readiness = |name: &str| -> Option<SwitchReadiness> {
        let topic = house.engine.hub.keyed(&Topic::State(house.engine.fabric.clone())).unwrap();
        topic.read(|log| {
            log.get(&format!("readiness/default/{name}"))
                .map(|entry| serde_json::from_str(&entry.value.row).unwrap())
        })
    };
    let state = |name: &str| readiness(name).map(|readiness| readiness.state);
    until("leaf-01 to be ready", || {
        if state("leaf-01") == Some(Readiness::Ready) { Ok(()) } else { Err(readiness("leaf-01")) }
    })
    .await;
    house
        .cluster
        .patch_merge(
            Kind::Agent,
            "default",
            "leaf-01",
            json!({"spec": {"description": "a new plan"}}),
        )
        .unwrap();
    until_true("leaf-01 to converge", || state("leaf-01") == Some(Readiness::Converging)).await;
    house.cluster.delete(Kind::Agent, "default", "leaf-01").unwrap();
    until_true("leaf-01 to be unknown", || state("leaf-01") == Some(Readiness::Unknown)).await;
    house.fault(&sim::Fault::Forbid { user: None, resource: Kind::Agent.into() });
    house.fault(&sim::Fault::DropWatches { end: sim::fault::End::Clean });
    until_true("agents to be forbidden", || {
        house.engine.kind(Kind::Agent).state == WatchState::Forbidden
    })
    .await;
    until_true("every switch to be unknown, with the reason", || {
        readiness("leaf-02").is_some_and(|readiness| {
            readiness.state == Readiness::Unknown && readiness.reason.contains("forbidden")
        })
    })
    .await;
    assert_eq!(house.engine.connectivity().state, Connectivity::Connected, "company may be absent");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_lag_is_measured_where_a_canary_is_asked_for_and_nowhere_else() {
    let house = Embedded::vlab().await;
    let engine = house.measured().await;
    engine.twelve_live().await;
    until("a measurement", || match engine.lag() {
        Some(lag) if lag.state == Measuring::Measured && lag.ms.is_some() => Ok(()),
        other => Err(other),
    })
    .await;
    assert!(engine.objects(Kind::Switch).lag().is_some(), "the heads of topics carry it");
    assert_eq!(house.engine.lag(), None);
    assert_eq!(house.engine.objects(Kind::Switch).lag(), None);
    engine.end().await;
    let leases = sim::ResourceId::new("coordination.k8s.io", "leases");
    house.fault(&sim::Fault::Forbid { user: None, resource: leases });
    let engine = house.measured().await;
    until("the missing right to be named", || match engine.lag() {
        Some(Lag { state: Measuring::Failing, ms: None, reason: Some(reason), .. })
            if reason.contains("grant get, create, patch and watch on leases") =>
        {
            Ok(())
        }
        other => Err(other),
    })
    .await;
    engine.twelve_live().await;
    engine.end().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_in_agents_are_on_no_way_out() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    let planted = "PLANTED-SECRET";
    let patch = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": planted}},
        "spec": {"users": [{"name": "admin", "password": planted}], "version": {"username": planted, "password": planted, "ca": planted}, "alloy": {"targets": planted}, "config": {"alloy": {"password": planted}}}});
    house.cluster.patch_merge(Kind::Agent, "default", "leaf-01", patch).unwrap();
    let version = house.truth(Kind::Agent)["default/leaf-01"].clone();
    // Agents are not among the twelve: they may not have been listed yet.
    until_true("the change", || {
        house.engine.held(Kind::Agent).get("default/leaf-01") == Some(&version)
    })
    .await;
    let wants = vec![
        domain::wire::Want {
            view: domain::wire::View::Full,
            ..domain::wire::Want::rows("objects/test/*")
        },
        domain::wire::Want::rows("state/test"),
        domain::wire::Want::rows("feed/test"),
    ];
    let frames = engine::hub::session::snapshot(
        &house.engine.hub,
        engine::hub::session::Viewer::house(),
        wants,
    )
    .join("\n");
    assert!(frames.contains("leaf-01"));
    assert!(!frames.contains(planted));
    assert!(!frames.contains("managedFields"));
    house.end().await;
}
