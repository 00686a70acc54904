//! The heart: objects as shared bytes, one version for everything, and a bounded history.
//!
//! Each change gets the next version and becomes one event that knows the object before and after. The state at
//! an earlier version is the present with the newer events undone: paged lists, exact lists and the rewind all
//! come from that.
//!
//! Invariant: no clock, no randomness, no I/O, no async; a version is never given twice (except after a rewind,
//! which is a fault); the encoded bytes of an event are shared by everyone who watches.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{resource::ResourceId, status::Status};

/// An object as it is served.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Namespace, empty for objects of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Version of its last change.
    pub revision: u64,
    /// Labels, for selectors.
    pub labels: BTreeMap<String, String>,
    /// JSON.
    pub bytes: Bytes,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It is new.
    Added,
    /// It has changed.
    Modified,
    /// It is gone.
    Deleted,
}

impl What {
    /// As in a watch event.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its version.
    pub revision: u64,
    /// What happened.
    pub what: What,
    /// Of which resource.
    pub resource: ResourceId,
    /// The object after it; for a deletion the last state with the version of the deletion.
    pub object: Arc<Stored>,
    /// The object before it.
    pub before: Option<Arc<Stored>>,
    /// The encoded line of a watch.
    pub line: Bytes,
}

/// Objects of one resource.
#[derive(Debug)]
struct Rack {
    objects: BTreeMap<(String, String), Arc<Stored>>,
    /// Version of the last event, for those who wait.
    signal: watch::Sender<u64>,
    /// Cancelled when the resource is no longer served.
    end: CancellationToken,
}

impl Default for Rack {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            signal: watch::Sender::new(0),
            end: CancellationToken::new(),
        }
    }
}

/// What a watch needs to wait.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Changes with each event of the resource.
    pub signal: watch::Receiver<u64>,
    /// Cancelled when the resource is no longer served.
    pub end: CancellationToken,
}

/// All objects and their recent history.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    /// Versions up to this one are forgotten.
    compacted: u64,
    racks: BTreeMap<ResourceId, Rack>,
    events: VecDeque<Arc<Event>>,
    history: usize,
}

impl Store {
    /// An empty store that keeps the last `history` events.
    pub(crate) fn new(history: usize) -> Self {
        Self { revision: 1, compacted: 0, racks: BTreeMap::new(), events: VecDeque::new(), history }
    }

    /// The version of the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The version that the next change will get.
    pub(crate) fn next_revision(&self) -> u64 {
        self.revision + 1
    }

