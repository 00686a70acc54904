//! What every cluster serves without a definition: namespaces, configmaps, leases, definitions, access reviews.
//!
//! Invariant: rows of data only; a built-in resource takes the same path as a custom one.

use serde_json::{Value, json};

use crate::{
    resource::{Behaviour, Column, Resource, ResourceId, Scope},
    schema::Schema,
};

/// Group of custom resource definitions.
const APIEXTENSIONS: &str = "apiextensions.k8s.io";
/// Group of access reviews.
const AUTHORIZATION: &str = "authorization.k8s.io";
/// Namespaces that exist from the start; `kube-system` carries the identity of the cluster.
pub(crate) const NAMESPACES: [&str; 4] =
    ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Id of the namespaces.
pub(crate) fn namespaces() -> ResourceId {
    ResourceId::new("", "namespaces")
}

/// Id of the custom resource definitions.
pub(crate) fn definitions() -> ResourceId {
    ResourceId::new(APIEXTENSIONS, "customresourcedefinitions")
}

struct Row {
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    scope: Scope,
    behaviour: Behaviour,
    has_status: bool,
    columns: &'static [(&'static str, &'static str)],
    schema: fn() -> Value,
}

const ROWS: &[Row] = &[
    Row {
        group: "",
        plural: "namespaces",
        kind: "Namespace",
        short: &["ns"],
        scope: Scope::Cluster,
        behaviour: Behaviour::Namespaces,
        has_status: true,
        columns: &[("Status", ".status.phase")],
        schema: open,
    },
    Row {
        group: "",
        plural: "configmaps",
        kind: "ConfigMap",
        short: &["cm"],
        scope: Scope::Namespaced,
        behaviour: Behaviour::Plain,
        has_status: false,
        columns: &[],
        schema: configmap,
    },
    Row {
        group: "coordination.k8s.io",
        plural: "leases",
        kind: "Lease",
        short: &[],
        scope: Scope::Namespaced,
        behaviour: Behaviour::Plain,
        has_status: false,
        columns: &[("Holder", ".spec.holderIdentity")],
        schema: lease,
    },
    Row {
        group: APIEXTENSIONS,
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        short: &["crd", "crds"],
        scope: Scope::Cluster,
        behaviour: Behaviour::Definitions,
        has_status: true,
        columns: &[("Created At", ".metadata.creationTimestamp")],
        schema: open,
    },
    Row {
        group: AUTHORIZATION,
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
        short: &[],
        scope: Scope::Cluster,
        behaviour: Behaviour::AccessReview,
        has_status: false,
        columns: &[],
        schema: open,
    },
    Row {
        group: AUTHORIZATION,
        plural: "selfsubjectrulesreviews",
        kind: "SelfSubjectRulesReview",
        short: &[],
        scope: Scope::Cluster,
        behaviour: Behaviour::RulesReview,
        has_status: false,
        columns: &[],
        schema: open,
    },
];

/// All built-in resources.
pub(crate) fn resources() -> impl Iterator<Item = Resource> {
    ROWS.iter().map(|row| {
        let openapi = (row.schema)();
        let text = |text: &str| text.to_owned();
        let column = |(name, path): &(&str, &str)| Column {
            name: text(name),
            ty: text("string"),
            description: String::new(),
            json_path: text(path),
            ..Column::age()
        };
        let mut columns: Vec<_> = row.columns.iter().map(column).collect();
        columns.push(Column::age());
        Resource {
            id: ResourceId::new(row.group, row.plural),
            version: text("v1"),
            kind: text(row.kind),
            list_kind: format!("{}List", row.kind),
            singular: row.kind.to_lowercase(),
            short_names: row.short.iter().map(|name| text(name)).collect(),
            categories: Vec::new(),
            scope: row.scope,
            behaviour: row.behaviour,
            has_status: row.has_status,
            columns,
            schema: Schema::of_object(&openapi),
            openapi,
        }
    })
}

/// A resource whose fields are the business of its behaviour.
fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn configmap() -> Value {
    let texts =
        json!({"type": "object", "nullable": true, "additionalProperties": {"type": "string"}});
    json!({"type": "object", "description": "ConfigMap holds configuration data.", "properties": {
        "data": texts, "binaryData": texts, "immutable": {"type": "boolean"},
    }})
}

fn lease() -> Value {
    let time = json!({"type": "string", "nullable": true, "format": "date-time"});
    let whole = json!({"type": "integer", "format": "int32", "nullable": true});
    let text = json!({"type": "string", "nullable": true});
    json!({"type": "object", "description": "Lease defines a lease concept.", "properties": {"spec": {
        "type": "object", "properties": {
            "acquireTime": time, "renewTime": time, "leaseDurationSeconds": whole, "leaseTransitions": whole,
            "holderIdentity": text, "preferredHolder": text, "strategy": text,
        },
    }}})
}
