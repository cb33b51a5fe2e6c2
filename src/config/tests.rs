//! Layers above layers, and every problem at once.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::*;
use crate::report::problems;

fn load_with(yaml: &str, variables: &[(&str, &str)], flags: &Flags) -> Result<Config, String> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("pipe.yaml"), yaml).unwrap();
    std::fs::create_dir(root.path().join("kinds")).unwrap();
    let variables: BTreeMap<&str, OsString> = variables
        .iter()
        .map(|(name, value)| (*name, OsString::from(value.replace('@', root.path().to_str().unwrap()))))
        .collect();
    let found = load(root.path(), std::path::Path::new("/elsewhere"), &|name| variables.get(name).cloned(), flags);
    found.map_err(|invalid| problems::render(&invalid, false))
}

fn origins(config: &Config) -> BTreeMap<String, String> {
    config.rows().into_iter().map(|row| (row.key, row.origin.to_string())).collect()
}

#[test]
fn a_file_of_comments_sets_nothing() {
    let config = load_with("# root\n\n  # store: x\n", &[], &Flags::default()).unwrap();
    assert!(config.store.value.ends_with("cache"));
    assert!(origins(&config).values().all(|origin| origin == "default"));
}

#[test]
fn the_environment_goes_above_the_file_and_flags_above_both() {
    let yaml = "store: s\ncards: [kinds]\nverify: always\ngovernor: {jobs: 2, cpu: 0.5, throttle: false}\n";
    let variables = [("PIPE_JOBS", "3"), ("PIPE_STORE", "/v"), ("PIPE_VERIFY", ""), ("PIPE_THROTTLE", "true")];
    let flags = Flags { jobs: Some(4), ..Flags::default() };
    let config = load_with(yaml, &variables, &flags).unwrap();
    assert_eq!(config.store, Setting::new("/v".into(), Origin::Environment("PIPE_STORE")));
    assert_eq!(config.governor.jobs, Setting::new(Some(4), Origin::Flag("--jobs")));
    assert_eq!(config.governor.throttle.value, Throttle::On);
    // Set to nothing is not set.
    assert_eq!(config.verify.value, Verify::Always);
    let origins = origins(&config);
    assert!(origins["cards"].ends_with("pipe.yaml:2"), "{origins:?}");
    assert!(origins["governor.cpu"].ends_with("pipe.yaml:4"), "{origins:?}");
    assert_eq!(origins["governor.memory"], "default");
    assert_eq!(origins["governor.throttle"], "variable PIPE_THROTTLE");
}

#[test]
fn a_backend_is_named_typed_and_redirected() {
    let yaml = "backends:\n  gpu: local\n  big: {local: {}}\n";
    let flags = Flags { backends: vec!["gpu=local".to_owned()], ..Flags::default() };
    let routes = load_with(yaml, &[], &flags).unwrap().routes();
    let routes: Vec<_> = routes.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(routes, [("big", "big"), ("gpu", "local"), ("local", "local")]);
}

#[test]
fn a_name_means_what_it_names_in_the_end() {
    let yaml = "backends: {gpu: big, big: try, try: {loopback: {state: s}}, spare: local}\n";
    let routes = |backends: &[&str]| {
        let flags = Flags { backends: backends.iter().map(|text| (*text).to_owned()).collect(), ..Flags::default() };
        let config = load_with(yaml, &[], &flags).unwrap();
        assert_eq!(config.elsewhere()["try"].objects.url, "s");
        config.routes().into_values().map(|to| to.as_str().to_owned()).collect::<Vec<_>>()
    };
    // big, gpu, local, spare, try.
    assert_eq!(routes(&[]), ["try", "try", "local", "spare", "try"]);
    assert_eq!(routes(&["gpu=spare"]), ["try", "spare", "local", "spare", "try"]);
    assert_eq!(routes(&["local"]), ["local"; 5]);
    assert_eq!(routes(&["big"]), ["try", "try", "local", "try", "try"]);
    let circle = load_with("backends: {one: two, two: one}\n", &[], &Flags::default()).unwrap_err();
    assert!(circle.contains("backend `one` means itself") && circle.contains("pipe.yaml:1"), "{circle}");
}

#[test]
fn every_problem_is_told_at_once_with_what_was_meant() {
    let yaml = "\
stor: x
cards: [kinds, absent]
backends:
  gpu: sagemaker
  spot: {local: {region: x}}
  empty: {}
  local: local
governor: {jobs: 0, cpu: 80, memory: 0.8, throttel: true}
verify: allways
runs: {keep: many}
";
    let variables = [("PIPE_JOBS", "four"), ("PIPE_CARDS", "@/kinds:/nowhere"), ("PIPE_THROTTLE", "off")];
    let flags = Flags { backends: vec!["gpuu=local".to_owned(), "x".to_owned()], ..Flags::default() };
    let text = load_with(yaml, &variables, &flags).unwrap_err();
    for words in [
        "did you mean `store`?",
        "there is no directory `absent`",
        "there is no type of backend `sagemaker`",
        "has no key `region`",
        "backend `empty` needs one type",
        "`local` is always there",
        "`jobs` must be a whole number from 1 to 1024, found the number 0",
        "`cpu` must be a share above 0 and up to 1, such as 0.8, found the number 80",
        "did you mean `throttle`?",
        "did you mean `always`?",
        "`keep` must be a whole number",
        "PIPE_JOBS cannot be \"four\"",
        "PIPE_CARDS: there is no directory /nowhere",
        "PIPE_THROTTLE cannot be \"off\"",
        "there is no backend `gpuu`",
        "`--backend x`: there is no backend `x`",
        "16 problems",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_schema_accepts_what_the_reader_does() {
    let schema = jsonschema::validator_for(&schema::config_schema()).unwrap();
    let good = serde_json::json!({
        "store": "s", "cards": ["kinds"], "backends": {"gpu": "try", "big": {"local": {}}, "try": {"loopback": {"state": "s", "lease": "5s"}}},
        "governor": {"jobs": 4, "cpu": 0.8, "throttle": true}, "verify": "seal", "runs": {"keep": 3},
    });
    assert!(schema.is_valid(&good));
    for bad in [
        serde_json::json!({"stor": "s"}),
        serde_json::json!({"backends": {"gpu": "no name"}}),
        serde_json::json!({"backends": {"gpu": {"loopback": {}}}}),
        serde_json::json!({"backends": {"gpu": {}}}),
        serde_json::json!({"backends": {"gpu": {"local": {"x": 1}}}}),
        serde_json::json!({"backends": {"local": "local"}}),
        serde_json::json!({"governor": {"jobs": 0}}),
        serde_json::json!({"governor": {"cpu": 80}}),
        serde_json::json!({"verify": "never"}),
        serde_json::json!({"runs": {"keep": 0}}),
    ] {
        assert!(!schema.is_valid(&bad), "{bad}");
    }
}
