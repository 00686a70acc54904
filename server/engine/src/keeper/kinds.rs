//! What the keeper holds of one kind: its topic, its watch, and how versions are counted.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    door::Admitted,
    feed::EventType,
    kind::Kind,
    log::Put,
    object::ObjectKey,
    readiness::AgentDigest,
    state::{KindWatch, WatchState},
};
use serde_json::Value;

use super::{Found, Keeper, Tapped, epoch, now_ms};
use crate::{
    clock::Stamp,
    cluster::seen::WatchReport,
    hub::{
        keyed::KeyedTopic,
        payload::{Meta, Payload},
    },
    metrics::Metrics,
    recorder::{Changed, Note, tell},
    store::Origin,
};

/// See the module.
#[derive(Debug)]
pub(super) struct KindBook {
    pub(super) topic: Arc<KeyedTopic>,
    pub(super) watch: KindWatch,
    /// How often the storage went back behind what we had seen.
    pub(super) rewinds: u32,
    /// Keys that do not read as their kind.
    broken: BTreeSet<ObjectKey>,
    refused: usize,
    /// Counts where the cluster's versions are no numbers.
    counter: Option<u64>,
}

impl KindBook {
    pub(super) fn new(state: WatchState, now: i64) -> Self {
        let watch = KindWatch {
            state,
            since: now,
            reason: None,
            attempt: 0,
            next_try: None,
            namespace: None,
            as_of: None,
        };
        Self {
            topic: Arc::new(KeyedTopic::new(Arc::from(""), false)),
            watch,
            rewinds: 0,
            broken: BTreeSet::new(),
            refused: 0,
            counter: None,
        }
    }

    pub(super) fn is_listed(&self) -> bool {
        self.topic.is_listed()
    }

    pub(super) fn unreadable(&self) -> usize {
        self.broken.len() + self.refused
    }

    pub(super) fn begin_epoch(&mut self, epoch: Arc<str>) {
        self.topic.reset(epoch, 0);
        self.broken.clear();
        self.refused = 0;
    }

    pub(super) fn next_watch(&self, report: WatchReport, now: i64) -> KindWatch {
        let same = self.watch.state == report.state;
        let as_of = match (self.watch.state, report.state) {
            (_, WatchState::Live) => None,
            (WatchState::Live, _) => Some(now),
            _ => self.watch.as_of,
        };
        KindWatch {
            state: report.state,
            since: if same { self.watch.since } else { now },
            reason: report.reason,
            attempt: report.attempt,
            next_try: report.next_try_ms,
            namespace: report.namespace,
            as_of,
        }
    }

    /// The number that stands for a version; a counter of our own where it is no number.
    fn number(&mut self, version: &str) -> u64 {
        match version.parse::<u64>() {
            Ok(number) if self.counter.is_none() => number,
            _ => {
                let next =
                    self.counter.unwrap_or_else(|| self.topic.read(domain::log::KeyLog::head)) + 1;
                self.counter = Some(next);
                next
            }
        }
    }

    /// The number of a bookmark; none where we count by ourselves.
    pub(super) fn bookmark(&self, version: &str) -> Option<u64> {
        version.parse().ok().filter(|_| self.counter.is_none() && self.is_listed())
    }

    /// Whether we hold a newer version of an object than a list does: the storage went back.
    fn is_newer_than(&self, object: &Admitted) -> bool {
        let Ok(version) = object.version.parse::<u64>() else { return false };
        self.topic.read(|log| {
            log.get(&object.key.to_string()).is_some_and(|entry| entry.version > version)
        })
    }

    /// Whether everything up to a version is reflected already: a watch that tells it again is behind, and what
    /// it tells may be gone since, unknown to us.
    fn is_past(&self, version: u64) -> bool {
        self.counter.is_none()
            && self.is_listed()
            && version <= self.topic.read(domain::log::KeyLog::newest)
    }

    /// Whether the topic holds exactly this already.
    fn holds(&self, key: &str, full: &str) -> bool {
        self.topic.read(|log| log.get(key).is_some_and(|entry| &*entry.value.full == full))
    }
}

