//! The door: what the cluster serves comes in here, and only harmless fields get through.
//!
//! Decides what of an object may ever leave the server, and takes from it what everybody needs:
//! key, version, row, references. A malformed spec is shown as unreadable; it never stops a list.
//!
//! Invariant: no `managedFields` pass, of any kind.
//! Invariant: nothing of `Agent` and `GatewayAgent` passes that is not named in this file.
//! Invariant: no object with a usable name, namespace and version is refused, whatever its spec.

pub mod config;
mod cut;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    columns,
    kind::Kind,
    object::{KeyError, ObjectKey, Reference, Row},
    references,
    spec::Spec,
};

/// Who changed an object last, from the newest entry of `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// Field manager, for example `kubectl-client-side-apply` or `argocd-controller`.
    pub name: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// RFC 3339, as the cluster serves it; the entry may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// An object that passed the door.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`; empty where the source has none.
    pub uid: String,
    /// `metadata.resourceVersion`, opaque.
    pub version: String,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// `metadata.labels`; values that are no text are left out.
    pub labels: BTreeMap<String, String>,
    /// Who changed it last.
    pub manager: Option<Manager>,
    /// The object, cut to harmless fields: what the view `full` serves.
    pub object: Value,
    /// What a list shows of it.
    pub row: Row,
    /// What its fields name.
    pub references: Vec<Reference>,
}

/// Why something from a cluster cannot be an object at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// It is not a JSON object.
    #[error("a {kind} arrived that is not a JSON object")]
    NotAnObject {
        /// The kind that was listed or watched.
        kind: Kind,
    },
    /// A field of `metadata` that everything depends on is absent, empty or no text.
    #[error("a {kind} arrived without a usable `metadata.{field}`")]
    Metadata {
        /// The kind that was listed or watched.
        kind: Kind,
        /// `name`, `namespace` or `resourceVersion`.
        field: &'static str,
    },
    /// Name and namespace are there but do not make a key.
    #[error("a {kind} arrived whose name and namespace do not make a key")]
    Key {
        /// The kind that was listed or watched.
        kind: Kind,
        /// What is wrong with them.
        #[source]
        cause: KeyError,
    },
}

/// Lets an object of a kind in: cuts it to harmless fields and reads what everybody needs of it.
///
/// # Errors
///
/// Only when `metadata` lacks a usable `name`, `namespace` or `resourceVersion`. A spec that does
/// not read as its kind is reported in `row.unreadable`.
pub fn admit(kind: Kind, mut object: Value) -> Result<Admitted, DoorError> {
    let Some(fields) = object.as_object_mut() else {
        return Err(DoorError::NotAnObject { kind });
    };
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
    let Some(metadata) = metadata else {
        return Err(DoorError::Metadata { kind, field: "name" });
    };
    let namespace = needed(kind, metadata, "namespace")?;
    let name = needed(kind, metadata, "name")?;
    let key = ObjectKey::new(&namespace, &name).map_err(|cause| DoorError::Key { kind, cause })?;
    let version = needed(kind, metadata, "resourceVersion")?;
    let manager = metadata.remove("managedFields").as_ref().and_then(newest_manager);
    let uid = text(metadata, "uid").unwrap_or_default().to_owned();
    let generation = metadata.get("generation").and_then(Value::as_i64);
    let created = text(metadata, "creationTimestamp").map(str::to_owned);
    let labels = labels(metadata);

    cut::harmless(kind, fields);
    let unreadable = Spec::decode(kind, &object).err().map(|reason| reason.to_string());
    let row = Row {
        created,
        generation,
        labels: labels.clone(),
        cells: columns::cells(kind, &object),
        unreadable,
    };
    let references = references::outgoing(kind, &key, &object);
    Ok(Admitted { key, uid, version, generation, labels, manager, object, row, references })
}

fn text<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    map.get(field).and_then(Value::as_str)
}

fn needed(
    kind: Kind,
    metadata: &Map<String, Value>,
    field: &'static str,
) -> Result<String, DoorError> {
    match text(metadata, field) {
        Some(found) if !found.is_empty() => Ok(found.to_owned()),
        _ => Err(DoorError::Metadata { kind, field }),
    }
}

fn labels(metadata: &Map<String, Value>) -> BTreeMap<String, String> {
    let labels = metadata.get("labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The newest entry; of equal times, the later in the list. RFC 3339 in UTC without fractions, as
/// the API server writes it, sorts as text.
fn newest_manager(entries: &Value) -> Option<Manager> {
    let entries = entries.as_array()?;
    let newest = entries
        .iter()
        .filter_map(Value::as_object)
        .max_by_key(|entry| text(entry, "time").unwrap_or_default())?;
    Some(Manager {
        name: text(newest, "manager").unwrap_or_default().to_owned(),
        operation: text(newest, "operation").unwrap_or_default().to_owned(),
        time: text(newest, "time").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests;
