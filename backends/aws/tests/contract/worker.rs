//! `pipe-aws worker`, which looks after one command on an instance.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn worker(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipe-aws"));
    command.args(["worker", "--job", "--"]).args(words);
    command
}

#[test]
fn it_ends_as_its_command_does() {
    let status = |words: &[&str]| worker(words).stderr(Stdio::null()).status().unwrap().code();
    assert_eq!(status(&["sh", "-c", "exit 0"]), Some(0));
    assert_eq!(status(&["sh", "-c", "exit 75"]), Some(75));
    assert_eq!(status(&["sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(status(&["/no/such/program"]), Some(127));
    assert_eq!(status(&[]), Some(2), "no command is wrong usage");
}

#[test]
fn a_signal_reaches_the_command_and_the_worker_waits_for_it() {
    let waits = "trap 'echo checkpoint; exit 75' TERM; echo works; while :; do sleep 0.05; done";
    let mut child = worker(&["sh", "-c", waits]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "works");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(lines.next().unwrap().unwrap(), "checkpoint");
    assert_eq!(child.wait().unwrap().code(), Some(75));
}
