//! `pipe-torch answer MODEL THREADS`: the lines of `pipe ask --prompts` on standard input, those of `--answers` on standard output.
//!
//! `pipe ask` starts it and reads its answers. It reads all questions before it answers, writes the first line when the model is loaded and
//! an answer when it has it, opens no socket, and ends with its parent.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use analyst::Model;
use analyst::exchange::{self, Said};
use contract::{FailureClass, StageError, clean};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::runtime::Runtime;

/// The whole program.
pub fn main(model: &Path, threads: &str) -> ExitCode {
    // Nobody would read the answers. Where that cannot be asked for, writing them ends it.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    match answer(model, threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StageError { class, message, help }) => {
            let help = help.map(|help| format!("\nhelp: {}", clean::line(&help))).unwrap_or_default();
            // Nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "error: {}{help}", clean::line(&message));
            ExitCode::from(if class == FailureClass::InvalidInput { 2 } else { 3 })
        }
    }
}

fn answer(model: &Path, threads: &str) -> Result<(), StageError> {
    let refused = |_| StageError::invalid_input(format!("{threads:?} is no number of threads"));
    let threads: i32 = threads.parse().map_err(refused)?;
    tch::set_num_threads(threads.max(1));
    let mut text = String::new();
    let broken = |error: std::io::Error| {
        StageError::resources(format!("the questions cannot be read, or answers written: {error}"))
    };
    std::io::stdin().read_to_string(&mut text).map_err(broken)?;
    let (head, asked) = exchange::asked(&text)?;
    let model = Model::open(model)?;
    if head.model.as_ref() != Some(&model.name.digest) {
        return Err(StageError::invalid_input("the questions were written for another model"));
    }
    let mut out = std::io::stdout().lock();
    tch::no_grad(|| {
        let runtime = Runtime::load(&model, Some(&asked))?;
        out.write_all(&head.line()).and_then(|()| out.flush()).map_err(broken)?;
        runtime.ask(&model, &asked, |said| write(&mut out, &said).map_err(broken))
    })
}

fn write(out: &mut impl Write, said: &[Said]) -> std::io::Result<()> {
    for said in said {
        serde_json::to_writer(&mut *out, said)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
