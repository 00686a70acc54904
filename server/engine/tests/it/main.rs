//! The rooms of the engine, tested on clusters that behave: the embedded one with its faults, and real
//! API servers where they are there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, and skips are named on the output"
)]

mod convergence;
mod examined;
mod faults;
mod house;
mod kubeconfigs;
mod many;
mod plans;
mod real;
mod records;
mod watch;
