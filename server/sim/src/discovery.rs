//! What is served, told in both ways that clients ask: page by page, and as one document.
//!
//! Invariant: everything comes from the registry; nothing is listed that is not served.

use serde_json::{Value, json};

use crate::resource::{Registry, Resource, Scope};

/// `/version`: the release whose behaviour this follows.
pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.0+hnp-sim", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64",
    })
}

/// Whether the client takes one document for all groups.
pub(crate) fn wants_aggregated(accept: &str) -> bool {
    accept.split(',').any(|part| {
        part.contains("as=APIGroupDiscoveryList")
            && part.contains("v=v2")
            && !part.contains("v=v2beta1")
    })
}

/// `/api`.
pub(crate) fn core() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(crate) fn groups(registry: &Registry) -> Value {
    let groups = registry.groups();
    let groups = groups
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| about(group, versions));
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Value>()})
}

/// `/apis/{group}`.
pub(crate) fn group(registry: &Registry, group: &str) -> Option<Value> {
    let versions = registry.groups().remove(group)?;
    let mut page = about(group, &versions);
    crate::patch::merge(&mut page, &json!({"kind": "APIGroup", "apiVersion": "v1"}));
    Some(page)
}

fn about(group: &str, versions: &[&str]) -> Value {
    let version =
        |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let list: Vec<_> = versions.iter().map(version).collect();
    let preferred = list.last().cloned().unwrap_or_default();
    json!({"name": group, "versions": list, "preferredVersion": preferred})
}

/// `/api/v1` and `/apis/{group}/{version}`.
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let found = registry
        .all()
        .filter(|resource| resource.id.group() == group && resource.version == version);
    let list: Vec<Value> = found.flat_map(|resource| rows(resource)).collect();
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!list.is_empty())
        .then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}))
}

fn rows(resource: &Resource) -> Vec<Value> {
    let namespaced = resource.scope == Scope::Namespaced;
    let mut row = json!({
        "name": resource.id.plural(), "singularName": resource.singular, "namespaced": namespaced,
        "kind": resource.kind, "verbs": resource.verbs(), "storageVersionHash": "",
    });
    if !resource.short_names.is_empty() {
        crate::patch::merge(&mut row, &json!({"shortNames": resource.short_names}));
    }
    if !resource.categories.is_empty() {
        crate::patch::merge(&mut row, &json!({"categories": resource.categories}));
    }
    let mut rows = vec![row];
    if resource.has_status {
        rows.push(json!({
            "name": format!("{}/status", resource.id.plural()), "singularName": "", "namespaced": namespaced,
            "kind": resource.kind, "verbs": ["get", "patch", "update"],
        }));
    }
    rows
}

/// `/api` as one document.
pub(crate) fn aggregated_core(registry: &Registry) -> Value {
    aggregated(registry, str::is_empty)
}

/// `/apis` as one document.
pub(crate) fn aggregated_groups(registry: &Registry) -> Value {
    aggregated(registry, |group| !group.is_empty())
}

fn aggregated(registry: &Registry, wanted: fn(&str) -> bool) -> Value {
    let items = registry.groups().into_iter().filter(|(group, _)| wanted(group)).map(|(group, versions)| {
        let versions = versions.iter().map(|version| {
            let of_version =
                registry.all().filter(|resource| resource.id.group() == group && resource.version == *version);
            json!({"version": version, "freshness": "Current", "resources": of_version.map(|r| entry(r)).collect::<Value>()})
        });
        let metadata = if group.is_empty() { json!({"creationTimestamp": null}) } else { json!({"name": group, "creationTimestamp": null}) };
        json!({"metadata": metadata, "versions": versions.collect::<Value>()})
    });
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items.collect::<Value>(),
    })
}

fn entry(resource: &Resource) -> Value {
    let kind =
        json!({"group": resource.id.group(), "version": resource.version, "kind": resource.kind});
    let scope = if resource.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
    let mut entry = json!({
        "resource": resource.id.plural(), "responseKind": kind, "scope": scope,
        "singularResource": resource.singular, "verbs": resource.verbs(),
        "shortNames": resource.short_names, "categories": resource.categories,
    });
    if resource.has_status {
        let status = json!([{"subresource": "status", "responseKind": kind, "verbs": ["get", "patch", "update"]}]);
        crate::patch::merge(&mut entry, &json!({"subresources": status}));
    }
    entry
}
