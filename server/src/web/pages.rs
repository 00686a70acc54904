//! Pages: Leptos' routes with our backend, status and Content-Security-Policy in their context.

use app::{StatusHook, backend::Backend};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use std::sync::Arc;
use tokio_util::task::TaskTracker;
use tower_http::compression::CompressionLayer;

use super::{Front, headers};

/// The routes of pages and server functions.
pub fn router(front: &Front) -> Router<Front> {
    let routes = generate_route_list(app::App);
    let backend = front.backend();
    let options = front.options.clone();
    Router::new()
        .leptos_routes_with_context(
            front,
            routes,
            move || provide(&backend),
            move || app::shell(options.clone()),
        )
        .layer(middleware::from_fn_with_state(front.tracker.clone(), to_the_end))
        .layer(CompressionLayer::new())
}

/// Writes a page to its end even if nobody waits for it any more. Dropped half way, its signals would be
/// gone under parts that other threads are still writing, and those would panic.
async fn to_the_end(State(tracker): State<TaskTracker>, request: Request, next: Next) -> Response {
    match tracker.spawn(next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a page finds in its context.
pub fn provide(backend: &Arc<dyn Backend>) {
    provide_context(Arc::clone(backend));
    let Some(response) = use_context::<ResponseOptions>() else { return };
    if let Some(policy) =
        use_nonce().and_then(|nonce| HeaderValue::from_str(&headers::policy(&nonce)).ok())
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
