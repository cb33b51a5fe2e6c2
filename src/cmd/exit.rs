//! Exit codes, in one place.

use std::process::ExitCode;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Success,
    /// 1: a stage failed, `cache verify` found something damaged, or `cache gc` could not read what is needed and removed nothing.
    StageFailed,
    /// 2: the pipeline, a flag or a name is wrong. (clap uses 2 as well.)
    InvalidInput,
    /// 3: the store or the backend broke.
    Broken,
    /// 130: interrupted, as shells say for SIGINT.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::StageFailed => 1,
            Exit::InvalidInput => 2,
            Exit::Broken => 3,
            Exit::Interrupted => 130,
        })
    }
}
