//! One process: a real hub with a real keeper and recorder per fabric, polled by hand, fed by simulated watches.
//!
//! Invariant: no task, no socket, no database; a keeper runs only while it is polled here.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use domain::{kind::Kind, object::ObjectKey, state::WatchState, topic::Topic};
use engine::{
    clock::Stamp,
    cluster::{
        gate::{Gate, Open},
        seen::{Event, Seen, WatchReport},
    },
    hub::{Hub, feed::FeedTopic, keyed::KeyedTopic},
    keeper::{Keep, Keeper, OBSERVATIONS, Start},
    recorder::{Beginning, Recorder},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, Happening, KINDS};

/// How far the watch of a kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// It has to list first.
    Unlisted,
    /// Everything up to this version was delivered.
    At { seen: u64, broken: bool },
    /// The kind is not served.
    Missing,
}

struct Room {
    inbox: mpsc::Sender<Event>,
    cancel: CancellationToken,
    keeper: Pin<Box<dyn Future<Output = ()>>>,
    recorder: Pin<Box<dyn Future<Output = ()>>>,
    watches: [Watch; KINDS.len()],
}

/// See the module.
pub(crate) struct Replica {
    pub(crate) hub: Arc<Hub>,
    /// Counts processes, over all replicas.
    pub(crate) process: u32,
    opened: u32,
    rooms: Vec<Option<Room>>,
}

impl Replica {
    /// A process that has just started, with a keeper for each cluster.
    pub(crate) fn start(process: u32, clusters: &[Cluster]) -> Self {
        let mut replica = Self {
            hub: Arc::new(Hub::new()),
            process,
            opened: 0,
            rooms: clusters.iter().map(|_| None).collect(),
        };
        for (at, cluster) in clusters.iter().enumerate() {
            replica.open(at, cluster);
        }
        replica
    }

    /// Whether it keeps this cluster.
    pub(crate) fn keeps(&self, at: usize) -> bool {
        self.rooms[at].is_some()
    }

    /// Begins to keep a cluster.
    pub(crate) fn open(&mut self, at: usize, cluster: &Cluster) {
        self.opened += 1;
        let (inbox, rest) = mpsc::channel(OBSERVATIONS);
        // A keeper that begins anew counts anew.
        let process = format!("process-{}-{}", self.process, self.opened);
        let feed = Arc::new(FeedTopic::new(process.as_str().into()));
        let (recorder, scribe) = Recorder::new(Beginning {
            fabric: cluster.fabric.clone(),
            hub: Arc::clone(&self.hub),
            feed: Arc::clone(&feed),
            coverage: domain::connection::Coverage::default(),
            keeper: inbox.clone(),
            clerk: None,
        });
        let plan = Keep {
            fabric: cluster.fabric.clone(),
            server: "https://model".to_owned(),
            process,
            start: Start::Connecting,
            paused: Vec::new(),
            view: String::new(),
            numbered: false,
            feed,
            scribe,
            origins: BTreeMap::new(),
            tap: None,
        };
        let cancel = CancellationToken::new();
        let keeper = Box::pin(Keeper::new(plan, &self.hub, rest).run(cancel.clone()));
        let recorder = Box::pin(recorder.run());
        let watches = [Watch::Unlisted; KINDS.len()];
        self.rooms[at] = Some(Room { inbox, cancel, keeper, recorder, watches });
        self.greet(at, cluster);
    }

    /// The probe tells which storage answers; watches of another one are worth nothing.
    pub(crate) fn greet(&mut self, at: usize, cluster: &Cluster) {
        let open =
            Open { version: "v1".to_owned(), identity: cluster.name(), at_ms: 0, ahead_ms: None };
        self.tell(at, Event::Gate(Gate::Open(open)));
        if let Some(room) = &mut self.rooms[at] {
            room.watches = [Watch::Unlisted; KINDS.len()];
        }
        self.poll(at);
    }

    /// Keeps a cluster no longer: its topics go.
    pub(crate) fn close(&mut self, at: usize) {
        if let Some(room) = &self.rooms[at] {
            room.cancel.cancel();
            self.poll(at);
            self.rooms[at] = None;
        }
    }

    fn tell(&self, at: usize, event: Event) {
        if let Some(room) = &self.rooms[at] {
            room.inbox.try_send(event).unwrap();
        }
    }

