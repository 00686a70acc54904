//! Pages: each owns its route, asks the server what it needs and draws it.
//!
//! Invariant: no page opens a socket or sets a timer; what is live comes from [`crate::live`].

pub mod fabric;
pub mod fabric_card;
pub mod failure;
pub mod feed_list;
pub mod history;
pub mod kinds_table;
pub mod list;
pub mod missing;
pub mod object;
pub mod object_body;
pub mod overview;
pub mod relations;
pub mod states;
pub mod switches_table;

use leptos::prelude::*;

use crate::live::Live;

/// What time it is for a page that was read at `read_ms`: that very time until the page is awake, so
/// that both sides write the same, then the browser's clock.
pub fn clock(read_ms: i64) -> Signal<i64> {
    let now = Live::expect().now();
    Signal::derive(move || now.get().unwrap_or(read_ms))
}
