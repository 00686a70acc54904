//! Changing objects: create, update, patch, apply, delete, each through the same few steps.
//!
//! The steps: frame (what the system owns stays as it was) → prune → fill in defaults → admission → check →
//! managers → store, or only pretend to.
//!
//! Invariant: a refused write changes nothing; a write that changes nothing gets no version.

pub(crate) mod delete;
pub(crate) mod frame;
pub(crate) mod side_effects;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    builtin,
    core::{Core, parse},
    managed::{Author, Force, Managers, Part},
    patch,
    resource::{Behaviour, Resource, Scope},
    status::{Cause, Reason, Status},
    store::Stored,
};

/// Whether a write is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DryRun {
    /// It is answered as if it had been.
    Yes,
    /// It is.
    No,
}

/// What happens to fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// They go silently.
    Ignore,
    /// They go with a warning.
    Warn,
    /// The write is refused.
    Strict,
}

/// Who writes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    /// Field manager.
    pub manager: String,
    /// Whether it is carried out.
    pub dry_run: DryRun,
    /// What happens to unknown fields.
    pub validation: FieldValidation,
}

impl Writer {
    /// A writer within the process.
    pub(crate) fn internal(manager: &str) -> Self {
        Self {
            manager: manager.to_owned(),
            dry_run: DryRun::No,
            validation: FieldValidation::Ignore,
        }
    }
}

/// Which object is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Resource.
    pub resource: &'a Arc<Resource>,
    /// Namespace, or empty.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Whether `/status` was addressed.
    pub status: bool,
}

/// How an object is changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// PUT.
    Replace(Value),
    /// JSON merge patch, and strategic merge patch of built-in objects.
    Merge(Value),
    /// JSON patch.
    Json(Value),
    /// Server-side apply.
    Apply(Value, Force),
}

/// What came of a write.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The object.
    pub object: Arc<Stored>,
    /// Whether it is new.
    pub created: bool,
    /// For the `Warning` header.
    pub warnings: Vec<String>,
}

/// Whether the managers still have to learn of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    /// They have to.
    Update,
    /// An apply has told them.
    Done,
}

/// A write on its way.
#[derive(Debug)]
struct Draft {
    /// The object as it is, if it is.
    live: Option<Value>,
    /// As it is to be.
    object: Value,
    managers: Managers,
    record: Record,
}

impl Target<'_> {
    fn part(&self) -> Part {
        match (self.status, self.resource.has_status) {
            (true, _) => Part::Status,
            (false, true) => Part::Main,
            (false, false) => Part::Whole,
        }
    }
}

impl Core {
    /// Makes an object.
    pub(crate) fn create(
        &mut self,
        resource: &Arc<Resource>,
        namespace: &str,
        mut object: Value,
        writer: &Writer,
    ) -> Result<Written, Status> {
        frame::check_type(resource, &mut object)?;
        frame::check_namespace(resource, namespace, &mut object)?;
        let name = self.name(resource, &mut object)?;
        self.check_place(resource, namespace)?;
        if self.store.get(&resource.id, namespace, &name).is_some() {
            return Err(Status::already_exists(&resource.id, &name));
        }
        let target = Target { resource, namespace, name: &name, status: false };
        let managers = Managers::default();
        let draft = Draft { live: None, object, managers, record: Record::Update };
        self.finish(target, draft, writer)
    }

