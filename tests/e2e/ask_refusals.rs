//! What `pipe ask` says where it cannot answer, and where its answer cannot be written.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::project::{Project, Ran, checkout, worker};
use crate::terminal::on_a_terminal_of;

fn project() -> Project {
    worker("pipe-ask");
    let project = Project::new();
    let report = checkout().join("pipelines/data/reports/debian12_scanner_v6.json");
    project.write("r.json", &fs::read_to_string(report).unwrap());
    project
}

/// The refusal, which says why and what to do, in words.
fn refused(project: &Project, words: &[&str], why: &str) {
    let ran = project.pipe(&[&["ask"], words].concat());
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{words:?}: {}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("help: "), "{words:?}: {}", ran.stderr);
    assert_eq!(lines[0], format!("error: {why}"), "{words:?}");
}

#[test]
fn a_file_that_is_no_report_is_refused_with_what_is_wrong() {
    let project = project();
    fs::create_dir(project.path("scans")).unwrap();
    project.write("text.txt", "hello\n");
    project.write("package.json", r#"{"name": "x"}"#);
    refused(&project, &["missing.json"], "missing.json: there is no such file");
    refused(&project, &["scans"], "scans: this is a directory");
    refused(&project, &["text.txt"], "text.txt: this is no JSON: expected value at line 1 column 1");
    refused(&project, &["package.json"], "package.json: this is no report: it has no list `results`");
    refused(&project, &["-"], "standard input: this is empty: the scan wrote nothing");
    refused(&project, &["r.json", "r.json"], "r.json is named twice");
}

#[test]
fn a_file_that_is_no_model_is_refused_with_what_is_wrong() {
    let project = project();
    let model = |name: &str, why: &str| refused(&project, &["r.json", "--model", name], &format!("{name}: {why}"));
    model("missing", "there is no such model");
    model("r.json", "not a GGUF file of version 2 or 3");
    for (name, bytes) in [("empty.gguf", &b""[..]), ("cut.gguf", b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0")] {
        fs::write(project.path(name), bytes).unwrap();
        model(name, "the file ends within the head");
    }
    let chat = checkout().join("crates/tokens/tests/fixtures/chat");
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        project.write(&format!("model/{name}"), &fs::read_to_string(chat.join(name)).unwrap());
    }
    project.write("model/config.json", &json!({"max_position_embeddings": 65536, "eos_token_id": [3]}).to_string());
    model("model", "the model does not say for which prompts it was made: it has no analyst.json");
    project.write("model/analyst.json", &json!({"version": 2, "later": true}).to_string());
    model("model", "the model's settings are of version 2, and this program reads version 1");
    let ran = project.pipe(&["ask", "r.json", "--model", "model"]);
    assert!(ran.stderr.contains("help: take a newer pipe"), "{}", ran.stderr);
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_and_leaves_no_piece() {
    let project = project();
    fs::create_dir(project.path("full")).unwrap();
    refused(&project, &["r.json", "--out", "no/x.json"], "no/x.json: there is no directory no");
    refused(&project, &["r.json", "--out", "r.json/x"], "r.json/x: there is no directory r.json");
    refused(&project, &["r.json", "--prompts", "full"], "full: this is a directory");
    let ran = project.pipe(&["ask", "r.json", "--out", "/dev/full"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""));
    assert!(
        ran.stderr.starts_with("error: /dev/full: there is no space left\nhelp: free some space"),
        "{}",
        ran.stderr
    );
    for words in [&["ask", "r.json"][..], &["ask", "r.json", "--prompts", "-"], &["ask", "--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = Ran::from(project.command(words).stdout(full).stderr(Stdio::piped()).output().unwrap());
        assert_eq!(ran.status, 3, "{words:?}");
        assert!(ran.stderr.starts_with("error: cannot write to standard output: "), "{words:?}: {}", ran.stderr);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Ran::from(project.command(words).stdout(writer).stderr(Stdio::piped()).output().unwrap());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}: a reader that has seen enough is no fault");
    }
    let entries = fs::read_dir(project.root()).unwrap().count();
    assert_eq!(entries, 3, "nothing but what this test made");
}

#[test]
fn the_file_is_for_those_who_may_read_others_and_a_link_to_it_stays_one() {
    let project = project();
    project.write("ordinary", "");
    fs::create_dir(project.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere/answer.json", project.path("link.json")).unwrap();
    project.write("elsewhere/answer.json", "");
    for name in ["answer.json", "link.json"] {
        assert_eq!(project.pipe(&["ask", "r.json", "--out", name]).status, 0);
    }
    let mode = |name: &str| fs::metadata(project.path(name)).unwrap().permissions();
    assert_eq!(mode("answer.json"), mode("ordinary"));
    assert!(fs::symlink_metadata(project.path("link.json")).unwrap().is_symlink());
    assert_eq!(project.read("elsewhere/answer.json"), project.read("answer.json"));
    // Who may not read a file is told so, unless it is root.
    fs::set_permissions(project.path("ordinary"), Permissions::from_mode(0o000)).unwrap();
    if fs::read(project.path("ordinary")).is_err() {
        refused(&project, &["ordinary"], "ordinary: it may not be read");
    }
}

#[test]
fn words_of_the_line_act_on_no_terminal_and_pages_have_no_codes() {
    let project = project();
    for words in
        [&["ask", "--\u{1b}[31mred"][..], &["ask", "r.json", "--task", "\u{1b}[2J"], &["ask", "\u{1b}]0;x\u{7}"]]
    {
        let ran = project.pipe(words);
        assert!(ran.status == 2 && !ran.stderr.contains(['\u{1b}', '\u{7}']), "{:?}", ran.stderr);
    }
    for columns in [80, 40] {
        let mut command = Command::new("env");
        let program = worker("pipe-ask");
        command.args(["TERM=dumb", "NO_COLOR=1"]).arg(&program).arg("r.json").current_dir(project.root());
        let (status, dumb) = on_a_terminal_of(command, 24, columns);
        let mut command = Command::new(&program);
        command.arg("r.json").current_dir(project.root());
        let (_, page) = on_a_terminal_of(command, 24, columns);
        assert_eq!((status, &dumb), (0, &page));
        let page = page.replace("\r\n", "\n");
        assert!(!page.contains(['\u{1b}', '\r']), "{page:?}");
        assert!(page.lines().all(|line| line.chars().count() <= usize::from(columns)), "{page}");
        assert!(page.contains("by rules: no model was asked"), "{page}");
    }
    let help = project.pipe(&["ask", "--help"]).stdout;
    let examples = help.lines().filter(|line| line.starts_with("  pipe ask") || line.starts_with("  sys-scan"));
    assert_eq!(examples.filter(|line| line.len() <= 80).count(), 5, "{help}");
}
