//! Moves frames between lines and the link, with one timer for its deadlines. Decides nothing.
//!
//! Called from an effect only, so on the server it stays asleep.
//!
//! Invariant: a line that the link hung up is dropped, which closes it; one that ended is dropped before the
//! link is told.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use domain::wire::{
    ClientFrame,
    link::{How, Input, Line, Session},
};
use futures::{FutureExt, Stream, pin_mut, select_biased};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::window;
use wasm_bindgen_futures::spawn_local;

use super::{
    browser,
    frame::{jitter, now},
    request,
    shared::Shared,
    socket::Socket,
    store::{Order, Store},
};

/// Close code of a connection that ended without one (RFC 6455, 7.1.5).
pub(super) const NO_CODE: u16 = 1006;
/// Frames taken in one go before timers and orders get their turn.
const IN_ONE_GO: usize = 256;

/// What a request says until it ends. Dropping it ends it.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Input>>>;

/// Wakes the link of this page, once.
pub(super) fn start(shared: &Arc<Shared>) {
    if shared.wake_once() {
        browser::listen(shared);
        spawn_local(run(Arc::clone(shared)));
    }
}

async fn run(shared: Arc<Shared>) {
    let mut lines = Lines::default();
    let begin = if window().navigator().on_line() { Input::Start } else { Input::Offline };
    shared.step(now(), jitter(), begin);
    loop {
        lines.perform_all(&shared).await;
        browser::schedule_flush(&shared);
        let Some(input) = next(&shared, &mut lines).await else { continue };
        lines.take(&shared, input);
        for _ in 0..IN_ONE_GO {
            let Some(input) = poll_fn(|context| lines.poll_next(context)).now_or_never() else {
                break;
            };
            lines.take(&shared, input);
        }
    }
}

/// Waits for what happens next; none if there are orders to perform.
async fn next(shared: &Shared, lines: &mut Lines) -> Option<Input> {
    let heard = poll_fn(|context| lines.poll_next(context)).fuse();
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

enum Wire {
    Socket(Box<Socket>),
    Request(Answers),
}

/// The lines that are open, and the question for the session.
#[derive(Default)]
struct Lines {
    open: Vec<(Line, Wire)>,
    session: Option<Answers>,
}

impl Lines {
    /// Performs what the link ordered, and what it orders because of that.
    async fn perform_all(&mut self, shared: &Shared) {
        loop {
            let orders = shared.with(Store::orders);
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::HangUp(line) => self.close(line),
                    Order::Dial(line, how) => self.dial(shared, line, how),
                    Order::Send(line, frame) => self.send(line, &frame).await,
                    Order::AskSession => self.session = Some(request::session()),
                }
            }
        }
    }

    fn dial(&mut self, shared: &Shared, line: Line, how: How) {
        let wire = match how {
            How::WebSocket => Socket::open(line).map(|socket| Wire::Socket(Box::new(socket))),
            How::Sse(hello) => Some(Wire::Request(request::stream(line, *hello))),
            How::Poll { wait_s, hello } => Some(Wire::Request(request::poll(line, wait_s, *hello))),
        };
        match wire {
            Some(wire) => self.open.push((line, wire)),
            None => shared.step(now(), jitter(), Input::Closed(line, NO_CODE)),
        }
    }

    fn close(&mut self, line: Line) {
        self.open.retain(|(other, _)| *other != line);
    }

    async fn send(&mut self, line: Line, frame: &ClientFrame) {
        let open = self.open.iter_mut().find(|(other, _)| *other == line);
        if let Some((_, Wire::Socket(socket))) = open {
            socket.send(frame).await;
        }
    }

    /// What one of the lines says next.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Input> {
        for (line, wire) in &mut self.open {
            let input = match wire {
                Wire::Socket(socket) => socket.poll_next(context),
                Wire::Request(answers) => answers
                    .as_mut()
                    .poll_next(context)
                    .map(|input| input.unwrap_or(Input::Closed(*line, NO_CODE))),
            };
            if input.is_ready() {
                return input;
            }
        }
        match &mut self.session {
            Some(session) => session
                .as_mut()
                .poll_next(context)
                .map(|input| input.unwrap_or(Input::Session(Session::Away))),
            None => Poll::Pending,
        }
    }

    fn take(&mut self, shared: &Shared, input: Input) {
        match &input {
            Input::Closed(line, _) | Input::Answer(line, _) => self.close(*line),
            Input::Session(_) => self.session = None,
            _ => {}
        }
        shared.step(now(), jitter(), input);
    }
}
