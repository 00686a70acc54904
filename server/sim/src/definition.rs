//! The custom resource definitions of our kinds, as the cluster starts with them.
//!
//! Invariant: nothing here is per kind; the table of kinds is the only source.

use domain::kind::Kind;
use serde_json::{Value, json};

/// One definition per kind, in the order of the table.
pub fn all() -> Vec<Value> {
    Kind::ALL.iter().map(|kind| permissive(*kind)).collect()
}

/// A definition that takes any spec and status.
fn permissive(kind: Kind) -> Value {
    let about = kind.about();
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{}", about.plural, about.api.group)},
        "spec": {
            "group": about.api.group, "scope": "Namespaced",
            "names": {
                "kind": about.name, "listKind": format!("{}List", about.name), "plural": about.plural,
                "singular": about.name.to_lowercase(), "shortNames": about.short_names,
                "categories": ["hedgehog"],
            },
            "versions": [{
                "name": about.api.version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": open}}},
            }],
        },
    })
}
