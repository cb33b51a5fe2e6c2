//! `pipe-aws serve`: objects in S3, and instances on EC2 and SageMaker, for the engine, by the protocol of docs/backend-protocol.md.
//!
//! - [`serve`]: reads requests, writes answers, and ends what goes on when the requests end.
//! - [`place`]: from the hello to a bucket with a client. [`failure`]: what went wrong, in words.
//! - [`put`], [`multipart`], [`get`], [`has`], [`listing`]: a request each.
//! - [`secrets`]: reading a secret that a service keeps.
//! - [`instances`]: launching, describing and ending them. [`worker`]: what looks after the command on one.
//!
//! It knows no artifact, record or action: names are opaque, and digests are the engine's to check.

mod answers;
mod failure;
mod get;
mod has;
mod instances;
mod listing;
mod multipart;
mod place;
mod put;
mod secrets;
mod serve;
mod worker;

use std::io::Write;
use std::process::ExitCode;

/// Name and version, as `--version` and the welcome have it.
const PROGRAM: &str = concat!("pipe-aws ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve::serve(),
        ["worker", ref arguments @ ..] => worker::run(arguments).unwrap_or_else(usage),
        ["--version"] => {
            let _ = writeln!(std::io::stdout(), "{PROGRAM}");
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    say(
        "usage: pipe-aws serve\n       pipe-aws worker --instance|--job -- COMMAND\n\nStarted by `pipe`; see docs/backend-protocol.md",
    );
    ExitCode::from(2)
}

/// A word for people.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
