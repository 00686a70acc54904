//! The truth: a cluster that forgets nothing, so that whatever a client claims can be held against it.
//!
//! A restored storage begins another [`Timeline`]: versions are used again there, for other values.
//!
//! Invariant: nothing of the product's hub, wire or client is used here; only its door, to know how an
//! object looks in each view.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    door::{Admitted, admit},
    kind::Kind,
    topic::FabricId,
    wire::View,
};
use serde_json::{Value, json};

/// Kinds that live here; of the others nobody ever hears.
pub(crate) const KINDS: [Kind; 2] = [Kind::Switch, Kind::Server];
/// A label selector that half of the objects pass.
pub(crate) const LEAVES: &str = "role=leaf";
/// Length of a large text: three of them do not fit into one `ch`.
const LARGE: usize = 24 * 1024;

/// An object as of one version.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) admitted: Admitted,
    pub(crate) leaf: bool,
    row: Value,
    full: Value,
}

impl Stored {
    /// As a view shows it.
    pub(crate) fn seen(&self, view: View) -> &Value {
        match view {
            View::Row => &self.row,
            View::Full => &self.full,
        }
    }
}

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) version: u64,
    pub(crate) kind: Kind,
    pub(crate) key: Arc<str>,
    /// None: deleted.
    pub(crate) now: Option<Arc<Stored>>,
}

/// Everything that happened, as one storage knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    pub(crate) happenings: Vec<Happening>,
    /// The newest happening of each key.
    latest: BTreeMap<(Kind, Arc<str>), Happening>,
}

impl Timeline {
    fn add(&mut self, happening: Happening) {
        self.latest.insert((happening.kind, Arc::clone(&happening.key)), happening.clone());
        self.happenings.push(happening);
    }

    /// The newest happening of each key of a kind.
    pub(crate) fn latest(&self, kind: Kind) -> impl Iterator<Item = &Happening> {
        self.latest.iter().filter(move |((of, _), _)| *of == kind).map(|(_, latest)| latest)
    }

    /// What a key was at exactly this version.
    pub(crate) fn value(&self, kind: Kind, key: &str, version: u64) -> Option<&Arc<Stored>> {
        let at = self.happenings.binary_search_by_key(&version, |happening| happening.version);
        let happening = &self.happenings[at.ok()?];
        (happening.kind == kind && &*happening.key == key)
            .then_some(happening.now.as_ref())
            .flatten()
    }

    fn until(&self, version: u64) -> Self {
        let mut before = Self::default();
        for happening in self.happenings.iter().filter(|happening| happening.version <= version) {
            before.add(happening.clone());
        }
        before
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) fabric: FabricId,
    pub(crate) identity: u32,
    pub(crate) version: u64,
    /// Watches from before this version are answered with 410.
    pub(crate) compacted: u64,
    /// Whether the custom resource definition of each kind is there.
    pub(crate) served: [bool; KINDS.len()],
    /// How often the storage was restored.
    pub(crate) rewinds: u32,
    pub(crate) timelines: Vec<Timeline>,
    uids: u64,
}

impl Cluster {
    pub(crate) fn new(fabric: &str) -> Self {
        Self {
            fabric: fabric.parse().unwrap(),
            identity: 0,
            version: 1,
            compacted: 0,
            served: [true; KINDS.len()],
            rewinds: 0,
            timelines: vec![Timeline::default()],
            uids: 0,
        }
    }

    /// What its storage calls itself.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.fabric, self.identity)
    }

    /// Which timeline is the present one.
    pub(crate) fn era(&self) -> usize {
        self.timelines.len() - 1
    }

    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timelines[self.era()]
    }

    /// All objects of a kind.
    pub(crate) fn live(&self, kind: Kind) -> impl Iterator<Item = (&Arc<str>, &Arc<Stored>)> {
        self.timeline().latest(kind).filter_map(|latest| Some((&latest.key, latest.now.as_ref()?)))
    }

    fn happen(&mut self, kind: Kind, key: Arc<str>, now: Option<Arc<Stored>>) {
        let era = self.era();
        let version = self.version;
        self.timelines[era].add(Happening { version, kind, key, now });
    }

    /// Creates or updates an object.
    pub(crate) fn put(&mut self, of: usize, name: &str, leaf: bool, large: bool) {
        if !self.served[of] {
            return;
        }
        let kind = KINDS[of];
        let key: Arc<str> = Arc::from(format!("default/{name}"));
        let known = self.live(kind).find(|(known, _)| **known == key);
        let uid = known.map(|(_, stored)| stored.admitted.uid.clone());
        self.version += 1;
        let uid = uid.unwrap_or_else(|| {
            self.uids += 1;
            format!("u{}", self.uids)
        });
        let text = if large { "x".repeat(LARGE) } else { "a text of some length".to_owned() };
        let object = json!({
            "metadata": {
                "name": name, "namespace": "default", "uid": uid,
                "resourceVersion": self.version.to_string(),
                "labels": { "role": if leaf { "leaf" } else { "spine" } },
            },
            "spec": { "role": "spine", "description": format!("{} {text}", self.era() as u64 * 1_000_000 + self.version) },
        });
        let admitted = admit(kind, object).unwrap();
        let row = serde_json::to_value(&admitted.row).unwrap();
        let full = admitted.object.clone();
        self.happen(kind, key, Some(Arc::new(Stored { admitted, leaf, row, full })));
    }

    /// Deletes an object, if it is there.
    pub(crate) fn delete(&mut self, of: usize, name: &str) {
        let key: Arc<str> = Arc::from(format!("default/{name}"));
        if self.live(KINDS[of]).any(|(known, _)| *known == key) {
            self.version += 1;
            self.happen(KINDS[of], key, None);
        }
    }

    /// The definition of a kind goes, and its objects with it; or it comes back.
    pub(crate) fn toggle_kind(&mut self, of: usize) {
        self.version += 1;
        self.served[of] = !self.served[of];
        let keys: Vec<Arc<str>> = self.live(KINDS[of]).map(|(key, _)| Arc::clone(key)).collect();
        for key in keys {
            self.version += 1;
            self.happen(KINDS[of], key, None);
        }
    }

    /// Its storage is restored from a backup that is this many versions old, if it is as old as that.
    pub(crate) fn rewind(&mut self, back: u64) {
        if self.version <= back {
            return;
        }
        self.version -= back;
        self.compacted = self.compacted.min(self.version);
        self.rewinds += 1;
        let before = self.timeline().until(self.version);
        self.timelines.push(before);
    }

    /// Another cluster answers at the same address.
    pub(crate) fn exchange(&mut self) {
        self.identity += 1;
        self.version = 1;
        self.compacted = 0;
        self.served = [true; KINDS.len()];
        self.timelines.push(Timeline::default());
    }
}
