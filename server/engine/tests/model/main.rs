//! The promises of the live protocol, held against thousands of random schedules: real keepers, hubs,
//! sessions, frames and links, with clusters, watches, sockets and time that are simulated.
//!
//! `HNP_MODEL_SCHEDULES` says how many schedules, `HNP_MODEL_SEED` with which to begin, `HNP_MODEL_SHRINKS` how
//! hard to try to make one smaller. A failure prints its seed, the smallest schedule found that breaks the same
//! promise, and all that was said in it. `make mutants` plants bugs that must be found here.
//!
//! Invariant: no socket, no thread of the product, no waiting: the same seed does the same everywhere.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and skips are named on the output"
)]

mod acts;
mod audit;
mod check;
mod client;
mod cluster;
mod flood;
mod known;
mod net;
mod replica;
mod search;
mod world;
