//! A cluster in this process: the handle that everybody clones.
//!
//! Invariant: the lock is held for microseconds and never across an `await`; writes within the process take the
//! same path as those over HTTP, rights and faults excepted.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::kind::Kind;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::{
    core::{Core, parse},
    fault::{Conditions, End, Fault, Malformed},
    options::Options,
    resource::{Resource, ResourceId},
    status::Status,
    write::{Change, Target, Writer},
};

/// An API server with its state. Cheap to clone; all clones are one cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones share.
#[derive(Debug)]
pub(crate) struct Inner {
    /// A std mutex: nothing awaits under it, and each use is a few map operations and one encoding.
    core: Mutex<Core>,
    /// What is going wrong now.
    pub(crate) conditions: watch::Sender<Conditions>,
    /// Oddities that wait for a watch. Filled by hand, one per fault.
    traps: Mutex<VecDeque<(ResourceId, Malformed)>>,
    /// How often each resource's last event was sent again.
    pub(crate) replays: watch::Sender<BTreeMap<ResourceId, u64>>,
    /// How often all watches were cut, and how last.
    pub(crate) cuts: watch::Sender<(u64, End)>,
    /// One permit per open watch.
    pub(crate) watches: Arc<Semaphore>,
    pub(crate) options: Options,
}

impl Cluster {
    /// A fresh cluster.
    pub fn new(options: Options) -> Self {
        let inner = Inner {
            core: Mutex::new(Core::new(&options)),
            conditions: watch::Sender::new(Conditions::default()),
            traps: Mutex::default(),
            replays: watch::Sender::default(),
            cuts: watch::Sender::new((0, End::Clean)),
            watches: Arc::new(Semaphore::new(options.watch_limit)),
            options,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The tokens it knows.
    pub fn tokens(&self) -> &crate::Tokens {
        &self.inner.options.tokens
    }

    /// The version of the last change.
    pub fn revision(&self) -> u64 {
        self.core().store.revision()
    }

    /// Watches that are open now.
    pub fn open_watches(&self) -> usize {
        self.inner.options.watch_limit.saturating_sub(self.inner.watches.available_permits())
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.inner.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an object or replaces it, status excepted, whatever its version; any resource, by `apiVersion` and `kind`.
    pub fn apply(&self, object: Value) -> Result<Value, Status> {
        self.replace(object, false)
    }

    /// Replaces the status of an object by that of the one given.
    pub fn apply_status(&self, object: Value) -> Result<Value, Status> {
        self.replace(object, true)
    }

    fn replace(&self, mut object: Value, status: bool) -> Result<Value, Status> {
        let writer = Writer::internal(&self.inner.options.manager);
        let mut core = self.core();
        let resource = core.resource_of(&object)?;
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let live = core.store.get(&resource.id, &namespace, &name).cloned();
        let written = match live {
            None if status => return Err(Status::not_found(&resource.id, &name)),
            None => core.create(&resource, &namespace, object, &writer)?,
            Some(live) => {
                if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("resourceVersion".to_owned(), live.revision.to_string().into());
                    metadata.remove("uid");
                }
                let target =
                    Target { resource: &resource, namespace: &namespace, name: &name, status };
                core.change(target, Change::Replace(object), &writer)?
            }
        };
        parse(&written.object)
    }

    /// Lays a merge patch over an object, status excepted.
    pub fn patch_merge(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Value, Status> {
        self.patch(kind, namespace, name, patch, false)
    }

    /// Lays a merge patch over the status of an object; `patch` is `{"status": ..}`.
    pub fn patch_status(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Value, Status> {
        self.patch(kind, namespace, name, patch, true)
    }

    fn patch(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: Value,
        status: bool,
    ) -> Result<Value, Status> {
        let writer = Writer::internal(&self.inner.options.manager);
        let mut core = self.core();
        let resource = served(&core, kind, name)?;
        let target = Target { resource: &resource, namespace, name, status };
        parse(&core.change(target, Change::Merge(patch), &writer)?.object)
    }

    /// Deletes an object.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) -> Result<(), Status> {
        let writer = Writer::internal(&self.inner.options.manager);
        let mut core = self.core();
        let resource = served(&core, kind, name)?;
        core.delete(&resource, namespace, name, &writer, &Value::Null).map(drop)
    }

    /// An object.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value, Status> {
        let core = self.core();
        let resource = served(&core, kind, name)?;
        let stored = core.get(&resource, namespace, name)?;
        parse(&stored)
    }

    /// All objects of a kind, ordered by namespace and name; none where the kind is not served.
    pub fn list(&self, kind: Kind) -> Vec<Value> {
        let list = self.core().store.list(&kind.into(), "");
        list.iter().filter_map(|object| parse(object).ok()).collect()
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.core().store.list(&kind.into(), "").len()
    }

    /// Makes something go wrong, or heals it.
    pub fn fault(&self, fault: &Fault) -> Result<(), Status> {
        tracing::info!(?fault, "fault");
        match fault {
            Fault::DropWatches { end } => self.cut(*end),
            Fault::Compact => self.core().store.compact(),
            Fault::RemoveCrd { resource } => self.core().bury(resource)?,
            Fault::RestoreCrd { resource } => self.core().restore(resource)?,
            Fault::Malformed { resource, with } => {
                self.traps().push_back((resource.clone(), *with));
                self.core().store.nudge(resource);
            }
            Fault::Rewind { versions } => {
                let mut core = self.core();
                let to = core.store.revision().saturating_sub(*versions).max(1);
                core.store.rewind(to)?;
                core.reread_definitions();
                drop(core);
                self.cut(End::Abrupt);
            }
            Fault::Replay { resource } => {
                self.inner
                    .replays
                    .send_modify(|counts| *counts.entry(resource.clone()).or_default() += 1);
                self.core().store.nudge(resource);
            }
            Fault::ChangeIdentity { seed } => {
                self.core().reinstall(&self.inner.options, *seed);
                self.cut(End::Abrupt);
            }
            Fault::AnswerAll { .. }
            | Fault::Hang { .. }
            | Fault::Forbid { .. }
            | Fault::Permit { .. }
            | Fault::Latency { .. }
            | Fault::SlowStream { .. }
            | Fault::Refuse
            | Fault::Conflict { .. }
            | Fault::Gone { .. }
            | Fault::Heal => self.inner.conditions.send_modify(|conditions| conditions.take(fault)),
        }
        Ok(())
    }

    fn cut(&self, end: End) {
        self.inner.cuts.send_modify(|cuts| *cuts = (cuts.0 + 1, end));
    }

    fn traps(&self) -> MutexGuard<'_, VecDeque<(ResourceId, Malformed)>> {
        self.inner.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oddity that waits for a watch of this resource.
    pub(crate) fn trap(&self, id: &ResourceId) -> Option<Malformed> {
        let mut traps = self.traps();
        let at = traps.iter().position(|(resource, _)| resource == id)?;
        traps.remove(at).map(|(_, malformed)| malformed)
    }

    /// Whether a fault asks for this write to be answered 409; counts it.
    pub(crate) fn is_unlucky(&self) -> bool {
        self.inner.conditions.send_if_modified(|conditions| {
            let unlucky = conditions.conflicts > 0;
            conditions.conflicts = conditions.conflicts.saturating_sub(1);
            unlucky
        })
    }
}

fn served(core: &Core, kind: Kind, name: &str) -> Result<Arc<Resource>, Status> {
    let id = ResourceId::from(kind);
    core.registry.find(&id).cloned().ok_or_else(|| Status::not_found(&id, name))
}
