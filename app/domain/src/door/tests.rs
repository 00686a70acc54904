//! What the door lets in, and what it must not.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{object::Cell, sample};

const PLANTED: &str = "s3cret-planted";

fn agent() -> Value {
    let target = json!({ "basicAuth": { "username": PLANTED, "password": PLANTED },
        "bearerToken": PLANTED, "caPEM": PLANTED, "certPEM": PLANTED, "url": PLANTED });
    json!({
        "apiVersion": "agent.githedgehog.com/v1beta1",
        "kind": "Agent",
        "metadata": {
            "name": "leaf-01", "namespace": "default", "resourceVersion": "7", "uid": "u",
            "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "a": "b" },
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": PLANTED,
                "objectset.rio.cattle.io/applied": PLANTED,
                "power.hhfab.githedgehog.com/psu1": PLANTED,
                "fabric.githedgehog.com/route-summ": "kept",
            },
            "managedFields": [
                { "manager": PLANTED, "operation": "Update", "time": "2026-01-01T00:00:00Z" },
                { "manager": "agent", "operation": "Update", "time": "2026-01-03T00:00:00Z" },
                { "manager": PLANTED, "operation": "Apply", "time": "2026-01-02T00:00:00Z" },
            ],
        },
        "spec": {
            "role": "server-leaf", "description": "Rack 1",
            "switch": { "role": "server-leaf", "asn": 65101, "password": PLANTED },
            "users": [{ "name": PLANTED, "password": PLANTED, "sshKeys": [PLANTED] }],
            "version": { "default": "v1", "override": "v2", "username": PLANTED,
                "password": PLANTED, "ca": PLANTED, "repo": PLANTED, "alloyRepo": PLANTED },
            "alloy": { "lokiTargets": { "x": target }, "prometheusTargets": { "y": target } },
            "config": { "spineASN": 65100, "alloy": { "targets": { "loki": { "x": target } } },
                "unheardOf": PLANTED },
            "vpcs": { "token": { "ipv4Namespace": "default" } },
            "reboot": "boot-1", "unheardOf": PLANTED,
        },
        "status": {
            "lastAppliedGen": 2, "lastHeartbeat": "2026-01-01T00:00:00Z", "conditions": [],
            "state": { "nos": { "softwareVersion": "4.5", "password": PLANTED } },
            "unheardOf": PLANTED,
        },
        "unheardOf": PLANTED,
    })
}

#[test]
fn no_credential_of_an_agent_gets_through() {
    let admitted = admit(Kind::Agent, agent()).unwrap();
    assert!(!admitted.object.to_string().contains(PLANTED), "{:#}", admitted.object);
    assert!(!format!("{:?}{:?}", admitted.row, admitted.references).contains(PLANTED));
}

#[test]
fn what_an_operator_wants_of_an_agent_gets_through() {
    let admitted = admit(Kind::Agent, agent()).unwrap();
    for (pointer, value) in [
        ("/spec/role", json!("server-leaf")),
        ("/spec/switch/asn", json!(65101)),
        ("/spec/version", json!({ "default": "v1", "override": "v2" })),
        ("/spec/config", json!({ "spineASN": 65100 })),
        ("/spec/reboot", json!("boot-1")),
        ("/spec/vpcs/token/ipv4Namespace", json!("default")),
        ("/status/lastAppliedGen", json!(2)),
        ("/metadata/annotations", json!({ "fabric.githedgehog.com/route-summ": "kept" })),
    ] {
        assert_eq!(admitted.object.pointer(pointer), Some(&value), "{pointer}");
    }
    assert_eq!(admitted.row.unreadable, None);
    assert_eq!(admitted.row.cells.get("applied"), Some(&Cell::Number(2)));
}

