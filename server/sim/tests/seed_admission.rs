//! The seed and the admission were written apart: a seeded fabric must already be what admission would make of it.

use serde_json::Value;
use sim::{Admission, Cluster, Options, seed};

#[test]
fn a_seeded_fabric_is_in_normal_form_with_its_labels() {
    let cluster = Cluster::new(Options { admission: Admission::Hedgehog, ..Options::default() });
    let mut differences = Vec::new();
    for object in seed::fabric(seed::Scale::Vlab, 7, 1_700_000_000_000) {
        let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
        let kind = object.get("kind").cloned().unwrap_or_default();
        let stored = cluster
            .apply(object.clone())
            .unwrap_or_else(|refused| panic!("{kind} {name}: {refused}"));
        for part in ["/spec", "/metadata/labels"] {
            let (given, kept) = (object.pointer(part), stored.pointer(part));
            if given.unwrap_or(&Value::Null) != kept.unwrap_or(&Value::Null) {
                differences.push(format!("{kind} {name} {part}:\n  {given:?}\n  {kept:?}"));
            }
        }
        if object.get("status").is_some() {
            cluster.apply_status(object).unwrap();
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
