//! The HTML document around the app: what the server writes before and after the page.
//!
//! Invariant: no inline style and no inline event handler; every inline script carries the nonce of
//! the request.

use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::{HashedStylesheet, MetaTags, Title, provide_meta_context};

use crate::{
    office::{self, Content, Surround},
    router::App,
};

/// Applies the stored theme and width of the rail before the first paint. Kept in a file of its own
/// so that it can be read as what it is.
const BEFORE_PAINT: &str = include_str!("shell/before_paint.js");

/// Name of the style sheet of office pages; it shares the hash of the other one.
const OFFICE_STYLE: &str = "office";

/// The document. The server hands it to its routes; `options` say where script and style lie. An office
/// page has a further style sheet; one without a frame has no script at all.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let office = office::content();
    let style = office.is_some().then(|| {
        let mut options = options.clone();
        options.output_name = OFFICE_STYLE.into();
        view! { <HashedStylesheet options id="office-style"/> }
    });
    let bare = office.filter(|content| content.surround == Surround::Bare);
    let (scripts, body) = if let Some(Content { title, html, .. }) = bare {
        provide_meta_context();
        let body = view! {
            <Title text=format!("{title} · HNP")/>
            <main id="main" class="office" inner_html=html.to_string()></main>
        };
        (None, body.into_any())
    } else {
        let scripts = view! {
            <script nonce=use_nonce()>{BEFORE_PAINT}</script>
            <HydrationScripts options=options.clone()/>
        };
        (Some(scripts), view! { <App/> }.into_any())
    };
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="description" content="Live command centre for Hedgehog fabrics"/>
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" id="favicon"/>
                {scripts}
                <HashedStylesheet options id="style"/>
                {style}
                <MetaTags/>
            </head>
            <body>{body}</body>
        </html>
    }
}
