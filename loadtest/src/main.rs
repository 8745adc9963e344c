//! The program: arguments in, an exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::main(std::env::args_os().skip(1))
}
