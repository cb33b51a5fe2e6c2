//! Earlier runs: `runs`, `diff`, `show`, `get` and `logs`.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, eventually, signal};

const TWO: &str = r#"pipeline: two
params: {word: hello}
stages:
  say: {uses: command, run: "echo I say ${params.word}; echo ${params.word} > ${out.text}", out: {text: out/say.txt}}
  count:
    uses: command
    run: "wc -c < ${in.text} > ${out.n}; mkdir ${out.all}; cp ${in.text} ${out.all}/copy; cp /bin/true ${out.all}/run"
    in: {text: say}
    out: {n: out/n.txt, all: {path: out/all, type: dir}}
"#;

fn json(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", ran.stdout))
}

/// A project that ran with `hello`, then with `bye`.
fn twice() -> Project {
    let project = Project::with_pipeline(TWO);
    project.outcomes(&[]);
    project.outcomes(&["-S", "word=bye"]);
    project
}

#[test]
fn runs_lists_the_newest_first() {
    let project = Project::with_pipeline(TWO);
    assert_eq!(project.pipe(&["runs"]).stderr, "no runs here yet; the first: pipe run FILE\n");
    project.outcomes(&[]);
    project.outcomes(&[]);
    project.write("cache/runs/unreadable/report.json", "{");
    project.write("cache/runs/a file", "");
    let runs = json(&project, &["runs", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!(runs[0]["stages"], serde_json::json!({"hit": 2}));
    assert_eq!(runs[1]["stages"], serde_json::json!({"ran": 2}));
    assert!(runs[0]["run"].as_str() > runs[1]["run"].as_str());
    let table = project.pipe(&["runs", "--limit", "1"]).stdout;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("two") && table.contains("succeeded") && table.contains("2 hit"), "{table}");
    assert_eq!(json(&project, &["runs", "--pipeline", "other", "--json"]), serde_json::json!([]));
}

#[test]
fn diff_shows_params_metrics_outputs_and_what_stages_were_made_of() {
    let project = twice();
    let diff = json(&project, &["diff", "last~1", "last", "--json"]);
    assert_eq!(diff["params"][0]["name"], "word");
    assert_eq!(diff["params"][0]["now"], "bye");
    assert_eq!(diff["stages"][0]["stage"], "say");
    assert_eq!(diff["stages"][0]["fields"][0]["field"], "run");
    assert_eq!(diff["stages"][0]["outputs"][0]["name"], "text");
    let text = project.pipe(&["diff"]).stdout;
    for line in ["  word: \"hello\" -> \"bye\"", "  output text: ", "  took: "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    project.outcomes(&["-S", "word=bye"]);
    let same = project.pipe(&["diff"]).stdout;
    assert!(same.ends_with("no difference in params, metrics or outputs\n"), "{same}");
    let too_far = project.pipe(&["diff", "last~7", "last"]);
    assert_eq!((too_far.status, too_far.stderr.contains("only 3 finished runs")), (2, true), "{}", too_far.stderr);
    let ambiguous = project.pipe(&["diff", "2", "last", "--json"]);
    let error: Value = serde_json::from_str(&ambiguous.stdout).unwrap();
    assert!(error["message"].as_str().unwrap().contains("may be any of"), "{error}");
}

#[test]
fn show_tells_what_a_stage_gave_and_took() {
    let project = twice();
    let show = json(&project, &["show", "count", "--json"]);
    assert_eq!(show["outputs"]["n"]["path"], "out/n.txt");
    assert_eq!(show["outputs"]["all"]["shape"]["dir"]["files"], 2);
    assert_eq!(show["made"]["run"], show["run"]);
    assert!(show["usage"]["cpu_seconds"].is_number() && show["key"].is_string());
    let before = json(&project, &["show", "count", "--run", "last~1", "--json"]);
    assert_ne!(before["key"], show["key"]);
    std::fs::remove_file(project.path("out/n.txt")).unwrap();
    let text = project.pipe(&["show", "count"]).stdout;
    assert!(text.contains("out/n.txt (not there; a run puts it back)"), "{text}");
    let wrong = project.pipe(&["show", "cuont"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("did you mean `count`?"), "{}", wrong.stderr);
}

#[test]
fn get_copies_and_never_links_nor_overwrites() {
    let project = twice();
    let got = json(&project, &["get", "say", "copy.txt", "--json"]);
    assert_eq!(got["copied"][0]["port"], "text");
    assert_eq!(project.read("copy.txt"), "bye\n");
    let file = project.path("copy.txt").metadata().unwrap();
    assert_eq!((file.nlink(), file.permissions().mode() & 0o200), (1, 0o200), "the user's own, and writable");
    // The user's changes to it do not concern the store.
    project.write("copy.txt", "mine\n");
    assert_eq!(project.outcomes(&["-S", "word=bye"]).values().filter(|outcome| *outcome == "hit").count(), 2);

    let refused = project.pipe(&["get", "say.text", "copy.txt"]);
    assert_eq!((refused.status, project.read("copy.txt").as_str()), (2, "mine\n"));
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    project.pipe(&["get", "say.text", "copy.txt", "--force", "--run", "last~2"]);
    assert_eq!(project.read("copy.txt"), "hello\n");

    // A directory, one file of which is executable; all outputs of a stage under their own names.
    let ran = project.pipe(&["get", "count", "results"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("results/all/copy"), "bye\n");
    assert_eq!(project.path("results/all/run").metadata().unwrap().permissions().mode() & 0o100, 0o100);
    let refused = project.pipe(&["get", "count.all", "results"]);
    assert_eq!(refused.status, 2, "results/all is there");
    std::fs::write(project.path("results/all/more"), "").unwrap();
    assert_eq!(project.pipe(&["get", "count.all", "results", "--force"]).status, 0);
    assert!(!project.path("results/all/more").exists());
    let left: Vec<_> = std::fs::read_dir(project.path("results")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing half-made is left: {left:?}");

    let wrong = project.pipe(&["get", "count.m", "x"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("has no output `m`"), "{}", wrong.stderr);
}

#[test]
fn get_refuses_damaged_bytes() {
    let project = twice();
    let digest = json(&project, &["show", "say", "--json"])["outputs"]["text"]["digest"].as_str().unwrap().to_owned();
    let blob = project.path(&format!("cache/blobs/{}/{digest}", &digest[..2]));
    // Behind size and mtime, so that nothing but the bytes can tell.
    let stamp = blob.metadata().unwrap();
    std::fs::set_permissions(&blob, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&blob, "bad\n").unwrap();
    let file = std::fs::File::options().write(true).open(&blob).unwrap();
    file.set_modified(stamp.modified().unwrap()).unwrap();
    std::fs::set_permissions(&blob, stamp.permissions()).unwrap();
    let ran = project.pipe(&["get", "say", "copy.txt"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("pipe run p.yaml say"), "{}", ran.stderr);
    assert!(!project.path("copy.txt").exists());
}

#[test]
fn logs_replays_the_run_that_made_what_a_cached_stage_gave() {
    let project = twice();
    project.outcomes(&[]);
    assert_eq!(project.pipe(&["logs", "say"]).stdout, "I say hello\n", "a hit of the first run");
    assert_eq!(project.pipe(&["logs", "say", "--run", "last~1"]).stdout, "I say bye\n");
    // From another directory, and for a pipeline that does not parse any more.
    std::fs::create_dir(project.path("sub")).unwrap();
    project.write("p.yaml", "{");
    let output = project.command(&["logs", "say"]).current_dir(project.path("sub")).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "I say hello\n");
    let wrong = project.pipe(&["logs", "sya"]);
    assert!(wrong.stderr.contains("did you mean `say`?"), "{}", wrong.stderr);
}

/// Says one line, waits for a word on a fifo, says another.
const SLOW: &str = r#"pipeline: slow
stages:
  s: {uses: command, run: "echo first; read word < $FIFO; echo then $word; echo > ${out.x}", env: [FIFO], out: {x: out/x}}
"#;

#[test]
fn logs_can_be_followed_while_a_run_goes_on_and_end_with_the_stage() {
    let project = Project::with_pipeline(SLOW);
    let fifo = project.beside("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let run = || {
        let mut command = project.command(&["run", "p.yaml"]);
        command.env("FIFO", &fifo).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut running = run();
    eventually("the stage starts", || project.events().contains("stage_started"));
    let listed = json(&project, &["runs", "--json"]);
    assert_eq!((listed[0]["outcome"].as_str(), listed[0]["pipeline"].as_str()), (Some("running"), Some("slow")));
    let mut follow = project.command(&["logs", "s", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    std::fs::write(&fifo, "it goes on\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "then it goes on");
    assert!(lines.next().is_none());
    assert!(follow.wait().unwrap().success() && running.wait().unwrap().success());

    // A run that is killed also ends its followers, and is listed as killed.
    std::fs::remove_dir_all(project.path("cache")).unwrap();
    let mut running = run();
    eventually("the stage says something", || project.pipe(&["logs", "s"]).stdout == "first\n");
    let follow = project.command(&["logs", "s", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    signal(&running, "-KILL");
    running.wait().unwrap();
    assert_eq!(String::from_utf8(follow.wait_with_output().unwrap().stdout).unwrap(), "first\n");
    assert_eq!(json(&project, &["runs", "--json"])[0]["outcome"], "killed");
}
