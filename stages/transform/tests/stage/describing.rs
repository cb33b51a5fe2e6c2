//! What a dataset says of itself.

use std::collections::BTreeMap;

use serde_json::Value;
use transform::TransformParams;
use transform::license::License;

use crate::workplace::Workplace;

fn card(workplace: &Workplace) -> (Value, String) {
    let text = std::fs::read_to_string(workplace.path("dataset/README.md")).unwrap();
    let (front, page) = text.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    (serde_yaml::from_str(front).unwrap(), page.to_owned())
}

#[test]
fn the_data_card_names_the_files_with_their_counts_and_digests() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let (front, page) = card(&workplace);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(workplace.path("dataset/manifest.json")).unwrap()).unwrap();
    assert_eq!((&front["license"], &manifest["license"]), (&"unknown".into(), &"unknown".into()));
    assert!(page.contains("Nobody has said under which license"), "{page}");
    let mut paths = BTreeMap::new();
    for config in front["configs"].as_array().unwrap() {
        for file in config["data_files"].as_array().unwrap() {
            let name = format!("{}/{}", config["config_name"].as_str().unwrap(), file["split"].as_str().unwrap());
            paths.insert(name, file["path"].as_str().unwrap().to_owned());
        }
    }
    let files = [
        ("default/train", "train"),
        ("default/validation", "validation"),
        ("default/test", "test"),
        ("calibration/train", "calibration"),
    ];
    assert_eq!(paths, files.map(|(name, file)| (name.to_owned(), format!("{file}.jsonl"))).into());
    for (_, file) in files {
        let figures = manifest.pointer(&format!("/splits/{file}/lines")).unwrap_or(&manifest["calibration"]);
        let lines = workplace.lines(file).len();
        assert_eq!(figures["examples"], lines);
        let row = page.lines().find(|line| line.starts_with(&format!("| `{file}.jsonl` | {lines} |"))).unwrap();
        assert!(row.contains(figures["blake3"].as_str().unwrap()), "{row}");
    }
    let hosts = manifest["splits"]["train"]["hosts"].as_array().unwrap().len();
    assert!(page.contains(&format!("| {} | {hosts} |", workplace.lines("train").len())), "{page}");
}

#[test]
fn the_license_is_the_one_that_was_named_and_empty_files_are_no_config() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let license = License::Named("apache-2.0".to_owned());
    let fractions = transform::split::Fractions { validation: 0.0, test: 0.2 };
    let params = TransformParams { license, fractions, calibration: 0, ..TransformParams::default() };
    workplace.transform_with(params, 1).unwrap();
    let (front, page) = card(&workplace);
    assert_eq!(front["license"], "apache-2.0");
    assert!(!page.contains("Nobody has said"));
    let configs = front["configs"].as_array().unwrap();
    assert_eq!(configs.len(), 1, "{configs:?}");
    let splits: Vec<&str> =
        configs[0]["data_files"].as_array().unwrap().iter().map(|f| f["split"].as_str().unwrap()).collect();
    assert_eq!(splits, ["train", "test"]);
}
