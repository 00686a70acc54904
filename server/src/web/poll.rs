//! Polling: one request is answered as soon as there is anything beyond the places that it came with.
//!
//! Invariant: nothing is decided here about topics; nobody waits longer than 25 s, nor past the end of the
//! server or of the client.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use domain::wire::{Close, Want};
use engine::{hub::session::Session, metrics::Transport};
use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    Front,
    asked::{self, LONGEST_WAIT, Query},
    attended::Attended,
    doorman::{self, Seat},
    proxy::Peer,
};
use crate::registrar::caller::Caller;

/// What cannot be done is said after this time, if nothing else is to be said: not at once, or who asks for
/// it again and again would ask as fast as the wire allows.
const COMPLAINT_AFTER: Duration = Duration::from_secs(1);

/// `GET …?topic=objects/prod/Switch@9f3c…:1203&wait=25`.
pub async fn one(
    State(front): State<Front>,
    peer: Peer,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let asked = asked::query_of(query.as_deref());
    let asked = asked.and_then(|Query { wants, wait }| {
        if wants.is_empty() {
            return Err(asked::bad_query("say which: `topic=objects/{fabric}/{Kind}`"));
        }
        Ok((asked::few(wants, &front.limits)?, wait))
    });
    match asked {
        Ok((wants, wait)) => {
            let wants = asked::resume(wants, &headers);
            answer(&front, peer.address, &caller, wants, wait).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// `POST …?wait=25` with a `hello` as its body.
pub async fn many(
    State(front): State<Front>,
    peer: Peer,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = asked::query_of(query.as_deref());
    let asked = asked.and_then(|Query { wants, wait }| {
        if !wants.is_empty() {
            return Err(asked::bad_query(
                "topics are in the `hello` of the body; in the query is `wait`",
            ));
        }
        Ok((asked::of_body(&body, &front.limits)?, wait))
    });
    match asked {
        Ok((wants, wait)) => {
            let wants = asked::resume(wants, &headers);
            answer(&front, peer.address, &caller, wants, wait).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer(
    front: &Front,
    peer: IpAddr,
    caller: &Caller,
    wants: Vec<Want>,
    wait: Option<u64>,
) -> Response {
    let seat = match doorman::admit(front, peer, caller, Transport::Poll) {
        Ok(seat) => seat,
        Err(refusal) => return refusal.into_response(),
    };
    // Held from before the first subscription, so that no topic appears unseen.
    let mut topics = front.hub.set_changes();
    let mut attended = Attended::new(front, caller).await;
    let session = Session::new(Arc::clone(&front.hub), caller.viewer());
    let mut session = Box::new(session.with_most_topics(front.limits.topics));
    session.ask(wants);
    let begin = Instant::now();
    let wait = Duration::from_secs(wait.unwrap_or(LONGEST_WAIT));
    let patience = if session.has_complaints() { wait.min(COMPLAINT_AFTER) } else { wait };
    let mailbox = session.mailbox();
    let mut words = Words::News;
    while !session.has_news() {
        tokio::select! {
            biased;
            () = front.cancel.cancelled() => {
                session.goodbye(Close::Restart, Some(front.doorman.farewell()));
                break;
            }
            () = attended.changed() => {
                if let Some(close) = attended.settle(&mut session) {
                    session.goodbye(close, None);
                    break;
                }
            }
            () = mailbox.rung() => session.pull(),
            _ = topics.changed() => session.reconcile(),
            () = sleep_until(begin + patience) => {
                if !session.has_complaints() {
                    words = Words::None;
                }
                break;
            }
        }
    }
    session.pull();
    if words == Words::None && session.has_news() {
        words = Words::News;
    }
    let frames = Frames { session, attended, words, at: 0, _seat: seat };
    let body = stream::unfold(frames, async |mut frames| {
        let part = frames.next()?;
        Some((Ok::<_, Infallible>(Bytes::from(part)), frames))
    })
    // Whoever compresses it asks once more after its end.
    .fuse();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(body)).into_response()
}

/// What an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// What was put into words.
    News,
    /// Nothing: that nothing is new needs no words.
    None,
    /// All was said.
    Said,
}

/// An answer that is put into words as it is taken.
struct Frames {
    session: Box<Session>,
    attended: Attended,
    words: Words,
    /// Frames so far.
    at: usize,
    _seat: Seat,
}

impl Frames {
    fn next(&mut self) -> Option<String> {
        let open = if self.at == 0 { r#"{"frames":["# } else { "," };
        match self.words {
            Words::Said => return None,
            Words::None => {}
            Words::News => {
                // Whoever takes long may have lost what was put into words for them.
                if let Some(close) = self.attended.settle(&mut self.session) {
                    self.session.goodbye(close, None);
                }
                if let Some(text) = self.session.next_pulled() {
                    self.at += 1;
                    return Some(format!("{open}{text}"));
                }
            }
        }
        self.words = Words::Said;
        let open = if self.at == 0 { open } else { "" };
        // Where all topics of a wildcard stand: there is no ping to say it.
        let token = self.session.wildcard_token();
        let token = token.map_or_else(String::new, |token| format!(r#","token":"{token}""#));
        Some(format!("{open}]{token}}}"))
    }
}
