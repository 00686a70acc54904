//! Requests that change something: bodies, patch types, dry runs, managers.
//!
//! Invariant: a body is read up to its limit and no further; a patch type that is not served is a 415.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde_json::{Value, json};

use super::{Call, address::ResourceAddress, answer};
use crate::{
    cluster::Cluster,
    core::Core,
    managed::Force,
    resource::{Behaviour, Resource},
    status::{Cause, Details, Reason, Status},
    write::{Change, DryRun, FieldValidation, Target, Writer, Written, delete::Deleted, frame},
};

/// Longest name of a manager, as the real server has it.
const MANAGER_CHARS: usize = 128;

/// How much of a body that is too large is read and thrown away, in times of the limit: a client that is still
/// sending when the connection closes may never see the answer.
const DRAINED_LIMITS: usize = 8;

/// Reads a body, up to the limit.
pub(super) async fn read_body(cluster: &Cluster, body: Body) -> Result<Bytes, Status> {
    let limit = cluster.inner.options.body_limit_bytes;
    let mut stream = body.into_data_stream();
    let (mut read, mut seen) = (BytesMut::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|cause| Status::bad_request(format!("the body broke off: {cause}")))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            read.extend_from_slice(&chunk);
        } else if seen > limit.saturating_mul(DRAINED_LIMITS) {
            break;
        }
    }
    if seen > limit {
        let message = format!("Request entity too large: limit is {limit}");
        return Err(Status::new(Reason::RequestEntityTooLarge, message));
    }
    Ok(read.freeze())
}

/// POST, PUT, PATCH, DELETE.
pub(super) async fn write(
    call: Call,
    resource: &Arc<Resource>,
    address: &ResourceAddress,
    body: Body,
) -> Result<Response, Status> {
    let body = read_body(&call.cluster, body).await?;
    let mut writer = writer(&call)?;
    if call.method != Method::DELETE && writer.dry_run == DryRun::No && call.cluster.is_unlucky() {
        return Err(frame::unlucky(resource, &address.name));
    }
    let status = address.subresource == "status";
    let target = Target { resource, namespace: &address.namespace, name: &address.name, status };
    let written = match call.method {
        Method::DELETE => return delete(&call, target, &mut writer, &body),
        Method::POST if address.name.is_empty() => {
            let object = read_object(&call, &body)?;
            call.cluster.core().create(resource, &address.namespace, object, &writer)?
        }
        Method::PUT if !address.name.is_empty() => {
            let object = read_object(&call, &body)?;
            call.cluster.core().change(target, Change::Replace(object), &writer)?
        }
        Method::PATCH if !address.name.is_empty() => {
            let change = patch(&call, resource, &body, &writer)?;
            call.cluster.core().change(target, change, &writer)?
        }
        _ => {
            return Err(Status::new(
                Reason::MethodNotAllowed,
                "the server does not allow this method on the requested resource",
            ));
        }
    };
    show(&call, resource, &written)
}

fn show(call: &Call, resource: &Resource, written: &Written) -> Result<Response, Status> {
    let code = if written.created { 201 } else { 200 };
    let body = call.view()?.object(resource, &written.object, call.now())?;
    Ok(answer::warn(answer::raw(code, "application/json", body), &written.warnings))
}

fn option_refused(what: &str, field: &str, reason: &'static str, message: &str) -> Status {
    let cause = Cause { reason, message: message.to_owned(), field: field.to_owned() };
    Status::invalid("meta.k8s.io", what, "", vec![cause])
}

fn writer(call: &Call) -> Result<Writer, Status> {
    let dry_run = match call.query.text("dryRun") {
        "" => DryRun::No,
        "All" => DryRun::Yes,
        other => {
            let message = format!("Unsupported value: {other:?}: supported values: \"All\"");
            return Err(option_refused("Options", "dryRun", "FieldValueNotSupported", &message));
        }
    };
    let validation = match call.query.text("fieldValidation") {
        "Ignore" => FieldValidation::Ignore,
        "" | "Warn" => FieldValidation::Warn,
        "Strict" => FieldValidation::Strict,
        other => {
            let message = format!(
                "Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            );
            return Err(option_refused(
                "Options",
                "fieldValidation",
                "FieldValueNotSupported",
                &message,
            ));
        }
    };
    let manager = match call.query.text("fieldManager") {
        "" => call.header(header::USER_AGENT).split('/').next().unwrap_or_default(),
        manager => manager,
    };
    let manager = manager.chars().take(MANAGER_CHARS).collect();
    Ok(Writer { manager, dry_run, validation })
}

/// A body as a value: JSON, or YAML where it says so.
pub(super) fn read_object(call: &Call, body: &[u8]) -> Result<Value, Status> {
    let mime = call.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    match mime {
        "" | "application/json" => read_json(body),
        "application/yaml" => read_yaml(body),
        "application/vnd.kubernetes.protobuf" => crate::protobuf::read(body),
        other => Err(unsupported(other, "application/json, application/yaml")),
    }
}

fn read_json(body: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(body).map_err(|cause| {
        Status::bad_request(format!("the body could not be read as JSON: {cause}"))
    })
}

/// JSON is YAML, and the faster way to read it.
fn read_yaml(body: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(body)
        .or_else(|_| serde_norway::from_slice(body))
        .map_err(|cause| Status::bad_request(format!("error decoding YAML: {cause}")))
}

fn unsupported(mime: &str, accepted: &str) -> Status {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}; got {mime:?}"
    );
    Status::new(Reason::UnsupportedMediaType, message)
}

