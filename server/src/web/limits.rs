//! How large a request may be, how slowly it may come, and how long its answer may take to begin; and that
//! what is refused under `/api/v1/` says so as a problem.
//!
//! Invariant: no body is read beyond its bounds, whoever reads it; an answer that has begun is not cut off
//! here (streams go on).

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep, timeout};

use super::probes::problem;
use crate::config::Limits;

/// Longest refusal in plain text that is put into a problem, in bytes.
const LONGEST_WORDS: usize = 4_096;

/// Keeps a request within its bounds.
pub async fn keep(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    if announced(request.headers()).is_some_and(|bytes| bytes > limits.body_bytes as u64) {
        return too_large(&limits);
    }
    let spoken = request.uri().path().starts_with("/api/v1/");
    let broken = Arc::new(AtomicU8::new(KEPT));
    let request = if request.body().is_end_stream() {
        request
    } else {
        request.map(|body| Body::new(Bounded::new(body, &limits, Arc::clone(&broken))))
    };
    let Ok(response) = timeout(limits.answer_time, next.run(request)).await else {
        let detail = "the answer took too long; try again, or ask for less";
        return problem(StatusCode::SERVICE_UNAVAILABLE, "took_too_long", detail);
    };
    match broken.load(Ordering::Relaxed) {
        TOO_LARGE if !response.status().is_success() => too_large(&limits),
        TOO_SLOW if !response.status().is_success() => too_slow(&limits),
        _ if spoken => as_problem(response).await,
        _ => response,
    }
}

/// The length that a request says its body has.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limits: &Limits) -> Response {
    let detail = format!(
        "the body is larger than {} bytes; send less, or raise `limits.body_bytes`",
        limits.body_bytes
    );
    problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &detail)
}

fn too_slow(limits: &Limits) -> Response {
    let detail = format!(
        "the body did not come within {} s; try again, or raise `limits.body_seconds`",
        limits.body_time.as_secs()
    );
    problem(StatusCode::REQUEST_TIMEOUT, "too_slow", &detail)
}

/// The same refusal as a problem, where it was a line of plain text: a body that does not read, say.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|sort| sort.as_bytes().starts_with(b"text/plain"));
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let code = match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "wrong_type",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::NOT_FOUND => "no_route",
        status if status.is_client_error() => "bad_request",
        _ => "failed",
    };
    let words = axum::body::to_bytes(response.into_body(), LONGEST_WORDS).await.unwrap_or_default();
    problem(status, code, &String::from_utf8_lossy(&words))
}

const KEPT: u8 = 0;
const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Broken {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body comes too slowly")]
    TooSlow,
}

/// A body that ends with an error where its bounds are.
struct Bounded {
    body: Body,
    left: u64,
    until: Pin<Box<Sleep>>,
    broken: Arc<AtomicU8>,
}

impl Bounded {
    fn new(body: Body, limits: &Limits, broken: Arc<AtomicU8>) -> Self {
        let until = Box::pin(sleep(limits.body_time));
        Self { body, left: limits.body_bytes as u64, until, broken }
    }

    fn fail(&self, broken: Broken) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mark = match broken {
            Broken::TooLarge => TOO_LARGE,
            Broken::TooSlow => TOO_SLOW,
        };
        self.broken.store(mark, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(broken))))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => self.fail(Broken::TooLarge),
                }
            }
            Poll::Pending if self.until.as_mut().poll(context).is_ready() => {
                self.fail(Broken::TooSlow)
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
