//! The worker binary `pipe-torch`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Read by libraries when they are loaded, which is before `main`.
const ENVIRONMENT: [(&str, &str); 3] = [
    // How libgomp's threads wait for each other. Spinning, its default, makes training several times slower when the machine has
    // anything else to do.
    ("OMP_WAIT_POLICY", "PASSIVE"),
    // glibc gives every large block back to the kernel at once, which fills it with zeros for the next tensor, page by page: a sixth of
    // the time of training. Blocks up to 4 GiB are kept for the next tensor.
    ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
    ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
];

fn main() -> ExitCode {
    let runs_a_job = std::env::args().nth(1).is_some_and(|verb| verb == "run");
    let absent: Vec<_> = ENVIRONMENT.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    // So start over with them set. Same process, same descriptors.
    if runs_a_job
        && !absent.is_empty()
        && let Ok(program) = std::env::current_exe()
    {
        // Returns only on failure; then the work goes on, slower.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).envs(absent).exec();
    }
    contract::worker::main("pipe-torch", pipe_torch::KINDS)
}