    /// Changes an object, or makes it by server-side apply.
    pub(crate) fn change(
        &mut self,
        target: Target<'_>,
        change: Change,
        writer: &Writer,
    ) -> Result<Written, Status> {
        let live = self.store.get(&target.resource.id, target.namespace, target.name).cloned();
        let live = live.map(|live| parse(&live)).transpose()?;
        if let Change::Apply(applied, force) = change {
            return self.apply(target, live, applied, force, writer);
        }
        let missing = || Status::not_found(&target.resource.id, target.name);
        let live = live.ok_or_else(missing)?;
        let mut object = match change {
            Change::Replace(object) | Change::Apply(object, _) => {
                frame::check_version_given(target, &object)?;
                object
            }
            Change::Merge(patch) => {
                let mut object = live.clone();
                patch::merge(&mut object, &patch);
                object
            }
            Change::Json(patch) => patch::json(&live, &patch)?,
        };
        frame::check_type(target.resource, &mut object)?;
        frame::check_name(target, &mut object)?;
        frame::check_precondition(target, &live, &object)?;
        let managers = frame::managers(&live, &object);
        let draft = Draft { live: Some(live), object, managers, record: Record::Update };
        self.finish(target, draft, writer)
    }

    fn apply(
        &mut self,
        target: Target<'_>,
        live: Option<Value>,
        mut applied: Value,
        force: Force,
        writer: &Writer,
    ) -> Result<Written, Status> {
        frame::check_type(target.resource, &mut applied)?;
        frame::check_name(target, &mut applied)?;
        frame::check_apply(&applied)?;
        let warnings = unknown_fields(target.resource, &mut applied, writer)?;
        match &live {
            Some(live) => frame::check_precondition(target, live, &applied)?,
            None if target.status => {
                return Err(Status::not_found(&target.resource.id, target.name));
            }
            None => self.check_place(target.resource, target.namespace)?,
        }
        let api_version = target.resource.api_version();
        let time = self.clock.stamp();
        let part = target.part();
        let author =
            Author { manager: &writer.manager, api_version: &api_version, time: &time, part };
        let mut managers = live.as_ref().map(Managers::of).unwrap_or_default();
        let base = live.clone().unwrap_or_else(|| json!({"metadata": {}}));
        let object = managers.apply(&target.resource.schema, &base, &applied, &author, force)?;
        let draft = Draft { live, object, managers, record: Record::Done };
        let mut written = self.finish(target, draft, writer)?;
        written.warnings.extend(warnings);
        Ok(written)
    }

    /// The steps that all writes share.
    fn finish(
        &mut self,
        target: Target<'_>,
        draft: Draft,
        writer: &Writer,
    ) -> Result<Written, Status> {
        let Draft { live, mut object, mut managers, record } = draft;
        let resource = target.resource;
        frame::frame(target, live.as_ref(), &mut object);
        let warnings = unknown_fields(resource, &mut object, writer)?;
        resource.schema.fill(&mut object);
        if live.is_none() {
            self.stamp(target, &mut object);
        }
        self.admission.admit(resource, target.namespace, &mut object)?;
        side_effects::decorate(resource, &mut object)?;
        check(target, &object)?;
        let time = self.clock.stamp();
        if record == Record::Update {
            let api_version = resource.api_version();
            let author = Author {
                manager: &writer.manager,
                api_version: &api_version,
                time: &time,
                part: target.part(),
            };
            let nothing = json!({"metadata": {}});
            managers.update(&resource.schema, live.as_ref().unwrap_or(&nothing), &object, &author);
        }
        if let Some(live) = &live {
            let same_managers = managers.same_as(&Managers::of(live));
            if same_managers && frame::bare(live) == frame::bare(&object) {
                let object = self.get(resource, target.namespace, target.name)?;
                return Ok(Written { object, created: false, warnings });
            }
            frame::count_generation(resource, live, &mut object);
        }
        managers.write(&mut object);
        let created = live.is_none();
        let object = self.keep(target, object, writer.dry_run)?;
        Ok(Written { object, created, warnings })
    }

