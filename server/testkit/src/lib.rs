//! What tests share, beside the product and never in it.
//!
//! - [`RealServer`]: real Kubernetes API servers, found, started, disturbed and stopped; no container, no root. Two
//!   variants keep the simulator honest: an old full server with authorization, and a new server of custom resources
//!   with the newest watch semantics. Where their programs are absent, [`RealServer::start`] says so in one line and
//!   gives nothing.
//! - [`account`]: the account with which tests and benches sign in.
//! - [`live_client`]: the browser's protocol code over real sockets.
//! - [`proxy`]: a TCP proxy that cuts, stalls, swallows, delays and refuses.
//! - [`chaos`]: all of it together, with the real binary, under random faults, and the truth at the end.
//!
//! Invariant: only processes that were started here are ever signalled, by their id; nothing outlives its handle.

pub mod account;
mod assets;
pub mod chaos;
pub mod live_client;
mod pki;
mod process;
pub mod proxy;
mod server;

pub use server::{RealServer, User, Variant};
