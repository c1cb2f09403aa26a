//! The binary. Everything is in the library.

use std::process::ExitCode;

/// A request allocates some sixty times, mostly small; measured in `tests/bench`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::cli::main()
}
