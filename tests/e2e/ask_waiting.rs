//! What `pipe ask` shows while a model is asked, and how a signal ends it. A script stands in for the program that asks: it answers when
//! the test lets it.

use std::fs::{self, File};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::OFlags;
use serde_json::{Value, json};

use crate::project::{Project, Ran, checkout, eventually, signal, worker};
use crate::terminal::{Session, frames, screen};

/// Answers the first of two questions, and the second after a line on the pipe `go`.
const SCRIPT: &str = r#"#!/bin/sh
read -r head
cat > questions
echo $$ > pid
printf '%s\n' "$head" '{"id":0,"text":"{}","finish":"stop","confidence":0.5,"tokens":7}'
read -r line < go
printf '%s\n' '{"id":1,"text":"{}","finish":"stop","confidence":0.5,"tokens":5}'
"#;

struct Asking {
    project: Project,
    program: PathBuf,
}

impl Asking {
    /// A report, a model of two tasks without weights, and `pipe-ask` beside the script.
    fn new() -> Asking {
        let project = Project::new();
        let report = checkout().join("pipelines/data/reports/debian12_scanner_v6.json");
        project.write("r.json", &fs::read_to_string(report).unwrap());
        let chat = checkout().join("crates/tokens/tests/fixtures/chat");
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            project.write(&format!("model/{name}"), &fs::read_to_string(chat.join(name)).unwrap());
        }
        project.write("model/config.json", &json!({"max_position_embeddings": 65536, "eos_token_id": [3]}).to_string());
        let task = |system: &str| json!({"limit": 400, "gate": 0.9, "system": system});
        let tasks = json!({"summary": task("Summarize the host as JSON."), "triage": task("Triage the host as JSON.")});
        let settings = json!({"version": 1, "context": 65536, "dataset": "d", "tasks": tasks});
        project.write("model/analyst.json", &settings.to_string());
        assert!(Command::new("mkfifo").arg(project.path("go")).status().unwrap().success());
        let bin = project.beside("alone");
        fs::create_dir(&bin).unwrap();
        let program = bin.join("pipe-ask");
        fs::copy(worker("pipe-ask"), &program).unwrap();
        fs::write(bin.join("pipe-torch"), SCRIPT).unwrap();
        fs::set_permissions(bin.join("pipe-torch"), fs::Permissions::from_mode(0o755)).unwrap();
        Asking { project, program }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["r.json", "--model", "model", "--task", "summary", "--task", "triage"]).args(words);
        command.current_dir(self.project.root()).stdin(Stdio::null());
        command
    }

    /// Lets the script answer the second question, once it waits for that.
    fn go(&self) {
        let now = OFlags::NONBLOCK.bits() as i32;
        let open = || File::options().write(true).custom_flags(now).open(self.project.path("go"));
        eventually("the script waits", || open().is_ok());
    }

    fn script_is_gone(&self) -> bool {
        let pid = self.project.read("pid");
        // A zombie is one that has ended.
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
    }

    fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.project.root()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A project that nothing but the script has written to.
const WRITTEN: [&str; 6] = ["go", "model", "pid", "pipe.yaml", "questions", "r.json"];

#[test]
fn a_terminal_shows_how_many_questions_are_answered_and_then_only_the_page() {
    let asking = Asking::new();
    let session = Session::start(asking.command(&[]));
    session.until("asking 1/2 questions");
    asking.go();
    let (status, written) = session.end();
    assert_eq!(status, 0, "{written}");
    let seen = frames(&written, 100);
    let row = seen.iter().flatten().find(|row| row.contains("asking 1/2 questions")).unwrap();
    assert!(row.starts_with("━━━━━━━━────────  asking 1/2 questions") && row.contains(" tokens/s, "), "{row}");
    let left = screen(&written);
    assert!(!left.iter().any(|line| line.contains('━') || line.contains("asking")), "{left:#?}");
    assert!(left[0].starts_with("asked 2 questions in ") && left[0].contains(" tokens read, 12 written"), "{left:#?}");
    assert!(left[1].starts_with("Host "), "{left:#?}");
}

#[test]
fn what_is_no_terminal_or_shall_be_quiet_gets_no_row() {
    let asking = Asking::new();
    let ask = |words: &[&str]| {
        let child = asking.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        asking.go();
        Ran::from(child.wait_with_output().unwrap())
    };
    let told = ask(&[]);
    assert!(told.status == 0 && told.stderr.starts_with("asked 2 questions in "), "{}", told.stderr);
    assert!(!told.stderr.contains('\u{1b}') && !told.stderr.contains('\r'), "{:?}", told.stderr);
    let quiet = ask(&["--quiet"]);
    assert_eq!((quiet.status, quiet.stderr.as_str()), (0, ""));
    assert_eq!(quiet.stdout, told.stdout);
    let why = |document: &str| {
        let document: Value = serde_json::from_str(document).unwrap();
        document["enrichment_results"]["pipe"]["answers"].to_string()
    };
    assert!(why(&told.stdout).contains("not of the task's form"), "{}", why(&told.stdout));
    // A terminal that cannot move its cursor.
    let mut command = Command::new("env");
    let words = ["r.json", "--model", "model", "--task", "summary", "--task", "triage"];
    command.arg("TERM=dumb").arg(&asking.program).args(words).current_dir(asking.project.root());
    let session = Session::start(command);
    asking.go();
    let (status, written) = session.end();
    assert!(status == 0 && written.starts_with("asked 2 questions in ") && !written.contains('\u{1b}'), "{written}");
}

#[test]
fn a_signal_ends_it_at_once_with_130_and_leaves_nothing() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let asking = Asking::new();
        let session = Session::start(asking.command(&["--out", "answer.json"]));
        session.until("asking 1/2 questions");
        session.signal(name);
        let (status, written) = session.end();
        assert_eq!(status, 130, "{name}: {written}");
        assert_eq!(screen(&written), [""], "the row is gone");
        eventually("the end of the program that asks", || asking.script_is_gone());
        assert_eq!(asking.left(), WRITTEN, "{name}");
    }
    // It is ended wherever it is: where it waits for a report, and where nobody reads what it writes.
    let asking = Asking::new();
    let mut reading = Command::new(&asking.program);
    reading.arg("-").current_dir(asking.project.root()).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut reading = reading.spawn().unwrap();
    let input = reading.stdin.take();
    eventually("it listens", || {
        let status = fs::read_to_string(format!("/proc/{}/status", reading.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        u64::from_str_radix(caught.trim(), 16).unwrap() & 0b10 != 0
    });
    signal(&reading, "-INT");
    let ran = Ran::from(reading.wait_with_output().unwrap());
    drop(input);
    assert_eq!((ran.status, ran.stderr.as_str()), (130, ""));
}

#[test]
fn a_child_that_the_terminal_interrupts_first_is_no_error() {
    let asking = Asking::new();
    fs::write(asking.program.with_file_name("pipe-torch"), "#!/bin/sh\ncat > questions\nkill -INT $$\n").unwrap();
    let ran = Ran::from(asking.command(&[]).output().unwrap());
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (130, "", ""));
    fs::write(asking.program.with_file_name("pipe-torch"), "#!/bin/sh\ncat > questions\nkill -KILL $$\n").unwrap();
    let ran = Ran::from(asking.command(&[]).output().unwrap());
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("it was killed") && ran.stderr.contains("help: "), "{}", ran.stderr);
}
