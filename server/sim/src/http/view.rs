//! How an object is shown: whole, only its metadata, or as a row of a table; by the `Accept` header.
//!
//! Invariant: a view never changes what it shows; whole objects are the stored bytes.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    core::parse,
    resource::Resource,
    status::{Reason, Status},
    store::Stored,
    table,
};

/// How much of its object a row of a table carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carry {
    /// Nothing.
    Nothing,
    /// The metadata.
    Metadata,
    /// All of it.
    Whole,
}

/// How objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// As stored.
    Whole,
    /// Metadata alone.
    Metadata,
    /// A table.
    Table(Carry),
}

impl View {
    /// The first type in `Accept` that is served.
    pub(crate) fn of(accept: &str, include_object: &str) -> Result<Self, Status> {
        if accept.is_empty() {
            return Ok(Self::Whole);
        }
        let carry = match include_object {
            "None" => Carry::Nothing,
            "Object" => Carry::Whole,
            _ => Carry::Metadata,
        };
        let view = |part: &str| {
            let (mime, parameters) = part.split_once(';').unwrap_or((part, ""));
            let has =
                |wanted: &str| parameters.split(';').any(|parameter| parameter.trim() == wanted);
            let is_json = matches!(mime.trim(), "application/json" | "*/*" | "application/*");
            let is_meta = has("g=meta.k8s.io");
            match (is_json, parameters.contains("as=")) {
                (true, false) => Some(Self::Whole),
                (true, true) if is_meta && has("as=Table") && has("v=v1") => {
                    Some(Self::Table(carry))
                }
                (true, true)
                    if is_meta
                        && (has("as=PartialObjectMetadata")
                            || has("as=PartialObjectMetadataList")) =>
                {
                    Some(Self::Metadata)
                }
                _ => None,
            }
        };
        let refused = || {
            let message = "only the following media types are accepted: application/json";
            Status::new(Reason::NotAcceptable, message)
        };
        accept.split(',').find_map(view).ok_or_else(refused)
    }

    /// One object.
    pub(crate) fn object(
        self,
        resource: &Resource,
        stored: &Stored,
        now: jiff::Timestamp,
    ) -> Result<Bytes, Status> {
        match self {
            Self::Whole => Ok(stored.bytes.clone()),
            Self::Metadata => Ok(encode(&metadata(&parse(stored)?))),
            Self::Table(carry) => {
                let row = table::row(resource, &parse(stored)?, carry, now);
                let revision = stored.revision.to_string();
                Ok(encode(&table::table(
                    &table::columns(resource),
                    &[row],
                    &json!({"resourceVersion": revision}),
                )))
            }
        }
    }

    /// A list.
    pub(crate) fn list(
        self,
        resource: &Resource,
        list: &[std::sync::Arc<Stored>],
        about: &Value,
        now: jiff::Timestamp,
    ) -> Result<Bytes, Status> {
        match self {
            Self::Whole => {
                let items = list.iter().map(|object| &object.bytes[..]);
                Ok(join(&resource.list_kind, &resource.api_version(), about, items))
            }
            Self::Metadata => {
                let items = list.iter().map(|object| Ok(encode(&metadata(&parse(object)?))));
                let items = items.collect::<Result<Vec<_>, Status>>()?;
                let items = items.iter().map(|bytes| &bytes[..]);
                Ok(join("PartialObjectMetadataList", "meta.k8s.io/v1", about, items))
            }
            Self::Table(carry) => {
                let row = |object: &std::sync::Arc<Stored>| {
                    Ok(table::row(resource, &parse(object)?, carry, now))
                };
                let rows = list.iter().map(row).collect::<Result<Vec<_>, Status>>()?;
                Ok(encode(&table::table(&table::columns(resource), &rows, about)))
            }
        }
    }
}

/// The metadata of an object as an object of its own.
pub(crate) fn metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}

fn encode(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

/// A list put together from encoded objects.
fn join<'a>(
    kind: &str,
    api_version: &str,
    about: &Value,
    items: impl Iterator<Item = &'a [u8]>,
) -> Bytes {
    let head = json!({"kind": kind, "apiVersion": api_version, "metadata": about}).to_string();
    let mut body = head.into_bytes();
    body.pop();
    body.extend_from_slice(b",\"items\":[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item);
    }
    body.extend_from_slice(b"]}");
    Bytes::from(body)
}
