//! The front desk from outside: real sockets, real HTTP, the real binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod abuse;
mod chaos;
mod check;
mod cli;
mod guard;
mod hardening;
mod house;
mod http;
mod live;
mod pages;
mod poll;
mod process;
mod real;
mod records;
mod resume;
mod secrets;
mod slow;
mod socket;
mod sse;
mod tls;
mod ways;
