//! Moves frames between a WebSocket and the link, with one timer for its deadlines. Decides nothing.
//!
//! Called from an effect only, so on the server it stays asleep.
//!
//! Invariant: one socket at most; a socket that closed is dropped before the link is told.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use domain::wire::{ClientFrame, SUBPROTOCOL, ServerFrame, link::Input};
use futures::{FutureExt, Sink, SinkExt, StreamExt, pin_mut, select_biased};
use gloo_net::websocket::{Message, State, WebSocketError, futures::WebSocket};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::window;
use wasm_bindgen_futures::spawn_local;

use super::{
    browser,
    frame::{jitter, now},
    shared::Shared,
    store::{Order, Store},
};

/// Where the link is served, on the page's own host.
const PATH: &str = "/api/v1/live";
/// Close code of a connection that ended without one (RFC 6455, 7.1.5).
const NO_CODE: u16 = 1006;
/// Frames taken in one go before timers and orders get their turn.
const IN_ONE_GO: usize = 256;

/// Wakes the link of this page, once.
pub(super) fn start(shared: &Arc<Shared>) {
    if shared.wake_once() {
        browser::listen(shared);
        spawn_local(run(Arc::clone(shared)));
    }
}

async fn run(shared: Arc<Shared>) {
    let mut socket = None;
    let begin = if window().navigator().on_line() { Input::Start } else { Input::Offline };
    shared.step(now(), jitter(), begin);
    loop {
        perform_all(&shared, &mut socket).await;
        browser::schedule_flush(&shared);
        let Some(input) = next(&shared, &mut socket).await else { continue };
        take(&shared, &mut socket, input);
        for _ in 0..IN_ONE_GO {
            let Some(input) = socket.as_mut().and_then(|socket| socket.next().now_or_never())
            else {
                break;
            };
            take(&shared, &mut socket, input);
        }
    }
}

fn take(shared: &Shared, socket: &mut Option<Socket>, input: Input) {
    if matches!(input, Input::Closed(_)) {
        *socket = None;
    }
    shared.step(now(), jitter(), input);
}

/// Performs what the link ordered, and what it orders because of that.
async fn perform_all(shared: &Shared, socket: &mut Option<Socket>) {
    loop {
        let orders = shared.with(Store::orders);
        if orders.is_empty() {
            return;
        }
        for order in orders {
            match order {
                Order::HangUp => *socket = None,
                Order::Dial => {
                    *socket = Socket::open();
                    if socket.is_none() {
                        shared.step(now(), jitter(), Input::Closed(NO_CODE));
                    }
                }
                Order::Send(frame) => {
                    if let Some(socket) = socket.as_mut() {
                        socket.send(&frame).await;
                    }
                }
            }
        }
    }
}

/// Waits for what happens next; none if there are orders to perform.
async fn next(shared: &Shared, socket: &mut Option<Socket>) -> Option<Input> {
    let heard = async {
        match socket.as_mut() {
            Some(socket) => socket.next().await,
            None => pending().await,
        }
    }
    .fuse();
    let due = async {
        match shared.with(|store| store.deadline()) {
            Some(at) => {
                let wait = at.saturating_sub(now()).min(i32::MAX.unsigned_abs().into());
                TimeoutFuture::new(u32::try_from(wait).unwrap_or_default()).await;
            }
            None => pending().await,
        }
    }
    .fuse();
    let rung = poll_fn(|context| {
        shared.bell.register(context.waker());
        if shared.was_rung() { Poll::Ready(()) } else { Poll::Pending }
    })
    .fuse();
    pin_mut!(heard, due, rung);
    select_biased! {
        input = heard => Some(input),
        () = rung => None,
        () = due => Some(Input::Timeout),
    }
}

/// The browser's socket. Dropping it closes it without waiting.
struct Socket {
    inner: WebSocket,
    opened: bool,
}

impl Socket {
    /// Begins to connect; none if the browser refuses at once.
    fn open() -> Option<Self> {
        let location = window().location();
        let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
        let url = format!("{scheme}://{}{PATH}", location.host().ok()?);
        let inner = WebSocket::open_with_protocol(&url, SUBPROTOCOL).ok()?;
        Some(Self { inner, opened: false })
    }

    /// What the socket says next.
    ///
    /// # Cancel safety
    /// A message is taken only in the poll that returns it.
    async fn next(&mut self) -> Input {
        if !self.opened {
            // Ready also when connecting failed: then the close event follows below.
            let _ = poll_fn(|context| Pin::new(&mut self.inner).poll_ready(context)).await;
            self.opened = true;
            if matches!(self.inner.state(), State::Open) {
                return Input::Opened;
            }
        }
        loop {
            return match self.inner.next().await {
                Some(Ok(Message::Text(text))) => ServerFrame::read(&text)
                    .map_or(Input::Garbage, |frame| Input::Frame(Box::new(frame))),
                Some(Ok(Message::Bytes(_))) => Input::Garbage,
                Some(Err(WebSocketError::ConnectionClose(event))) => Input::Closed(event.code),
                // An error is always followed by a close, which has the code.
                Some(Err(_)) => continue,
                None => Input::Closed(NO_CODE),
            };
        }
    }

    /// Sends a frame; a failure shows as a close.
    async fn send(&mut self, frame: &ClientFrame) {
        if let Ok(text) = serde_json::to_string(frame) {
            let _ = self.inner.send(Message::Text(text)).await;
        }
    }
}
