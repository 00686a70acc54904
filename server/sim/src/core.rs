//! What stands behind the lock: the store, what is served, and the source of uids.
//!
//! Invariant: synchronous; every change of the state goes through the files under `write`.

use std::{collections::BTreeMap, sync::Arc};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{
    admission::Admission,
    builtin,
    options::{Clock, Options},
    resource::{Registry, Resource, ResourceId},
    status::{Reason, Status},
    store::{Store, Stored},
    write::Writer,
};

/// The state of a cluster.
#[derive(Debug)]
pub(crate) struct Core {
    /// Objects and history.
    pub store: Store,
    /// What is served.
    pub registry: Registry,
    /// What rewrites objects.
    pub admission: Admission,
    /// What time it is.
    pub clock: Clock,
    /// Definitions that a fault took away and may bring back.
    graveyard: BTreeMap<ResourceId, Value>,
    random: ChaCha8Rng,
}

impl Core {
    /// A cluster as it is after its installation.
    pub(crate) fn new(options: &Options) -> Self {
        let mut core = Self {
            store: Store::new(options.history),
            registry: Registry::default(),
            admission: options.admission,
            clock: options.clock.clone(),
            graveyard: BTreeMap::new(),
            random: ChaCha8Rng::seed_from_u64(options.seed),
        };
        core.install(&options.crds);
        core
    }

    /// Everything anew, under a new seed.
    pub(crate) fn reinstall(&mut self, options: &Options, seed: u64) {
        self.store.wipe();
        self.registry = Registry::default();
        self.random = ChaCha8Rng::seed_from_u64(seed);
        self.install(&options.crds);
    }

    fn install(&mut self, crds: &[Value]) {
        for resource in builtin::resources() {
            self.registry.add(resource);
        }
        let namespace = |name: &&str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let namespaces: Vec<_> = builtin::NAMESPACES.iter().map(namespace).collect();
        for object in namespaces.into_iter().chain(crds.iter().cloned()) {
            let made = self.resource_of(&object).and_then(|resource| {
                self.create(&resource, "", object, &Writer::internal("kube-apiserver"))
            });
            if let Err(refused) = made {
                tracing::error!(error = %refused, "could not install an object");
            }
        }
    }

    /// The resource of an object.
    pub(crate) fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, Status> {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        self.registry.of_object(api_version, kind).cloned().ok_or_else(|| {
            Status::new(
                Reason::NotFound,
                format!("no matches for kind {kind:?} in version {api_version:?}"),
            )
        })
    }

    /// An object as it is served.
    pub(crate) fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Stored>, Status> {
        let found = self.store.get(&resource.id, namespace, name);
        found.cloned().ok_or_else(|| Status::not_found(&resource.id, name))
    }

    /// A uid of version 4.
    pub(crate) fn uid(&mut self) -> String {
        let high: u64 = self.random.random();
        let low: u64 = self.random.random();
        let version = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
        let variant = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            version >> 32,
            (version >> 16) & 0xffff,
            version & 0xffff,
            variant >> 48,
            variant & 0xffff_ffff_ffff
        )
    }

    /// The end of a generated name: five characters that spell no words.
    pub(crate) fn suffix(&mut self) -> String {
        /// Without vowels and look-alikes.
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let pick =
            |random: &mut ChaCha8Rng| ALPHABET.get(random.random_range(0..ALPHABET.len())).copied();
        (0..5).filter_map(|_| pick(&mut self.random)).map(char::from).collect()
    }

    /// Takes a definition away, and keeps it for [`Core::restore`].
    pub(crate) fn bury(&mut self, id: &ResourceId) -> Result<(), Status> {
        let definitions = self.definitions()?;
        let definition = self.get(&definitions, "", &id.to_string())?;
        let mut definition = parse(&definition)?;
        if let Some(map) = definition.as_object_mut() {
            map.remove("status");
        }
        if let Some(metadata) = definition.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| matches!(key.as_str(), "name" | "labels" | "annotations"));
        }
        self.graveyard.insert(id.clone(), definition);
        self.delete(&definitions, "", &id.to_string(), &Writer::internal("sim-fault"), &Value::Null)
            .map(drop)
    }

    /// Brings a definition back.
    pub(crate) fn restore(&mut self, id: &ResourceId) -> Result<(), Status> {
        let definitions = self.definitions()?;
        let missing = || Status::not_found(&definitions.id, &id.to_string());
        let definition = self.graveyard.remove(id).ok_or_else(missing)?;
        self.create(&definitions, "", definition, &Writer::internal("sim-fault")).map(drop)
    }

    fn definitions(&self) -> Result<Arc<Resource>, Status> {
        let id = builtin::definitions();
        self.registry.find(&id).cloned().ok_or_else(|| Status::not_found(&id, ""))
    }

    /// Serves what the stored definitions say, and nothing else beside what is built in.
    pub(crate) fn reread_definitions(&mut self) {
        let mut registry = Registry::default();
        let stored = self.store.list(&builtin::definitions(), "");
        let custom =
            stored.iter().filter_map(|stored| Resource::from_crd(&parse(stored).ok()?).ok());
        for resource in builtin::resources().chain(custom) {
            registry.add(resource);
        }
        self.registry = registry;
    }
}

/// A stored object as a value.
pub(crate) fn parse(stored: &Stored) -> Result<Value, Status> {
    serde_json::from_slice(&stored.bytes).map_err(|cause| {
        Status::new(Reason::InternalError, format!("stored object does not parse: {cause}"))
    })
}
