//! The browser's entry: hydrates the server-rendered page.
//!
//! Invariant: nothing else happens here; what the page is lies in `app`.

use wasm_bindgen::prelude::wasm_bindgen;

/// Wakes the page up. Called once by the script that the server writes into the page.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(app::App);
}
