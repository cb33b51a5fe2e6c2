//! A hit that other code gave, under the same version of its card, is used and pointed out.

use contract::Digest;
use serde_json::Value;

use crate::project::{Project, expected, worker};

const WARNING: &str = "its code changed since, and its card's version did not: --refresh scans runs it again";

fn made() -> Project {
    worker("pipe-data");
    let project = Project::with_pipeline(
        r#"pipeline: code
stages:
  scans: {uses: produce, with: {seed: 7, hosts: 2, scans_per_host: 1}}
  list: {uses: command, run: "ls ${in.scans} > ${out.list}", in: {scans: scans.scans}, out: {list: out/list.txt}}
"#,
    );
    project.outcomes(&[]);
    project
}

/// Changes the record of the stage `scans` as another engine would have written it.
fn rewrite(project: &Project, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let plan: Value = serde_json::from_str(&project.pipe(&["plan", "p.yaml", "--json"]).stdout).unwrap();
    let key = plan["stages"]["scans"]["key"].as_str().unwrap();
    let path = format!("cache/records/{}/{key}.json", &key[..2]);
    let text = project.read(&path);
    let mut record = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    change(&mut record);
    let line = serde_json::to_string(&record).unwrap();
    project.write(&path, &format!("{line}\n\"{}\"\n", Digest::of(line.as_bytes())));
}

/// Whether `plan` and `why` warn: text and JSON must agree.
fn warned(project: &Project) -> bool {
    let says = |words: &[&str]| project.pipe(words).stdout.matches(WARNING).count();
    let json = |words: &[&str]| serde_json::from_str::<Value>(&project.pipe(words).stdout).unwrap();
    let warned = says(&["plan", "p.yaml"]) == 1;
    assert_eq!(says(&["why", "scans"]) == 1, warned);
    let plan = json(&["plan", "p.yaml", "--json"]);
    assert_eq!(plan["stages"]["scans"]["forecast"], "hit");
    assert_eq!(plan["stages"]["scans"]["code_changed"], warned);
    assert_eq!(plan["stages"]["list"]["code_changed"], false, "a command has no code of ours");
    assert_eq!(json(&["why", "scans", "--json"])["code_changed"], warned);
    warned
}

#[test]
fn a_hit_that_other_code_gave_is_pointed_out_until_it_is_refreshed() {
    let project = made();
    assert!(!warned(&project));
    rewrite(&project, |record| {
        let source = record.insert("source".to_owned(), "0".repeat(64).into());
        assert!(source.is_some(), "a record names the code that made it");
    });
    assert!(warned(&project));
    assert_eq!(project.outcomes(&[]), expected(&[("scans", "hit"), ("list", "hit")]), "it is used all the same");
    assert_eq!(project.outcomes(&["--refresh", "scans"]), expected(&[("scans", "ran"), ("list", "hit")]));
    assert!(!warned(&project));
}

#[test]
fn a_record_from_before_records_named_their_code_is_a_hit_without_a_warning() {
    let project = made();
    rewrite(&project, |record| assert!(record.remove("source").is_some()));
    assert!(!warned(&project));
}