#[test]
fn no_credential_of_a_gateway_agent_gets_through() {
    let object = json!({
        "metadata": { "name": "gw-1", "namespace": "default", "resourceVersion": "1",
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": PLANTED } },
        "spec": { "agentVersion": "v1", "config": { "fabricBFD": true, "login": PLANTED },
            "gateway": { "protocolIP": "172.30.8.7/32", "password": PLANTED },
            "registry": { "password": PLANTED }, "users": [PLANTED] },
        "status": { "lastAppliedGen": 1, "login": PLANTED },
    });
    let admitted = admit(Kind::GatewayAgent, object).unwrap();
    assert!(!admitted.object.to_string().contains(PLANTED), "{:#}", admitted.object);
    assert_eq!(admitted.row.cells.get("protocolIP"), Some(&Cell::Text("172.30.8.7/32".into())));
}

#[test]
fn no_copy_of_a_watched_object_stays_in_its_annotations() {
    for &kind in Kind::ALL.iter().filter(|kind| !kind.is_primary()) {
        let object = json!({ "metadata": {
            "name": "n", "namespace": "default", "resourceVersion": "1",
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": PLANTED } } });
        let admitted = admit(kind, object).unwrap();
        assert!(!admitted.object.to_string().contains(PLANTED), "{kind}");
    }
}

#[test]
fn the_newest_manager_is_who_changed_it_last_and_field_lists_are_gone_everywhere() {
    for &kind in Kind::ALL {
        let mut object = agent();
        object["spec"] = json!({});
        let admitted = admit(kind, object).unwrap();
        let manager = admitted.manager.unwrap();
        assert_eq!(manager.name, "agent");
        assert_eq!(manager.time.as_deref(), Some("2026-01-03T00:00:00Z"));
        assert_eq!(admitted.object.pointer("/metadata/managedFields"), None);
    }
}

#[test]
fn only_an_object_that_nobody_could_name_is_refused() {
    let good = json!({ "metadata": { "name": "n", "namespace": "d", "resourceVersion": "1" } });
    for &kind in Kind::ALL {
        admit(kind, good.clone()).unwrap();
    }
    for field in ["name", "namespace", "resourceVersion"] {
        for bad in [json!(null), json!(""), json!(7)] {
            let mut object = good.clone();
            object["metadata"][field] = bad;
            let error = admit(Kind::Vpc, object).unwrap_err();
            assert_eq!(error, DoorError::Metadata { kind: Kind::Vpc, field });
        }
    }
    assert_eq!(
        admit(Kind::Vpc, json!([])).unwrap_err(),
        DoorError::NotAnObject { kind: Kind::Vpc }
    );
    let slash = json!({ "metadata": { "name": "a/b", "namespace": "d", "resourceVersion": "1" } });
    assert!(matches!(admit(Kind::Vpc, slash), Err(DoorError::Key { .. })));
}

#[test]
fn control_characters_and_markup_stay_data() {
    let text = "<script>\u{1b}[31m\u{0}";
    let object = json!({ "metadata": { "name": "n", "namespace": "d", "resourceVersion": "1" },
        "spec": { "description": text } });
    let admitted = admit(Kind::Server, object).unwrap();
    assert_eq!(admitted.row.cells.get("description"), Some(&Cell::Text(text.into())));
}

/// Whether a text is called a password anywhere in a value.
fn holds_password(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, inner)| {
            (name == "password" && inner.is_string()) || holds_password(inner)
        }),
        Value::Array(items) => items.iter().any(holds_password),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

proptest! {
    #[test]
    fn wherever_a_password_is_in_an_agent_it_does_not_get_through(
        switch in sample::json(), config in sample::json(), state in sample::json(),
    ) {
        for kind in [Kind::Agent, Kind::GatewayAgent] {
            let object = json!({
                "metadata": { "name": "n", "namespace": "d", "resourceVersion": "1" },
                "spec": { "switch": switch, "gateway": switch, "config": config, "users": state },
                "status": { "state": state } });
            let admitted = admit(kind, object).unwrap();
            prop_assert!(!holds_password(&admitted.object), "{:#}", admitted.object);
            prop_assert!(admitted.object.pointer("/spec/users").is_none());
        }
    }

    #[test]
    fn the_door_never_panics_and_admits_whatever_has_a_name(
        spec in sample::json(), status in sample::json(), metadata in sample::json(),
    ) {
        for &kind in Kind::ALL {
            let _ = admit(kind, spec.clone());
            let _ = admit(kind, json!({ "metadata": metadata, "spec": spec }));
            let object = json!({
                "metadata": { "name": "n", "namespace": "d", "resourceVersion": "1",
                    "labels": metadata, "annotations": metadata, "managedFields": metadata },
                "spec": spec, "status": status });
            prop_assert!(admit(kind, object).is_ok());
        }
    }
}
