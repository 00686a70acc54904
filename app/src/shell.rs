//! The HTML document around the app: what the server writes before and after the page.
//!
//! Invariant: no inline style and no inline event handler; every inline script carries the nonce of
//! the request.

use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::{HashedStylesheet, MetaTags};

use crate::router::App;

/// Applies the stored theme and width of the rail before the first paint. Kept in a file of its own
/// so that it can be read as what it is.
const BEFORE_PAINT: &str = include_str!("shell/before_paint.js");

/// The document. The server hands it to its routes; `options` say where script and style lie.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="description" content="Live command centre for Hedgehog fabrics"/>
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" id="favicon"/>
                <script nonce=use_nonce()>{BEFORE_PAINT}</script>
                <HashedStylesheet options=options.clone() id="style"/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}
