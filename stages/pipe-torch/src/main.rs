//! The worker binary `pipe-torch`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// How libgomp's threads wait for each other. Spinning, its default, makes training several times slower when the machine has
/// anything else to do.
const WAIT_POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "PASSIVE");

fn main() -> ExitCode {
    let (name, value) = WAIT_POLICY;
    let runs_a_job = std::env::args().nth(1).is_some_and(|verb| verb == "run");
    // libgomp reads it when it is loaded, which is before `main`: so start over with it set. Same process, same descriptors.
    if runs_a_job
        && std::env::var_os(name).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        // Returns only on failure; then the work goes on, slower.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).env(name, value).exec();
    }
    contract::worker::main("pipe-torch", pipe_torch::KINDS)
}
