//! The command `pipe`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pipe::cmd::main()
}
