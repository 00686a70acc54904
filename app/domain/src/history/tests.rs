//! The laws of what is recorded, and how little an idle fabric costs.

use proptest::{collection, option, prelude::*};
use serde_json::json;

use super::*;
use crate::sample::json as any_json;

/// What a device of 48 ports reports: about 50 kB, of which `beat` moves everything that always moves.
fn agent(beat: u64) -> Value {
    let ports: serde_json::Map<String, Value> = (1..=56)
        .map(|port| {
            let counters: serde_json::Map<String, Value> = (0..24)
                .map(|at| (format!("counter{at:02}"), json!(beat * 1_000_003 + at * port)))
                .collect();
            let state = json!({
                "enabled": true, "admin": "up", "oper": "up", "speed": "25G", "fec": "rs",
                "mac": "0c:20:12:fe:00:01", "lastChange": "2026-11-24T10:00:00Z", "counters": counters,
                "lldpNeighbors": [{ "chassisID": "0c:20", "portID": "E1/1", "systemName": "leaf-02" }],
            });
            (format!("E1/{port}"), state)
        })
        .collect();
    let neighbours: serde_json::Map<String, Value> = (1..=8)
        .map(|at| {
            let state = json!({ "state": "established", "enabled": true, "lastRead": beat,
                "messages": { "received": { "update": beat, "keepalive": beat * 2 } } });
            (format!("172.30.8.{at}"), state)
        })
        .collect();
    json!({
        "apiVersion": "agent.githedgehog.com/v1beta1", "kind": "Agent",
        "metadata": { "name": "leaf-01", "namespace": "default", "uid": "u", "generation": 7,
            "resourceVersion": beat.to_string(), "creationTimestamp": "2026-11-01T00:00:00Z" },
        "spec": { "role": "server-leaf", "version": { "default": "v0.129.1" } },
        "status": {
            "version": "v0.129.1", "lastHeartbeat": format!("{beat}"), "lastAppliedGen": 7,
            "lastAppliedTime": format!("{beat}"), "bootID": "b", "runID": "r",
            "conditions": [{ "type": "Applied", "status": "True", "reason": "ok",
                "message": "applied", "lastTransitionTime": beat }],
            "state": {
                "interfaces": ports, "bgpNeighbors": { "default": neighbours },
                "platform": { "temps": { "CPU": { "temperature": beat, "alarms": "none" } },
                    "fans": { "f1": { "speed": beat, "status": "ok" } } },
                "nos": { "softwareVersion": "4.5", "uptime": beat },
            },
        },
    })
}

#[test]
fn the_pulse_of_an_agent_of_50_kb_records_nothing() {
    let first = agent(1);
    let size = first.to_string().len();
    assert!((40_000..70_000).contains(&size), "{size} bytes: not what a switch reports");
    let mut kept = recorded(Kind::Agent, &first);
    for beat in 2..200 {
        let next = recorded(Kind::Agent, &agent(beat));
        assert_eq!(content(Some(&kept), Some(&next)), None, "beat {beat}");
        kept = next;
    }
}

#[test]
fn a_port_that_goes_down_is_a_patch_of_that_port_alone() {
    let before = recorded(Kind::Agent, &agent(1));
    let mut report = agent(2);
    report["status"]["state"]["interfaces"]["E1/7"]["oper"] = json!("down");
    let patch = json!({ "status": { "state": { "interfaces": { "E1/7": { "oper": "down" } } } } });
    let after = recorded(Kind::Agent, &report);
    assert_eq!(content(Some(&before), Some(&after)), Some(Content::Patch(patch)));
}

#[test]
fn what_counts_of_an_agent_is_kept_and_nothing_else() {
    let kept = recorded(Kind::Agent, &agent(1));
    let port = &kept["status"]["state"]["interfaces"]["E1/1"];
    assert_eq!(port["oper"], "up");
    assert_eq!(port["lldpNeighbors"][0]["systemName"], "leaf-02");
    assert_eq!(kept["status"]["conditions"][0]["message"], "applied");
    assert_eq!(kept["metadata"]["generation"], 7);
    assert_eq!(kept["kind"], "Agent");
    for pulse in ["counter", "lastHeartbeat", "uptime", "temperature", "lastTransitionTime", "mac"]
    {
        assert!(!kept.to_string().contains(pulse), "{pulse}");
    }
    let bare = json!({ "status": { "state": { "interfaces": { "E1/9": { "mac": "x" } } } } });
    let port = json!({ "status": { "state": { "interfaces": { "E1/9": {} } } } });
    assert_eq!(recorded(Kind::Agent, &bare), port, "a port without a state is still a port");
}

