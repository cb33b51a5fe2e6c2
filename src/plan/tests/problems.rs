//! One fixture a problem kind under `tests/fixtures/problems/`, each with its rendered text; a fixture is named by a code it shows
//! or by the special case it is.

use proptest::prelude::*;

use super::{Project, cards, fixtures};
use crate::plan::{Request, build};
use crate::report;

/// Fixtures that show a special case of another code.
const SPECIAL: [(&str, &str); 4] = [
    ("empty-file", "syntax"),
    ("secret-in-data", "misplaced-secret"),
    ("unknown-alias", "syntax"),
    ("no-stages", "missing-key"),
];

#[test]
fn each_fixture_renders_as_recorded() {
    let directory = fixtures();
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 40, "{names:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(directory.join("rendered"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for name in names {
        let mut request = Request::new(directory.join(format!("{name}.yaml")));
        request.root = Some(directory.clone());
        let invalid = build(&request, &cards()).expect_err(&name);
        let code = SPECIAL.iter().find(|(special, _)| *special == name).map_or(name.as_str(), |(_, code)| code);
        assert!(invalid.problems.iter().any(|p| p.code == code), "{name} shows no `{code}`");
        let text = report::problems::render(&invalid, false).replace(&format!("{}/", directory.display()), "");
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn problems_of_all_kinds_come_at_once_in_the_order_of_the_file() {
    let project = Project::new(
        "pipeline: p\nstages:\n  a: {uses: prodce}\n  b: {uses: produce, with: {seed: x}, bakend: gpu}\n  c: {uses: correlate, in: {scans: z}}\n",
    );
    assert_eq!(
        project.problems(),
        [
            "unknown-kind 3:13 there is no kind `prodce`",
            "param-type 4:35 `seed` must be a whole number, found the text \"x\"",
            "unknown-key 4:39 stage `b` has no key `bakend`",
            "unknown-stage 5:36 there is no stage `z`",
        ]
    );
}

#[test]
fn a_secret_is_not_passed_on_by_env_too() {
    let project = Project::new(
        "pipeline: p\nsecrets: {hf: {env: HF}}\nstages:\n  a: {uses: command, run: x, out: {o: out/o}, env: [LANG, TOKEN], secrets: {TOKEN: hf}}\n",
    );
    assert_eq!(
        project.problems(),
        ["misplaced-secret 4:59 `TOKEN` is a secret of this stage and stands in its `env` too"]
    );
}

#[test]
fn an_unknown_kind_causes_no_further_problems() {
    let project = Project::new(
        "pipeline: p\nstages:\n  a: {uses: prodce, with: {x: 1}}\n  c: {uses: correlate, in: {scans: a.anything}}\n",
    );
    assert_eq!(project.problems(), ["unknown-kind 3:13 there is no kind `prodce`"]);
}

#[test]
fn a_mistake_in_a_shared_value_is_reported_once() {
    let project = Project::new(
        "pipeline: p\nparams: {s: &s {seed: x}}\nstages:\n  a: {uses: produce, with: *s}\n  b: {uses: produce, with: *s}\n",
    );
    assert_eq!(project.problems(), ["param-type 2:23 `seed` must be a whole number, found the text \"x\""]);
}

#[test]
fn overrides_are_checked_where_they_stand() {
    let pipeline = "pipeline: p\nparams: {seed: 1, opt: {lr: 1}}\nstages:\n  a: {uses: produce, with: {seed: \"${params.seed}\"}}\n";
    let check = |text: &str, expect: &str| {
        let project = Project::new(pipeline).with(|request| request.overrides.push(text.to_owned()));
        assert_eq!(project.problems(), [expect], "{text}");
    };
    check("sed=2", "unknown-param 1:1 the pipeline has no param `sed`");
    check("opt.l=2", "unknown-param 1:1 the pipeline has no param `opt.l`");
    check("seed.x=2", "unknown-param 1:1 the pipeline has no param `seed.x`");
    check("opt=2", "bad-override 1:1 param `opt` is a mapping, not one value");
    check("seed", "bad-override 1:1 an override has the form PARAM=VALUE");
    check("seed=012", "bad-override 1:6 YAML versions disagree on a number with a leading zero");
    check("seed=[1]", "bad-override 1:6 the value is not a plain scalar");
    check("seed=\"a\" b", "bad-override 1:6 the value is not one quoted text");
    check("seed=-1", "param-value 1:6 `seed` must be at least 0, found -1");
    let project = Project::new(pipeline).with(|request| request.overrides.push("sed=2".to_owned()));
    let text = report::problems::render(&build(&project.request, &cards()).unwrap_err(), false);
    assert!(text.contains("--> -S:1:1") && text.contains("did you mean `seed`?"), "{text}");
}

#[test]
fn a_missing_file_and_an_unknown_target_have_suggestions() {
    let project = Project::new("pipeline: p\nstages:\n  model: {uses: produce}\n");
    let json = |request: &Request| report::problems::json(&build(request, &cards()).unwrap_err());
    let missing = Request { file: project.directory.path().join("q.yaml"), ..project.request.clone() };
    assert_eq!(json(&missing)[0]["code"], "unreadable");
    assert!(json(&missing)[0]["help"].as_str().unwrap().ends_with("p.yaml`?"));
    let target = Request { targets: vec![crate::spec::StageName::new("modl")], ..project.request.clone() };
    assert_eq!(json(&target)[0]["code"], "unknown-target");
    assert_eq!(json(&target)[0]["help"], "did you mean `model`?");
}

#[test]
fn json_has_code_place_and_help() {
    let project = Project::new("pipeline: p\nstages:\n  a: {uses: produce, with: {sed: 1}}\n");
    let problems = report::problems::json(&build(&project.request, &cards()).unwrap_err());
    assert_eq!(problems.as_array().unwrap().len(), 1);
    assert_eq!(problems[0]["code"], "unknown-param");
    assert_eq!(problems[0]["file"], project.request.file.to_str().unwrap());
    assert_eq!((&problems[0]["line"], &problems[0]["column"]), (&3.into(), &29.into()));
    assert_eq!(problems[0]["help"], "did you mean `seed`?");
}

#[test]
fn a_megabyte_of_brackets_and_a_larger_file_are_refused() {
    let brackets = Project::new(&"[".repeat(1 << 20));
    assert_eq!(brackets.problems(), ["too-deep 1:65 nested more than 64 levels deep"]);
    let large = Project::new(&"#".repeat((1 << 20) + 1));
    assert!(large.problems()[0].starts_with("too-large"));
}

#[test]
fn an_included_file_is_read_as_carefully_as_the_first() {
    let project = Project::new("pipeline: p\ninclude: {part: part.yaml}\n");
    let part = project.directory.path().join("part.yaml");
    std::fs::write(&part, b"pipeline: part\n# caf\xe9\n").unwrap();
    assert!(
        project.problems().contains(&"not-utf8 2:6 not valid UTF-8 at byte 20".to_owned()),
        "{:?}",
        project.problems()
    );
    std::fs::write(&part, "[".repeat(1 << 20)).unwrap();
    assert!(project.problems().contains(&"too-deep 1:65 nested more than 64 levels deep".to_owned()));
}

#[test]
fn interpolation_cannot_multiply_a_param_without_end() {
    let list = vec!["x"; 3000].join(", ");
    let uses: String = (0..300).map(|n| format!("  s{n}: {{uses: train, with: [\"${{params.l}}\"]}}\n")).collect();
    let items = ["\"${params.l}\""; 10].join(", ");
    let uses = uses.replace("\"${params.l}\"", &items);
    let project = Project::new(&format!("pipeline: p\nparams: {{l: [{list}]}}\nstages:\n{uses}"));
    assert!(project.problems().iter().any(|p| p.contains("interpolations copy more than 64 MiB")));
}

proptest! {
    #[test]
    fn no_bytes_panic_the_planner_or_the_renderer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let project = Project::new("");
        std::fs::write(&project.request.file, bytes).unwrap();
        if let Err(invalid) = build(&project.request, &cards()) {
            report::problems::render(&invalid, false);
        }
    }

    #[test]
    fn no_shuffle_of_the_words_of_a_pipeline_panics(picks in proptest::collection::vec(0usize..28, 0..40)) {
        const WORDS: [&str; 28] = [
            "pipeline: p\n", "stages:\n", "params:\n", "  a:\n", "  b: {", "}", "    uses: command\n", "    uses: train\n", "uses: produce",
            "    with:\n", "with: {seed: ", "1", "\"${params.x}\"", "${", "    in: {x: a.o}\n", "    out: {o: out/o}\n", ", ", "  x: 1\n",
            "    run: \"cat ${in.x}\"\n", "*r", "&r ", "[", "]", "\n", "    env: [A]\n", "- ", "\u{e9}", "    in: {x: {path: \"${params.x}\"}}\n",
        ];
        let text: String = picks.into_iter().map(|at| WORDS[at]).collect();
        let project = Project::new(&text);
        if let Err(invalid) = build(&project.request, &cards()) {
            report::problems::render(&invalid, true);
        }
    }

    #[test]
    fn no_pipeline_with_words_lost_doubled_or_put_elsewhere_panics(
        edits in proptest::collection::vec((0usize..1000, 0usize..1000, 0u8..3), 1..8),
    ) {
        let mut words = words_of(WHOLE);
        for (at, other, edit) in edits {
            let (at, other) = (at % words.len(), other % words.len());
            match edit {
                0 if words.len() > 1 => drop(words.remove(at)),
                1 => words.insert(at, words[at]),
                _ => words[at] = words[other],
            }
        }
        let project = Project::new(&words.concat()).file("part.yaml", PART).file("data/x", "x");
        if let Err(invalid) = build(&project.request, &cards()) {
            report::problems::render(&invalid, false);
        }
    }
}

