//! Reports of any form: what is known of them is answered, and nothing makes the reader fall over.

use analyst::{Host, Read, Source, Wanted};
use correlate::fleet::Fleet;
use proptest::prelude::*;
use serde_json::{Value, json};

fn source(name: &str, bytes: Vec<u8>) -> Source {
    Source { name: name.to_owned(), host: None, bytes }
}

fn real() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/data/reports/debian12_scanner_v6.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Any JSON, as deep as a report.
fn any_json() -> impl Strategy<Value = Value> {
    let words =
        ["results", "findings", "scanner", "id", "title", "severity", "metadata", "meta", "high", "suid_sgid", "x"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(words.to_vec()), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_has_a_list_of_results_is_answered(results in prop::collection::vec(any_json(), 0..6), rest in any_json()) {
        let mut report = match rest { Value::Object(map) => map, _ => serde_json::Map::new() };
        report.insert("results".to_owned(), results.into());
        let read = Read::of(&source("r.json", Value::from(report).to_string().into_bytes())).unwrap();
        let latest = Host::of(vec![read]).unwrap().latest(&Fleet::default()).unwrap();
        let questions = latest.questions(&Wanted { rate_all: true, ..Wanted::default() });
        for question in questions {
            prop_assert!(question.rule().is_object() || question.rule().is_array());
        }
    }

    #[test]
    fn bytes_are_a_report_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(Read::of(&source("r.json", bytes)).is_err());
    }
}

#[test]
fn reports_of_several_hosts_are_told_apart_and_unnamed_ones_belong_to_the_only_one() {
    let named = |host: Value| {
        let mut report = real();
        report["meta"]["hostname"] = host;
        report.to_string().into_bytes()
    };
    let read = |hosts: &[Value]| -> Vec<Read> {
        let sources = hosts.iter().enumerate().map(|(n, host)| source(&format!("{n}.json"), named(host.clone())));
        sources.map(|source| Read::of(&source).unwrap()).collect()
    };
    let hosts = |all: &[Value]| Host::each(read(all)).into_iter().map(|host| host.name).collect::<Vec<_>>();
    assert_eq!(hosts(&[json!("b"), json!("a"), json!("b")]), ["a", "b"]);
    assert_eq!(hosts(&[json!("b"), json!(""), json!(null)]), ["b"]);
    assert_eq!(hosts(&[json!("")]), ["unnamed-host"]);
    assert_eq!(hosts(&[json!("../x y")]), ["-x-y"]);
    assert!(Host::of(read(&[json!("a"), json!("b")])).unwrap_err().message.contains("0.json is of a, 1.json is of b"));
}
