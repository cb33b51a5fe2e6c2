//! The names of the instances of a matrix: all different, and short enough for a file.

use crate::project::Project;

/// The names of the instances, sorted.
fn names(matrix: &str, words: &[&str]) -> Vec<String> {
    let project = Project::with_pipeline(&format!(
        "pipeline: m\nstages:\n  each: {{uses: command, matrix: {matrix}, run: \"echo x > ${{out.o}}; exit $CODE\", out: {{o: \"out/${{matrix}}.txt\"}}, env: [CODE], retry: {{attempts: 2, backoff: 1ms}}}}\n"
    ));
    let mut command = project.command(&[&["run", "p.yaml", "--json"], words].concat());
    let ran = command.env("CODE", if words.is_empty() { "0" } else { "1" }).output().unwrap();
    let status = ran.status.code();
    assert!(status == Some(0) || (!words.is_empty() && status == Some(1)), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let stages = report["stages"].as_object().unwrap();
    if !words.is_empty() {
        for (name, stage) in stages {
            for log in [&stage["log"], &stage["retried"][0]["log"]] {
                assert!(std::path::Path::new(log.as_str().unwrap()).is_file(), "{name}: {log}");
            }
        }
    }
    stages.keys().map(|name| name.strip_prefix("each").unwrap().to_owned()).collect()
}

#[test]
fn a_position_is_never_called_like_another_value() {
    assert_eq!(names(r#"{p: ["a b", 1]}"#, &[]), ["[p=1]", "[p=1_]"]);
    assert_eq!(names(r#"{p: [2, "a b", "c d"]}"#, &[]), ["[p=2]", "[p=2_]", "[p=3]"]);
    assert_eq!(names(r#"{p: ["", "1_", "1", x/y]}"#, &[]), ["[p=1]", "[p=1_]", "[p=1__]", "[p=4]"]);
    assert_eq!(names(r#"{p: [1, "1", "2"]}"#, &[]), ["[p=1]", "[p=2]", "[p=2_]"]);
    assert_eq!(names(r#"{p: [{a: 1}, [2], null]}"#, &[]), ["[p=1]", "[p=2]", "[p=3]"]);
}

#[test]
fn a_long_label_is_shortened_and_its_log_is_found() {
    let long = "v".repeat(40);
    let axes: String = (0..9).map(|n| format!("axis_with_a_long_name_{n}: [{long}], ")).collect();
    let names = names(&format!("{{{axes}last: [1, 2, 3]}}"), &["--keep-work"]);
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.len() < 130), "{names:?}");
    assert!(names[0] != names[1] && names[1] != names[2], "{names:?}");
}

#[test]
fn a_value_that_stands_twice_is_refused_with_both_places() {
    let check = |matrix: &str, words: &[&str]| {
        let project = Project::with_pipeline(&format!(
            "pipeline: m\nstages:\n  each: {{uses: command, matrix: {matrix}, run: \"echo x > ${{out.o}}\", out: {{o: \"out/${{matrix}}\"}}}}\n"
        ));
        let ran = project.pipe(&["check", "p.yaml"]);
        assert_eq!(ran.status, 2, "{matrix}: {}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{matrix}: no `{word}` in {}", ran.stderr);
        }
    };
    check("{n: [1, 2, 1]}", &["axis `n` lists `1` twice", "first here", "again here"]);
    check("{n: [1e-4, 0.0001]}", &["axis `n` lists `0.0001` twice, which `1e-4` is too"]);
    check("{n: [a, b], m: [{x: 1}, {x: 1}]}", &["axis `m` lists"]);
    check("{include: [1]}", &["`include` cannot name an axis", "p.yaml:3:"]);
    check("{a: [1], exclude: [{a: 1}]}", &["`exclude` cannot name an axis"]);
}
