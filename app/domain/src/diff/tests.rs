//! The laws of differences and patches.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sample::json as any_json;

fn told(old: &Value, new: &Value) -> Vec<String> {
    let found = changes(Some(old), Some(new), Limits::default());
    let shown = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
    found
        .items
        .iter()
        .map(|change| format!("{} {} {}", change.pointer, shown(&change.from), shown(&change.to)))
        .collect()
}

#[test]
fn the_deepest_fields_that_differ_are_told() {
    let old = json!({ "spec": { "a": 1, "b": { "x/y": true }, "groups": ["a"],
        "links": [{ "port": "p1" }] } });
    let new = json!({ "spec": { "a": 2, "b": { "x/y": false, "z": null }, "groups": ["a", "b"],
        "links": [{ "port": "p1" }, { "port": "p2" }] } });
    assert_eq!(
        told(&old, &new),
        [
            "/spec/a 1 2",
            "/spec/b/x~1y true false",
            "/spec/b/z - null",
            r#"/spec/groups ["a"] ["a","b"]"#,
            r#"/spec/links/1 - {"port":"p2"}"#,
        ]
    );
}

#[test]
fn an_object_that_appears_or_goes_is_one_change() {
    let object = json!({ "spec": {} });
    let found = changes(None, Some(&object), Limits::default());
    assert_eq!(found.items.len(), 1);
    assert_eq!((found.items[0].pointer.as_str(), &found.items[0].from), ("", &None));
    assert_eq!(changes(None, None, Limits::default()), Changes::default());
}

#[test]
fn what_is_too_much_is_counted_and_what_is_too_long_is_marked() {
    let old = json!({ "a": 1, "b": 1, "c": 1 });
    let new = json!({ "a": "ä".repeat(100), "b": 2, "c": 2 });
    let found = changes(Some(&old), Some(&new), Limits { items: 2, value_bytes: 5 });
    assert_eq!((found.items.len(), found.truncated), (2, 1));
    assert_eq!(found.items[0].to, Some(json!("ää… (200 bytes)")));
    assert_eq!(found.items[0].from, Some(json!(1)), "a short value stays as it is");
}

#[test]
fn a_null_in_an_object_cannot_be_patched_in() {
    for (old, new) in [
        (json!({}), json!({ "a": null })),
        (json!({ "a": 1 }), json!({ "a": null })),
        (json!({}), json!({ "a": { "b": null } })),
        (json!(1), json!({ "a": null })),
    ] {
        assert_eq!(merge_patch(&old, &new), None, "{old} {new}");
    }
    let kept = json!({ "a": null, "b": [null, { "c": null }] });
    assert_eq!(merge_patch(&kept, &kept), Some(json!({})));
}

#[test]
fn the_pulse_of_an_agent_is_no_change_of_state() {
    let agent = |beat: &str, inb: u64, temp: f64, oper: &str| {
        json!({ "status": { "lastHeartbeat": beat, "lastAppliedTime": beat, "state": {
            "interfaces": { "E1/1": { "oper": oper, "counters": { "inb": inb } } },
            "platform": { "temps": { "CPU": { "temp": temp } } },
            "nos": { "uptime": beat },
            "bgpNeighbors": { "default": { "1.1.1.1": { "state": "idle", "lastRead": beat,
                "msgs": { "rec": { "update": inb } } } } } } } })
    };
    let (old, new) = (agent("a", 1, 40.0, "up"), agent("b", 2, 41.0, "up"));
    assert_eq!(agent_changes(Some(&old), Some(&new), Limits::default()), Changes::default());
    let down = agent("b", 2, 41.0, "down");
    let limits = Limits { items: 1, ..Limits::default() };
    let found = agent_changes(Some(&old), Some(&down), limits);
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.items[0].pointer, "/status/state/interfaces/E1~11/oper");
    assert_eq!(found.truncated, 0, "counters do not crowd it out");
    let filtered = agent_state_changes(changes(Some(&old), Some(&down), Limits::default()));
    assert_eq!(filtered.items, found.items);
}

#[test]
fn what_appears_above_a_place_that_counts_is_told() {
    assert!(counts_for_agent(""));
    assert!(counts_for_agent("/status/state/interfaces/E1~11"));
    assert!(counts_for_agent("/status/state/interfaces/E1~11/lldpNeighbors/0/sysName"));
    assert!(counts_for_agent("/status/conditions/0/status"));
    assert!(!counts_for_agent("/status/conditions/0/lastTransitionTime"));
    assert!(!counts_for_agent("/status/lastHeartbeat"));
}

/// A value and one that shares most of it, as versions of an object do.
fn versions() -> impl Strategy<Value = (Value, Value)> {
    (any_json(), any_json(), any::<bool>()).prop_map(|(a, b, related)| {
        let mut new = a.clone();
        if related && let (Some(members), Value::Object(more)) = (new.as_object_mut(), &b) {
            members.extend(more.clone());
        } else {
            new = b;
        }
        (a, new)
    })
}

proptest! {
    #[test]
    fn a_value_does_not_differ_from_itself(value in any_json()) {
        prop_assert_eq!(changes(Some(&value), Some(&value), Limits::default()), Changes::default());
        let patch = merge_patch(&value, &value);
        let says_nothing = patch.is_none_or(|patch| patch == value || patch == json!({}));
        prop_assert!(says_nothing);
    }

    #[test]
    fn a_patch_makes_the_new_value_of_the_old((old, new) in versions()) {
        if let Some(patch) = merge_patch(&old, &new) {
            let mut patched = old.clone();
            apply_merge_patch(&mut patched, &patch);
            prop_assert_eq!(patched, new);
        } else {
            prop_assert!(new.to_string().contains("null"), "only a null is beyond a patch");
        }
    }

    #[test]
    fn what_differs_is_told_and_where_it_is((old, new) in versions()) {
        let limits = Limits { items: 10_000, value_bytes: 10_000 };
        let found = changes(Some(&old), Some(&new), limits);
        prop_assert_eq!(found.items.is_empty(), old == new);
        for change in &found.items {
            prop_assert_eq!(change.from.as_ref(), old.pointer(&change.pointer));
            prop_assert_eq!(change.to.as_ref(), new.pointer(&change.pointer));
            prop_assert_ne!(&change.from, &change.to);
        }
    }

    #[test]
    fn limits_hold((old, new) in versions(), items in 0..4_usize, value_bytes in 0..20_usize) {
        let all = changes(Some(&old), Some(&new), Limits { items: 10_000, value_bytes });
        let found = changes(Some(&old), Some(&new), Limits { items, value_bytes });
        prop_assert_eq!(found.items.len() + found.truncated, all.items.len());
        prop_assert!(found.items.len() <= items);
    }
}
