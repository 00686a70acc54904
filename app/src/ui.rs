//! Widgets: what pages are put together from. Each has a style sheet of its name in `style/`.
//!
//! Invariant: a widget knows nothing but its props: no context, no server function, no live link.

pub mod bar;
pub mod card;
pub mod copy;
pub mod diff;
pub mod facts;
pub mod moment;
pub mod panel;
pub mod spark;
pub mod status;
pub mod text;
pub mod yaml;
