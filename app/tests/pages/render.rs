//! Renders a page in one sweep, as the server does for its routes.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use app::{StatusHook, backend::Backend, office::Content};
use futures::{Stream, StreamExt, stream::BoxStream};
use leptos::{config::LeptosOptions, prelude::*};
use leptos_integration_utils::ExtendResponse;
use leptos_meta::ServerMetaContext;
use leptos_router::location::RequestUrl;

/// What came of a request.
pub(crate) struct Rendered {
    pub(crate) status: u16,
    pub(crate) html: String,
}

struct Body(BoxStream<'static, String>);

impl ExtendResponse for Body {
    type ResponseOptions = ();

    fn from_stream(stream: impl Stream<Item = String> + Send + 'static) -> Self {
        Self(stream.boxed())
    }

    fn extend_response(&mut self, (): &()) {}

    fn set_default_content_type(&mut self, _: &str) {}
}

/// Renders the page at `path` over `backend`.
pub(crate) fn page(path: &str, backend: Arc<dyn Backend>) -> Rendered {
    page_with(path, backend, None)
}

/// Renders the page at `path`, which may be an office page with its content.
pub(crate) fn page_with(
    path: &str,
    backend: Arc<dyn Backend>,
    content: Option<Content>,
) -> Rendered {
    // The second test of the process finds it there.
    let _ = any_spawner::Executor::init_tokio();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, render(path.to_owned(), backend, content))
}

/// Renders a page many times at once, on several threads, as a busy server does.
pub(crate) fn pages(path: &str, backend: &Arc<dyn Backend>, times: usize) -> Vec<Rendered> {
    let _ = any_spawner::Executor::init_tokio();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let under_way: Vec<_> = (0..times)
        .map(|_| runtime.spawn(render(path.to_owned(), Arc::clone(backend), None)))
        .collect();
    runtime.block_on(async {
        let mut done = Vec::new();
        for task in under_way {
            done.push(tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap());
        }
        done
    })
}

/// How long a page may take on a loaded machine.
const DEADLINE: std::time::Duration = std::time::Duration::from_mins(1);

async fn render(path: String, backend: Arc<dyn Backend>, office: Option<Content>) -> Rendered {
    let status = Arc::new(AtomicU16::new(200));
    let (meta, output) = ServerMetaContext::new();
    let hook = {
        let status = Arc::clone(&status);
        StatusHook::new(move |code| status.store(code, Ordering::SeqCst))
    };
    let options = LeptosOptions::builder().output_name("hnp").build();
    let context = move || {
        provide_context(RequestUrl::new(&path));
        provide_context(meta);
        provide_context(backend);
        provide_context(hook);
        if let Some(content) = office {
            provide_context(content);
        }
        leptos::nonce::provide_nonce();
    };
    let body = Body::from_app(
        move || app::shell(options),
        output,
        context,
        (),
        |app, chunks, _| {
            Box::pin(async move {
                let html = app.to_html_stream_in_order().collect::<String>().await;
                Box::pin(futures::stream::once(async move { html }).chain(chunks())) as _
            })
        },
        false,
    )
    .await;
    let html = body.0.collect::<String>().await;
    Rendered { status: status.load(Ordering::SeqCst), html }
}
