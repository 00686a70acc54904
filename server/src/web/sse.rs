//! Server-sent events: the frames of the live link over plain HTTP, for where no WebSocket gets through.
//!
//! The body is pulled: the next frame is taken from the session when the connection can take it, so that
//! what waits folds where it waits, exactly as behind a socket.
//!
//! Invariant: nothing is decided here about topics; no channel lies between session and body; a client that
//! does not read costs its own outbox and is cut off after 15 s.

use std::{fmt::Write as _, io, net::IpAddr};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use domain::wire::{Close, PROTOCOL, Want};
use engine::{
    hub::session::{Session, Verdict},
    metrics::{Metrics, Transport},
};
use futures::stream;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

mod flow;

use self::flow::Flow;
use super::{
    Front, asked,
    attended::Attended,
    doorman::{self, Seat},
    live::{WRITE_BUDGET, next_ping, pace::Pace},
    proxy::Peer,
};
use crate::registrar::caller::Caller;

/// Bytes of a chunk, roughly: what is in it cannot fold any more.
const CHUNK_BYTES: usize = 16 * 1024;
/// Topics beyond which not each frame carries a place, but the last one of a chunk: with so many, a place
/// is longer than most frames. Whoever resumes from an older place is told some things twice.
const MANY_TOPICS: usize = 64;

/// `GET …?topic=objects/prod/Switch@9f3c…:1203&view=row`; `Last-Event-ID` resumes.
pub async fn one(
    State(front): State<Front>,
    peer: Peer,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match asked::of_query(query.as_deref(), &front.limits) {
        Ok(wants) => open(&front, peer.address, &caller, asked::resume(wants, &headers)).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// `POST` with a `hello` as its body.
pub async fn many(
    State(front): State<Front>,
    peer: Peer,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match asked::of_body(&body, &front.limits) {
        Ok(wants) => open(&front, peer.address, &caller, asked::resume(wants, &headers)).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn open(front: &Front, peer: IpAddr, caller: &Caller, wants: Vec<Want>) -> Response {
    let seat = match doorman::admit(front, peer, caller, Transport::Sse) {
        Ok(seat) => seat,
        Err(refusal) => return refusal.into_response(),
    };
    let attended = Attended::new(front, caller).await;
    let events = Box::new(Events::new(front, seat, caller, attended, wants));
    let body = stream::unfold(events, async |mut events| Some((events.next().await?, events)));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that collects an answer before it passes it on would collect this one for ever.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It goes on.
    Open,
    /// The goodbye is said, and the client asked to come back in so many milliseconds.
    Closing { retry_ms: u64 },
    /// There is no more.
    Ended,
}

struct Events {
    session: Session,
    front: Front,
    flow: Flow,
    pace: Pace,
    phase: Phase,
    ping_at: Instant,
    /// Held from before the first subscription, so that no topic appears unseen.
    topics: watch::Receiver<u64>,
    attended: Attended,
    _seat: Seat,
}

impl Events {
    fn new(
        front: &Front,
        seat: Seat,
        caller: &Caller,
        attended: Attended,
        wants: Vec<Want>,
    ) -> Self {
        let topics = front.hub.set_changes();
        let session = Session::new(std::sync::Arc::clone(&front.hub), caller.viewer());
        let mut session = session.with_most_topics(front.limits.topics);
        let phase = match session.hello(PROTOCOL, wants) {
            Verdict::Continue => Phase::Open,
            Verdict::Close(_) => Phase::Closing { retry_ms: 0 },
        };
        Self {
            session,
            front: front.clone(),
            flow: Flow::default(),
            pace: Pace::new(Instant::now()),
            phase,
            ping_at: next_ping(),
            topics,
            attended,
            _seat: seat,
        }
    }

    /// The next chunk, once the last one was taken.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        while self.phase != Phase::Ended {
            if !self.taken().await {
                self.phase = Phase::Ended;
                Metrics::add(&self.front.hub.metrics.slow, 1);
                return Some(Err(io::Error::new(io::ErrorKind::TimedOut, Close::Slow.reason())));
            }
            if self.phase == Phase::Open {
                self.follow_standing();
            }
            if self.session.has_more() && self.may_write().await {
                let text = self.chunk();
                self.pace.wrote(Instant::now());
                return Some(Ok(self.flow.send(text)));
            }
            if self.phase == Phase::Open {
                self.wait().await;
            } else if !self.session.has_more() {
                self.phase = Phase::Ended;
            }
        }
        None
    }

    /// Waits until the last chunk was taken; false if that takes too long.
    async fn taken(&mut self) -> bool {
        let Some(since) = self.flow.since() else { return true };
        let open = self.phase == Phase::Open;
        tokio::select! {
            biased;
            () = self.flow.gone() => true,
            () = self.front.cancel.cancelled(), if open => {
                self.close();
                true
            }
            () = self.attended.changed(), if open => {
                self.follow_standing();
                true
            }
            () = sleep_until(since + WRITE_BUDGET) => false,
        }
    }

    /// Waits until it is time to write; false if there is something else to say first.
    async fn may_write(&mut self) -> bool {
        if self.phase != Phase::Open || self.pace.at() <= Instant::now() {
            return true;
        }
        tokio::select! {
            () = sleep_until(self.pace.at()) => true,
            () = self.attended.changed() => {
                self.follow_standing();
                false
            }
            () = self.front.cancel.cancelled() => {
                self.close();
                false
            }
        }
    }

    /// Waits for something to say.
    async fn wait(&mut self) {
        let mailbox = self.session.mailbox();
        // Every branch only waits on something cancel-safe; the work follows.
        tokio::select! {
            biased;
            () = self.front.cancel.cancelled() => self.close(),
            () = self.attended.changed() => self.follow_standing(),
            () = mailbox.rung() => {}
            _ = self.topics.changed() => self.session.reconcile(),
            () = sleep_until(self.ping_at) => {
                self.session.ping();
                self.ping_at = next_ping();
            }
        }
    }

    fn follow_standing(&mut self) {
        if let Some(close) = self.attended.settle(&mut self.session) {
            self.session.goodbye(close, None);
            self.phase = Phase::Closing { retry_ms: 0 };
        }
    }

    fn close(&mut self) {
        let retry_ms = self.front.doorman.farewell();
        self.session.goodbye(Close::Restart, Some(retry_ms));
        self.phase = Phase::Closing { retry_ms };
    }

    /// What waits, as events, up to a length.
    fn chunk(&mut self) -> String {
        let mut out = String::new();
        if let Phase::Closing { retry_ms } = self.phase {
            let _ = writeln!(out, "retry: {retry_ms}");
        }
        let each = self.session.n_following() <= MANY_TOPICS;
        while let Some(text) = self.session.next_text() {
            let last = out.len() + text.len() >= CHUNK_BYTES || !self.session.has_more();
            if each || last {
                let _ = writeln!(out, "id: {}", self.session.place());
            }
            let _ = write!(out, "data: {text}\n\n");
            if last {
                break;
            }
        }
        out
    }
}
