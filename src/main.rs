//! The program: `server::run` with what the system gave; nothing else.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gigawamp::shard::die_on_panic();
    gigawamp::server::run(std::env::args_os())
}
