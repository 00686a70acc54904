//! The browser's entry: hydrates the server-rendered page.

use wasm_bindgen::prelude::wasm_bindgen;

/// Wakes the page up.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
}
