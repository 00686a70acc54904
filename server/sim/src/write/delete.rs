//! Deleting: at once, or marked and left to finalizers; with what an object contains.
//!
//! Invariant: an object with finalizers is never gone before its last finalizer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{DryRun, Target, Writer, frame, stored};
use crate::{
    builtin,
    core::{Core, parse},
    resource::{Behaviour, Resource, ResourceId, Scope},
    status::{Reason, Status},
    store::Stored,
};

/// What came of a deletion.
#[derive(Debug, Clone)]
pub(crate) enum Deleted {
    /// It is gone; this is what it was.
    Gone(Arc<Stored>),
    /// It is marked, and waits for finalizers.
    Marked(Arc<Stored>),
}

impl Core {
    /// Deletes an object. `options` is a `DeleteOptions` object, of which the preconditions count.
    pub(crate) fn delete(
        &mut self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        writer: &Writer,
        options: &Value,
    ) -> Result<Deleted, Status> {
        let target = Target { resource, namespace, name, status: false };
        let live = self.get(resource, namespace, name)?;
        let mut object = parse(&live)?;
        check_preconditions(target, &object, options)?;
        if resource.behaviour == Behaviour::Namespaces && builtin::NAMESPACES.contains(&name) {
            return Err(Status::forbidden(&resource.id, name, "this namespace may not be deleted"));
        }
        if frame::has_finalizers(&object) {
            return self.mark(target, object, writer);
        }
        if writer.dry_run == DryRun::Yes {
            return Ok(Deleted::Gone(live));
        }
        self.empty(resource, name, writer)?;
        let last = stored(target, &mut object, self.store.next_revision())?;
        let last = self.store.remove(&resource.id, last).unwrap_or(live);
        if resource.behaviour == Behaviour::Definitions {
            let id = defined(name);
            self.registry.remove(&id);
            self.store.close(&id);
        }
        Ok(Deleted::Gone(last))
    }

    fn mark(
        &mut self,
        target: Target<'_>,
        mut object: Value,
        writer: &Writer,
    ) -> Result<Deleted, Status> {
        let time = self.clock.stamp();
        let is_marked = object.pointer("/metadata/deletionTimestamp").is_some();
        if let (false, Some(metadata)) =
            (is_marked, object.get_mut("metadata").and_then(Value::as_object_mut))
        {
            metadata.insert("deletionTimestamp".to_owned(), time.into());
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
            frame::raise_generation(&mut object);
            return Ok(Deleted::Marked(self.keep(target, object, writer.dry_run)?));
        }
        Ok(Deleted::Marked(self.get(target.resource, target.namespace, target.name)?))
    }

    /// Deletes what lives in a namespace or under a definition.
    fn empty(&mut self, resource: &Resource, name: &str, writer: &Writer) -> Result<(), Status> {
        let all: Vec<_> = self.registry.all().cloned().collect();
        let (inside, namespace): (Vec<_>, _) = match resource.behaviour {
            Behaviour::Namespaces => {
                (all.into_iter().filter(|other| other.scope == Scope::Namespaced).collect(), name)
            }
            Behaviour::Definitions => {
                let id = defined(name);
                (all.into_iter().filter(|other| other.id == id).collect(), "")
            }
            Behaviour::Custom
            | Behaviour::Plain
            | Behaviour::AccessReview
            | Behaviour::RulesReview => {
                return Ok(());
            }
        };
        for resource in inside {
            for object in self.store.list(&resource.id, namespace) {
                let target = Target {
                    resource: &resource,
                    namespace: &object.namespace,
                    name: &object.name,
                    status: false,
                };
                let mut value = parse(&object)?;
                let last = stored(target, &mut value, self.store.next_revision())?;
                self.store.remove(&resource.id, last);
            }
        }
        tracing::debug!(object.name = name, manager = writer.manager, "emptied");
        Ok(())
    }
}

/// The resource that a definition of this name defines.
fn defined(name: &str) -> ResourceId {
    let (plural, group) = name.split_once('.').unwrap_or((name, ""));
    ResourceId::new(group, plural)
}

fn check_preconditions(target: Target<'_>, live: &Value, options: &Value) -> Result<(), Status> {
    for (wanted, is, what) in [
        ("/preconditions/uid", "/metadata/uid", "UID"),
        ("/preconditions/resourceVersion", "/metadata/resourceVersion", "ResourceVersion"),
    ] {
        let wanted = options.pointer(wanted).and_then(Value::as_str);
        let is = live.pointer(is).and_then(Value::as_str).unwrap_or_default();
        if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}"
            );
            return Err(Status {
                reason: Reason::Conflict,
                ..Status::conflict(&target.resource.id, target.name, &why)
            });
        }
    }
    Ok(())
}
