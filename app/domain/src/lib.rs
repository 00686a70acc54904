//! Truths: every decision of HNP that needs no clock, no randomness and no I/O.
//!
//! Invariant: nothing here knows a framework, a socket, a file or the time of day.

pub mod kind;
pub mod object;
