//! Lines over HTTP: an event stream, a poll, and the question for the session.
//!
//! Invariant: dropping what is returned ends the request; each ends with one `Closed` or `Answer`.

use domain::wire::{
    ClientFrame, ServerFrame,
    link::{Input, Line, Session},
    sse::Events,
};
use futures::stream::{once, unfold};
use gloo_net::http::{Request, RequestBuilder, Response};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader};

use super::driver::{Answers, NO_CODE};

/// Where the link is served, on the page's own host.
pub(super) const PATH: &str = "/api/v1/live";
/// Where the session is.
const SESSION: &str = "/api/v1/session";
/// Status of an answer that is what we asked for.
const OK: u16 = 200;

/// Ends its request when it is dropped.
struct Abort(Option<AbortController>);

impl Abort {
    fn new() -> Self {
        Self(AbortController::new().ok())
    }

    fn guard(&self, request: RequestBuilder) -> RequestBuilder {
        request.abort_signal(self.0.as_ref().map(AbortController::signal).as_ref())
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// Asks whether HTTP works and who we are.
pub(super) fn session() -> Answers {
    Box::pin(once(async {
        let abort = Abort::new();
        let Ok(answer) = abort.guard(Request::get(SESSION)).send().await else {
            return Input::Session(Session::Away);
        };
        // To its end, or the browser would drop the connection.
        let _ = answer.text().await;
        Input::Session(Session::of(Some(answer.status())))
    }))
}

/// What the server answers; none where it refuses or cannot be reached.
pub(super) async fn get(path: &str, query: &[(&str, String)]) -> Option<String> {
    let request = Request::get(path).query(pairs(query));
    let answer = request.send().await.ok().filter(|answer| answer.status() == OK)?;
    answer.text().await.ok()
}

fn pairs<'a>(query: &'a [(&str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    query.iter().map(|(name, value)| (*name, value.as_str()))
}

/// Polls once.
pub(super) fn poll(line: Line, wait_s: u32, hello: ClientFrame) -> Answers {
    Box::pin(once(async move {
        let abort = Abort::new();
        let answer = match post(&abort, "poll", &[("wait", wait_s.to_string())], &hello).await {
            Ok(answer) => answer,
            Err(code) => return Input::Closed(line, code),
        };
        match answer.text().await {
            Ok(text) => ServerFrame::read_answer(&text)
                .map_or(Input::Garbage(line), |frames| Input::Answer(line, frames)),
            Err(_) => Input::Closed(line, NO_CODE),
        }
    }))
}

/// An event stream, until it ends.
pub(super) fn stream(line: Line, hello: ClientFrame) -> Answers {
    let begin = Open {
        line,
        hello: Some(hello),
        abort: Abort::new(),
        reader: None,
        events: Events::default(),
    };
    Box::pin(unfold(begin, |mut open| async move {
        let input = open.next().await?;
        Some((input, open))
    }))
}

/// Sends a hello; an answer that is not what we asked for is its status.
async fn post(
    abort: &Abort,
    way: &str,
    query: &[(&str, String)],
    hello: &ClientFrame,
) -> Result<Response, u16> {
    let body = serde_json::to_string(hello).map_err(|_| NO_CODE)?;
    let request = Request::post(&format!("{PATH}/{way}")).query(pairs(query));
    let request = abort.guard(request).header("Content-Type", "application/json");
    let answer = request.body(body).map_err(|_| NO_CODE)?.send().await.map_err(|_| NO_CODE)?;
    if answer.status() == OK { Ok(answer) } else { Err(answer.status()) }
}

struct Open {
    line: Line,
    hello: Option<ClientFrame>,
    abort: Abort,
    reader: Option<ReadableStreamDefaultReader>,
    events: Events,
}

impl Open {
    /// What the stream says next; none after its end.
    async fn next(&mut self) -> Option<Input> {
        if let Some(hello) = self.hello.take() {
            match post(&self.abort, "sse", &[], &hello).await {
                Ok(answer) => self.reader = reader(&answer),
                Err(code) => return Some(Input::Closed(self.line, code)),
            }
        }
        loop {
            if let Some(text) = self.events.next_data() {
                return Some(read(self.line, &text));
            }
            if self.events.is_broken() {
                return Some(Input::Garbage(self.line));
            }
            // Its end, or a break, is told as a close without a code.
            self.events.push(&chunk(self.reader.as_ref()?).await?);
        }
    }
}

/// A frame as an input.
pub(super) fn read(line: Line, text: &str) -> Input {
    ServerFrame::read(text)
        .map_or(Input::Garbage(line), |frame| Input::Frame(line, Box::new(frame)))
}

fn reader(answer: &Response) -> Option<ReadableStreamDefaultReader> {
    answer.body()?.get_reader().dyn_into().ok()
}

/// The next bytes of a body; none at its end or where it breaks.
async fn chunk(reader: &ReadableStreamDefaultReader) -> Option<Vec<u8>> {
    let read = JsFuture::from(reader.read()).await.ok()?;
    let value = Reflect::get(&read, &"value".into()).ok()?;
    Some(value.dyn_into::<Uint8Array>().ok()?.to_vec())
}
