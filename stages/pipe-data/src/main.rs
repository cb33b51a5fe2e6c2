//! The worker `pipe-data`: `pipe-data run JOB.json`, started by the engine.

use std::process::ExitCode;

// Data stages make and drop many small strings on many threads, where the C library's allocator takes a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    contract::worker::main("pipe-data", pipe_data::KINDS)
}
