//! The custom resource definitions of all kinds, made from the Rust types.
//!
//! The cluster has its own, and they are the truth; these serve a cluster of our own (demo, tests)
//! and the comparison that shows that our types are those of the fabric.
//!
//! Invariant: nothing here repeats a field of a spec; shapes come from `spec`, names from `kind`.

mod columns;
mod structural;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::{kind::Kind, spec};

/// The definitions of all kinds, `apiextensions.k8s.io/v1`, in display order.
pub fn crds() -> Vec<Value> {
    Kind::ALL.iter().map(|&kind| crd(kind)).collect()
}

/// The definition of a kind.
pub fn crd(kind: Kind) -> Value {
    let about = kind.about();
    let singular = about.name.to_lowercase();
    let mut names = json!({
        "categories": categories(kind),
        "kind": about.name,
        "listKind": format!("{}List", about.name),
        "plural": about.plural,
        "singular": singular,
    });
    let mut version = json!({
        "name": about.api.version,
        "schema": { "openAPIV3Schema": schema(kind) },
        "served": true,
        "storage": true,
        "subresources": { "status": {} },
    });
    if !about.short_names.is_empty() {
        insert(&mut names, "shortNames", json!(about.short_names));
    }
    let columns = columns::printed(kind);
    if !columns.is_empty() {
        insert(&mut version, "additionalPrinterColumns", columns.into());
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", about.plural, about.api.group) },
        "spec": {
            "group": about.api.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    })
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// What `kubectl get CATEGORY` lists the kind under.
const fn categories(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::External | Kind::ExternalAttachment | Kind::ExternalPeering => {
            &["hedgehog", "fabric", "external"]
        }
        Kind::Vpc | Kind::VpcAttachment | Kind::VpcPeering | Kind::Ipv4Namespace => {
            &["hedgehog", "fabric"]
        }
        Kind::Switch
        | Kind::Server
        | Kind::Connection
        | Kind::SwitchGroup
        | Kind::VlanNamespace
        | Kind::SwitchProfile => &["hedgehog", "wiring", "fabric"],
        Kind::Gateway
        | Kind::GatewayGroup
        | Kind::GatewayPeering
        | Kind::VpcInfo
        | Kind::GatewayAgent => &["hedgehog", "hedgehog-gateway"],
        Kind::Agent | Kind::Catalog | Kind::DhcpSubnet => &["hedgehog"],
    }
}

/// Kinds of which the API server demands a part, beside what their specs demand.
const REQUIRED: &[(Kind, &str)] =
    &[(Kind::ExternalAttachment, "spec"), (Kind::GatewayGroup, "metadata")];

fn schema(kind: Kind) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let (spec, status) = spec::schemas(kind, &mut SchemaGenerator::new(settings));
    let mut schema = json!({
        "description": kind.about().label,
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": structural::structural(spec.to_value()),
            "status": structural::structural(status.to_value()),
        },
        "type": "object",
    });
    let required: Vec<_> = REQUIRED.iter().filter(|row| row.0 == kind).map(|row| row.1).collect();
    if !required.is_empty() {
        insert(&mut schema, "required", json!(required));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a structural schema must not hold, and what must be in each place.
    fn check(schema: &Value, at: &str) {
        let members = schema.as_object().unwrap();
        assert!(members.get("type").is_some_and(Value::is_string), "{at} has no type");
        for name in members.keys() {
            let known = [
                "type",
                "description",
                "properties",
                "additionalProperties",
                "items",
                "required",
                "enum",
                "format",
                "minimum",
                "maximum",
                "minLength",
                "maxLength",
                "minItems",
                "maxItems",
                "maxProperties",
                "pattern",
                "default",
                "x-kubernetes-map-type",
                "x-kubernetes-preserve-unknown-fields",
            ];
            assert!(known.contains(&name.as_str()), "{at} has `{name}`");
        }
        for (name, inner) in
            members.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            check(inner, &format!("{at}.{name}"));
        }
        for name in ["items", "additionalProperties"] {
            if let Some(inner) = members.get(name) {
                check(inner, &format!("{at}.{name}"));
            }
        }
    }

    #[test]
    fn every_definition_is_structural() {
        for &kind in Kind::ALL {
            let crd = crd(kind);
            check(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], kind.about().name);
        }
    }

    #[test]
    fn a_definition_says_what_the_table_of_kinds_says() {
        assert_eq!(crds().len(), Kind::ALL.len());
        let crd = crd(Kind::Switch);
        assert_eq!(crd["metadata"]["name"], "switches.wiring.githedgehog.com");
        assert_eq!(crd["spec"]["names"]["shortNames"], json!(["sw"]));
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        assert_eq!(spec["required"], json!(["role"]));
        assert_eq!(
            spec["properties"]["asn"],
            json!({
            "type": "integer", "format": "int32", "description": "ASN." })
        );
    }
}
