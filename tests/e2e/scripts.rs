//! `shell:`: the program that runs a text in `run`, and the message when it fails.

use crate::project::{Project, expected};

/// A project whose only stage runs these lines by the default shell.
fn script(lines: &[&str]) -> Project {
    let lines: String = lines.iter().map(|line| format!("      {line}\n")).collect();
    let head = "pipeline: p\nstages:\n  s:\n    uses: command\n    run: |\n";
    Project::with_pipeline(&format!("{head}{lines}    out: {{o: out/o}}\n"))
}

/// The message of the failure of `s`.
fn message(project: &Project) -> String {
    let report = project.run_json(&[], 1);
    report["stages"]["s"]["failure"]["message"].as_str().unwrap().to_owned()
}

fn check(lines: &[&str], expect: &str) {
    let project = script(lines);
    assert_eq!(message(&project), expect, "{lines:?}");
    assert!(!project.path("out/o").exists());
}

#[test]
fn a_failure_names_the_line_the_command_and_each_status_of_a_pipe() {
    check(
        &["echo a > a", "", "grep x a | sort > ${out.o}", "echo on"],
        "p.yaml:8: line 3: `grep x a | sort > out/o` failed: exit statuses 1, 0",
    );
    check(&["false", "echo on > ${out.o}"], "p.yaml:6: line 1: `false` failed: exit status 1");
    check(&["true |", "  (exit 3) | # why", "  cat"], "p.yaml:8: line 3: `cat` failed: exit statuses 0, 3, 0");
    check(
        &["true |", "  sh -c 'exit 3' |", "  cat"],
        "p.yaml:8: line 3: `true | sh -c 'exit 3' | cat` failed: exit statuses 0, 3, 0",
    );
    check(
        &["f() {", "  test -e nothing", "  echo on", "}", "f"],
        "p.yaml:7: line 2: `test -e nothing` failed: exit status 1",
    );
    check(&["(", "  true", "  sh -c 'exit 9'", ")"], "p.yaml:8: line 3: `sh -c 'exit 9'` failed: exit status 9");
    check(&["x=$(sh -c 'exit 4')"], "p.yaml:6: line 1: `x=$(sh -c 'exit 4')` failed: exit status 4");
    check(&["{ echo a; false; } 2> /dev/null"], "p.yaml:6: line 1: `false` failed: exit status 1");
    check(
        &["cat > /dev/null <<E", "false", "E", "cd /", "nosuchprogram --x"],
        "p.yaml:10: line 5: `nosuchprogram --x` failed: exit status 127",
    );
    check(&["sh -c 'kill -9 $$'"], "p.yaml:6: line 1: `sh -c 'kill -9 $$'` failed: exit status 137 (SIGKILL)");
}

#[test]
fn what_ends_a_script_without_a_failed_command_is_named_too() {
    check(&["echo $UNSET_VAR > ${out.o}"], "p.yaml:6: line 1: UNSET_VAR: unbound variable (exit status 1)");
    check(&["if true; then", "fi"], "p.yaml:7: line 2: syntax error near unexpected token `fi' (exit status 2)");
    check(&["exec nosuchprogram"], "p.yaml:6: line 1: exec: nosuchprogram: not found (exit status 127)");
    check(&["echo on; exit 3"], "the command failed: exit status 3");
    check(&["(exit 3) & wait $! || true", "exit 5"], "the command failed: exit status 5");
    check(&["set +e", "false", "exit 1"], "the command failed: exit status 1");
    check(&["trap 'exit 6' EXIT", "false"], "the command failed: exit status 6");
}

#[test]
fn the_place_is_that_of_the_text_wherever_it_stands() {
    let run = |run: &str| {
        Project::with_pipeline(&format!(
            "pipeline: p\nparams: {{n: 1}}\nstages:\n  s:\n    uses: command\n{run}    out: {{o: out/o}}\n"
        ))
    };
    let check = |text: &str, expect: &str| assert_eq!(message(&run(text)), expect, "{text}");
    check("    run: \"true; false\"\n", "p.yaml:6: line 1: `false` failed: exit status 1");
    check("    run: test ${params.n} = 2\n", "p.yaml:6: line 1: `test 1 = 2` failed: exit status 1");
    check(
        "    run: |-  # what it does\n\n      true\n      false\n",
        "p.yaml:9: line 3: `false` failed: exit status 1",
    );
    check("    run: >\n      true;\n      false\n", "p.yaml:7: line 1: `false` failed: exit status 1");
    check("    run: \"true\\nfalse\"\n", "line 2: `false` failed: exit status 1");
}

