//! Judges objects by the schemas of the real custom resource definitions, where they are at hand.
//!
//! Invariant: a schema that cannot be read is a failure, not a pass.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

use super::{entries, list, text};

/// Where the definitions are: `HNP_TEST_CRDS`, or beside the repository.
fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/crds");
    std::env::var_os("HNP_TEST_CRDS")
        .map(PathBuf::from)
        .or(Some(beside))
        .filter(|path| path.is_dir())
}

/// Schemas by kind.
fn schemas(folder: PathBuf) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let crd: Value =
            serde_norway::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        assert!(schema.is_object(), "{}", crd["metadata"]["name"]);
        all.insert(text(&crd["spec"]["names"]["kind"]).to_owned(), schema);
    }
    all
}

/// Where a value differs from its schema; unknown fields count.
fn differences(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    let right = match text(&schema["type"]) {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.as_i64().is_some_and(|n| schema["format"] != "int32" || i32::try_from(n).is_ok())
        }
        "number" => value.is_number(),
        _ => true,
    };
    let number = |name: &str| schema[name].as_f64();
    let inside = value.as_f64().is_none_or(|n| {
        number("minimum").is_none_or(|low| low <= n)
            && number("maximum").is_none_or(|high| n <= high)
    });
    let chosen = schema["enum"].as_array().is_none_or(|values| values.contains(value));
    let matching = schema["pattern"]
        .as_str()
        .is_none_or(|pattern| regex::Regex::new(pattern).unwrap().is_match(text(value)));
    let dated = schema["format"] != "date-time" || text(value).parse::<jiff::Timestamp>().is_ok();
    if !(right && inside && chosen && matching && dated) {
        found.push(format!("{at}: {value}"));
    }
    for name in list(&schema["required"]) {
        if value.get(text(name)).is_none() {
            found.push(format!("{at}: no {name}"));
        }
    }
    let limit = |name: &str| schema[name].as_u64().and_then(|limit| usize::try_from(limit).ok());
    if value.as_array().is_some_and(|items| {
        limit("minItems").is_some_and(|low| items.len() < low)
            || limit("maxItems").is_some_and(|high| items.len() > high)
    }) {
        found.push(format!("{at}: number of items"));
    }
    for (n, item) in list(value).iter().enumerate() {
        differences(item, &schema["items"], &format!("{at}/{n}"), found);
    }
    for (key, value) in entries(value) {
        let known = schema["properties"].get(key).or(schema["additionalProperties"]
            .as_object()
            .map(|_| &schema["additionalProperties"]));
        let open =
            schema["x-kubernetes-preserve-unknown-fields"] == true || schema["type"].is_null();
        match known {
            Some(schema) => differences(value, schema, &format!("{at}/{key}"), found),
            None if open || at.ends_with("/metadata") => {}
            None => found.push(format!("{at}: unknown field {key}")),
        }
    }
}

#[test]
fn every_object_fits_the_schema_of_its_kind() {
    use crate::seed::{Scale, fabric};
    let Some(folder) = folder() else {
        eprintln!(
            "skipped every_object_fits_the_schema_of_its_kind: no folder of CRDs; set HNP_TEST_CRDS"
        );
        return;
    };
    let schemas = schemas(folder);
    let mut found = Vec::new();
    for scale in [Scale::Small, Scale::Vlab] {
        for object in fabric(scale, 3, 1_795_501_300_000) {
            let name = format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]));
            let schema = schemas
                .get(text(&object["kind"]))
                .unwrap_or_else(|| panic!("no schema for {name}"));
            for part in ["spec", "status"].into_iter().filter(|part| object.get(*part).is_some()) {
                differences(
                    &object[part],
                    &schema["properties"][part],
                    &format!("{name} {part}"),
                    &mut found,
                );
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
