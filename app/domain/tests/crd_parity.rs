//! Our resource definitions against those of the fabric, field by field.
//!
//! Invariant: no difference passes that is not listed with its reason, and no reason stays that
//! explains nothing.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a helper of tests fails by panicking, and says why it is skipped"
)]

#[path = "beside/files.rs"]
mod files;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use domain::{crd, kind::Kind};
use serde_json::{Value, json};

/// What is told of one place of a schema: everything but what lies inside it and its description.
type Facts = BTreeMap<String, Value>;

struct Deliberate {
    kind: Kind,
    /// The place, or a place above it.
    place: &'static str,
    difference: Difference,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Difference {
    /// The fabric's definition has the place, ours has not.
    Missing,
    /// A fact of the place differs.
    Fact(&'static str),
}

const OPEN: Difference = Difference::Fact("x-kubernetes-preserve-unknown-fields");

macro_rules! deliberate {
    ($($kind:ident $place:literal $difference:expr, $reason:literal;)+) => {
        const DELIBERATE: &[Deliberate] = &[$(Deliberate {
            kind: Kind::$kind, place: $place, difference: $difference, reason: $reason,
        }),+];
    };
}

deliberate! {
    Agent "spec.users" Difference::Missing, "password hashes and keys have no type";
    Agent "spec.alloy" Difference::Missing, "targets with credentials have no type";
    Agent "spec.config.alloy" Difference::Missing, "targets with credentials have no type";
    Agent "spec.version.repo" Difference::Missing, "the registry has no type";
    Agent "spec.version.alloyRepo" Difference::Missing, "the registry has no type";
    Agent "spec.version.alloyVersion" Difference::Missing, "unused";
    Agent "spec.version.ca" Difference::Missing, "the registry's login has no type";
    Agent "spec.version.username" Difference::Missing, "the registry's login has no type";
    Agent "spec.version.password" Difference::Missing, "the registry's login has no type";
    Agent "spec" OPEN, "what has no type must be stored nevertheless";
    Agent "spec.config" OPEN, "what has no type must be stored nevertheless";
    Agent "spec.version" OPEN, "what has no type must be stored nevertheless";
    GatewayAgent "spec" OPEN, "what a later release adds must be stored nevertheless";
    GatewayAgent "spec.config" OPEN, "what a later release adds must be stored nevertheless";
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

fn facts(schema: &Value, place: &str, found: &mut BTreeMap<String, Facts>) {
    let inside = ["properties", "items", "additionalProperties", "description"];
    let members = schema.as_object().unwrap_or_else(|| panic!("{place} is no schema"));
    let mut own: Facts = members
        .iter()
        .filter(|(name, _)| !inside.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(Value::Array(required)) = own.get_mut("required") {
        required.sort_by_key(Value::to_string);
    }
    found.insert(place.to_owned(), own);
    let at =
        |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    for (name, inner) in members.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        facts(inner, &at(name), found);
    }
    for (name, step) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = members.get(name) {
            facts(inner, &at(step), found);
        }
    }
}

/// The fabric's definitions, by kind.
fn real() -> Option<BTreeMap<Kind, Value>> {
    let folder = files::folder("HNP_TEST_CRDS", "crds")?;
    let documents = files::documents(&folder);
    let known = documents.into_iter().filter_map(|(_, crd)| {
        Some((Kind::from_name(crd["spec"]["names"]["kind"].as_str()?)?, crd))
    });
    Some(known.collect())
}

#[test]
fn every_kind_has_a_definition_of_the_fabric_to_be_compared_with() {
    let Some(real) = real() else { return };
    let kinds: Vec<_> = real.into_keys().collect();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn names_columns_and_scope_are_those_of_the_fabric() {
    let Some(real) = real() else { return };
    for (kind, real) in real {
        let ours = crd::crd(kind);
        for pointer in [
            "/metadata/name",
            "/spec/group",
            "/spec/names",
            "/spec/scope",
            "/spec/versions/0/name",
            "/spec/versions/0/served",
            "/spec/versions/0/storage",
            "/spec/versions/0/subresources",
            "/spec/versions/0/additionalPrinterColumns",
        ] {
            assert_eq!(ours.pointer(pointer), real.pointer(pointer), "{kind} {pointer}");
        }
        assert_eq!(real["spec"]["versions"].as_array().unwrap().len(), 1, "{kind}");
    }
}

#[test]
fn fields_are_those_of_the_fabric() {
    let Some(real) = real() else { return };
    let used: Vec<Cell<bool>> = DELIBERATE.iter().map(|_| Cell::new(false)).collect();
    let excused = |kind: Kind, place: &str, difference: Difference| {
        let rows = DELIBERATE.iter().zip(&used);
        let mut fitting = rows.filter(|(row, _)| {
            let above = place.strip_prefix(row.place);
            let within = match row.difference {
                Difference::Missing => {
                    above.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                }
                Difference::Fact(_) => above == Some(""),
            };
            row.kind == kind && row.difference == difference && within
        });
        fitting.next().is_some_and(|(_, used)| {
            used.set(true);
            true
        })
    };
    let mut differences = Vec::new();
    for (kind, real) in &real {
        let (mut theirs, mut ours) = (BTreeMap::new(), BTreeMap::new());
        facts(schema(real), "", &mut theirs);
        facts(schema(&crd::crd(*kind)), "", &mut ours);
        for place in ours.keys().filter(|place| !theirs.contains_key(*place)) {
            differences.push(format!("{kind} {place}: invented"));
        }
        for (place, theirs) in &theirs {
            let Some(ours) = ours.get(place) else {
                if !excused(*kind, place, Difference::Missing) {
                    differences.push(format!("{kind} {place}: missing"));
                }
                continue;
            };
            let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
            for name in names {
                let open = name == "x-kubernetes-preserve-unknown-fields";
                if theirs.get(name) != ours.get(name) && !(open && excused(*kind, place, OPEN)) {
                    let (theirs, ours) = (theirs.get(name), ours.get(name));
                    differences.push(format!("{kind} {place} {name}: {theirs:?} here {ours:?}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    for (row, used) in DELIBERATE.iter().zip(&used) {
        assert!(
            used.get(),
            "{} {} {:?} ({}) explains nothing",
            row.kind,
            row.place,
            row.difference,
            row.reason
        );
    }
}

#[test]
fn the_comparison_sees_a_difference() {
    let mut found = BTreeMap::new();
    let schema = json!({ "type": "object", "required": ["b", "a"], "description": "x",
        "properties": { "a": { "type": "array", "items": { "type": "string", "pattern": "p" } },
            "b": { "type": "object", "additionalProperties": { "type": "integer" } } } });
    facts(&schema, "", &mut found);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", "a", "a.[]", "b", "b.{}"]);
    assert_eq!(found[""]["required"], json!(["a", "b"]));
    assert_eq!(found["a.[]"]["pattern"], json!("p"));
}
