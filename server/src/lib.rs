//! The front desk: configuration, the command line, pages, the live link and probes.
//!
//! Invariant: nothing here watches a cluster or decides about a change; that is the engine's work.

pub mod backend;
pub mod cli;
pub mod config;
pub mod fabrics;
pub mod oidc;
pub mod people;
pub mod records;
pub mod registrar;
pub mod run;
pub mod telemetry;
pub mod web;