    /// The name of a new object, generated if asked for.
    fn name(&mut self, resource: &Resource, object: &mut Value) -> Result<String, Status> {
        let text = |key| object.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (mut name, prefix) = (text("/metadata/name"), text("/metadata/generateName"));
        if name.is_empty() && !prefix.is_empty() {
            name = format!("{prefix}{}", self.suffix());
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("name".to_owned(), name.clone().into());
            }
        }
        if name.is_empty() && resource.is_stored() {
            let message = "Required value: name or generateName is required".to_owned();
            let cause =
                Cause { reason: "FieldValueRequired", message, field: "metadata.name".to_owned() };
            return Err(Status::invalid(resource.id.group(), &resource.kind, "", vec![cause]));
        }
        Ok(name)
    }

    /// Refuses objects in namespaces that do not exist.
    fn check_place(&self, resource: &Resource, namespace: &str) -> Result<(), Status> {
        let namespaces = builtin::namespaces();
        if resource.scope == Scope::Namespaced
            && self.store.get(&namespaces, "", namespace).is_none()
        {
            return Err(Status::not_found(&namespaces, namespace));
        }
        Ok(())
    }

    /// What the system gives to a new object.
    fn stamp(&mut self, target: Target<'_>, object: &mut Value) {
        let (uid, time) = (self.uid(), self.clock.stamp());
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        metadata.insert("name".to_owned(), target.name.into());
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("creationTimestamp".to_owned(), time.into());
        if target.resource.scope == Scope::Namespaced {
            metadata.insert("namespace".to_owned(), target.namespace.into());
        }
        if target.resource.counts_generations() {
            metadata.insert("generation".to_owned(), 1.into());
        }
    }

    /// Stores the object, or only pretends to; an object on its way out goes with its last finalizer.
    fn keep(
        &mut self,
        target: Target<'_>,
        mut object: Value,
        dry_run: DryRun,
    ) -> Result<Arc<Stored>, Status> {
        let leaving = object.pointer("/metadata/deletionTimestamp").is_some()
            && !frame::has_finalizers(&object);
        let pretended = dry_run == DryRun::Yes;
        let revision =
            if pretended { frame::revision(&object) } else { self.store.next_revision() };
        let stored = stored(target, &mut object, revision)?;
        if pretended {
            return Ok(Arc::new(stored));
        }
        if leaving {
            let last = Arc::new(stored.clone());
            self.store.remove(&target.resource.id, stored);
            return Ok(last);
        }
        let kept = self.store.put(&target.resource.id, stored);
        if target.resource.behaviour == Behaviour::Definitions {
            self.registry.add(Resource::from_crd(&object)?);
        }
        Ok(kept)
    }
}

/// Drops unknown fields, and says so or refuses.
fn unknown_fields(
    resource: &Resource,
    object: &mut Value,
    writer: &Writer,
) -> Result<Vec<String>, Status> {
    let dropped = resource.schema.prune(object);
    let said: Vec<_> = dropped.iter().map(|path| format!("unknown field {path:?}")).collect();
    match writer.validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Strict if !said.is_empty() => Err(Status::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {list}",
            kind = resource.kind,
            version = resource.version,
            list = said.join(", "),
        ))),
        FieldValidation::Warn | FieldValidation::Strict => Ok(said),
    }
}

fn check(target: Target<'_>, object: &Value) -> Result<(), Status> {
    let mut causes = frame::check_metadata(target.name, object);
    causes.extend(target.resource.schema.check(object));
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(target.resource.id.group(), &target.resource.kind, target.name, causes))
}

/// Puts an object into the form in which it is kept, with its version.
fn stored(target: Target<'_>, object: &mut Value, revision: u64) -> Result<Stored, Status> {
    if let (Some(metadata), true) =
        (object.get_mut("metadata").and_then(Value::as_object_mut), revision > 0)
    {
        metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
    }
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let label = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let bytes = serde_json::to_vec(object).map_err(|cause| {
        Status::new(Reason::InternalError, format!("could not encode the object: {cause}"))
    })?;
    Ok(Stored {
        namespace: target.namespace.to_owned(),
        name: target.name.to_owned(),
        revision,
        labels: labels.map(|labels| labels.iter().filter_map(label).collect()).unwrap_or_default(),
        bytes: Bytes::from(bytes),
    })
}
