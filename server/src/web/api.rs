//! The HTTP API under `/api/v1`, beside the live link and what was recorded.
//!
//! Invariant: every route of it is on the map, with what it needs and how it is described.

pub mod audit;
pub mod fabrics;
pub mod form;
pub mod sessions;
pub mod tokens;
pub mod users;