/// A pipeline with a bit of everything.
const WHOLE: &str = r#"pipeline: whole
params: {n: 3, on: true, lrs: [1, 2]}
secrets: {hf: {env: HF}, key: {file: secrets/key}}
groups: {db: 2}
include: {part: {file: part.yaml, params: {seed: "${params.n}"}}}
stages:
  runs:
    matrix: {lr: [1, 2], seed: [3]}
    uses: command
    run: "echo ${matrix.lr} ${params.n} > ${out.o}"
    out: {o: "out/${matrix.lr}"}
    retry: {attempts: 3, backoff: 1s, jitter: 0.5}
    when: "${params.on && params.n > 2}"
  last:
    uses: command
    run: [cat, "${in.data}"]
    in: {runs: runs, data: {path: data/x}, scans: part/scans.scans}
    out: {o: out/last}
    timeout: 5m
    group: [db]
    secrets: {HF: hf, KEY: key}
"#;

const PART: &str =
    "pipeline: part\nparams: {seed: 1}\nstages:\n  scans: {uses: produce, with: {seed: \"${params.seed}\"}}\n";

/// The words of a pipeline and the text between them.
fn words_of(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

#[test]
fn the_pipeline_that_is_mutated_is_right() {
    Project::new(WHOLE).file("part.yaml", PART).file("data/x", "x").plan();
}
