//! Truths: every decision of HNP that needs no clock, no randomness and no I/O.
//!
//! Invariant: nothing here knows a framework, a socket, a file or the time of day.

pub mod access;
pub mod account;
pub mod audit;
pub mod columns;
pub mod connection;
pub mod crd;
pub mod diff;
pub mod door;
pub mod feed;
pub mod hex;
pub mod history;
pub mod kind;
pub mod lean;
pub mod log;
pub mod object;
pub mod outbox;
pub mod readiness;
pub mod references;
pub mod report;
pub mod spec;
pub mod state;
pub mod time;
pub mod topic;
pub mod wire;

#[cfg(test)]
mod sample;
