//! Parquet on request: the rows of the JSON lines, task by task.

use std::collections::BTreeMap;
use std::fs::File;

use contract::Digest;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{ListAccessor, Row, RowAccessor};
use serde_json::{Value, json};
use transform::TransformParams;

use crate::workplace::Workplace;

/// Moves with the output or with the crate that writes it: raise the card's version.
const GOLDEN: &str = "1072b748836147a6bd95e79c1680f151b27d8ab086b8ad4de7b38f3fe685b77b";

fn with_parquet(threads: u32) -> Workplace {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let params = TransformParams { seed: 42, parquet: true, ..TransformParams::default() };
    workplace.transform_with(params, threads).unwrap();
    workplace
}

fn manifest(workplace: &Workplace) -> Value {
    serde_json::from_slice(&std::fs::read(workplace.path("dataset/manifest.json")).unwrap()).unwrap()
}

/// Config, split and figures of every file that the manifest names.
fn files(manifest: &Value) -> Vec<(String, String, Value)> {
    let configs = manifest["parquet"].as_object().unwrap().iter();
    let splits = |(config, splits): (&String, &Value)| {
        let config = config.clone();
        let splits = splits.as_object().unwrap().clone().into_iter();
        splits.map(move |(split, file)| (config.clone(), split, file))
    };
    configs.flat_map(splits).collect()
}

fn rows(workplace: &Workplace, file: &str) -> Vec<Value> {
    let reader = SerializedFileReader::new(File::open(workplace.path("dataset").join(file)).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let columns: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
    assert_eq!(columns, ["messages.list.element.role", "messages.list.element.content", "task", "host", "scan"]);
    reader.get_row_iter(None).unwrap().map(|row| line(&row.unwrap())).collect()
}

fn line(row: &Row) -> Value {
    let list = row.get_list(0).unwrap();
    let message = |place: usize| {
        let message = list.get_group(place).unwrap();
        json!({"role": message.get_string(0).unwrap(), "content": message.get_string(1).unwrap()})
    };
    let messages: Vec<Value> = (0..list.len()).map(message).collect();
    json!({
        "messages": messages, "task": row.get_string(1).unwrap(), "host": row.get_string(2).unwrap(),
        "scan": row.get_long(3).unwrap(),
    })
}

#[test]
fn the_rows_are_those_of_the_lines_in_their_order() {
    let workplace = with_parquet(2);
    let mut by_task: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for split in ["train", "validation", "test"] {
        for line in workplace.lines(split) {
            let task = line["task"].as_str().unwrap().to_owned();
            by_task.entry((task, split.to_owned())).or_default().push(line);
        }
    }
    by_task.insert(("calibration".to_owned(), "train".to_owned()), workplace.lines("calibration"));
    let mut found = BTreeMap::new();
    for (config, split, file) in files(&manifest(&workplace)) {
        let rows = rows(&workplace, file["file"].as_str().unwrap());
        assert_eq!(file["examples"], rows.len());
        found.insert((config, split), rows);
    }
    assert_eq!(found, by_task);
}

#[test]
fn the_manifest_has_their_digests_which_no_thread_count_changes() {
    let digests = |threads: u32| {
        let workplace = with_parquet(threads);
        let manifest = manifest(&workplace);
        for (_, _, file) in files(&manifest) {
            let bytes = std::fs::read(workplace.path("dataset").join(file["file"].as_str().unwrap())).unwrap();
            assert_eq!(file["blake3"], Digest::of(&bytes).to_string());
            assert_eq!(file["bytes"], bytes.len());
        }
        manifest["parquet"].clone()
    };
    let one = digests(1);
    for threads in [2, 8] {
        assert_eq!(one, digests(threads), "{threads} threads");
    }
    assert_eq!(one["finding"]["train"]["blake3"], GOLDEN);
}

#[test]
fn the_card_names_a_config_for_each_task_and_nothing_of_it_is_there_unasked() {
    let workplace = with_parquet(2);
    let card = std::fs::read_to_string(workplace.path("dataset/README.md")).unwrap();
    let front: Value = serde_yaml::from_str(card.split("---\n").nth(1).unwrap()).unwrap();
    let names: Vec<&str> =
        front["configs"].as_array().unwrap().iter().map(|config| config["config_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "finding", "correlation", "actions", "summary", "triage", "refine", "calibration"]);
    let finding = json!({"split": "train", "path": "parquet/finding/train.parquet"});
    assert_eq!(front["configs"][1]["data_files"][0], finding);
    assert_eq!(front["configs"][0]["data_files"][0]["path"][0], "parquet/finding/train.parquet");

    let without = Workplace::simulated();
    without.correlate();
    without.transform(2).unwrap();
    assert!(!without.path("dataset/parquet").exists());
    assert!(manifest(&without).get("parquet").is_none());
}
