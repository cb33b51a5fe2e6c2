//! Signals other than Ctrl-C, Ctrl-C at awkward moments, limits of the shell, and what becomes of the guardian.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::project::{Project, eventually, pipe, signal};
use crate::witness::Witness;

/// A stage that says when it is up, waits for a word and takes a checkpoint when it is asked to leave. A trap that comes just before
/// a read begins waits for its end, so no read is long.
const WAITS: &str = r#"pipeline: s
stages:
  first: {uses: command, run: "echo 1 > ${out.a}", out: {a: out/a}}
  waits:
    uses: command
    run: "exec 3> $HELD; trap 'echo CHECKPOINT; echo asked >&3; exit 75' TERM; grep SigIgn /proc/self/status; echo up $$ >&3; exec 4<> $GO; until read -t 1 word <&4; do :; done; echo $word > ${out.b}"
    in: {a: first}
    out: {b: out/b}
    env: [HELD, GO]
"#;

struct Waiting {
    project: Project,
    witness: Witness,
    engine: Child,
    stage: String,
}

/// Starts the run by `shell`, a line in which `"$@"` is the run, and returns once its stage is up.
fn start(yaml: &str, shell: &str) -> Waiting {
    let project = Project::with_pipeline(yaml);
    let witness = Witness::new();
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh"]).arg(pipe()).args(["run", "p.yaml", "--json"]).current_dir(project.root());
    command.env("HELD", witness.held()).env("GO", witness.never()).env("NO_COLOR", "1");
    let engine = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let up = witness.next().unwrap();
    let stage = up.strip_prefix("up ").unwrap().to_owned();
    Waiting { project, witness, engine, stage }
}

impl Waiting {
    /// Lets the stage finish.
    fn go(&self) {
        writeln!(std::fs::OpenOptions::new().write(true).open(self.witness.never()).unwrap(), "went on").unwrap();
    }

    /// The exit code and the closing document.
    fn end(self) -> (Option<i32>, Value, Project) {
        let output = self.engine.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"));
        (output.status.code(), report, self.project)
    }

    /// The process that stands by.
    fn guardian(&self) -> Option<String> {
        let children = format!("/proc/{0}/task/{0}/children", self.engine.id());
        let tasks = std::fs::read_to_string(children).unwrap_or_default();
        let is_guardian = |pid: &&str| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("__guardian")
        };
        tasks.split_ascii_whitespace().find(is_guardian).map(str::to_owned)
    }
}

fn kill(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

fn state(process: &str) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()).unwrap_or('X')
}

fn has_ended(process: &str) -> bool {
    matches!(state(process), 'Z' | 'X')
}

