//! What a write may not touch, and what it must agree with: type, name, version, system metadata, generation.
//!
//! Invariant: whatever a client sends, uid, creation time, generation and the other half of the object stay.

use serde_json::{Map, Value};

use super::Target;
use crate::{
    managed::{Managers, Part},
    resource::{Behaviour, Resource, Scope},
    status::{Cause, Reason, Status},
};

/// Metadata that only the system writes.
const SYSTEM: [&str; 8] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn set(object: &mut Value, key: &str, value: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// The object must be of the type that the URL names; built-in objects may leave it out.
pub(super) fn check_type(resource: &Resource, object: &mut Value) -> Result<(), Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the body is not an object"));
    }
    let (version, kind) = (resource.api_version(), resource.kind.as_str());
    let (has_version, has_kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let is_custom = resource.behaviour == Behaviour::Custom;
    if (has_kind.is_empty() || has_version.is_empty()) && is_custom {
        return Err(Status::bad_request("Object 'Kind' or 'apiVersion' is missing"));
    }
    if !has_version.is_empty() && has_version != version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({has_version}) does not match the expected API version ({version})"
        )));
    }
    if !has_kind.is_empty() && has_kind != kind {
        let message = format!("Invalid value: {has_kind:?}: must be {kind}");
        let cause = Cause { reason: "FieldValueInvalid", message, field: "kind".to_owned() };
        let name = text(object, "/metadata/name");
        return Err(Status::invalid(resource.id.group(), has_kind, name, vec![cause]));
    }
    set(object, "apiVersion", &version);
    set(object, "kind", kind);
    let has_metadata = object.get("metadata").is_some_and(Value::is_object);
    if let (false, Some(map)) = (has_metadata, object.as_object_mut()) {
        map.insert("metadata".to_owned(), Value::Object(Map::new()));
    }
    Ok(())
}

/// The namespace in the object must be the one in the URL.
pub(super) fn check_namespace(
    resource: &Resource,
    namespace: &str,
    object: &mut Value,
) -> Result<(), Status> {
    let given = text(object, "/metadata/namespace");
    if !given.is_empty() && given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if let (Some(metadata), Scope::Namespaced) = (object.get_mut("metadata"), resource.scope) {
        set(metadata, "namespace", namespace);
    }
    Ok(())
}

/// Name and namespace in the object must be those in the URL.
pub(super) fn check_name(target: Target<'_>, object: &mut Value) -> Result<(), Status> {
    check_namespace(target.resource, target.namespace, object)?;
    let given = text(object, "/metadata/name");
    if !given.is_empty() && given != target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            target.name
        )));
    }
    if let Some(metadata) = object.get_mut("metadata") {
        set(metadata, "name", target.name);
    }
    Ok(())
}

/// A PUT of a custom resource must say which version it replaces.
pub(super) fn check_version_given(target: Target<'_>, object: &Value) -> Result<(), Status> {
    let custom = matches!(target.resource.behaviour, Behaviour::Custom | Behaviour::Definitions);
    if !custom || !text(object, "/metadata/resourceVersion").is_empty() {
        return Ok(());
    }
    let message = "Invalid value: 0: must be specified for an update".to_owned();
    let cause = Cause {
        reason: "FieldValueInvalid",
        message,
        field: "metadata.resourceVersion".to_owned(),
    };
    Err(Status::invalid(
        target.resource.id.group(),
        &target.resource.kind,
        target.name,
        vec![cause],
    ))
}

/// Version and uid, where given, must be those of the live object.
pub(super) fn check_precondition(
    target: Target<'_>,
    live: &Value,
    object: &Value,
) -> Result<(), Status> {
    let (has, wants) = (text(live, "/metadata/uid"), text(object, "/metadata/uid"));
    if !wants.is_empty() && wants != has {
        let why =
            format!("Precondition failed: UID in precondition: {wants}, UID in object meta: {has}");
        return Err(Status::conflict(&target.resource.id, target.name, &why));
    }
    let (has, wants) =
        (text(live, "/metadata/resourceVersion"), text(object, "/metadata/resourceVersion"));
    if !wants.is_empty() && wants != has {
        return Err(Status::stale(&target.resource.id, target.name));
    }
    Ok(())
}

