//! What the two resources that change others do beside being stored: namespaces and definitions.
//!
//! Invariant: driven by [`Behaviour`] alone.

use serde_json::{Value, json};

use crate::{
    resource::{Behaviour, Resource},
    status::Status,
};

/// Adds to an object what its controller would add.
pub(super) fn decorate(resource: &Resource, object: &mut Value) -> Result<(), Status> {
    match resource.behaviour {
        Behaviour::Namespaces => namespace(object),
        Behaviour::Definitions => definition(object)?,
        Behaviour::Custom | Behaviour::Plain | Behaviour::AccessReview | Behaviour::RulesReview => {
        }
    }
    Ok(())
}

fn namespace(object: &mut Value) {
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    crate::patch::merge(
        object,
        &json!({
            "metadata": {"labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        }),
    );
}

/// Refuses a definition that cannot be served, and says of a good one that it is.
fn definition(object: &mut Value) -> Result<(), Status> {
    let resource = Resource::from_crd(object)?;
    let at = object.pointer("/metadata/creationTimestamp").cloned().unwrap_or_default();
    let condition = |ty: &str, reason: &str, message: &str| json!({"type": ty, "status": "True", "reason": reason, "message": message, "lastTransitionTime": at});
    let names = json!({
        "kind": resource.kind, "listKind": resource.list_kind, "plural": resource.id.plural(),
        "singular": resource.singular, "shortNames": resource.short_names, "categories": resource.categories,
    });
    let status = json!({
        "acceptedNames": names, "storedVersions": [resource.version],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
    crate::patch::merge(object, &json!({"spec": {"names": names}, "status": status}));
    Ok(())
}
