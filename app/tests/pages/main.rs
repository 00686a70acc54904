//! Every page, rendered as the server renders it, over a backend that behaves.
//!
//! Invariant: no socket, no browser; what is checked is what a person without script can read.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod fake;
mod hostile;
mod html;
mod office;
mod render;
mod states;