#[test]
fn all_else_is_as_plain_bash_has_it() {
    let project = script(&[
        "test \"$#\" = 0",
        "test -z \"${BASH_ENV-}\"".replace("${", "$${").as_str(),
        "if false; then :; fi; ! true; while false; do :; done; until true; do :; done",
        "false || true; (false) || true; { false && true; } || true; false && true",
        "set +e; false; false | true; set -e",
        "f() { false; echo through; }; f || true",
        "echo $(false; echo lost)",
        "(exit 3) & wait $! || test $? = 3",
        "x=$(cat <<< hi); test $x = hi; cat <(echo sub) > /dev/null",
        "trap 'echo trapped' USR1; kill -USR1 $$",
        "grep nothing /dev/null || test $? = 1",
        "seq 100000 | sed -n 1,3p > /dev/null",
        "bash -c 'false; true'",
        "exec sh -c 'echo done > \"$1\"' sh ${out.o}",
    ]);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("out/o"), "done\n");
    let log = project.pipe(&["logs", "s"]).stdout;
    assert!(!log.contains(" failed: "), "{log}");
}

#[test]
fn an_early_reader_is_explained() {
    let project = script(&["yes | head -n 1 > ${out.o}"]);
    let report = project.run_json(&[], 1);
    let failure = &report["stages"]["s"]["failure"];
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("`yes | head -n 1 > out/o` failed: exit statuses 141, 0"), "{failure}");
    let help = failure["help"].as_str().unwrap();
    assert!(help.contains("head") && help.contains("sed -n 1,3p"), "{failure}");
}

#[test]
fn the_log_says_it_in_one_line_and_a_secret_is_in_neither() {
    let project = Project::with_pipeline(
        "pipeline: p\nsecrets: {t: {env: MINE}}\nstages:\n  s:\n    uses: command\n    run: eval \"test $TOKEN = open\"\n    secrets: {TOKEN: t}\n    out: {o: out/o}\n",
    );
    let output = project.command(&["run", "p.yaml", "--json"]).env("MINE", "hunter2hunter2").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("`test *** = open` failed: exit status 1"), "{said}");
    let log = project.pipe(&["logs", "s"]).stdout;
    assert_eq!(log.matches("p.yaml:6: line 1: `test *** = open` failed: exit status 1").count(), 1, "{log}");
    assert!(!said.contains("hunter2") && !log.contains("hunter2"));
}

const SHELLS: &str = r#"pipeline: p
shell: sh
stages:
  file: {uses: command, run: "echo $0 $- > ${out.o}; true | false | true", out: {o: out/file}}
  own: {uses: command, shell: bash, run: "shopt -qo pipefail; shopt -qo errexit; shopt -qo nounset; echo ${out.o} > ${out.o}", out: {o: out/own}}
  python:
    uses: command
    shell: [python3, -I]
    run: |
      import sys
      with open("${out.o}", "w") as out:
          print(len(sys.argv), __file__, file=out)
    out: {o: out/python}
  former: {uses: command, shell: [/bin/sh, -c], run: "false; echo $UNSET > ${out.o}", out: {o: out/former}}
  words: {uses: command, run: [cp, "${in.i}", "${out.o}"], in: {i: former}, out: {o: out/words}}
"#;

#[test]
fn the_shell_is_that_of_the_stage_or_of_the_file() {
    let project = Project::with_pipeline(SHELLS);
    project.run_json(&[], 0);
    let file = project.read("out/file");
    assert!(file.starts_with("../script ") && file.contains('e') && file.contains('u'), "{file}");
    assert_eq!(project.read("out/own"), "out/own\n");
    assert!(project.read("out/python").starts_with("1 /"), "its path and no other argument");
    assert_eq!(project.read("out/words"), "\n");

    project.write("p.yaml", &SHELLS.replace("out: {o: out/own}", "out: {o: out/own}, sandbox: false"));
    let outcomes = project.outcomes(&[]);
    assert_eq!(outcomes["own"], "ran");
    // Only texts have the shell in their key.
    project.write("p.yaml", &SHELLS.replace("shell: sh\n", ""));
    let failed = project.run_json(&[], 1);
    assert_eq!(failed["stages"]["words"]["outcome"], "hit");
    assert_eq!(failed["stages"]["file"]["outcome"], "failed");
    let why = project.pipe(&["why", "file", "-f", "p.yaml"]).stdout;
    assert!(why.contains("shell changed: sh -> bash"), "{why}");
}

