//! Real Kubernetes API servers for tests: found, started, disturbed and stopped; no container, no root.
//!
//! Two variants keep the simulator honest: an old full server with authorization, and a new server of custom
//! resources with the newest watch semantics. Where their programs are absent, [`RealServer::start`] says so in one
//! line and gives nothing.
//!
//! Invariant: only processes that were started here are ever signalled, by their id; nothing outlives its
//! [`RealServer`].

mod assets;
mod pki;
mod process;
mod server;

pub use server::{RealServer, User, Variant};
