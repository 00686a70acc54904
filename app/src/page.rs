//! Pages: each owns its route, asks the server what it needs and draws it.
//!
//! Invariant: no page opens a socket or sets a timer; what is live comes from [`crate::live`].

pub mod fabric;
pub mod missing;
pub mod object;
pub mod overview;