#[test]
fn sh_is_strict_and_says_its_exit_status() {
    let project = Project::with_pipeline(
        "pipeline: p\nshell: sh\nstages:\n  s: {uses: command, run: \"false; echo > ${out.o}\", out: {o: out/o}}\n",
    );
    assert_eq!(message(&project), "the command failed: exit status 1");
}

#[test]
fn a_machine_without_bash_is_told_the_way_out() {
    let project = script(&["echo > ${out.o}"]);
    let empty = project.beside("bin");
    std::fs::create_dir(&empty).unwrap();
    let output = project.command(&["run", "p.yaml"]).env("PATH", &empty).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot start bash") && said.contains("write `shell: sh`"), "{said}");
    project.write("p.yaml", &project.read("p.yaml").replace("stages:", "shell: sh\nstages:"));
    let output = project.command(&["run", "p.yaml"]).env("PATH", &empty).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_stage_with_its_own_path_is_run_by_the_same_bash() {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  s: {uses: command, run: \"echo ok > ${out.o}\", env: {PATH: /nowhere}, out: {o: out/o}}\n",
    );
    project.run_json(&[], 0);
    assert_eq!(project.read("out/o"), "ok\n");
}

#[test]
fn a_script_may_be_of_any_length_and_hold_any_number_of_paths() {
    let filler = "x".repeat(200);
    let lines: Vec<String> = (0..1500).map(|line| format!(": {line} {filler}")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.push("echo end > ${out.o}");
    let project = script(&lines);
    project.run_json(&[], 0);
    assert_eq!(project.read("out/o"), "end\n");
}

/// Ten files with long names, gathered into one port many times over, by `run`.
fn gathered(run: &str, more: &str) -> Project {
    let project = Project::new();
    let long = "n".repeat(100);
    let mut parts = String::new();
    for at in 0..300 {
        let path = format!("data/{long}/{long}/{long}/{long}/{long}-{at}");
        project.write(&path, &format!("{at}\n"));
        parts.push_str(&format!("{{path: {path}}}, "));
    }
    project.write("-odd/-x", "odd\n");
    parts.push_str("{path: -odd/-x}");
    project.write(
        "p.yaml",
        &format!("pipeline: p\nstages:\n  s:\n    uses: command\n    run: {run}\n    in: {{parts: [{parts}]}}\n    out: {{o: out/o}}\n{more}"),
    );
    project
}

#[test]
fn a_gathered_port_is_a_file_of_paths_too() {
    let texts = "\"ls > here; wc -l < ${in.parts.list} > ${out.o}; xargs -d '\\\\n' cat < ${in.parts.list} | tail -n 1 >> ${out.o}; tail -n 1 ${in.parts.list} >> ${out.o}\"";
    let argv = "[sh, -c, 'wc -l < \"$1\" > out/o; xargs cat < \"$1\" | tail -n 1 >> out/o; tail -n 1 \"$1\" >> out/o', sh, \"${in.parts.list}\"]";
    for run in [texts, argv] {
        for more in ["", "    sandbox: false\n"] {
            let project = gathered(run, more);
            let ran = project.pipe(&["run", "p.yaml"]);
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            assert_eq!(project.read("out/o"), "301\nodd\n./-odd/-x\n", "{run} {more}");
            assert_eq!(project.outcomes(&[]), expected(&[("s", "hit")]));
        }
    }
    let project = gathered("\"printf '%s\\\\n' ${in.parts} | wc -l > ${out.o}\"", "");
    project.run_json(&[], 0);
    assert_eq!(project.read("out/o"), "301\n");
}

#[test]
fn a_list_is_of_a_gathered_port_and_of_no_other() {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  s: {uses: command, run: \"cat ${in.one.list} > ${out.o}\", in: {one: {path: p.yaml}}, out: {o: out/o}}\n",
    );
    let checked = project.pipe(&["check", "p.yaml"]);
    assert_eq!(checked.status, 2);
    assert!(checked.stderr.contains("`in.one` holds one artifact"), "{}", checked.stderr);
}

#[test]
fn a_path_that_begins_with_a_dash_is_no_flag_and_odd_names_are_no_syntax() {
    for name in ["-n", "-rf/x", "a~b", "a#b", "a!b", "!x", "a^b", "a]b", "día–ü", "e\u{301}", "北京", "x=1", "😀"]
    {
        for run in ["cat ${in.i} > ${out.o}", "[sh, -c, 'cat \"$1\" > \"$2\"', sh, \"${in.i}\", \"${out.o}\"]"] {
            let run = if run.starts_with('[') { run.to_owned() } else { format!("\"{run}\"") };
            let project = Project::with_pipeline(&format!(
                "pipeline: p\nstages:\n  s: {{uses: command, run: {run}, in: {{i: {{path: \"{name}\"}}}}, out: {{o: \"-o {name}\"}}}}\n"
            ).replace("-o ", "-o"));
            project.write(name, "content\n");
            let ran = project.pipe(&["run", "p.yaml"]);
            assert_eq!(ran.status, 0, "{name}: {}", ran.stderr);
            assert_eq!(project.read(&format!("-o{name}")), "content\n");
        }
    }
    for name in [
        "a b", "~x", "a=~b", "#x", "!", "a*b", "a[b]", "a{b,c}", "a$b", "a'b", "a;b", "a&b", "a(b", "a|b", "a<b",
        "a`b", "a?b",
    ] {
        let project = Project::with_pipeline(&format!(
            "pipeline: p\nstages:\n  s: {{uses: command, run: \"cat ${{in.i}} > ${{out.o}}\", in: {{i: {{path: \"{name}\"}}}}, out: {{o: out/o}}}}\n"
        ));
        project.write(name, "content\n");
        let checked = project.pipe(&["check", "p.yaml"]);
        assert!(checked.status == 2 && checked.stderr.contains("unsafe-path"), "{name}: {}", checked.stderr);
    }
}

#[test]
fn a_terminated_script_runs_its_trap() {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  s:\n    uses: command\n    run: |\n      trap 'echo leaving; exit 75' TERM\n      read x < $NEVER & wait\n    env: [NEVER]\n    timeout: 100ms\n    out: {o: out/o}\n",
    );
    let never = project.beside("never");
    assert!(std::process::Command::new("mkfifo").arg(&never).status().unwrap().success());
    let output = project.command(&["run", "p.yaml", "--json"]).env("NEVER", &never).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("did not end within its time-out"), "{said}");
    assert!(project.pipe(&["logs", "s"]).stdout.contains("leaving"));
}

