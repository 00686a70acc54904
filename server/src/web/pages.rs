//! Pages: Leptos' routes with our backend, status and Content-Security-Policy in their context.

use app::{StatusHook, api::ApiError};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::Response,
};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use std::sync::Arc;
use tokio::{runtime::Builder, sync::Semaphore, task::spawn_blocking};
use tower_http::compression::CompressionLayer;

use super::{Front, headers, probes::problem};
use crate::registrar::caller::Caller;

/// The routes of pages and server functions.
pub fn router(front: &Front) -> Router<Front> {
    let routes = generate_route_list(app::App);
    let (context, options) = (front.clone(), front.options.clone());
    Router::new()
        .leptos_routes_with_context(
            front,
            routes,
            move || provide(&context),
            move || app::shell(options.clone()),
        )
        .layer(middleware::from_fn_with_state(front.press.clone(), on_one_thread))
        .layer(middleware::from_fn(refuse_as_such))
        .layer(CompressionLayer::new())
}

/// Largest page, in bytes: a list embeds 100 rows, an object may be 3 MiB and is written twice.
const LARGEST_PAGE: usize = 32 * 1024 * 1024;

/// Pages that are rendered at the same time; further ones wait. A page is some milliseconds of one core.
const PAGES_AT_ONCE: usize = 8;

/// Where pages are rendered: each by itself on one thread, from its first to its last byte.
///
/// The signals of a page take locks, and know by thread whose they are. With its resources polled on
/// other threads a page now and then waited for itself for ever; with pages taking turns on one thread
/// they read each other's. It is also written to its end if nobody waits for it any more: dropped half
/// way, its signals would be gone under parts that still read them.
#[derive(Debug, Clone)]
pub struct Press(Arc<Semaphore>);

impl Press {
    /// A press at rest.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(PAGES_AT_ONCE)))
    }

    /// Renders a page.
    pub async fn print<F>(&self, render: impl FnOnce() -> F + Send + 'static) -> Response
    where
        F: Future<Output = Response> + 'static,
    {
        let Ok(permit) = Arc::clone(&self.0).acquire_owned().await else { return failed() };
        let whole = spawn_blocking(move || {
            let _permit = permit;
            // A runtime of its own ends with the page, and with it whatever the page left behind.
            let runtime = Builder::new_current_thread().enable_time().build()?;
            runtime.block_on(async {
                let (parts, body) = render().await.into_parts();
                let bytes = to_bytes(body, LARGEST_PAGE).await?;
                Ok::<_, anyhow::Error>(Response::from_parts(parts, Body::from(bytes)))
            })
        });
        match whole.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::error!(error = %format!("{error:#}"), "a page could not be written");
                failed()
            }
            Err(_) => failed(),
        }
    }
}

impl Default for Press {
    fn default() -> Self {
        Self::new()
    }
}

fn failed() -> Response {
    let detail = "the page could not be written; the log says why";
    problem(StatusCode::INTERNAL_SERVER_ERROR, "page_failed", detail)
}

async fn on_one_thread(State(press): State<Press>, request: Request, next: Next) -> Response {
    press.print(move || next.run(request)).await
}

/// Header by which Leptos marks what a server function refused, for which it knows one status alone.
const REFUSED: &str = "serverfnerror";

/// Largest refusal of a server function, in bytes.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// Gives what a server function refuses the status that it means; the body is the page's to read.
async fn refuse_as_such(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if !response.headers().contains_key(REFUSED) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_REFUSAL).await else { return failed() };
    parts.status = match serde_json::from_slice(&bytes) {
        Ok(ApiError::NoFabric { .. }) => StatusCode::NOT_FOUND,
        // On this side it says that what was sent could not be read.
        Ok(ApiError::Transport { .. }) => StatusCode::BAD_REQUEST,
        Ok(ApiError::Internal { .. }) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Response::from_parts(parts, Body::from(bytes))
}

/// What a page finds in its context.
pub fn provide(front: &Front) {
    let caller = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Caller>().cloned());
    let backend = front.backend(caller.unwrap_or_else(|| Caller::nobody(None)));
    provide_context(backend);
    let Some(response) = use_context::<ResponseOptions>() else { return };
    let path = use_context::<Parts>().map(|parts| parts.uri.path().to_owned()).unwrap_or_default();
    let policy = |nonce: &str| {
        if headers::is_scriptless(&path) {
            headers::without_scripts(nonce)
        } else {
            headers::policy(nonce)
        }
    };
    if let Some(policy) = use_nonce().and_then(|nonce| HeaderValue::from_str(&policy(&nonce)).ok())
    {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
    // A page is a picture of one moment.
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    provide_context(StatusHook::new(move |status| {
        if let Ok(status) = StatusCode::from_u16(status) {
            response.set_status(status);
        }
    }));
}