/// The signals that the stage's own program ignored, as its log has them.
fn ignored_in_the_stage(project: &Project) -> u64 {
    let log = project.pipe(&["logs", "waits"]).stdout;
    let mask = log.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[test]
fn every_signal_that_asks_lets_stages_take_a_checkpoint_and_is_named() {
    for name in ["HUP", "USR1", "USR2", "XCPU", "TERM", "INT"] {
        let waiting = start(WAITS, r#"exec "$@""#);
        signal(&waiting.engine, &format!("-{name}"));
        assert_eq!(waiting.witness.next().as_deref(), Some("asked"), "{name}");
        let (code, report, project) = waiting.end();
        assert_eq!(code, Some(130), "{name}");
        assert_eq!(report["outcome"], "interrupted", "{name}");
        assert_eq!(report["signal"], format!("SIG{name}"));
        assert_eq!(report["stages"]["first"]["outcome"], "ran");
        assert_eq!(report["stages"]["waits"]["outcome"], "interrupted");
        let log = project.pipe(&["logs", "waits"]).stdout;
        assert!(log.ends_with("CHECKPOINT\n"), "{name}: {log}");
        // Handlers of ours are not handed on, nor anything ignored that was not before.
        let ours = [1, 2, 10, 12, 15, 24, 25].map(bit).iter().sum::<u64>();
        assert_eq!(ignored_in_the_stage(&project) & ours, 0, "{name}");
    }
}

#[test]
fn the_summary_names_the_signal() {
    let mut waiting = start(WAITS, r#"exec "$1" "$2" "$3""#);
    signal(&waiting.engine, "-USR2");
    let status = waiting.engine.wait().unwrap();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut waiting.engine.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(stderr.contains("stopping on SIGUSR2: stages may take a checkpoint"), "{stderr}");
    assert!(stderr.contains("; stopped by SIGUSR2; the next run goes on from here"), "{stderr}");
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let waiting = start(WAITS, r#"trap '' HUP USR1 XFSZ; exec "$@""#);
    for name in ["-HUP", "-USR1", "-HUP"] {
        signal(&waiting.engine, name);
    }
    waiting.go();
    let (code, report, project) = waiting.end();
    assert_eq!((code, &report["outcome"]), (Some(0), &"succeeded".into()), "{report}");
    assert!(report.get("signal").is_none());
    assert_eq!(project.read("out/b"), "went on\n");
    let ignored = ignored_in_the_stage(&project);
    for signal in [1, 10, 25] {
        assert_ne!(ignored & bit(signal), 0, "signal {signal} is ignored in stages too: {ignored:x}");
    }
}

#[test]
fn an_interrupt_counts_in_a_job_of_a_script_unless_it_was_turned_off() {
    let job = start(WAITS, r#"trap '' INT QUIT; exec "$@""#);
    signal(&job.engine, "-INT");
    assert_eq!(job.end().0, Some(130));
    let deaf = start(WAITS, r#"trap '' INT; exec "$@""#);
    signal(&deaf.engine, "-INT");
    deaf.go();
    assert_eq!(deaf.end().0, Some(0));
}

#[test]
fn a_closing_terminal_says_so_twice_and_kills_nobody() {
    let waiting = start(WAITS, r#"exec "$@""#);
    signal(&waiting.engine, "-HUP");
    signal(&waiting.engine, "-HUP");
    assert_eq!(waiting.witness.next().as_deref(), Some("asked"));
    let (code, report, project) = waiting.end();
    assert_eq!((code, &report["signal"]), (Some(130), &"SIGHUP".into()));
    assert!(project.pipe(&["logs", "waits"]).stdout.ends_with("CHECKPOINT\n"));
}

#[test]
fn a_stage_that_stopped_itself_wakes_up_to_take_its_checkpoint() {
    let yaml = WAITS.replace("exec 4<> $GO; until read -t 1 word <&4; do :; done", "kill -STOP $$");
    let waiting = start(&yaml, r#"exec "$@""#);
    eventually("the stage stands still", || state(&waiting.stage) == 'T');
    signal(&waiting.engine, "-INT");
    assert_eq!(waiting.witness.next().as_deref(), Some("asked"));
    let (code, _, project) = waiting.end();
    assert_eq!(code, Some(130));
    assert!(project.pipe(&["logs", "waits"]).stdout.ends_with("CHECKPOINT\n"));
}

/// A sparse file takes no space and as long to hash as any other.
const SPARSE: &str = "200G";

#[test]
fn the_second_ctrl_c_does_not_wait_for_a_large_output_to_be_hashed() {
    let yaml = r#"pipeline: c
stages:
  large:
    uses: command
    run: "exec 3> $HELD; truncate -s SPARSE ${out.o}; echo up $$ >&3"
    out: {o: out/x}
    env: [HELD, GO]
"#;
    let waiting = start(&yaml.replace("SPARSE", SPARSE), r#"exec "$@""#);
    eventually("the stage has ended", || has_ended(&waiting.stage));
    signal(&waiting.engine, "-INT");
    eventually("the first is heard", || waiting.project.events().contains("stopping"));
    assert!(!waiting.project.events().contains("run_ended"), "the output is still hashed");
    signal(&waiting.engine, "-INT");
    let (code, report, project) = waiting.end();
    assert_eq!(code, Some(130));
    assert_eq!((&report["outcome"], &report["signal"]), (&"interrupted".into(), &"SIGINT".into()));
    assert!(!project.path("out/x").exists(), "nothing half-made has its final name");
    // The next run sweeps the leftovers away, and is as good as any.
    project.write(
        "p.yaml",
        "pipeline: c\nstages:\n  small: {uses: command, run: \"echo 1 > ${out.o}\", out: {o: out/x}}\n",
    );
    project.run_json(&[], 0);
    assert_eq!(project.read("out/x"), "1\n");
    let left: Vec<_> = std::fs::read_dir(project.path("cache/work")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The largest file below the directory.
fn largest(directory: PathBuf) -> u64 {
    let (mut pending, mut largest) = (vec![directory], 0);
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(it) if it.is_dir() => pending.push(entry.path()),
                Ok(it) => largest = largest.max(it.len()),
                Err(_) => {}
            }
        }
    }
    largest
}

#[test]
fn the_second_ctrl_c_does_not_wait_for_a_large_input_to_be_copied() {
    let project = Project::with_pipeline(
        "pipeline: i\nstages:\n  reads: {uses: command, run: \"wc -c ${in.i} > ${out.o}\", in: {i: {path: large}}, out: {o: out/o}}\n",
    );
    std::fs::File::create(project.path("large")).unwrap().set_len(64 << 30).unwrap();
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    let mut engine = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the input is being copied", || largest(project.path("cache")) > 1 << 20);
    signal(&engine, "-INT");
    // Two of one kind that come before anybody looks count as one.
    let mut told = std::io::BufReader::new(engine.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Ctrl-C") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut told, &mut line).unwrap(), 0, "nothing is said of Ctrl-C");
    }
    signal(&engine, "-INT");
    let output = engine.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["outcome"], &report["signal"]), (&"interrupted".into(), &"SIGINT".into()));
    assert!(std::fs::read_dir(project.path("cache/blobs")).is_err() || largest(project.path("cache/blobs")) == 0);
}

#[test]
fn a_file_size_limit_is_a_full_disk_and_loses_nothing() {
    let project = Project::with_pipeline(
        r#"pipeline: l
stages:
  small: {uses: command, run: "echo 1 > ${out.o}", out: {o: out/small}}
  large: {uses: command, run: "head -c 10 ${in.i} > ${out.o}; cat ${in.a} >> ${out.o}", in: {a: small, i: {path: large}}, out: {o: out/large}}
"#,
    );
    project.write("large", &"x".repeat(3 << 20));
    let limited = |words: &str| {
        let line = format!("ulimit -f 1024; exec \"$@\" {words}");
        let mut command = Command::new("sh");
        command.args(["-c", &line, "sh"]).arg(pipe()).args(["run", "p.yaml"]).current_dir(project.root());
        command.env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap()
    };
    let output = limited("");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{:?} {stderr}", output.status);
    assert!(stderr.contains("`ulimit -f` shows it"), "{stderr}");
    let report = project.run_json(&[], 0);
    assert_eq!(report["stages"]["small"]["outcome"], "hit", "what was finished is kept");
    assert_eq!(report["stages"]["large"]["outcome"], "ran");
    // A stage has the default: it ends, and that is told.
    project.write("p.yaml", "pipeline: l\nstages:\n  writes: {uses: command, run: \"exec head -c 3000000 /dev/zero > ${out.o}\", out: {o: out/o}}\n");
    let output = limited("");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("SIGXFSZ") && stderr.contains("ulimit -a"), "{stderr}");
}

#[test]
fn a_guardian_that_is_stopped_again_and_again_holds_up_nothing() {
    let waiting = start(WAITS, r#"exec "$@""#);
    let guardian = waiting.guardian().unwrap();
    kill("-STOP", &guardian);
    eventually("it goes on", || state(&guardian) != 'T');
    kill("-STOP", &guardian);
    waiting.go();
    let (code, report, _) = waiting.end();
    assert_eq!((code, &report["outcome"]), (Some(0), &"succeeded".into()));
    assert!(has_ended(&guardian));
}

#[test]
fn a_guardian_that_is_killed_is_replaced_at_once_by_one_that_knows_the_stages() {
    let mut waiting = start(WAITS, r#"exec "$@""#);
    for times in 1..=2 {
        let guardian = waiting.guardian().unwrap();
        kill("-KILL", &guardian);
        eventually("another one stands by", || waiting.guardian().is_some_and(|other| other != guardian));
        eventually("that is told", || waiting.project.events().matches("another one was started").count() == times);
    }
    waiting.engine.kill().unwrap();
    waiting.engine.wait().unwrap();
    eventually("the new guardian ends the stage", || has_ended(&waiting.stage));
}

#[test]
fn floods_of_progress_and_metrics_are_thinned_out_and_a_badly_said_failure_counts() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  floods:
    uses: command
    run: |
      exec 9>/dev/fd/$PIPE_EVENTS_FD
      i=0; while [ $i -lt 3000 ]; do i=$((i+1))
        echo "{\"progress\":{\"done\":$i,\"total\":3000,\"unit\":\"rows\"}}" >&9
        echo "{\"metric\":{\"name\":\"m$i\",\"value\":$i}}" >&9
      done
      echo > ${out.o}
    out: {o: out/o}
  fails: {uses: command, run: "echo '{\"failed\":{\"class\":\"none\",\"message\":\"no host in it\"}}' > /dev/fd/$PIPE_EVENTS_FD; echo > ${out.o}", out: {o: out/f}}
"#,
    );
    let report = project.run_json(&[], 1);
    assert_eq!(report["stages"]["floods"]["outcome"], "ran");
    assert_eq!(report["stages"]["floods"]["metrics"].as_object().unwrap().len(), 1000);
    let events = project.events();
    let progress: Vec<_> = events.lines().filter(|line| line.contains("stage_progress")).collect();
    assert!(progress.len() < 300 && progress.last().unwrap().contains(r#""done":3000"#), "{}", progress.len());
    assert_eq!(events.matches("1000 names are kept").count(), 1);
    assert_eq!(report["stages"]["fails"]["outcome"], "failed");
    assert_eq!(report["stages"]["fails"]["failure"]["message"], "no host in it");
}
