//! Office pages: handlers say what is on them, this puts it into the document.
//!
//! A handler answers with [`framed`] or [`bare`]; on its way out [`print()`] renders the shell around it, for
//! the address that was asked for, so that the page wakes up in the browser as any other. What anybody else
//! refuses is a problem in JSON; to a person who follows a link or sends a form [`explain()`] says it as a page.
//!
//! Invariant: the status and the headers are the handler's; nothing of an office page is ever cached; nobody
//! who looks at a page is left with an empty one.

use app::office::{Content, Surround};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use leptos::prelude::{IntoView, provide_context};
use serde::Deserialize;

use super::{Front, pages};
use crate::registrar::caller::Caller;

/// A page within the console.
pub fn framed(status: StatusCode, title: &str, view: impl IntoView) -> Response {
    carry(status, Content::framed(title, view))
}

/// A page by itself, for those whom nobody knows yet.
pub fn bare(status: StatusCode, title: &str, view: impl IntoView) -> Response {
    carry(status, Content::bare(title, view))
}

fn carry(status: StatusCode, content: Content) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(content);
    response
}

/// Puts the content of an answer into the document.
pub async fn print(State(front): State<Front>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let caller = request.extensions().get::<Caller>().cloned();
    let mut answer = next.run(request).await;
    let Some(content) = answer.extensions_mut().remove::<Content>() else { return answer };
    document(&front, uri, caller, content, answer).await
}

/// The document with this content; status and headers are the answer's.
async fn document(
    front: &Front,
    uri: Uri,
    caller: Option<Caller>,
    content: Content,
    mut answer: Response,
) -> Response {
    let mut asked = Request::new(Body::empty());
    *asked.uri_mut() = uri;
    if let Some(caller) = caller {
        asked.extensions_mut().insert(caller);
    }
    let front = front.clone();
    let (options, press) = (front.options.clone(), front.press.clone());
    let is_bare = content.surround == Surround::Bare;
    let mut printed = press
        .print(move || async move {
            let provide = move || {
                pages::provide(&front);
                provide_context(content.clone());
            };
            let shell = move || app::shell(options.clone());
            let render = leptos_axum::render_app_async_with_context(provide, shell);
            let page = render(asked).await.into_response();
            if is_bare { end_with_document(page).await } else { page }
        })
        .await;
    if printed.status().is_success() {
        *printed.status_mut() = answer.status();
    }
    printed.headers_mut().extend(std::mem::take(answer.headers_mut()));
    printed
}

/// Largest problem that is put into words, in bytes.
const LARGEST_PROBLEM: usize = 64 * 1024;

/// What a problem says.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

/// Says a refusal as a page to whoever looks at pages.
pub async fn explain(State(front): State<Front>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let is_page = is_looked_at(request.method(), uri.path(), request.headers());
    let answer = next.run(request).await;
    if !is_page || !is_problem(answer.headers()) {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let Ok(said) = to_bytes(body, LARGEST_PROBLEM).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(problem) = serde_json::from_slice::<Problem>(&said) else {
        return Response::from_parts(head, Body::from(said));
    };
    for header in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
        head.headers.remove(header);
    }
    let heading = heading(head.status);
    let view = app::office::door::refused(heading, &problem.detail, &problem.code);
    let content = Content::bare(heading, view);
    document(&front, uri, None, content, Response::from_parts(head, Body::empty())).await
}

/// Whether a person sees the answer as a page: a link or a form, not a program and not a script of ours.
fn is_looked_at(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    (*method == Method::GET || *method == Method::POST)
        && !path.starts_with("/api/")
        && accepts.is_some_and(|accept| accept.contains("text/html"))
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|sort| sort.as_bytes().starts_with(b"application/problem+json"))
}

/// What a refusal is called, for a person.
fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "This is not here",
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => "This was refused",
        StatusCode::PAYLOAD_TOO_LARGE => "This is too large",
        StatusCode::TOO_MANY_REQUESTS => "Too many at once",
        status if status.is_server_error() => "HNP cannot do this now",
        _ => "This cannot be answered",
    }
}

/// Largest page without a frame, in bytes: a form and what was wrong with it.
const LARGEST_BARE: usize = 1024 * 1024;

/// A page that ends with its document: what the framework writes behind it is script, of which a page for those
/// whom nobody knows has none.
async fn end_with_document(page: Response) -> Response {
    const END: &[u8] = b"</html>";
    let (parts, body) = page.into_parts();
    let Ok(whole) = to_bytes(body, LARGEST_BARE).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let end = whole.windows(END.len()).rposition(|part| part == END);
    let end = end.map_or(whole.len(), |at| at + END.len());
    Response::from_parts(parts, Body::from(whole.slice(..end)))
}
