//! `schemas/answers/` is generated from the Rust types; a stale file fails here. `UPDATE_SCHEMAS=1` writes them anew.

use std::path::Path;

use transform::tasks::answers::AnswerSchema;
use transform::tasks::task::Task;

#[test]
fn answer_schemas_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/answers");
    let mut stale = Vec::new();
    for task in Task::ALL {
        let path = directory.join(format!("{}.json", task.name()));
        let text = AnswerSchema::of(task).text();
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, text).unwrap();
        } else if std::fs::read_to_string(&path).ok() != Some(text) {
            stale.push(task.name());
        }
    }
    assert!(stale.is_empty(), "stale: {stale:?}; run UPDATE_SCHEMAS=1 cargo test -p transform and look at the diff");
    let known = Task::ALL.map(|task| format!("{}.json", task.name()));
    for entry in std::fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} belongs to no task");
    }
}
