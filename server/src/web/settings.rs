//! The pages of the settings.
//!
//! Invariant: each works without script: forms are posted, and what was done is seen after a redirect.

pub mod account;
pub mod fabrics;
pub mod fields;
pub mod persons;
pub mod tokens;
pub mod users;
