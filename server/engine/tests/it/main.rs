//! The rooms of the engine, tested on clusters that behave: the embedded one with its faults, and real
//! API servers where they are there.

mod convergence;
mod faults;
mod house;
mod real;
mod watch;
