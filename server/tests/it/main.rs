//! The front desk from outside: real sockets, real HTTP, the real binary.

mod abuse;
mod cli;
mod guard;
mod house;
mod http;
mod live;
mod pages;
mod process;
mod real;
mod secrets;
mod slow;
mod socket;
