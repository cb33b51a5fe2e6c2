//! Text of stages, files and params never acts on the terminal that shows it: dozens of places, each with every kind of character.

use std::fmt::Write;
use std::process::Command;

use crate::project::Project;
use crate::terminal::on_a_terminal;

/// Sequences that must not reach a terminal: a colour that we never use, a title, a bell, C1, and marks that turn the order of letters.
const HOSTILE: &str = "\u{1b}[5m\u{1b}]0;title\u{7}\u{8}\u{7f}\u{9b}5m\u{85}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}abc\u{2066}\u{2067}\u{2069}";

/// The same in the double quotes of YAML, JSON and nothing else.
fn quoted() -> String {
    let mut text = String::new();
    for c in HOSTILE.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            text.push(c);
        } else {
            write!(text, "\\u{:04x}", u32::from(c)).unwrap();
        }
    }
    text
}

/// The sequences that we use ourselves: colours, and the moves of live lines.
fn is_ours(sequence: &str, last: char) -> bool {
    match last {
        'm' => sequence != "5",
        'A' | 'B' | 'K' => sequence.chars().all(|c| c.is_ascii_digit()),
        _ => false,
    }
}

/// Every character that acts on a terminal, where it is none of ours.
fn acting(written: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\r' | '\t' => {}
            '\u{1b}' => {
                let mut sequence = String::new();
                if rest.next_if_eq(&'[').is_some() {
                    while let Some(c) = rest.next_if(|c| c.is_ascii_digit() || *c == ';') {
                        sequence.push(c);
                    }
                }
                let last = rest.next().unwrap_or(' ');
                if !is_ours(&sequence, last) {
                    found.push(format!("ESC [{sequence}{last}"));
                }
            }
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                found.push(format!("{c:?}"));
            }
            c if c.is_control() => found.push(format!("{c:?}")),
            _ => {}
        }
    }
    found
}

/// A project whose stages, params and files are full of it.
fn project() -> Project {
    let yaml = r#"pipeline: p
params: {p: "a HOSTILE"}
stages:
  says:
    uses: command
    run: |
      cat > /dev/fd/$PIPE_EVENTS_FD <<'END'
      {"log":{"level":"warning","message":"HOSTILE"}}
      {"log":{"level":"error","message":"HOSTILE"}}
      {"metric":{"name":"m HOSTILE","step":1,"value":1}}
      {"progress":{"done":1,"total":2,"unit":"HOSTILE"}}
      {"HOSTILE":1}
      END
      printf '%b' 'OCTAL\n'
      echo "${params.p}" > ${out.o}
    env: {LABEL: "HOSTILE ${params.p}"}
    in: {f: {path: "in HOSTILE"}}
    out: {o: out/o}
  fails:
    uses: command
    run: |
      printf '%b' 'OCTAL\n'
      echo '{"failed":{"class":"stage_bug","message":"HOSTILE","help":"HOSTILE"}}' > /dev/fd/$PIPE_EVENTS_FD
      exit 1
    out: {o: out/f}
  each:
    uses: command
    matrix: {v: ["one HOSTILE"]}
    run: "echo '${matrix.v}' > ${out.o}"
    out: {o: out/each}
"#;
    let octal: String = HOSTILE.bytes().map(|byte| format!("\\0{byte:03o}")).collect();
    let project = Project::with_pipeline(&yaml.replace("HOSTILE", &quoted()).replace("OCTAL", &octal));
    project.write(&format!("in {HOSTILE}"), "x");
    project
}

fn check(project: &Project, words: &[&str]) -> String {
    check_command(project.command(words), words)
}

/// Runs the command on a terminal, in colours and without, and returns its output.
fn check_command(mut command: Command, words: &[&str]) -> String {
    command.env_remove("NO_COLOR");
    let (_, written) = on_a_terminal(command);
    assert_eq!(acting(&written), Vec::<String>::new(), "{words:?}: {written:?}");
    assert!(!written.contains("panicked"), "{words:?}: {written}");
    written
}