    fn poll(&mut self, at: usize) {
        if let Some(room) = &mut self.rooms[at] {
            let mut context = Context::from_waker(Waker::noop());
            let mut ended = room.keeper.as_mut().poll(&mut context);
            if ended.is_pending() && room.recorder.as_mut().poll(&mut context).is_pending() {
                // The recorder may have told the keeper how it goes.
                ended = room.keeper.as_mut().poll(&mut context);
            }
            assert_eq!(ended == Poll::Ready(()), room.cancel.is_cancelled());
        }
    }

    /// A topic of a kind.
    pub(crate) fn topic(&self, cluster: &Cluster, of: usize) -> Option<Arc<KeyedTopic>> {
        self.hub.keyed(&Topic::Objects(cluster.fabric.clone(), KINDS[of]))
    }

    /// The watch of a kind breaks; it goes on from where it was, if it can.
    pub(crate) fn break_watch(&mut self, at: usize, of: usize) {
        if let Some(room) = &mut self.rooms[at]
            && let Watch::At { seen, .. } = room.watches[of]
        {
            room.watches[of] = Watch::At { seen, broken: true };
        }
    }

    /// The watch of a kind delivers up to so many changes; caught up, it delivers a bookmark.
    pub(crate) fn watch(&mut self, at: usize, of: usize, cluster: &Cluster, most: usize) {
        let Some(room) = &self.rooms[at] else { return };
        let mut next = room.watches[of];
        let kind = KINDS[of];
        if !cluster.served[of] {
            if next != Watch::Missing {
                self.report(at, kind, WatchState::Missing);
            }
            next = Watch::Missing;
        } else if let Watch::At { seen, broken } = next
            && !(broken && seen < cluster.compacted)
            && seen <= cluster.version
        {
            let happenings = &cluster.timeline().happenings;
            let mut later =
                happenings.iter().filter(|later| later.kind == kind && later.version > seen);
            let mut reached = seen;
            for happening in later.by_ref().take(most) {
                self.deliver(at, happening);
                reached = happening.version;
            }
            if later.next().is_none() && most > 0 && cluster.version > reached {
                reached = cluster.version;
                self.tell(at, Event::Kind(kind, Seen::Bookmark(reached.to_string())));
            }
            next = Watch::At { seen: reached, broken: false };
        } else {
            self.list(at, kind, cluster);
            next = Watch::At { seen: cluster.version, broken: false };
        }
        if let Some(room) = &mut self.rooms[at] {
            room.watches[of] = next;
        }
        self.poll(at);
    }

    /// Lists a kind anew, whatever its watch knows.
    pub(crate) fn relist(&mut self, at: usize, of: usize, cluster: &Cluster) {
        if let Some(room) = &mut self.rooms[at]
            && room.watches[of] != Watch::Missing
        {
            room.watches[of] = Watch::Unlisted;
        }
        self.watch(at, of, cluster, 0);
    }

    /// The watch of a kind begins anew this far back: what it delivered since comes again.
    pub(crate) fn replay(&mut self, at: usize, of: usize, cluster: &Cluster, back: u64) {
        let Some(room) = &mut self.rooms[at] else { return };
        if let Watch::At { seen, broken } = room.watches[of] {
            let seen = seen.saturating_sub(back).max(cluster.compacted).min(seen);
            room.watches[of] = Watch::At { seen, broken };
        }
    }

    fn deliver(&mut self, at: usize, happening: &Happening) {
        let stamp = Stamp::received_now();
        let seen = match &happening.now {
            Some(stored) => Seen::Put(Box::new(stored.admitted.clone()), stamp),
            None => Seen::Gone {
                key: happening.key.parse::<ObjectKey>().unwrap(),
                uid: String::new(),
                version: happening.version.to_string(),
                stamp,
            },
        };
        self.tell(at, Event::Kind(happening.kind, seen));
        self.poll(at);
    }

    fn list(&mut self, at: usize, kind: Kind, cluster: &Cluster) {
        let objects = cluster.live(kind).map(|(_, stored)| stored.admitted.clone()).collect();
        let version = cluster.version.to_string();
        let stamp = Stamp::received_now();
        self.tell(
            at,
            Event::Kind(
                kind,
                Seen::Listed { version, objects, refused: 0, stamp, namespace: None },
            ),
        );
        self.report(at, kind, WatchState::Live);
        self.poll(at);
    }

    fn report(&self, at: usize, kind: Kind, state: WatchState) {
        let report =
            WatchReport { state, reason: None, attempt: 0, next_try_ms: None, namespace: None };
        self.tell(at, Event::Kind(kind, Seen::Watch(report)));
    }
}
