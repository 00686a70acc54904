//! The engine room: clusters and their watches, the keeper of each fabric, and the hub that fans out.
//!
//! One owner task per fabric ([`keeper`]) receives everything that can happen to it and is the only
//! writer of its topics in the [`hub`]. Watches ([`cluster`]) only observe.
//!
//! Invariant: no page, cookie or route is known here.

pub mod chain;
pub mod clock;
pub mod cluster;
pub mod fabric;
pub mod hub;
pub mod keeper;
pub mod metrics;
pub mod recorder;
pub mod store;
pub mod vault;
