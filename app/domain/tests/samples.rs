//! Whole fabrics of sample objects through decoding, the door and the table of edges.
//!
//! Invariant: what the samples hold is never repeated here; only what must be true of them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a helper of tests fails by panicking, and says why it is skipped"
)]

#[path = "beside/files.rs"]
mod files;

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    diff,
    door::{self, Admitted},
    kind::Kind,
    object::ObjectRef,
    readiness::{AgentDigest, Readiness, readiness},
    references,
    spec::{Spec, Status},
};
use serde_json::{Value, json};

/// Objects of folders of samples, as an API server would serve them.
fn samples(folders: &[&str]) -> Option<Vec<(String, Kind, Value)>> {
    let root = files::folder("HNP_TEST_SAMPLES", "samples")?;
    let mut found = Vec::new();
    for folder in folders {
        for (file, mut object) in files::documents(&root.join(folder)) {
            let kind = object["kind"].as_str().and_then(Kind::from_name);
            let kind = kind.unwrap_or_else(|| panic!("{file} holds a kind that we do not know"));
            object["metadata"]["resourceVersion"] = json!("1");
            object["metadata"]["generation"] = json!(1);
            found.push((format!("{folder}/{file}"), kind, object));
        }
    }
    assert!(found.len() > 5, "hardly any samples");
    Some(found)
}

const ALL: &[&str] = &["valid", "valid-mesh", "profiles", "agents"];

fn same(before: &Value, after: &Value, file: &str) {
    let found = diff::changes(Some(before), Some(after), diff::Limits::default());
    assert_eq!(found, diff::Changes::default(), "{file}");
}

#[test]
fn every_sample_reads_and_is_written_again_as_it_was() {
    let Some(samples) = samples(ALL) else { return };
    for (file, kind, object) in samples {
        let name = &object["metadata"]["name"];
        let spec = Spec::decode(kind, &object).unwrap_or_else(|e| panic!("{file} {name}: {e}"));
        same(&object["spec"], &spec.encode().unwrap(), &file);
        let status = Status::decode(kind, &object).unwrap_or_else(|e| panic!("{file} {name}: {e}"));
        let written = object.get("status").cloned().unwrap_or(json!({}));
        same(&written, &status.encode().unwrap(), &file);
    }
}

#[test]
fn nothing_of_a_sample_is_unknown_to_its_type() {
    fn unknown(written: &Value, known: &Value, at: &str, found: &mut Vec<String>) {
        if let (Some(members), Some(properties)) = (written.as_object(), known.get("properties")) {
            for (name, inner) in members {
                match properties.get(name) {
                    Some(known) => unknown(inner, known, &format!("{at}.{name}"), found),
                    None => found.push(format!("{at}.{name}")),
                }
            }
        } else if let (Some(members), Some(known)) =
            (written.as_object(), known.get("additionalProperties"))
        {
            for inner in members.values() {
                unknown(inner, known, &format!("{at}.{{}}"), found);
            }
        } else if let (Some(items), Some(known)) = (written.as_array(), known.get("items")) {
            for inner in items {
                unknown(inner, known, &format!("{at}.[]"), found);
            }
        }
    }
    let Some(samples) = samples(ALL) else { return };
    let mut found = Vec::new();
    for (_, kind, mut object) in samples {
        object["metadata"] = json!({});
        let crd = domain::crd::crd(kind);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        unknown(&object, schema, kind.about().name, &mut found);
    }
    found.sort();
    found.dedup();
    assert_eq!(found, ["Agent.spec.version.repo"], "which has no type on purpose");
}

/// The samples behind the door; two fabrics may have objects of one name.
fn admitted(folders: &[&str]) -> Option<Vec<(ObjectRef, Admitted)>> {
    let admit = |(file, kind, object): (String, Kind, Value)| {
        let admitted = door::admit(kind, object).unwrap_or_else(|e| panic!("{file}: {e}"));
        (ObjectRef { kind, key: admitted.key.clone() }, admitted)
    };
    Some(samples(folders)?.into_iter().map(admit).collect())
}

