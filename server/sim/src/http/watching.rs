//! Watches: from a version on, every change once, in order, until something ends them.
//!
//! A watch holds a cursor into the history and asks for what came after it; the bytes are those of the store. It
//! has no buffer of its own beside what it is about to send, so a slow reader costs nothing but its cursor, and is
//! told 410 when the history has gone past it.
//!
//! Invariant: no task; no event is skipped; what a fault adds is not in the history.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use futures::stream;
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};

use super::{Call, address::ResourceAddress, answer, read, view::View};
use crate::{
    cluster::Cluster,
    core::parse,
    fault::{End, GoneAs, Malformed},
    resource::Resource,
    selector::Selector,
    status::{Cause, Status},
    store::{Event, Stored, Subscription, What, line},
};

/// How long a watch lasts that names no time.
const LIFETIME: Duration = Duration::from_mins(45);
/// How many events are looked at under one lock: enough for a burst, little enough to let others in.
const BATCH_EVENTS: usize = 1_000;
/// How many bytes are put together into one chunk: fewer, larger writes for long lists.
const CHUNK_BYTES: usize = 32 * 1024;

/// An open watch.
struct Watching {
    cluster: Cluster,
    resource: Arc<Resource>,
    namespace: String,
    selector: Selector,
    view: View,
    clock: crate::options::Clock,
    cursor: u64,
    subscription: Subscription,
    cuts: watch::Receiver<(u64, End)>,
    replays_seen: u64,
    /// Lines about to be sent.
    queue: VecDeque<Bytes>,
    /// Set when nothing more follows the queue.
    end: Option<End>,
    deadline: Instant,
    bookmarks: Option<Duration>,
    next_bookmark: Instant,
    _permit: OwnedSemaphorePermit,
}

/// Opens a watch.
pub(super) fn open(
    call: &Call,
    resource: &Arc<Resource>,
    address: &ResourceAddress,
) -> Result<Response, Status> {
    let selector = call.selector(address)?;
    let view = call.view()?;
    let from = read::number(&call.query, "resourceVersion")?.unwrap_or_default();
    let initial = initial_events(call)?.unwrap_or(from == 0);
    let permit = Arc::clone(&call.cluster.inner.watches).try_acquire_owned();
    let permit = permit
        .map_err(|_| Status::too_many("too many watches are open, please try again later", 1))?;
    let lifetime = read::number(&call.query, "timeoutSeconds")?.filter(|secs| *secs > 0);
    let wants_bookmarks = call.query.is("allowWatchBookmarks");
    let every = call.cluster.inner.options.bookmark_every;
    let opened = Instant::now();
    let cuts = call.cluster.inner.cuts.subscribe();
    let replays_seen =
        call.cluster.inner.replays.borrow().get(&resource.id).copied().unwrap_or_default();
    let mut core = call.cluster.core();
    let mut watching = Watching {
        cluster: call.cluster.clone(),
        resource: Arc::clone(resource),
        namespace: address.namespace.clone(),
        selector,
        view,
        clock: core.clock.clone(),
        cursor: from,
        subscription: core.store.subscribe(&resource.id),
        cuts,
        replays_seen,
        queue: VecDeque::new(),
        end: None,
        deadline: opened + lifetime.map_or(LIFETIME, Duration::from_secs),
        bookmarks: wants_bookmarks.then_some(every),
        next_bookmark: opened + every,
        _permit: permit,
    };
    let (now, oldest) = (core.store.revision(), core.store.compacted());
    let list = if initial { core.store.list(&resource.id, &address.namespace) } else { Vec::new() };
    drop(core);
    if initial || from == 0 {
        watching.begin(&list, now, call.query.is("sendInitialEvents"));
    } else if from < oldest {
        let gone = Status::expired(from, oldest);
        if call.cluster.inner.conditions.borrow().gone == GoneAs::Status {
            return Err(gone);
        }
        watching.fail(&gone);
    }
    Ok(answer::raw(
        200,
        "application/json",
        Body::from_stream(stream::unfold(watching, Watching::step)),
    ))
}

/// What `sendInitialEvents` asks for, if it is there.
fn initial_events(call: &Call) -> Result<Option<bool>, Status> {
    if call.query.text("sendInitialEvents").is_empty() {
        return Ok(None);
    }
    if call.query.text("resourceVersionMatch") != "NotOlderThan" {
        let message =
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                .to_owned();
        let cause = Cause {
            reason: "FieldValueForbidden",
            message,
            field: "resourceVersionMatch".to_owned(),
        };
        return Err(Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause]));
    }
    Ok(Some(call.query.is("sendInitialEvents")))
}

impl Watching {
    /// The state as events, and where asked for the mark after it.
    fn begin(&mut self, list: &[Arc<Stored>], now: u64, mark: bool) {
        self.cursor = now;
        for object in list {
            if self.selector.matches(&object.namespace, &object.name, &object.labels) {
                self.show(What::Added, object);
            }
        }
        if mark && self.bookmarks.is_some() {
            self.bookmark(&json!({"k8s.io/initial-events-end": "true"}));
        }
    }