#[test]
fn nothing_that_a_pipeline_says_acts_on_the_terminal() {
    let project = project();
    let ran = check(&project, &["run", "p.yaml"]);
    assert!(ran.contains(r"\x1b[5m") && ran.contains(r"\u{202e}abc") && ran.contains(r"\u{9b}5m"), "{ran:?}");
    check(&project, &["run", "p.yaml", "--quiet", "--refresh", "says"]);
    check(&project, &["run", "p.yaml", "--events", "-"]);
    for verb in [
        &["plan", "p.yaml"][..],
        &["plan", "p.yaml", "--json"],
        &["plan", "p.yaml", "-S", "p=other"],
        &["why", "says", "-f", "p.yaml", "-S", "p=other"],
        &["why", "says", "-f", "p.yaml", "-S", "p=other", "--json"],
        &["why", "fails", "-f", "p.yaml"],
        &["show", "says"],
        &["show", "says", "--json"],
        &["show", "fails"],
        &["show", "fails", "--json"],
        &["runs"],
        &["runs", "--json"],
        &["graph", "p.yaml"],
        &["graph", "p.yaml", "--format", "dot"],
        &["graph", "p.yaml", "--format", "svg"],
        &["graph", "p.yaml", "--json"],
        &["logs", "says"],
        &["logs", "says", "--json"],
        &["logs", "fails"],
        &["shell", "says", "-f", "p.yaml", "--", "true"],
        &["shell", "says", "-f", "p.yaml", "--json"],
        &["cache", "status"],
        &["cache", "verify"],
        &["config"],
        &["check", "p.yaml"],
    ] {
        check(&project, verb);
    }
    check(&project, &["run", "p.yaml", "-S", &format!("p=b{HOSTILE}")]);
    check(&project, &["diff"]);
    check(&project, &["diff", "--json"]);
    check(&project, &["why", "each[v=1]", "-f", "p.yaml"]);
    check(&project, &["show", "each[v=1]"]);
    check(&project, &["get", "says", &format!("copy{HOSTILE}")]);
    check(&project, &["get", "says", &format!("copy{HOSTILE}")]);
}

#[test]
fn no_error_that_repeats_a_word_of_somebody_acts_on_the_terminal() {
    let project = project();
    for words in [
        &["run", HOSTILE][..],
        &["run", "p.yaml", HOSTILE],
        &["run", "p.yaml", "--refresh", HOSTILE],
        &["run", "p.yaml", "-S", &format!("{HOSTILE}=1")],
        &["run", "p.yaml", "-P", HOSTILE],
        &["run", "p.yaml", &format!("--{HOSTILE}")],
        &["run", "p.yaml", "--jobs", HOSTILE],
        &["run", "p.yaml", "--store", &format!("/dev/null/{HOSTILE}")],
        &["run", "p.yaml", "--events", &format!("/dev/null/{HOSTILE}")],
        &[HOSTILE],
        &["plan", HOSTILE],
        &["why", HOSTILE, "-f", "p.yaml"],
        &["show", HOSTILE],
        &["logs", HOSTILE],
        &["get", HOSTILE, "x"],
        &["diff", HOSTILE, HOSTILE],
        &["stages", HOSTILE],
        &["schema", HOSTILE],
        &["runs", "--pipeline", HOSTILE],
        &["graph", HOSTILE],
        &["check", HOSTILE],
        &["shell", HOSTILE, "-f", "p.yaml"],
        &["cache", "pin", HOSTILE],
        &["cache", "pin", HOSTILE, "--remove"],
        &["cache", "gc", "--grace", HOSTILE],
        &["init", &format!("new{HOSTILE}")],
    ] {
        check(&project, words);
        let mut json = words.to_vec();
        json.push("--json");
        check(&project, &json);
    }
    let mut command = project.command(&["config"]);
    command.env("PIPE_STORE", format!("store{HOSTILE}"));
    check_command(command, &["config", "PIPE_STORE"]);
    let mut command = project.command(&["config"]);
    command.env("PIPE_JOBS", HOSTILE);
    check_command(command, &["config", "PIPE_JOBS"]);
}