#[test]
fn the_session_of_a_gateway_is_kept_and_its_traffic_is_not() {
    let gateway = json!({ "status": { "lastHeartbeat": "t", "state": {
        "bgp": { "vrfs": { "default": { "neighbors": { "1.1.1.1": {
            "sessionState": "established", "messages": { "sent": { "update": 5 } } } } } } },
        "vpcs": { "vpc-1": { "b": 5 } } } } });
    assert_eq!(
        recorded(Kind::GatewayAgent, &gateway),
        json!({ "status": { "state": { "bgp": { "vrfs": { "default": { "neighbors": {
            "1.1.1.1": { "sessionState": "established" } } } } } } } })
    );
}

#[test]
fn a_new_version_alone_is_no_change() {
    let object = |version: &str| json!({ "metadata": { "resourceVersion": version, "name": "a" } });
    let kept = recorded(Kind::Vpc, &object("1"));
    assert_eq!(kept, json!({ "metadata": { "name": "a" } }));
    assert_eq!(content(Some(&kept), Some(&recorded(Kind::Vpc, &object("2")))), None);
}

#[test]
fn a_moment_is_written_as_people_say_it() {
    let read = |text: &str| text.parse::<Moment>();
    assert_eq!(read("now"), Ok(Moment::Now));
    assert_eq!(read("v1234"), Ok(Moment::Version(1234)));
    assert_eq!(read("1970-01-01T00:00:01.5Z"), Ok(Moment::Time(1_500)));
    for text in ["v", "v+1", "v-1", "v1x", "v99999999999999999999", "v1234 "] {
        assert!(matches!(read(text), Err(MomentError::Version(_))), "{text}");
    }
    for text in ["", "yesterday", "1234", "Now"] {
        assert!(matches!(read(text), Err(MomentError::Time(_))), "{text}");
    }
    assert_eq!(Moment::Time(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
}

proptest! {
    #[test]
    fn replaying_the_changes_of_an_object_gives_each_of_its_states(
        states in collection::vec(option::weighted(0.8, any_json()), 1..12),
        kind in proptest::sample::select(vec![Kind::Vpc, Kind::Agent]),
    ) {
        let states: Vec<_> =
            states.iter().map(|state| state.as_ref().map(|value| recorded(kind, value))).collect();
        let (mut before, mut replayed) = (None, None);
        for state in &states {
            let change = content(before.as_ref(), state.as_ref());
            prop_assert_eq!(change.is_none(), &before == state);
            if let Some(change) = change {
                replayed = apply(replayed, &change);
            }
            prop_assert_eq!(&replayed, state);
            before.clone_from(state);
        }
    }

    #[test]
    fn a_patch_is_shorter_than_the_value(old in any_json(), new in any_json()) {
        if let Some(Content::Patch(patch)) = content(Some(&old), Some(&new)) {
            prop_assert!(patch.to_string().len() < new.to_string().len());
        }
    }

    #[test]
    fn what_is_recorded_is_recorded_again_as_it_is(
        object in any_json(), kind in proptest::sample::select(Kind::ALL),
    ) {
        let kept = recorded(kind, &object);
        prop_assert_eq!(recorded(kind, &kept), kept);
    }

    #[test]
    fn a_moment_reads_back_as_it_was_written(
        moment in prop_oneof![
            Just(Moment::Now),
            any::<u64>().prop_map(Moment::Version),
            (Timestamp::MIN.unix_ms()..=Timestamp::MAX.unix_ms()).prop_map(Moment::Time),
        ],
    ) {
        prop_assert_eq!(moment.to_string().parse::<Moment>(), Ok(moment));
    }
}
