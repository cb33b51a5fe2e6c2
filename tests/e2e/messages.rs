//! Mistakes in files: the message, the place with line and caret, and the advice.

use crate::project::Project;

const COMMAND: &str = "uses: command, run: \"true > ${out.o}\"";

/// Checks the messages of `check` about these lines, which must be wrong; each of `texts` is in them.
fn check(project: &Project, yaml: &str, words: &[&str], texts: &[&str]) {
    project.write("p.yaml", yaml);
    let ran = project.pipe(&[&["check", "p.yaml"], words].concat());
    assert_eq!(ran.status, 2, "{yaml}: {}", ran.stderr);
    for text in texts {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
}

#[test]
fn a_param_that_reads_another_one_is_refused_with_why() {
    let project = Project::new();
    for (a, place) in [
        ("\"${params.b}\"", "p.yaml:2:13"),
        ("\"of ${params.b}\"", "p.yaml:2:17"),
        ("[\"${params.b}\"]", "p.yaml:2:14"),
    ] {
        let yaml = format!("pipeline: p\nparams: {{a: {a}, b: 1}}\nstages:\n  s: {{{COMMAND}, out: {{o: out/o}}}}\n");
        let texts = [place, "^^^", "a param reads another one, `b`", "write both where they are used"];
        check(&project, &yaml, &[], &texts);
    }
    let yaml = format!("pipeline: p\nparams: {{a: x, b: 1}}\nstages:\n  s: {{{COMMAND}, out: {{o: out/o}}}}\n");
    check(&project, &yaml, &["-S", "a=${params.b}"], &["-S:1:3", "a param reads another one"]);
}

#[test]
fn a_link_that_leads_to_nothing_does_not_suggest_itself() {
    let project = Project::new();
    for (name, target, shown) in [("data.txt", "gone.txt", "gone.txt"), ("link", "/nowhere/x", "/nowhere/x")] {
        std::os::unix::fs::symlink(target, project.path(name)).unwrap();
        let yaml =
            format!("pipeline: p\nstages:\n  s: {{{COMMAND}, in: {{d: {{path: {name}}}}}, out: {{o: out/o}}}}\n");
        let said = format!("`{name}` is a symbolic link to `{shown}`, which is not there");
        check(&project, &yaml, &[], &["p.yaml:3:", "^^^", &said, "put the file there"]);
        let said = project.pipe(&["check", "p.yaml"]).stderr;
        assert!(!said.contains("did you mean"), "{said}");
    }
}

#[test]
fn an_empty_file_of_params_says_what_such_a_file_holds() {
    let project = Project::new();
    let yaml = format!("pipeline: p\nparams: {{a: x}}\nstages:\n  s: {{{COMMAND}, out: {{o: out/o}}}}\n");
    for text in ["", "# nothing\n"] {
        project.write("set.yaml", text);
        let texts = ["set.yaml:1:1", "the file is empty", "write the params to set, `NAME: VALUE` a line"];
        check(&project, &yaml, &["--params", "set.yaml"], &texts);
    }
}

#[test]
fn an_axis_without_values_is_called_that() {
    let project = Project::new();
    for (axis, place) in [("[]", "p.yaml:4:"), ("\"${params.ks}\"", "p.yaml:2:14")] {
        let yaml = format!(
            "pipeline: p\nparams: {{ks: []}}\nstages:\n  s: {{{COMMAND}, matrix: {{k: {axis}}}, out: {{o: \"out/${{matrix.k}}\"}}}}\n"
        );
        let texts = [place, "^^", "axis `k` is an empty list", "write at least one value, or take the axis out"];
        check(&project, &yaml, &[], &texts);
    }
}

#[test]
fn nothing_in_the_path_of_an_output_says_what_to_write() {
    let project = Project::new();
    for (out, texts) in [
        ("\"out/${params.q}\"", ["`params.q` is nothing", "give `params.q` a value"]),
        ("\"${params.q}\"", ["the path of an output must be text, found nothing", "relative to the project root"]),
        (
            "{path: \"${params.q}\"}",
            ["the path of an output must be text, found nothing", "relative to the project root"],
        ),
        ("null", ["output `o` must be a path, found nothing", "write `out/file`"]),
        ("{path: null}", ["the path of output `o` must be text, found nothing", "write the path"]),
    ] {
        let yaml = format!("pipeline: p\nparams: {{q: null}}\nstages:\n  s: {{{COMMAND}, out: {{o: {out}}}}}\n");
        check(&project, &yaml, &[], &[&texts[..], &["p.yaml:", "^"]].concat());
    }
}

#[test]
fn an_input_whose_path_is_no_text_is_refused_too() {
    let project = Project::new();
    for (value, found) in [("null", "found nothing"), ("7", "found the number 7")] {
        let yaml = format!(
            "pipeline: p\nparams: {{q: {value}}}\nstages:\n  s: {{{COMMAND}, in: {{i: {{path: \"${{params.q}}\"}}}}, out: {{o: out/o}}}}\n"
        );
        let said = format!("the path of an input must be text, {found}");
        check(&project, &yaml, &[], &["p.yaml:4:", &said, "its value"]);
    }
}

#[test]
fn variables_are_given_by_value_or_passed_on_and_are_part_of_the_key() {
    let project = Project::new();
    let yaml = |value: &str| {
        format!(
            "pipeline: p\nparams: {{n: 2}}\nstages:\n  s:\n    uses: command\n    run: \"echo $A $B > ${{out.o}}\"\n    env: {{A: {value}, B: \"n${{params.n}}\"}}\n    out: {{o: out/o}}\n"
        )
    };
    for (value, shown) in [("one", "one n2\n"), ("0.10", "0.10 n2\n")] {
        project.write("p.yaml", &yaml(value));
        assert_eq!(project.outcomes(&[])["s"], "ran");
        assert_eq!(project.read("out/o"), shown);
        assert_eq!(project.outcomes(&[])["s"], "hit");
    }
}