#[test]
fn no_line_of_a_pipeline_that_is_wrong_acts_on_the_terminal() {
    let raw = "\u{202e}\u{2066}abc\u{200f}\u{9b}5m\u{1b}[5m";
    let project = Project::with_pipeline("pipeline: x\n");
    for (at, yaml) in [
        format!("pipeline: p\nstages:\n  s{raw}: {{uses: command}}\n"),
        format!("pipeline: p\nstages:\n  s: {{uses: command, run: \"{}\", ou: 1}}\n", quoted()),
        format!("pipeline: p\nstages:\n  s: {{uses: \"{}\"}}\n", quoted()),
        format!("pipeline: p\nstages:\n  s: {{uses: command, \"{}\": 1}}\n", quoted()),
        format!(
            "pipeline: p\nstages:\n  s: {{uses: command, run: \"true\", in: {{a: {{path: \"{}\"}}}}, out: {{o: out/o}}}}\n",
            quoted()
        ),
        format!(
            "pipeline: p\nstages:\n  s: {{uses: command, run: \"true\", in: {{a: \"{}\"}}, out: {{o: out/o}}}}\n",
            quoted()
        ),
        format!("pipeline: p\nstages:\n  s: {{uses: produce, with: {{hosts: \"{}\"}}}}\n", quoted()),
        "pipeline: p # \u{202e}\u{2067}\nstages:\n  s: {uses: nothing} # \u{202e}\u{2067}\u{85}\n".to_owned(),
        format!("pipeline: p\n\"{0}\": 1\nparams: {{\"{0}\": 2}}\n", quoted()),
        format!("pipeline: \"{}\"\nstages: {{}}\n", quoted()),
        format!("pipeline: p\nstages:\n  s: {{uses: command, run: \"${{{}}}\", out: {{o: out/o}}}}\n", quoted()),
        format!("pipeline: p\nstages:\n  s: {{uses: command, when: \"{}\", run: x, out: {{o: out/o}}}}\n", quoted()),
        format!("include: [\"{}\"]\npipeline: p\n", quoted()),
        format!("pipeline: p\nstages: [{raw}\n"),
        raw.to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        project.write("p.yaml", &yaml);
        for words in [&["run", "p.yaml"][..], &["check", "p.yaml"], &["check", "p.yaml", "--json"]] {
            let written = check(&project, words);
            assert!(!written.is_empty(), "{at}");
        }
    }
    project.write(&format!("q{raw}.yaml"), "pipeline: 1\nstages: {s: {uses: nothing}}\n");
    check(&project, &["check", &format!("q{raw}.yaml")]);
    project.write("pipe.yaml", &format!("stor\u{202e}e: \"{}\"\n", quoted()));
    check(&project, &["config"]);
}

#[test]
fn the_caret_still_stands_under_what_it_is_about() {
    let yaml = "pipeline: p\nstages:\n  s: {uses: command, run: \"\u{202e}é\", ou: 1, out: {o: out/o}}\n";
    let project = Project::with_pipeline(yaml);
    let stderr = project.pipe(&["check", "p.yaml"]).stderr;
    let lines: Vec<&str> = stderr.lines().collect();
    let at = lines.iter().position(|line| line.contains(r"\u{202e}é")).unwrap_or_else(|| panic!("{stderr}"));
    let column = |line: &str, text: &str| line[..line.find(text).unwrap()].chars().count();
    assert_eq!(column(lines[at], "ou: 1"), column(lines[at + 1], "^"), "{stderr}");
}

#[test]
fn logs_are_raw_in_a_pipe_and_on_a_terminal_only_when_asked() {
    let project = project();
    project.pipe(&["run", "p.yaml"]);
    let shown = check(&project, &["logs", "says"]);
    assert!(shown.contains(r"\x1b[5m\x1b]0;title\x07"), "{shown:?}");
    let piped = project.pipe(&["logs", "says"]).stdout;
    assert!(piped.contains(HOSTILE), "{piped:?}");
    let (_, raw) = on_a_terminal(project.command(&["logs", "says", "--raw"]));
    assert!(raw.contains(HOSTILE), "{raw:?}");
}

#[test]
fn json_says_the_same_without_them() {
    let project = project();
    project.pipe(&["run", "p.yaml"]);
    let shown = project.pipe(&["show", "says", "--json"]).stdout;
    assert_eq!(acting(&shown), Vec::<String>::new());
    let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(document["metrics"].as_object().unwrap().contains_key(&format!("m {HOSTILE}")), "{shown}");
    assert!(project.events().lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn tables_stay_aligned() {
    let project = project();
    project.pipe(&["run", "p.yaml"]);
    let shown = project.pipe(&["show", "says"]).stdout;
    let metric = shown.lines().find(|line| line.contains("metric")).unwrap();
    assert!(metric.contains(r"m \x1b[5m") && metric.ends_with(" 1"), "{metric}");
    let labels: Vec<_> = shown.lines().filter(|line| line.starts_with("  ")).map(|line| &line[..12]).collect();
    assert!(labels.iter().all(|label| label.len() == 12), "{labels:?}");
}
