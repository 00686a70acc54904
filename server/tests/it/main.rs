//! The front desk from outside: real sockets, real HTTP, the real binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod abuse;
mod accounts;
mod accounts_cli;
mod audit;
mod chaos;
mod check;
mod cli;
mod crowd;
mod fabrics;
mod fifty;
mod guard;
mod hardening;
mod house;
mod http;
mod isolation;
mod keeping;
mod live;
mod objects;
mod oidc;
mod pages;
mod people;
mod poll;
mod process;
mod real;
mod records;
mod refusals;
mod resume;
mod rights;
mod scanner;
mod secrets;
mod secrets2;
mod slow;
mod socket;
mod sse;
mod standing;
mod tls;
mod ways;
