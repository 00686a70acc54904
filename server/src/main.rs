//! The `hnp` binary.

use std::process::ExitCode;

/// Gives memory back that a big list needed only while it was read, and keeps threads apart.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}
