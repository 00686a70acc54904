//! The WebSocket loop: moves texts between a socket and a session, and measures time.
//!
//! Invariant: nothing is decided here about topics; no wait is without a bound; a client that does not
//! read costs its own outbox and is cut off after 15 s.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State,
        ws::{
            CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use domain::wire::{Close, PING_MS, PONG_MS, SUBPROTOCOL};
use engine::{
    hub::session::{Session, Verdict},
    metrics::{Metrics, Transport},
};
use futures::SinkExt as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

pub(super) mod pace;

use self::pace::Pace;
use super::{Front, attended::Attended, bucket::Bucket, doorman, probes::problem, proxy::Peer};
use crate::registrar::caller::Caller;

/// A write stuck for this long closes the link (4008).
pub(super) const WRITE_BUDGET: Duration = Duration::from_secs(15);
/// A round of writing that took longer had to wait for the client.
const SLUGGISH: Duration = Duration::from_millis(100);
/// Frames written before the socket is listened to again.
const FRAMES_PER_ROUND: usize = 64;
/// Buffer of the socket's reader: clients say little, and the default is 128 KiB each.
const READ_BUFFER: usize = 2 * 1024;
/// Hard limit of a message; what lies between it and the configured limit gets a proper goodbye.
const HARD_LIMIT: usize = 256 * 1024;
/// A client must say `hello` within this time.
const HELLO_BUDGET: Duration = Duration::from_secs(10);
/// Time to say why a link ends, and to let the client finish its sentence.
const FAREWELL: Duration = Duration::from_secs(1);
/// `GET /api/v1/live`.
pub async fn upgrade(
    State(front): State<Front>,
    peer: Peer,
    Extension(caller): Extension<Caller>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return problem(
            StatusCode::UPGRADE_REQUIRED,
            "no_upgrade",
            "this address speaks WebSocket; ask `/api/v1/live/snapshot` for the same over HTTP",
        );
    };
    let seat = match doorman::admit(&front, peer.address, &caller, Transport::WebSocket) {
        Ok(seat) => seat,
        Err(refusal) => return refusal.into_response(),
    };
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(HARD_LIMIT)
        .max_frame_size(HARD_LIMIT)
        .on_upgrade(move |socket| async move {
            // In a box: held by value, each layer around it would keep room for it once more.
            let attended = Attended::new(&front, &caller).await;
            let work = Box::pin(Link::new(socket, &front, &caller, attended).run());
            front.tracker.track_future(work).await;
            drop(seat);
        })
}

/// What woke the loop.
enum Wake {
    Restart,
    Heard(Option<Result<Message, axum::Error>>),
    Mail,
    TopicsChanged,
    Standing,
    Flush,
    Deadline,
}

struct Link {
    socket: WebSocket,
    session: Session,
    front: Front,
    bucket: Bucket,
    /// When a ping is due, or a missing answer calls for a close. Writes do not move it: what the kernel
    /// takes proves no reader, and some topics never fall silent.
    deadline: Instant,
    awaiting_pong: bool,
    greeted: bool,
    pending: bool,
    pace: Pace,
    /// Held from before the first subscription, so that no topic appears unseen.
    topics: watch::Receiver<u64>,
    attended: Attended,
}

impl Link {
    fn new(socket: WebSocket, front: &Front, caller: &Caller, attended: Attended) -> Self {
        let now = Instant::now();
        let session = Session::new(Arc::clone(&front.hub), caller.viewer());
        Self {
            socket,
            session: session.with_most_topics(front.limits.topics),
            bucket: Bucket::new(front.limits.rate),
            topics: front.hub.set_changes(),
            attended,
            front: front.clone(),
            deadline: now + HELLO_BUDGET,
            awaiting_pong: false,
            greeted: false,
            pending: false,
            pace: Pace::new(now),
        }
    }

    async fn run(mut self) {
        let close = loop {
            match self.wait().await {
                Ok(Verdict::Continue) => {}
                Ok(Verdict::Close(close)) => break Some(close),
                Err(close) => break close,
            }
        };
        if let Some(close) = close {
            if close == Close::Slow {
                Metrics::add(&self.front.hub.metrics.slow, 1);
            }
            let _ = timeout(FAREWELL, self.farewell(close)).await;
        }
    }

