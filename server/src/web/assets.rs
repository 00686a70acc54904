//! The client's files: hashed, precompressed, cached for good where the name says what is inside.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leptos::config::LeptosOptions;
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

use super::{Front, map, pages, probes::problem};
use crate::registrar::caller::Caller;

/// Serves a file of the site, or the page that says that there is none.
pub async fn serve(State(front): State<Front>, request: Request) -> Response {
    let options: &LeptosOptions = &front.options;
    if request.uri().path().starts_with("/api/") {
        return problem(
            StatusCode::NOT_FOUND,
            "no_route",
            "there is nothing at this address; see the protocol and the HTTP interface in docs",
        );
    }
    let client = request.uri().path().starts_with("/pkg/");
    let hashed = client && has_hash(request.uri().path());
    let files = ServeDir::new(options.site_root.as_ref())
        .precompressed_br()
        .precompressed_gzip()
        .append_index_html_on_directories(false);
    let (parts, _) = request.into_parts();
    let file_request = Request::from_parts(parts.clone(), Body::empty());
    let mut response = match files.oneshot(file_request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND && !client {
        let caller = parts.extensions.get::<Caller>();
        if !caller.is_some_and(Caller::is_somebody) {
            return map::to_login(&parts.uri);
        }
        let context = front.clone();
        let shell_options = options.clone();
        let handler = leptos_axum::render_app_async_with_context(
            move || pages::provide(&context),
            move || app::shell(shell_options.clone()),
        );
        let request = Request::from_parts(parts, Body::empty());
        let render = move || async move { handler(request).await.into_response() };
        return front.press.print(render).await;
    }
    if hashed && response.status().is_success() {
        response.headers_mut().insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        );
    }
    // Caches must tell the compressed copies apart.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// Whether a file's name says what is inside, as in `hnp.0123456789abcdef.js`.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split('.')
        .any(|part| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
