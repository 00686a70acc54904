//! What reads, what does not, and what survives.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sample;

fn round_trip(kind: Kind, spec: &Value) -> Value {
    Spec::decode(kind, &json!({ "spec": spec })).unwrap().encode().unwrap()
}

#[test]
fn unknown_fields_survive_at_every_level() {
    let spec = json!({ "mode": "l9", "later": 1, "subnets": { "web": { "subnet": "10.0.1.0/24",
        "vlan": 1001, "hostBGPMinPrefixLen": 24, "dhcp": { "enable": true, "later": [null] } } } });
    assert_eq!(round_trip(Kind::Vpc, &spec), spec);
}

#[test]
fn unknown_words_survive_and_are_told_apart() {
    let spec = json!({ "role": "hyper-leaf", "portFECs": { "E1/1": "rs", "E1/2": "turbo" } });
    assert_eq!(round_trip(Kind::Switch, &spec), spec);
    let Ok(Spec::Switch(switch)) = Spec::decode(Kind::Switch, &json!({ "spec": spec })) else {
        panic!("a switch");
    };
    assert_eq!(switch.role, switch::SwitchRole::Unknown("hyper-leaf".into()));
    assert!(!switch.role.is_known());
    assert_eq!(switch.port_fecs["E1/1"], switch::PortFec::Rs);
}

#[test]
fn absent_null_and_empty_are_one() {
    let empty = json!({});
    for spec in [
        json!({ "subnet": null, "connection": null, "nativeVLAN": null }),
        json!({ "subnet": "", "connection": "", "nativeVLAN": false }),
    ] {
        assert_eq!(round_trip(Kind::VpcAttachment, &spec), empty);
    }
    let nothing = Spec::decode(Kind::Vpc, &json!({})).unwrap();
    assert_eq!(nothing, Spec::decode(Kind::Vpc, &json!({ "spec": null })).unwrap());
}

#[test]
fn an_empty_object_is_kept_where_its_presence_means_something() {
    let spec = json!({ "switch": {}, "neighbor": {}, "static": { "remoteIP": "1.1.1.1" } });
    assert_eq!(round_trip(Kind::ExternalAttachment, &spec), spec);
}

#[test]
fn what_does_not_read_names_its_place() {
    let told = |kind, spec| Spec::decode(kind, &json!({ "spec": spec })).unwrap_err().to_string();
    let vlan = told(Kind::Vpc, json!({ "subnets": { "web": { "vlan": 70_000 } } }));
    assert!(vlan.starts_with("`spec.subnets.web.vlan`: ") && vlan.contains("70000"), "{vlan}");
    let role = told(Kind::Switch, json!({ "asn": 1 }));
    assert!(role.contains("role"), "{role}");
    let port = told(Kind::Connection, json!({ "fabric": { "links": [{}, { "leaf": 5 }] } }));
    assert!(port.starts_with("`spec.fabric.links[1].leaf`: "), "{port}");
    let whole = told(Kind::Vpc, json!("text"));
    assert!(whole.starts_with("`spec`: "), "{whole}");
    let missing = Spec::decode(Kind::Switch, &json!({})).unwrap_err().to_string();
    assert!(missing.starts_with("`spec`: is missing") && missing.contains("role"), "{missing}");
}

#[test]
fn a_reason_does_not_repeat_a_megabyte() {
    let long = "ä".repeat(500_000);
    for spec in [json!({ "asn": long, "role": "spine" }), json!({ "role": { long.clone(): 1 } })] {
        let told = Spec::decode(Kind::Switch, &json!({ "spec": spec })).unwrap_err().to_string();
        assert!(told.chars().count() < 700, "{}", told.len());
    }
}

#[test]
fn the_first_shape_of_a_connection_is_what_it_is_taken_for() {
    let spec = json!({ "spec": { "external": {}, "eslag": {} } });
    let Ok(Spec::Connection(connection)) = Spec::decode(Kind::Connection, &spec) else {
        panic!("a connection");
    };
    assert_eq!(connection.set(), ["eslag", "external"]);
}

proptest! {
    #[test]
    fn reading_never_panics_and_what_reads_is_stable(spec in sample::json()) {
        for &kind in Kind::ALL {
            let object = json!({ "spec": spec, "status": spec });
            if let Ok(once) = Spec::decode(kind, &object) {
                let written = once.encode().unwrap();
                let again = Spec::decode(kind, &json!({ "spec": written })).unwrap();
                prop_assert_eq!(&again, &once);
                prop_assert_eq!(once.kind(), kind);
            }
            if let Ok(once) = Status::decode(kind, &object) {
                let written = once.encode().unwrap();
                prop_assert_eq!(Status::decode(kind, &json!({ "status": written })).unwrap(), once);
            }
        }
    }
}
