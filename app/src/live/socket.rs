//! The browser's WebSocket as a line.
//!
//! Invariant: dropping it closes it without waiting; a close is told once, with its code, and after it nothing.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use domain::wire::{
    ClientFrame, SUBPROTOCOL,
    link::{Input, Line},
};
use futures::{Sink, SinkExt, StreamExt};
use gloo_net::websocket::{Message, State, WebSocketError, futures::WebSocket};
use leptos::prelude::window;

use super::{
    driver::NO_CODE,
    request::{self, PATH},
};

/// See the module.
pub(super) struct Socket {
    line: Line,
    inner: WebSocket,
    opened: bool,
}

impl Socket {
    /// Begins to connect; none if the browser refuses at once.
    pub(super) fn open(line: Line) -> Option<Self> {
        let location = window().location();
        let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
        let url = format!("{scheme}://{}{PATH}", location.host().ok()?);
        let inner = WebSocket::open_with_protocol(&url, SUBPROTOCOL).ok()?;
        Some(Self { line, inner, opened: false })
    }

    /// What the socket says next.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Input> {
        if !self.opened {
            // Ready also when connecting failed: then the close event follows below.
            let _ = ready!(Pin::new(&mut self.inner).poll_ready(context));
            self.opened = true;
            if matches!(self.inner.state(), State::Open) {
                return Poll::Ready(Input::Opened(self.line));
            }
        }
        loop {
            return Poll::Ready(match ready!(self.inner.poll_next_unpin(context)) {
                Some(Ok(Message::Text(text))) => request::read(self.line, &text),
                Some(Ok(Message::Bytes(_))) => Input::Garbage(self.line),
                Some(Err(WebSocketError::ConnectionClose(event))) => {
                    Input::Closed(self.line, event.code)
                }
                // An error is always followed by a close, which has the code.
                Some(Err(_)) => continue,
                None => Input::Closed(self.line, NO_CODE),
            });
        }
    }

    /// Sends a frame; a failure shows as a close.
    pub(super) async fn send(&mut self, frame: &ClientFrame) {
        if let Ok(text) = serde_json::to_string(frame) {
            let _ = self.inner.send(Message::Text(text)).await;
        }
    }
}
