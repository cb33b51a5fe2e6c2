//! Params set from outside keep the type that is declared, and numbers keep their spelling in texts.

use crate::project::Project;

const TEXTS: &str = r#"pipeline: t
params: {name: abc, lr: 0.001, on: true, many: [1], any: null, deep: {word: w}}
stages:
  tells:
    uses: command
    run: [sh, -c, 'printf "%s\n" "$@" > "$OUT"', sh, "${params.name}", "${params.lr}", "lr=${params.lr}", "${params.on}", "x${params.deep.word}"]
    env: {OUT: out/told, LR: "${params.lr}"}
    out: {told: out/told}
"#;

fn told(words: &[&str]) -> Vec<String> {
    let project = Project::with_pipeline(TEXTS);
    project.write("set.yaml", "{}\n");
    let mut all = vec!["run", "p.yaml"];
    all.extend(words);
    let ran = project.pipe(&all);
    assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
    project.read("out/told").lines().map(str::to_owned).collect()
}

#[test]
fn a_declared_text_stays_the_text_that_was_typed() {
    for text in [
        "007",
        "yes",
        "1e-4",
        "null",
        "~",
        "true",
        "0x1F",
        "1_000",
        "[1",
        "@x",
        "#1",
        "-",
        "99999999999999999999",
        ".nan",
        "a=b",
    ] {
        assert_eq!(told(&["-S", &format!("name={text}")])[0], text);
        assert_eq!(told(&["-S", &format!("deep.word={text}")])[4], format!("x{text}"));
    }
    assert_eq!(told(&["-S", "name="])[0], "");
    assert_eq!(told(&["-S", "name=\"007\""])[0], "007", "quotes of YAML are understood as before");
}

#[test]
fn a_number_in_a_text_is_spelled_as_it_was_typed() {
    for number in ["1e-4", "0.10", "1.0", "+7", "0x1F", "100000000000000000000e-5"] {
        let told = told(&["-S", &format!("lr={number}")]);
        assert_eq!((told[1].as_str(), told[2].as_str()), (number, format!("lr={number}").as_str()));
    }
    assert_eq!(told(&[])[1], "0.001");
}

#[test]
fn a_value_of_another_type_is_refused_with_its_place() {
    let refused = |set: &str, message: &str| {
        let project = Project::with_pipeline(TEXTS);
        let ran = project.pipe(&["check", "p.yaml", "-S", set]);
        assert_eq!(ran.status, 2, "{set}: {}", ran.stderr);
        assert!(ran.stderr.contains(message) && ran.stderr.contains("--> -S:1:"), "{set}: {}", ran.stderr);
    };
    refused("lr=abc", "param `lr` is a number, found the text \"abc\"");
    refused("lr=true", "param `lr` is a number, found `true`");
    refused("lr=", "param `lr` is a number, found nothing");
    refused("on=yes", "param `on` is true or false, found the text \"yes\"");
    refused("on=1", "param `on` is true or false, found the number 1");
    refused("many=1", "param `many` is a list, not one value");
    refused("lr=007", "leading zero");
    let project = Project::with_pipeline(TEXTS);
    for set in ["any=abc", "any=7", "any=true", "any=null"] {
        assert_eq!(project.pipe(&["check", "p.yaml", "-S", set]).status, 0, "{set}");
    }
}

#[test]
fn a_file_of_params_keeps_types_too() {
    let check = |text: &str, status: i32, message: &str| {
        let project = Project::with_pipeline(TEXTS);
        project.write("set.yaml", text);
        let ran = project.pipe(&["run", "p.yaml", "--params", "set.yaml"]);
        assert_eq!(ran.status, status, "{text}: {}", ran.stderr);
        let shown = if status == 0 { project.read("out/told") } else { ran.stderr };
        assert!(shown.contains(message), "{text}: {shown}");
    };
    check("name: 007\n", 0, "007\n");
    check("name: 1.10\n", 0, "1.10\n");
    check("name: true\n", 0, "true\n");
    check("deep: {word: 1e-4}\n", 0, "x1e-4\n");
    check("lr: 1e-4\n", 0, "lr=1e-4\n");
    check("lr: abc\n", 2, "param `lr` is a number, found the text \"abc\"");
    check("lr: 007\n", 2, "YAML versions disagree");
    check("on: yes\n", 2, "param `on` is true or false");
    check("many: 3\n", 2, "param `many` is a list, found the number 3");
    check("many: [a, b]\n", 0, "abc\n");
    check("deep: 3\n", 2, "param `deep` is a mapping, found the number 3");
    check("any: {x: [1]}\n", 0, "abc\n");
}

#[test]
fn how_answers_are_sampled_is_checked_where_it_is_written() {
    let check = |sampling: &str| {
        let stage = format!("  judged:\n    uses: evaluate\n    with:\n      sampling: {{{sampling}}}\n");
        let project = Project::with_pipeline(&format!("pipeline: t\nstages:\n{stage}"));
        project.pipe(&["check", "p.yaml"]).stderr
    };
    for (sampling, words) in [
        ("temperature: 0", "must be above 0, found 0"),
        ("temperature: -0.5", "must be above 0, found -0.5"),
        ("top_p: 0", "must be above 0, found 0"),
        ("top_p: 1.01", "must be at most 1"),
        ("top_k: 0", "must be at least 1, found 0"),
        ("top_q: 1", "has no param `top_q`"),
    ] {
        let told = check(sampling);
        assert!(told.contains(words) && told.contains("p.yaml:6"), "{sampling}: {told}");
    }
    let told = check("temperature: 0.7, top_k: 40, top_p: 1");
    assert!(!told.contains("p.yaml:6") && told.contains("p.yaml:"), "only inputs are missing: {told}");
}
