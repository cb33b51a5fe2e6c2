//! The worker binary `pipe-torch`. It also asks models on behalf of `pipe ask`: `pipe-torch answer MODEL THREADS`.

use std::os::unix::process::CommandExt;
use std::path::Path;
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
    let computes = std::env::args_os().nth(1).is_some_and(|verb| verb == "run" || verb == "answer");
    let absent: Vec<_> = ENVIRONMENT.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    // So start over with them set. Same process, same descriptors.
    if computes
        && !absent.is_empty()
        && let Ok(program) = std::env::current_exe()
    {
        // Returns only on failure; then the work goes on, slower.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).envs(absent).exec();
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let [verb, model, threads] = &words[..]
        && verb == "answer"
    {
        return analyze::answer::main(Path::new(model), &threads.to_string_lossy());
    }
    contract::worker::main("pipe-torch", pipe_torch::KINDS)
}