#[test]
fn every_sample_passes_the_door_and_has_a_full_row() {
    let Some(admitted) = admitted(ALL) else { return };
    let mut shown: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    for (name, admitted) in admitted {
        assert_eq!(admitted.row.unreadable, None, "{name}");
        shown.entry(name.kind).or_default().extend(admitted.row.cells.into_keys());
    }
    for (kind, shown) in shown {
        let missing = domain::columns::columns(kind)
            .iter()
            .filter(|column| !shown.contains(column.id))
            .map(|column| column.id)
            .collect::<Vec<_>>();
        // What no sample happens to have.
        let allowed: &[&str] = match kind {
            Kind::Switch => &["roce"],
            Kind::VpcPeering => &["remote"],
            Kind::ExternalAttachment => &["proxy"],
            Kind::Server => &["profile"],
            Kind::Connection => &["vpc"],
            Kind::GatewayPeering => &["rules"],
            _ => &[],
        };
        assert!(
            missing.iter().all(|id| allowed.contains(id)),
            "{kind}: {missing:?} is never filled"
        );
    }
}

#[test]
fn every_edge_of_a_valid_fabric_ends_at_an_object_that_exists() {
    for folders in [&["valid", "profiles", "agents"][..], &["valid-mesh", "profiles"]] {
        let Some(admitted) = admitted(folders) else { return };
        let admitted: BTreeMap<_, _> = admitted.into_iter().collect();
        for (name, object) in &admitted {
            for edge in &object.references {
                assert!(admitted.contains_key(&edge.to), "{name} {} names {}", edge.field, edge.to);
            }
        }
    }
}

#[test]
fn the_table_of_edges_foretells_what_the_samples_hold() {
    let Some(admitted) = admitted(ALL) else { return };
    let edges: BTreeSet<(Kind, Kind)> = admitted
        .iter()
        .flat_map(|(name, object)| object.references.iter().map(|edge| (name.kind, edge.to.kind)))
        .collect();
    let foretold =
        |from: Kind| references::may_refer_to(from).into_iter().map(move |to| (from, to));
    let table: BTreeSet<_> = Kind::ALL.iter().flat_map(|&from| foretold(from)).collect();
    assert!(edges.is_subset(&table), "{:?}", edges.difference(&table).collect::<Vec<_>>());
    let unseen: Vec<_> = table.difference(&edges).filter(|(from, _)| from.is_primary()).collect();
    assert_eq!(unseen, [&(Kind::Connection, Kind::Vpc)], "no sample has a `withinVPC`");
}

#[test]
fn the_sample_agents_are_in_the_states_they_were_made_for() {
    let Some(samples) = samples(&["agents"]) else { return };
    for (file, _, object) in samples {
        let digest = AgentDigest::of(&object);
        let heartbeat = digest.heartbeat_ms.unwrap_or_else(|| panic!("{file} has a heartbeat"));
        // Each heartbeat is judged a moment after it came; how old it is depends on the calendar.
        let soon = readiness(Some(&digest), heartbeat + 1_000);
        assert_eq!(soon.state, Readiness::Ready, "{file}: {}", soon.reason);
        assert_eq!(readiness(Some(&digest), heartbeat + 60_000).state, Readiness::Silent, "{file}");
        let newer = AgentDigest {
            generation: digest.generation.map(|generation| generation + 1),
            attempted_generation: digest.generation,
            ..digest
        };
        let behind = readiness(Some(&newer), heartbeat + 1_000);
        assert_eq!(behind.state, Readiness::Converging, "{file}: {}", behind.reason);
    }
}

#[test]
fn what_the_fabric_refuses_or_should_is_still_shown() {
    let Some(samples) = samples(&["invalid", "gaps"]) else { return };
    let mut unreadable = Vec::new();
    for (file, kind, object) in samples {
        // Of an object that is only there to be deleted, nothing but the name counts.
        let whole = object["spec"].as_object().is_some_and(|spec| !spec.is_empty());
        let admitted = door::admit(kind, object).unwrap_or_else(|e| panic!("{file}: {e}"));
        if !whole {
            continue;
        }
        unreadable.extend(admitted.row.unreadable.map(|reason| format!("{file}: {reason}")));
    }
    assert_eq!(unreadable, [""; 0], "each of them has the right types");
}

#[test]
fn the_sample_configuration_of_a_fabric_reads() {
    let Some(root) = files::folder("HNP_TEST_SAMPLES", "samples") else { return };
    let found = files::documents(&root);
    let (_, document) = found.iter().find(|(file, _)| file == "fabric-config.yaml").unwrap();
    let config = door::config::fabric_config(document);
    assert_eq!(config.unread, [""; 0]);
    assert!(config.reserved_subnets.is_some_and(|subnets| !subnets.is_empty()));
    assert!(config.vpc_irb_vlans.is_some() && config.leaf_asn_end.is_some());
}