    /// One round: wait, then act. An error ends the link; with a code if one can still be said.
    async fn wait(&mut self) -> Result<Verdict, Option<Close>> {
        let mailbox = self.session.mailbox();
        // Every branch only waits on something cancel-safe; the work follows.
        let wake = tokio::select! {
            biased;
            () = self.front.cancel.cancelled() => Wake::Restart,
            () = self.attended.changed() => Wake::Standing,
            message = self.socket.recv() => Wake::Heard(message),
            () = sleep_until(self.pace.at()), if self.pending => Wake::Flush,
            () = mailbox.rung(), if !self.pending => Wake::Mail,
            _ = self.topics.changed() => Wake::TopicsChanged,
            () = sleep_until(self.deadline) => Wake::Deadline,
        };
        let verdict = match wake {
            Wake::Restart => {
                let spread = self.front.doorman.farewell();
                self.session.goodbye(Close::Restart, Some(spread))
            }
            Wake::Heard(message) => self.hear(message)?,
            Wake::Mail => {
                self.pending = true;
                if Instant::now() < self.pace.at() {
                    return Ok(Verdict::Continue);
                }
                Verdict::Continue
            }
            Wake::Flush => Verdict::Continue,
            Wake::Standing => match self.attended.settle(&mut self.session) {
                Some(close) => self.session.goodbye(close, None),
                None => Verdict::Continue,
            },
            Wake::TopicsChanged => {
                self.session.reconcile();
                Verdict::Continue
            }
            Wake::Deadline => self.deadline(),
        };
        self.flush().await?;
        Ok(verdict)
    }

    fn hear(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<Verdict, Option<Close>> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            // Answered by the library, but not for nothing.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                let verdict = if self.bucket.take() { Verdict::Continue } else { self.too_many() };
                return Ok(verdict);
            }
            Some(Ok(Message::Binary(_))) => {
                return Ok(self.session.bad_frame("frames are text; this one is binary"));
            }
            Some(Ok(Message::Close(_))) | None => return Err(None),
            // Too large for any goodbye, not UTF-8, or cut off.
            Some(Err(_)) => return Err(Some(Close::TooLarge)),
        };
        if self.awaiting_pong || !self.greeted {
            self.awaiting_pong = false;
            self.deadline = next_ping();
        }
        if !self.bucket.take() {
            return Ok(self.too_many());
        }
        if text.len() > self.front.limits.inbound_bytes {
            return Ok(self.session.goodbye(Close::TooLarge, None));
        }
        self.greeted = true;
        Ok(self.session.hear(&text))
    }

    fn too_many(&mut self) -> Verdict {
        self.session.goodbye(Close::RateLimited, None)
    }

    fn deadline(&mut self) -> Verdict {
        if self.awaiting_pong || !self.greeted {
            return self.session.goodbye(Close::NoPong, None);
        }
        self.session.ping();
        self.awaiting_pong = true;
        self.deadline = Instant::now() + Duration::from_millis(PONG_MS);
        Verdict::Continue
    }

    /// Writes what waits, for a round.
    async fn flush(&mut self) -> Result<(), Option<Close>> {
        let begin = Instant::now();
        let mut wrote = false;
        self.pending = false;
        for _ in 0..FRAMES_PER_ROUND {
            let Some(text) = self.session.next_text() else { break };
            self.write(Message::Text(Utf8Bytes::from(text))).await?;
            wrote = true;
        }
        if !wrote {
            return Ok(());
        }
        timeout(WRITE_BUDGET, self.socket.flush())
            .await
            .map_err(|_| Some(Close::Slow))?
            .map_err(|_| None)?;
        let now = Instant::now();
        self.pace.wrote(now);
        // More may wait than one round writes.
        self.pending = self.session.has_more();
        // A write that had to wait and then went through proves a reader, and our ping waits behind it.
        if self.awaiting_pong && now.duration_since(begin) > SLUGGISH {
            self.deadline = now + Duration::from_millis(PONG_MS);
        }
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), Option<Close>> {
        match timeout(WRITE_BUDGET, self.socket.feed(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(Close::Slow)),
        }
    }

    async fn farewell(&mut self, close: Close) {
        while let Some(text) = self.session.next_text() {
            if self.socket.feed(Message::Text(Utf8Bytes::from(text))).await.is_err() {
                return;
            }
        }
        let frame =
            CloseFrame { code: close.code(), reason: Utf8Bytes::from_static(close.reason()) };
        if self.socket.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        // Closed over words that nobody read, the kernel would throw away ours as well.
        while let Some(Ok(_)) = self.socket.recv().await {}
    }
}

/// When the next ping is due: 10 s ± 20 %, so that clients do not beat in step.
pub(super) fn next_ping() -> Instant {
    Instant::now() + Duration::from_millis(rand::random_range(PING_MS * 8 / 10..=PING_MS * 12 / 10))
}