impl Keeper {
    pub(super) fn listed(
        &mut self,
        kind: Kind,
        version: &str,
        objects: Vec<Admitted>,
        (refused, stamp): (usize, Stamp),
        part: Option<&str>,
    ) {
        let Some(book) = self.kinds.get_mut(&kind) else { return };
        let known = book.is_listed();
        let head = book.topic.read(domain::log::KeyLog::head);
        let recorded = self.origins.get(&kind).filter(|(origin, _)| {
            Some(&origin.identity) == self.identity.as_ref() && origin.rewinds == book.rewinds
        });
        // Of a list that is the first: nobody looked when the storage went back.
        let before_us = !known
            && !self.numbered
            && book.counter.is_none()
            && recorded.is_some_and(|(_, newest)| {
                version.parse::<u64>().is_ok_and(|version| version < *newest)
            });
        let went_back = version.parse::<u64>().is_ok_and(|version| version < head)
            || objects.iter().any(|object| book.is_newer_than(object));
        let rewound = before_us || (known && book.counter.is_none() && went_back);
        if rewound {
            book.rewinds += 1;
            book.begin_epoch(epoch(
                self.identity.as_deref().unwrap_or_default(),
                kind,
                book.rewinds,
                &self.view,
            ));
            if known {
                self.scribe.note(Note::Begun(kind));
            }
            self.scribe.note(Note::Told(tell::rewound(kind)));
        }
        book.topic.begin_list();
        book.refused = refused;
        let found = if known && !rewound { Found::AfterGap } else { Found::First };
        let keys: BTreeSet<String> = objects.iter().map(|object| object.key.to_string()).collect();
        let ghosts: Vec<ObjectKey> = book.topic.read(|log| {
            log.iter()
                .filter(|entry| !keys.contains(&*entry.key))
                .filter_map(|entry| entry.key.parse().ok())
                .filter(|key: &ObjectKey| part.is_none_or(|part| key.namespace() == part))
                .collect()
        });
        for object in objects {
            self.put(kind, object, stamp, found);
        }
        for key in ghosts {
            self.gone(kind, &key, version, stamp, found);
        }
        if let Some(book) = self.kinds.get_mut(&kind) {
            let version = match book.counter {
                Some(counter) => counter,
                None => version.parse().unwrap_or_default(),
            };
            book.topic.set_listed(version);
            let identity = self.identity.clone().unwrap_or_default();
            let origin = Origin { identity, rewinds: book.rewinds };
            self.scribe.note(Note::Listed(kind, origin));
        }
    }

    pub(super) fn put(&mut self, kind: Kind, admitted: Admitted, stamp: Stamp, found: Found) {
        let Some(book) = self.kinds.get_mut(&kind) else { return };
        let Admitted { key, uid, version: raw, manager, object, row, references, .. } = admitted;
        let Ok(full) = serde_json::to_string(&object) else { return };
        let text: Arc<str> = key.to_string().into();
        if found != Found::Live && book.holds(&text, &full) {
            return;
        }
        let version = book.number(&raw);
        if found == Found::Live && book.is_past(version) {
            return;
        }
        if row.unreadable.is_some() {
            book.broken.insert(key.clone())
        } else {
            book.broken.remove(&key)
        };
        let before = book.topic.read(|log| log.get(&text).map(|entry| Arc::clone(&entry.value)));
        let stamp = stamp.published_now();
        let (uid, full): (Arc<str>, Arc<str>) = (uid.into(), full.into());
        let payload = Payload::object(
            Arc::clone(&uid),
            Meta { key: key.clone(), row: Arc::new(row), references },
            Arc::clone(&full),
            stamp,
        );
        let put = book.topic.put(&text, version, payload);
        let change = match put {
            Put::Stale => return,
            Put::Created => EventType::Created,
            Put::Updated { .. } => EventType::Updated,
        };
        if found == Found::Live {
            self.hub.metrics.watch_to_hub.observe_us(stamp.us_to_publish());
        }
        Metrics::add(&self.hub.metrics.changes, 1);
        if kind == Kind::Agent {
            self.take_agent(&key, &object);
        }
        if found != Found::First {
            self.scribe.note(Note::Changed(Box::new(Changed {
                kind,
                key: key.clone(),
                uid,
                raw: raw.clone(),
                version,
                at_ms: stamp.received_ms,
                after_gap: found == Found::AfterGap,
                manager: manager.map(|manager| manager.name),
                old: before.map(|before| Arc::clone(&before.full)),
                new: Some(full),
            })));
        }
        self.tapped.push(Tapped::Object {
            kind,
            key,
            change,
            version: raw,
            us: stamp.us_since_received(),
        });
    }

    pub(super) fn gone(
        &mut self,
        kind: Kind,
        key: &ObjectKey,
        raw: &str,
        stamp: Stamp,
        found: Found,
    ) {
        let Some(book) = self.kinds.get_mut(&kind) else { return };
        let version = book.number(raw);
        if found == Found::Live && book.is_past(version) {
            return;
        }
        book.broken.remove(key);
        let Some(before) = book.topic.remove(&key.to_string(), version) else { return };
        Metrics::add(&self.hub.metrics.changes, 1);
        if kind == Kind::Agent {
            self.agents.remove(key);
            self.starts.remove(key);
        }
        if found != Found::First {
            self.scribe.note(Note::Changed(Box::new(Changed {
                kind,
                key: key.clone(),
                uid: Arc::clone(&before.uid),
                raw: raw.to_owned(),
                version,
                at_ms: stamp.received_ms,
                after_gap: found == Found::AfterGap,
                manager: None,
                old: Some(Arc::clone(&before.full)),
                new: None,
            })));
        }
        self.tapped.push(Tapped::Object {
            kind,
            key: key.clone(),
            change: EventType::Deleted,
            version: raw.to_owned(),
            us: stamp.us_since_received(),
        });
    }

    /// Takes an Agent's digest, and counts its starts: a run id that keeps changing is a crash loop.
    fn take_agent(&mut self, key: &ObjectKey, object: &Value) {
        let mut digest = AgentDigest::of(object);
        let before = self.agents.get(key).and_then(|before| before.run_id.clone());
        let now = now_ms();
        let starts = self.starts.entry(key.clone()).or_default();
        if before.is_some() && before != digest.run_id {
            starts.push(now);
        }
        starts.retain(|at| now - at < super::switches::STARTS_WINDOW_MS);
        digest.recent_starts = u32::try_from(starts.len()).unwrap_or(u32::MAX);
        self.agents.insert(key.clone(), digest);
    }
}
