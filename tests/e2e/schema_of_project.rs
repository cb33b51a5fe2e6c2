//! The output of `pipe schema` in a project, against the content of the project.

use serde_json::{Value, json};

use crate::project::{Project, checkout};

fn schema(project: &Project, name: &str) -> jsonschema::Validator {
    let ran = project.pipe(&["schema", name]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    jsonschema::validator_for(&serde_json::from_str(&ran.stdout).unwrap()).unwrap()
}

const CARD: &str = r#"{"kind":"mine","version":1,"summary":"A kind of this project.","worker":{"command":{"argv":["mine.sh"],"files":["mine.sh"]}},
"inputs":[],"outputs":[{"name":"o","type":"file","summary":"What it gives."}],
"params":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}"#;

#[test]
fn the_schema_of_a_pipeline_knows_the_kinds_of_the_project() {
    let (with, without) = (Project::new(), Project::new());
    with.write("pipe.yaml", "cards: kinds\n");
    with.write("kinds/mine.json", CARD);
    with.write("kinds/mine.sh", "");
    let pipeline = |n: Value| json!({"pipeline": "p", "stages": {"s": {"uses": "mine", "with": {"n": n}}}});
    assert!(schema(&with, "pipeline").is_valid(&pipeline(json!(1))));
    assert!(!schema(&with, "pipeline").is_valid(&pipeline(json!("one"))));
    assert!(!schema(&without, "pipeline").is_valid(&pipeline(json!(1))));
    let committed = std::fs::read_to_string(checkout().join("schemas/pipeline.json")).unwrap();
    assert_eq!(without.pipe(&["schema", "pipeline"]).stdout, committed);
    with.write("kinds/mine.json", "{");
    let ran = with.pipe(&["schema", "pipeline"]);
    assert!(ran.status == 2 && ran.stderr.contains("kinds/mine.json:1:"), "{}", ran.stderr);
    assert_eq!(with.pipe(&["schema", "config"]).status, 0);
}

#[test]
fn the_schema_of_the_settings_takes_what_init_writes_and_what_it_reads() {
    let project = Project::new();
    let validator = schema(&project, "config");
    assert_eq!(project.pipe(&["init", "new"]).status, 0);
    let written = project.read("new/pipe.yaml");
    assert!(written.lines().all(|line| line.is_empty() || line.starts_with('#')), "{written}");
    // A file of comments is null.
    assert!(validator.is_valid(&Value::Null));
    assert!(validator.is_valid(&json!({"store": "cache", "cards": ["kinds"], "governor": {"jobs": 2}})));
    for wrong in [json!([]), json!("cache"), json!({"stor": "cache"})] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}
