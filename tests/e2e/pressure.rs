//! The behaviour of a run when the machine is short of something, as an injected probe shows it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::project::{Project, eventually};

/// Three that run at once, each waiting for its own word.
const THREE: &str = r#"pipeline: t
stages:
  a: {uses: command, run: "echo a > $UP; read x < $GO_A; echo $x > ${out.o}", env: [UP, GO_A], out: {o: out/a}}
  b: {uses: command, run: "echo b > $UP; read x < $GO_B; echo $x > ${out.o}", env: [UP, GO_B], out: {o: out/b}}
  c: {uses: command, run: "echo c > $UP; read x < $GO_C; echo $x > ${out.o}", env: [UP, GO_C], out: {o: out/c}}
"#;

const CALM: &str = r#"{"cpu": 0.1, "memory": {"used": 10, "total": 100}}"#;
const SHORT: &str = r#"{"cpu": 0.1, "memory": {"used": 95, "total": 100}}"#;
const STALLED: &str = r#"{"cpu": 0.1, "memory": {"used": 10, "total": 100}, "stalled": 0.5}"#;
const BUSY: &str = r#"{"cpu": 0.95, "memory": {"used": 10, "total": 100}}"#;

/// Ends with the test, also where that fails: the stages would wait for their words for ever.
struct Engine(Option<std::process::Child>);

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Run {
    project: Project,
    child: Engine,
    up: BufReader<std::fs::File>,
}

impl Run {
    /// Starts the three and returns when they run.
    fn start(words: &[&str]) -> Run {
        let project = Project::with_pipeline(THREE);
        for name in ["up", "go_a", "go_b", "go_c"] {
            assert!(std::process::Command::new("mkfifo").arg(project.beside(name)).status().unwrap().success());
        }
        let mut run = Run::again(project, words);
        for _ in 0..3 {
            run.hear();
        }
        run
    }

    fn again(project: Project, words: &[&str]) -> Run {
        std::fs::write(project.beside("probe"), CALM).unwrap();
        let mut command = project.command(&[&["run", "p.yaml", "--jobs", "3", "--json"], words].concat());
        command.env("UP", project.beside("up")).env("PIPE_PROBE", project.beside("probe"));
        for (variable, name) in [("GO_A", "go_a"), ("GO_B", "go_b"), ("GO_C", "go_c")] {
            command.env(variable, project.beside(name));
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let up = std::fs::OpenOptions::new().read(true).write(true).open(project.beside("up")).unwrap();
        let child = Engine(Some(child));
        Run { project, child, up: BufReader::new(up) }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.up.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn weather(&self, sample: &str) {
        // By rename: the probe never sees half of it.
        std::fs::write(self.project.beside("probe.new"), sample).unwrap();
        std::fs::rename(self.project.beside("probe.new"), self.project.beside("probe")).unwrap();
    }

    fn decided(&self, words: &str) {
        eventually(words, || self.project.events().contains(words));
    }

    /// Lets everything end; the outputs must be right after any events.
    fn finish(self) -> serde_json::Value {
        let Run { project, mut child, .. } = self;
        for (name, word) in [("go_a", "1"), ("go_b", "2"), ("go_c", "3")] {
            std::fs::write(project.beside(name), format!("{word}\n")).unwrap();
        }
        let output = child.0.take().unwrap().wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(
            (project.read("out/a"), project.read("out/b"), project.read("out/c")),
            ("1\n".into(), "2\n".into(), "3\n".into())
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The decisions of the governor and their stages, without the ordinary waiting.
fn decisions(project: &Project) -> Vec<String> {
    let events = project.events();
    let events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let said = events.filter_map(|event| event.pointer("/event/governor").cloned());
    said.filter(|event| event["decision"] != "wait")
        .map(|event| {
            let word = event["decision"].as_str().unwrap();
            event["stage"].as_str().map_or(word.to_owned(), |stage| format!("{word} {stage}"))
        })
        .collect()
}

#[test]
fn load_by_others_pauses_the_youngest_and_calm_lets_them_go_on() {
    let run = Run::start(&[]);
    run.weather(BUSY);
    run.decided("pausing `c`");
    run.decided("pausing `b`");
    run.weather(CALM);
    run.decided("the pressure has eased: `b` goes on");
    run.decided("the pressure has eased: `c` goes on");
    assert_eq!(
        decisions(&run.project),
        ["close", "pause c", "pause b", "open", "resume b", "resume c"],
        "load only slows"
    );
    run.finish();
}

#[test]
fn load_by_others_pauses_only_what_works_and_says_once_what_does_not() {
    let run = Run::start(&[]);
    let busy = |cpu: &str, stages: &str| format!(r#"{{"cpu": {cpu}, "stages": {stages}}}"#);
    run.weather(&busy("0.95", r#"{"a": 0.9, "b": 0.8, "c": 0.0}"#));
    run.decided("CPU use by others at 95 % (limit 80 %): `c` only waits and goes on");
    run.decided("pausing `b`");
    for cpu in ["0.96", "0.97", "0.98"] {
        run.weather(&busy(cpu, r#"{"a": 0.9, "c": 0.0}"#));
    }
    run.weather(CALM);
    run.decided("the pressure has eased: `b` goes on");
    assert_eq!(decisions(&run.project), ["close", "spare", "pause b", "open", "resume b"]);
    run.finish();
}

#[test]
fn when_all_only_wait_nothing_is_paused() {
    let run = Run::start(&[]);
    run.weather(r#"{"cpu": 0.95, "stages": {"a": 0.0, "b": 0.01, "c": 0.0}}"#);
    run.decided("`a`, `b`, `c` only wait and go on");
    run.weather(CALM);
    run.decided("admitting again");
    assert_eq!(decisions(&run.project), ["close", "spare", "open"]);
    run.finish();
}

#[test]
fn memory_that_stays_short_takes_stages_back_and_they_run_again_without_an_attempt() {
    let mut run = Run::start(&[]);
    run.weather(SHORT);
    run.decided("killing `c`, which runs again later");
    run.decided("killing `b`, which runs again later");
    assert!(!run.project.events().contains("pausing `a`"), "one always runs");
    run.weather(CALM);
    let mut again = [run.hear(), run.hear()];
    again.sort();
    assert_eq!(again, ["b", "c"]);
    let report = run.finish();
    assert_eq!(report["outcome"], "succeeded");
    assert!(report["stages"]["c"]["retried"].as_array().is_none_or(|tries| tries.is_empty()), "{report}");
}

#[test]
fn time_lost_to_memory_takes_stages_back_although_little_is_used() {
    let mut run = Run::start(&[]);
    run.weather(STALLED);
    run.decided("everything waiting for memory 50 % of the time (limit 20 %): pausing `c`");
    run.decided("everything waiting for memory 50 % of the time (limit 20 %): killing `c`, which runs again later");
    run.weather(CALM);
    assert!(["b", "c"].contains(&run.hear().as_str()));
    run.finish();
}

#[test]
fn without_throttling_nothing_is_held_back() {
    let run = Run::start(&["--no-throttle"]);
    run.weather(SHORT);
    let events = run.project.events();
    assert!(!events.contains("pausing") && !events.contains("admitting"), "{events}");
    run.finish();
}