fn patch(call: &Call, resource: &Resource, body: &[u8], writer: &Writer) -> Result<Change, Status> {
    let mime = call.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    let is_apply = mime == "application/apply-patch+yaml";
    let force = call.query.is("force");
    if force && !is_apply {
        let why = "Forbidden: may not be specified for non-apply patch";
        return Err(option_refused("PatchOptions", "force", "FieldValueForbidden", why));
    }
    if is_apply && call.query.text("fieldManager").is_empty() {
        let why = "Required value: is required for apply patch";
        return Err(option_refused("PatchOptions", "fieldManager", "FieldValueRequired", why));
    }
    tracing::trace!(manager = writer.manager, "patch");
    match mime {
        "application/apply-patch+yaml" => {
            Ok(Change::Apply(read_yaml(body)?, if force { Force::Yes } else { Force::No }))
        }
        "application/merge-patch+json" => Ok(Change::Merge(read_json(body)?)),
        "application/json-patch+json" => Ok(Change::Json(read_json(body)?)),
        "application/strategic-merge-patch+json" if resource.behaviour != Behaviour::Custom => {
            Ok(Change::Merge(without_directives(read_json(body)?)?))
        }
        other => Err(unsupported(
            other,
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
    }
}

/// A strategic merge patch is a merge patch as long as it merges no lists.
fn without_directives(patch: Value) -> Result<Value, Status> {
    let has = |value: &Value| {
        value.as_object().is_some_and(|map| map.keys().any(|key| key.starts_with('$')))
    };
    let mut open = vec![&patch];
    while let Some(value) = open.pop() {
        if has(value) {
            return Err(Status::new(
                Reason::UnsupportedMediaType,
                "strategic merge directives are not served here",
            ));
        }
        open.extend(value.as_object().into_iter().flat_map(serde_json::Map::values));
    }
    Ok(patch)
}

fn delete(
    call: &Call,
    target: Target<'_>,
    writer: &mut Writer,
    body: &[u8],
) -> Result<Response, Status> {
    let options = if body.is_empty() { Value::Null } else { read_yaml(body)? };
    if options.get("dryRun").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        writer.dry_run = DryRun::Yes;
    }
    let resource = target.resource;
    if target.name.is_empty() {
        return delete_all(call, target, writer, &options);
    }
    let deleted =
        call.cluster.core().delete(resource, target.namespace, target.name, writer, &options)?;
    match deleted {
        Deleted::Marked(object) => Ok(answer::raw(
            200,
            "application/json",
            call.view()?.object(resource, &object, call.now())?,
        )),
        Deleted::Gone(object) => {
            Ok(answer::json(&success(resource, target.name, &crate::core::parse(&object)?)))
        }
    }
}

fn success(resource: &Resource, name: &str, object: &Value) -> Value {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    let details = Details {
        name: name.to_owned(),
        group: resource.id.group().to_owned(),
        kind: resource.id.plural().to_owned(),
        uid: uid.to_owned(),
        ..Details::default()
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details.to_json()})
}

/// DELETE of a collection: everything that the selectors mean.
fn delete_all(
    call: &Call,
    target: Target<'_>,
    writer: &Writer,
    options: &Value,
) -> Result<Response, Status> {
    let (resource, view) = (target.resource, call.view()?);
    let selector = Call::selector(call, &ResourceAddress::default())?;
    let mut core = call.cluster.core();
    let mut gone = core.store.list(&resource.id, target.namespace);
    gone.retain(|object| selector.matches(&object.namespace, &object.name, &object.labels));
    for object in &gone {
        delete_one(&mut core, resource, object, writer, options)?;
    }
    let about = json!({"resourceVersion": core.store.revision().to_string()});
    drop(core);
    Ok(answer::raw(200, "application/json", view.list(resource, &gone, &about, call.now())?))
}

fn delete_one(
    core: &mut Core,
    resource: &Arc<Resource>,
    object: &crate::store::Stored,
    writer: &Writer,
    options: &Value,
) -> Result<(), Status> {
    core.delete(resource, &object.namespace, &object.name, writer, options).map(drop)
}