#[test]
fn pipe_shell_shows_the_script_and_can_run_it() {
    let project = script(&["test -n \"$HOME\"", "echo out > ${out.o}", "false | true"]);
    let shown = project.pipe(&["shell", "s", "-f", "p.yaml", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert!(shown["script"].as_str().unwrap().contains("echo out > out/o"), "{shown}");
    assert!(shown["argv"][0].as_str().unwrap().ends_with("/bash"), "{shown}");
    let ran = project.pipe(&["shell", "s", "-f", "p.yaml", "--", "bash", "-euo", "pipefail", "../script"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("line 3: `false | true` failed: exit statuses 1, 0"), "{}", ran.stderr);
}

/// Lays a store that an engine wrote which ran texts by `/bin/sh -c` into `cache/`.
fn lay_former_store(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            lay_former_store(&entry.path(), &to);
        } else {
            std::fs::write(to, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn a_former_store_still_serves_what_no_shell_runs() {
    let former = r#"pipeline: p
stages:
  words: {uses: command, run: [cp, "${in.x}", "${out.o}"], in: {x: {path: data/x}}, out: {o: out/words}}
  text: {uses: command, run: "sort ${in.x} > ${out.o}", in: {x: {path: data/x}}, out: {o: out/text}}
"#;
    let project = Project::with_pipeline(former);
    project.write("data/x", "b 2\na 1\n");
    lay_former_store(&crate::project::checkout().join("tests/fixtures/former-store"), &project.path("cache"));
    // Which git does not keep: an empty file, by which a store of that time is known.
    project.write("cache/locks/use", "");
    let why = project.pipe(&["why", "text", "-f", "p.yaml"]).stdout;
    assert!(why.contains("shell changed: /bin/sh -c -> bash"), "{why}");
    assert_eq!(project.outcomes(&[]), expected(&[("words", "restored"), ("text", "ran")]));
    assert_eq!(project.read("out/words"), "b 2\na 1\n");
    project.write("p.yaml", &former.replace("stages:", "shell: [/bin/sh, -c]\nstages:"));
    assert_eq!(project.outcomes(&[])["text"], "hit");
}
