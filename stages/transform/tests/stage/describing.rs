//! The description that a dataset gives of itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use transform::TransformParams;

use crate::workplace::{Workplace, content};

fn card(workplace: &Workplace) -> (Value, String) {
    let text = std::fs::read_to_string(workplace.path("dataset/README.md")).unwrap();
    let (front, page) = text.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    (serde_yaml::from_str(front).unwrap(), page.to_owned())
}

fn manifest(workplace: &Workplace) -> Value {
    serde_json::from_slice(&std::fs::read(workplace.path("dataset/manifest.json")).unwrap()).unwrap()
}

/// A tokenizer of bytes: it merges nothing.
fn bytes() -> Value {
    let printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let (own, others): (Vec<u32>, Vec<u32>) = (0..256).partition(printable);
    let symbols = own.into_iter().chain(0x100..0x100 + others.len() as u32).map(|code| char::from_u32(code).unwrap());
    let vocab: serde_json::Map<String, Value> = symbols.zip(0u32..).map(|(c, id)| (c.to_string(), id.into())).collect();
    let specials = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];
    let special = |(id, text): (u32, &str)| json!({"id": id, "content": text, "special": true});
    json!({
        "added_tokens": (256..).zip(specials).map(special).collect::<Vec<_>>(),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": dataset::words::LLAMA_3_SPLIT}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

#[test]
fn a_tokenizer_measures_each_task_and_the_card_says_so() {
    let workplace = Workplace::with_real();
    workplace.correlate();
    std::fs::write(workplace.path("tokenizer"), bytes().to_string()).unwrap();
    workplace.transform(2).unwrap();
    let tokens = &manifest(&workplace)["tokens"];
    assert_eq!((&tokens["vocabulary"], &tokens["sample"]), (&json!(260), &json!(2000)));
    let mut lengths: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for line in ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)) {
        let turn = |place: usize| {
            let role = line["messages"][place]["role"].as_str().unwrap();
            3 + role.len() + "\n\n".len() + content(&line, place).trim().len()
        };
        let length = 1 + (0..3).map(turn).sum::<usize>();
        lengths.entry(line["task"].as_str().unwrap().to_owned()).or_default().push(length);
    }
    let (_, page) = card(&workplace);
    assert_eq!(tokens["tasks"].as_object().unwrap().len(), lengths.len());
    for (task, mut lengths) in lengths {
        lengths.sort_unstable();
        let count = lengths.len();
        let [median, p95, p99] = [50, 95, 99].map(|percent| lengths[(count * percent).div_ceil(100) - 1]);
        let over = |limit: usize| lengths.iter().filter(|length| **length > limit).count() as f64 / count as f64;
        let (min, max) = (lengths[0], lengths[count - 1]);
        let expected = json!({
            "examples": count, "min": min, "median": median, "p95": p95, "p99": p99, "max": max,
            "share_over_512": over(512), "share_over_4096": over(4096),
        });
        assert_eq!(tokens["tasks"][&task], expected, "{task}");
        let row = format!("| `{task}` | {count} | {min} | {median} | {p95} | {p99} | {max} |");
        assert!(page.contains(&row), "{row} in {page}");
    }
}

#[test]
fn a_tokenizer_that_cannot_be_counted_is_refused_and_none_is_no_figure() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let mut other = bytes();
    other["normalizer"] = json!({"type": "NFC"});
    std::fs::write(workplace.path("tokenizer"), other.to_string()).unwrap();
    let error = workplace.transform(1).unwrap_err();
    assert!(error.message.contains("tokenizer: /normalizer is "), "{}", error.message);
    std::fs::remove_file(workplace.path("tokenizer")).unwrap();
    workplace.transform(1).unwrap();
    assert!(manifest(&workplace).get("tokens").is_none());
    assert!(!card(&workplace).1.contains("## Lengths"));
}

#[test]
fn the_data_card_names_the_files_with_their_counts_and_digests() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let (front, page) = card(&workplace);
    let manifest = manifest(&workplace);
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
    assert!(page.contains("in none of its answers") && page.contains("weak links"), "{page}");
    let hosts = manifest["splits"]["train"]["hosts"].as_array().unwrap().len();
    assert!(page.contains(&format!("| {} | {hosts} |", workplace.lines("train").len())), "{page}");
}

#[test]
fn the_license_is_the_one_that_was_named_and_empty_files_are_no_config() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let license = "apache-2.0".to_owned();
    let fractions = transform::selection::split::Fractions { validation: 0.0, test: 0.2 };
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

#[test]
fn a_name_that_is_no_license_is_refused_with_what_to_write() {
    let workplace = Workplace::traced();
    workplace.correlate();
    let params = TransformParams { license: "MIT License".to_owned(), ..TransformParams::default() };
    let error = workplace.transform_with(params, 1).unwrap_err();
    assert!(error.message.contains("param `license`: `MIT License`"), "{}", error.message);
    assert!(error.help.unwrap().contains("apache-2.0"));
}

#[test]
fn a_failed_verification_is_told_in_log_manifest_and_card() {
    let workplace = Workplace::traced();
    workplace.correlate();
    let verified = |status: &str| {
        let report = json!({"overall_status": status, "checks": []}).to_string();
        std::fs::write(workplace.path("verification"), report).unwrap();
        workplace.transform(1)
    };
    verified("failed").unwrap();
    assert!(workplace.warnings()[0].contains("the verification failed"), "{:?}", workplace.warnings());
    assert_eq!(manifest(&workplace)["verification"], "failed");
    assert!(card(&workplace).1.contains("**The verification of the findings failed**"));
    let error = verified("great").unwrap_err();
    assert!(error.message.contains("verification: unknown variant `great`"), "{}", error.message);
    assert!(error.help.unwrap().contains("a stage `verify`"));
}