    /// The next chunk, and the watch after it.
    async fn step(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            self.wait_while_hanging().await;
            if let Some(chunk) = self.chunk().await {
                return Some((Ok(chunk), self));
            }
            match self.end {
                Some(End::Clean) => return None,
                Some(End::Abrupt) => {
                    self.end = Some(End::Clean);
                    return Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), self));
                }
                None => {}
            }
            self.collect();
            if self.queue.is_empty() && self.end.is_none() {
                self.wait().await;
            }
        }
    }

    /// A hanging server says nothing, but it can still be cut.
    async fn wait_while_hanging(&mut self) {
        let mut conditions = self.cluster.inner.conditions.subscribe();
        let id = &self.resource.id;
        tokio::select! {
            healed = conditions.wait_for(|conditions| !conditions.hangs(Some(id))) => drop(healed),
            _ = self.cuts.changed() => {
                let (_, end) = *self.cuts.borrow_and_update();
                self.queue.clear();
                self.end = Some(end);
            }
        }
    }

    /// Lines put together; one at a time where the stream is slow.
    async fn chunk(&mut self) -> Option<Bytes> {
        let first = self.queue.pop_front()?;
        let slow = self.cluster.inner.conditions.borrow().slow_millis;
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow)).await;
            return Some(first);
        }
        if self.queue.is_empty() {
            return Some(first);
        }
        let mut chunk = BytesMut::from(&first[..]);
        while chunk.len() < CHUNK_BYTES {
            let Some(line) = self.queue.pop_front() else { break };
            chunk.extend_from_slice(&line);
        }
        Some(chunk.freeze())
    }

    /// What has happened since the cursor.
    fn collect(&mut self) {
        self.subscription.signal.borrow_and_update();
        let core = self.cluster.core();
        let since = core.store.since(&self.resource.id, self.cursor, BATCH_EVENTS);
        let replayed =
            self.cluster.inner.replays.borrow().get(&self.resource.id).copied().unwrap_or_default();
        let replay = (replayed != self.replays_seen)
            .then(|| core.store.last_event(&self.resource.id))
            .flatten();
        drop(core);
        self.replays_seen = replayed;
        match since {
            Ok((events, cursor)) => {
                self.cursor = cursor;
                for event in &events {
                    self.tell(event);
                }
            }
            Err(gone) => return self.fail(&gone),
        }
        if let Some(event) = replay {
            self.tell(&event);
        }
        if let Some(malformed) = self.cluster.trap(&self.resource.id) {
            self.misbehave(malformed);
        }
        if self.queue.is_empty() && self.subscription.end.is_cancelled() {
            self.end = Some(End::Clean);
        }
    }

    /// Waits for something to do. Every branch only receives, so dropping the others loses nothing.
    async fn wait(&mut self) {
        let bookmark =
            self.bookmarks.map_or(self.deadline, |_| self.next_bookmark.min(self.deadline));
        tokio::select! {
            biased;
            _ = self.cuts.changed() => {
                let (_, end) = *self.cuts.borrow_and_update();
                self.end = Some(end);
            }
            () = self.subscription.end.cancelled() => {}
            _ = self.subscription.signal.changed() => {}
            () = sleep_until(bookmark) => self.ring(),
        }
    }

    /// The time has come for a bookmark, or for the end.
    fn ring(&mut self) {
        let now = Instant::now();
        if now >= self.deadline {
            self.end = Some(End::Clean);
        }
        if let Some(every) = self.bookmarks {
            self.next_bookmark = now + every;
            self.collect();
            self.bookmark(&Value::Null);
        }
    }

    /// One event, as the selectors see it.
    fn tell(&mut self, event: &Event) {
        if !self.namespace.is_empty() && event.object.namespace != self.namespace {
            return;
        }
        let meant = |object: &Stored| {
            self.selector.matches(&object.namespace, &object.name, &object.labels)
        };
        let before = event.before.as_deref().is_some_and(meant);
        let after = event.what != What::Deleted && meant(&event.object);
        let what = match (before, after) {
            (false, false) => return,
            (false, true) => What::Added,
            (true, true) => What::Modified,
            (true, false) => What::Deleted,
        };
        if what == event.what && self.view == View::Whole {
            self.queue.push_back(event.line.clone());
        } else {
            self.show(what, &event.object);
        }
    }

    fn show(&mut self, what: What, object: &Stored) {
        let now = jiff::Timestamp::try_from(self.clock.now()).unwrap_or_default();
        match self.view.object(&self.resource, object, now) {
            Ok(bytes) => self.queue.push_back(line(what.name(), &bytes)),
            Err(broken) => self.fail(&broken),
        }
    }

    fn bookmark(&mut self, annotations: &Value) {
        let mut metadata =
            json!({"resourceVersion": self.cursor.to_string(), "creationTimestamp": null});
        crate::patch::merge(&mut metadata, &json!({"annotations": annotations}));
        let (kind, version) = (&self.resource.kind, self.resource.api_version());
        let object = json!({"kind": kind, "apiVersion": version, "metadata": metadata});
        self.queue.push_back(line("BOOKMARK", object.to_string().as_bytes()));
    }

    fn fail(&mut self, status: &Status) {
        self.queue.push_back(line("ERROR", status.to_json().to_string().as_bytes()));
        self.end = Some(End::Clean);
    }

    fn misbehave(&mut self, malformed: Malformed) {
        let last = self.cluster.core().store.last_event(&self.resource.id);
        let object =
            last.as_ref().and_then(|event| parse(&event.object).ok()).unwrap_or_else(|| json!({}));
        let changed = |change: fn(&mut serde_json::Map<String, Value>)| {
            let mut object = object.clone();
            object.as_object_mut().map(change);
            line("MODIFIED", object.to_string().as_bytes())
        };
        match malformed {
            Malformed::NotJson => self.queue.push_back(Bytes::from_static(b"this is not JSON\n")),
            Malformed::HalfLine => {
                let whole = line("MODIFIED", object.to_string().as_bytes());
                self.queue.push_back(whole.slice(..whole.len() / 2));
                self.end = Some(End::Clean);
            }
            Malformed::Unparsable => {
                self.queue.push_back(changed(|map| {
                    map.insert("spec".to_owned(), "not a spec".into());
                }));
            }
            Malformed::NoSpec => self.queue.push_back(changed(|map| drop(map.remove("spec")))),
        }
    }
}
