//! `OpenAPI` documents: version 3 per group and version, for `explain` and client-side checks.
//!
//! Invariant: the schemas are those that objects are checked against.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    resource::{Registry, Resource, Scope},
    schema::parse,
};

/// Name of the schema of metadata.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// Name of the schema of list metadata.
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// `/openapi/v3`: where the documents are. The hash changes with the version of the cluster.
pub(crate) fn index(registry: &Registry, revision: u64) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = path(group, version);
            let url = format!("/openapi/v3/{path}?hash={revision}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

fn path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v2`: an honest, empty document.
pub(crate) fn v2() -> Value {
    json!({"swagger": "2.0", "info": {"title": "HNP simulator: see /openapi/v3", "version": "v1"},
        "paths": {}, "definitions": {}})
}

/// `/openapi/v3/{path}`.
pub(crate) fn document(registry: &Registry, wanted: &str) -> Option<Value> {
    let mut schemas = BTreeMap::from([
        (OBJECT_META.to_owned(), object_meta()),
        (
            LIST_META.to_owned(),
            json!({"type": "object", "description": "ListMeta describes metadata that lists have.",
            "properties": {"resourceVersion": {"type": "string"}, "continue": {"type": "string"},
                "remainingItemCount": {"type": "integer", "format": "int64"}}}),
        ),
    ]);
    let mut paths = Map::new();
    for resource in
        registry.all().filter(|resource| path(resource.id.group(), &resource.version) == wanted)
    {
        schemas.insert(schema_name(resource, &resource.kind), schema(resource));
        schemas.insert(schema_name(resource, &resource.list_kind), list_schema(resource));
        paths.extend(operations(resource, wanted));
    }
    (!paths.is_empty()).then(|| {
        json!({"openapi": "3.0.0", "info": {"title": "HNP simulator", "version": "v1"},
            "paths": paths, "components": {"schemas": schemas}})
    })
}

fn object_meta() -> Value {
    let mut meta = parse::metadata();
    let about = "ObjectMeta is metadata that all persisted resources must have.";
    crate::patch::merge(&mut meta, &json!({"description": about}));
    meta
}

fn schema_name(resource: &Resource, kind: &str) -> String {
    let group =
        if resource.id.group().is_empty() { "io.k8s.api.core" } else { resource.id.group() };
    let mut parts: Vec<_> = group.split('.').collect();
    if !resource.id.group().is_empty() {
        parts.reverse();
    }
    format!("{}.{}.{kind}", parts.join("."), resource.version)
}

fn kind(resource: &Resource, kind: &str) -> Value {
    json!({"group": resource.id.group(), "version": resource.version, "kind": kind})
}

fn schema(resource: &Resource) -> Value {
    let mut schema = resource.openapi.clone();
    if !schema.is_object() {
        schema = json!({"type": "object"});
    }
    let metadata = json!({"description": "Standard object's metadata.", "default": {},
        "allOf": [{"$ref": format!("#/components/schemas/{OBJECT_META}")}]});
    let own = json!({
        "x-kubernetes-group-version-kind": [kind(resource, &resource.kind)],
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": null},
    });
    crate::patch::merge(&mut schema, &own);
    crate::patch::merge(&mut schema, &json!({"properties": {"metadata": metadata}}));
    schema
}

fn list_schema(resource: &Resource) -> Value {
    let item = format!("#/components/schemas/{}", schema_name(resource, &resource.kind));
    let metadata = format!("#/components/schemas/{LIST_META}");
    json!({
        "type": "object", "required": ["items"], "description": format!("{} is a list.", resource.list_kind),
        "x-kubernetes-group-version-kind": [kind(resource, &resource.list_kind)],
        "properties": {
            "apiVersion": {"type": "string"}, "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": metadata}]}, "items": {"type": "array", "items": {"$ref": item}},
        },
    })
}

/// The operations of a resource: what clients read of them are the kind, the action and the parameters.
fn operations(resource: &Resource, path: &str) -> Map<String, Value> {
    let place = if resource.scope == Scope::Namespaced { "/namespaces/{namespace}" } else { "" };
    let all = format!("/{path}{place}/{}", resource.id.plural());
    let operation = |action: &str| {
        let parameters = ["dryRun", "fieldManager", "fieldValidation", "force", "pretty"]
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}));
        let name = schema_name(resource, &resource.kind);
        let content = json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
        json!({
            "operationId": format!("{action}{}", resource.kind), "parameters": parameters,
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind(resource, &resource.kind),
            "responses": {"200": {"description": "OK", "content": content}},
        })
    };
    let collection = json!({"get": operation("list"), "post": operation("post"), "delete": operation("deletecollection")});
    let one = json!({"get": operation("get"), "put": operation("put"), "patch": operation("patch"), "delete": operation("delete")});
    let mut paths = Map::new();
    if resource.is_stored() {
        paths.insert(format!("{all}/{{name}}"), one);
        paths.insert(all, collection);
    } else {
        paths.insert(all, json!({"post": operation("post")}));
    }
    paths
}
