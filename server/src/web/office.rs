//! Office pages: handlers say what is on them, this puts it into the document.
//!
//! A handler answers with [`framed`] or [`bare`]; on its way out [`print()`] renders the shell around it, for
//! the address that was asked for, so that the page wakes up in the browser as any other.
//!
//! Invariant: the status and the headers are the handler's; nothing of an office page is ever cached.

use app::office::{Content, Surround};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use leptos::prelude::{IntoView, provide_context};

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
    let mut asked = Request::new(Body::empty());
    *asked.uri_mut() = uri;
    if let Some(caller) = caller {
        asked.extensions_mut().insert(caller);
    }
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