    /// The newest version that is forgotten.
    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    /// An object.
    pub(crate) fn get(&self, id: &ResourceId, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.racks.get(id)?.objects.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Stores an object, whose `revision` must be [`Store::next_revision`].
    pub(crate) fn put(&mut self, id: &ResourceId, object: Stored) -> Arc<Stored> {
        let key = (object.namespace.clone(), object.name.clone());
        let rack = self.racks.entry(id.clone()).or_default();
        let what = if rack.objects.contains_key(&key) { What::Modified } else { What::Added };
        let object = Arc::new(object);
        let event = encode(what, id, &object);
        let object = Arc::clone(&event.object);
        let before = rack.objects.insert(key, Arc::clone(&object));
        self.record(Event { before, ..event });
        object
    }

    /// Takes an object away; `last` is its last state, with [`Store::next_revision`].
    pub(crate) fn remove(&mut self, id: &ResourceId, last: Stored) -> Option<Arc<Stored>> {
        let key = (last.namespace.clone(), last.name.clone());
        let before = self.racks.get_mut(id)?.objects.remove(&key)?;
        let event = encode(What::Deleted, id, &Arc::new(last));
        let last = Arc::clone(&event.object);
        self.record(Event { before: Some(before), ..event });
        Some(last)
    }

    fn record(&mut self, event: Event) {
        self.revision = event.revision;
        if let Some(rack) = self.racks.get(&event.resource) {
            rack.signal.send_replace(event.revision);
        }
        self.events.push_back(Arc::new(event));
        while self.events.len() > self.history {
            if let Some(oldest) = self.events.pop_front() {
                self.compacted = oldest.revision;
            }
        }
    }

    /// Objects of a resource now, ordered by namespace and name; an empty namespace means all.
    pub(crate) fn list(&self, id: &ResourceId, namespace: &str) -> Vec<Arc<Stored>> {
        let Some(rack) = self.racks.get(id) else { return Vec::new() };
        let of_namespace =
            |object: &&Arc<Stored>| namespace.is_empty() || object.namespace == namespace;
        rack.objects.values().filter(of_namespace).cloned().collect()
    }

    /// Objects of a resource as they were right after version `at`.
    pub(crate) fn list_at(
        &self,
        id: &ResourceId,
        namespace: &str,
        at: u64,
    ) -> Result<Vec<Arc<Stored>>, Status> {
        if at < self.compacted {
            return Err(Status::expired(at, self.compacted));
        }
        let now = self.list(id, namespace).into_iter();
        let mut then: BTreeMap<_, _> =
            now.map(|object| ((object.namespace.clone(), object.name.clone()), object)).collect();
        for event in self.events.iter().rev().take_while(|event| event.revision > at) {
            let of_namespace = namespace.is_empty() || event.object.namespace == namespace;
            if event.resource == *id && of_namespace {
                undo(&mut then, event);
            }
        }
        Ok(then.into_values().collect())
    }

    /// Events of a resource after `cursor`, oldest first, at most `limit` events looked at; and the new cursor.
    pub(crate) fn since(
        &self,
        id: &ResourceId,
        cursor: u64,
        limit: usize,
    ) -> Result<(Vec<Arc<Event>>, u64), Status> {
        if cursor < self.compacted {
            // Nothing is lost as long as the forgotten events were those of other resources.
            let last = self.racks.get(id).map(|rack| *rack.signal.borrow()).unwrap_or_default();
            if last > cursor {
                return Err(Status::expired(cursor, self.compacted));
            }
        }
        let from = self.events.partition_point(|event| event.revision <= cursor);
        let mut seen = cursor.max(self.compacted);
        let mut found = Vec::new();
        for event in self.events.iter().skip(from).take(limit) {
            seen = event.revision;
            if event.resource == *id {
                found.push(Arc::clone(event));
            }
        }
        Ok((found, seen))
    }

    /// The last event of a resource, if the history still holds one.
    pub(crate) fn last_event(&self, id: &ResourceId) -> Option<Arc<Event>> {
        self.events.iter().rev().find(|event| event.resource == *id).cloned()
    }

    /// For waiting on events of a resource.
    pub(crate) fn subscribe(&mut self, id: &ResourceId) -> Subscription {
        let rack = self.racks.entry(id.clone()).or_default();
        Subscription { signal: rack.signal.subscribe(), end: rack.end.clone() }
    }

    /// Wakes everyone who waits on a resource, without an event.
    pub(crate) fn nudge(&self, id: &ResourceId) {
        if let Some(rack) = self.racks.get(id) {
            rack.signal.send_modify(|_| {});
        }
    }

    /// Forgets the history.
    pub(crate) fn compact(&mut self) {
        self.events.clear();
        self.compacted = self.revision;
    }

    /// Ends the watches of a resource that is no longer served.
    pub(crate) fn close(&mut self, id: &ResourceId) {
        if let Some(rack) = self.racks.remove(id) {
            rack.end.cancel();
        }
    }

    /// Goes back to an older version, as a restored backup does: versions will be given a second time.
    pub(crate) fn rewind(&mut self, to: u64) -> Result<(), Status> {
        if to < self.compacted {
            return Err(Status::expired(to, self.compacted));
        }
        while let Some(event) = self.events.pop_back_if(|event| event.revision > to) {
            if let Some(rack) = self.racks.get_mut(&event.resource) {
                undo(&mut rack.objects, &event);
            }
        }
        self.revision = to.min(self.revision);
        Ok(())
    }

    /// Forgets everything, the version too.
    pub(crate) fn wipe(&mut self) {
        for rack in std::mem::take(&mut self.racks).into_values() {
            rack.end.cancel();
        }
        self.events.clear();
        self.revision = 1;
        self.compacted = 0;
    }
}

fn undo(objects: &mut BTreeMap<(String, String), Arc<Stored>>, event: &Event) {
    let key = (event.object.namespace.clone(), event.object.name.clone());
    match &event.before {
        Some(before) => objects.insert(key, Arc::clone(before)),
        None => objects.remove(&key),
    };
}

/// Puts the line of a watch together; the object becomes a slice of it, so that nothing is held twice.
fn encode(what: What, id: &ResourceId, object: &Arc<Stored>) -> Event {
    let line = line(what.name(), &object.bytes);
    let end = line.len().saturating_sub(TAIL.len());
    let bytes = line.slice(end.saturating_sub(object.bytes.len())..end);
    let object = Arc::new(Stored { bytes, ..Stored::clone(object) });
    Event { revision: object.revision, what, resource: id.clone(), object, before: None, line }
}

/// Last bytes of a line of a watch.
const TAIL: &[u8] = b"}\n";

/// One line of a watch.
pub(crate) fn line(what: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + what.len() + 24);
    line.extend_from_slice(b"{\"type\":\"");
    line.extend_from_slice(what.as_bytes());
    line.extend_from_slice(b"\",\"object\":");
    line.extend_from_slice(object);
    line.extend_from_slice(TAIL);
    Bytes::from(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> ResourceId {
        ResourceId::new("example.com", "things")
    }

    fn object(store: &Store, name: &str, text: &str) -> Stored {
        let labels = BTreeMap::new();
        let bytes = Bytes::from(text.to_owned());
        let namespace = "default".to_owned();
        Stored { namespace, name: name.to_owned(), revision: store.next_revision(), labels, bytes }
    }

    fn picture(list: &[Arc<Stored>]) -> Vec<(String, u64, Bytes)> {
        list.iter()
            .map(|object| (object.name.clone(), object.revision, object.bytes.clone()))
            .collect()
    }

    proptest! {
        #[test]
        fn the_state_at_any_kept_version_is_the_state_that_was(steps in proptest::collection::vec((0..4_u8, any::<bool>()), 1..40)) {
            let mut store = Store::new(25);
            let mut pictures = vec![(store.revision(), picture(&store.list(&id(), "")))];
            for (name, delete) in steps {
                let name = name.to_string();
                let object = object(&store, &name, &format!("\"{}\"", store.revision()));
                if delete {
                    store.remove(&id(), object);
                } else {
                    store.put(&id(), object);
                }
                pictures.push((store.revision(), picture(&store.list(&id(), ""))));
            }
            for (at, then) in &pictures {
                match store.list_at(&id(), "", *at) {
                    Ok(list) => prop_assert_eq!(&picture(&list), then),
                    Err(_) => prop_assert!(*at < store.compacted()),
                }
            }
            let middle = store.compacted().max(store.revision() / 2);
            let then = pictures.iter().rfind(|(at, _)| *at == middle).map(|(_, then)| then.clone());
            store.rewind(middle).unwrap();
            prop_assert_eq!(Some(picture(&store.list(&id(), ""))), then.or(Some(Vec::new())));
        }
    }

    #[test]
    fn an_event_and_its_object_share_their_bytes() {
        let mut store = Store::new(10);
        let object = object(&store, "a", "{}");
        let object = store.put(&id(), object);
        let (events, cursor) = store.since(&id(), 1, 10).unwrap();
        assert_eq!(cursor, 2);
        assert_eq!(&events[0].line[..], b"{\"type\":\"ADDED\",\"object\":{}}\n");
        assert!(events[0].line.as_ptr_range().contains(&object.bytes.as_ptr()));
    }

    #[test]
    fn a_cursor_older_than_the_history_is_told_so() {
        let mut store = Store::new(1);
        for _ in 0..3 {
            let object = object(&store, "a", "{}");
            store.put(&id(), object);
        }
        assert!(store.since(&id(), 1, 10).is_err());
        assert_eq!(store.since(&id(), store.compacted(), 10).unwrap().0.len(), 1);
    }
}