/// An applied object names no managers.
pub(super) fn check_apply(applied: &Value) -> Result<(), Status> {
    if applied
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// The managers that an update starts from: those sent, if any were; an empty list resets them.
pub(super) fn managers(live: &Value, object: &Value) -> Managers {
    match object.pointer("/metadata/managedFields") {
        Some(Value::Array(_)) => Managers::of(object),
        _ => Managers::of(live),
    }
}

/// Puts back what the write may not touch.
pub(super) fn frame(target: Target<'_>, live: Option<&Value>, object: &mut Value) {
    match (target.part(), live) {
        (Part::Status, Some(live)) => {
            let status = object.get("status").cloned();
            *object = live.clone();
            put_status(object, status);
        }
        (Part::Main, live) => put_status(object, live.and_then(|live| live.get("status")).cloned()),
        (Part::Status, None) | (Part::Whole, _) => {}
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.retain(|key, value| {
        !SYSTEM.contains(&key.as_str())
            && key != "resourceVersion"
            && key != "selfLink"
            && !value.is_null()
    });
    for key in SYSTEM {
        if let (Some(value), true) =
            (live.and_then(|live| live.pointer("/metadata")?.get(key)), key != "managedFields")
        {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(live) = live {
        let revision = live.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
        metadata.insert("resourceVersion".to_owned(), revision);
    }
}

fn put_status(object: &mut Value, status: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match status {
        Some(status) => map.insert("status".to_owned(), status),
        None => map.remove("status"),
    };
}

/// The object without version and managers, for telling whether anything changed.
pub(super) fn bare(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    bare
}

/// The next generation, if anything but metadata and guarded status changed.
pub(super) fn count_generation(resource: &Resource, live: &Value, object: &mut Value) {
    let wanted = |object: &Value| {
        let mut wanted = object.clone();
        if let Some(map) = wanted.as_object_mut() {
            map.remove("metadata");
            if resource.has_status {
                map.remove("status");
            }
        }
        wanted
    };
    if resource.counts_generations() && wanted(live) != wanted(object) {
        raise_generation(object);
    }
}

/// One generation more.
pub(super) fn raise_generation(object: &mut Value) {
    if let Some(generation) = object.pointer_mut("/metadata/generation") {
        *generation = generation.as_i64().unwrap_or_default().saturating_add(1).into();
    }
}

/// Whether somebody still has to clean up.
pub(super) fn has_finalizers(object: &Value) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

/// The version of an object, 0 for one that has none yet.
pub(super) fn revision(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion").parse().unwrap_or_default()
}

/// What is wrong with name and labels.
pub(super) fn check_metadata(name: &str, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut refuse = |field: &str, message: String| {
        causes.push(Cause { reason: "FieldValueInvalid", message, field: field.to_owned() });
    };
    if !is_subdomain(name) {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                   and must start and end with an alphanumeric character";
        refuse("metadata.name", format!("Invalid value: {name:?}: {why}"));
    }
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    for value in labels.into_iter().flat_map(Map::values).filter_map(Value::as_str) {
        if !is_label_value(value) {
            let why = "a valid label must be an empty string or consist of at most 63 alphanumeric characters, \
                       '-', '_' or '.', and must start and end with an alphanumeric character";
            refuse("metadata.labels", format!("Invalid value: {value:?}: {why}"));
        }
    }
    causes
}

fn is_subdomain(name: &str) -> bool {
    let good_part = |part: &str| {
        let good = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
        !part.is_empty() && part.chars().all(good) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(good_part)
}

fn is_label_value(value: &str) -> bool {
    let good = |sign: char| sign.is_ascii_alphanumeric() || "-_.".contains(sign);
    let edge = |sign: Option<char>| sign.is_none_or(|sign| sign.is_ascii_alphanumeric());
    value.len() <= 63
        && value.chars().all(good)
        && edge(value.chars().next())
        && edge(value.chars().last())
}

/// The refusal of a write for which a fault asked.
pub(crate) fn unlucky(resource: &Resource, name: &str) -> Status {
    Status { reason: Reason::Conflict, ..Status::stale(&resource.id, name) }
}
