//! `run --refresh` and `run --keep-work`.

use crate::project::{Project, expected, outcomes};

const COUNTS: &str = r#"pipeline: r
stages:
  same: {uses: command, run: "echo ran >> $LEDGER; echo 1 > ${out.x}", out: {x: out/same}, env: [LEDGER]}
  other: {uses: command, run: "echo ran >> $LEDGER.2; wc -l < $LEDGER.2 > ${out.x}; echo 2 > ${out.y}", out: {x: out/x, y: out/y}, env: [LEDGER]}
  behind: {uses: command, run: "cat ${in.x} > ${out.z}", in: {x: other.x}, out: {z: out/z}}
  beside: {uses: command, run: "cat ${in.x} > ${out.z}", in: {x: same}, out: {z: out/b}}
"#;

#[test]
fn a_refreshed_stage_runs_and_is_said_to_differ_when_it_does() {
    let project = Project::with_pipeline(COUNTS);
    let run = |words: &[&str]| {
        let mut all = vec!["run", "p.yaml", "--json", "--jobs", "1"];
        all.extend(words);
        let output = project.command(&all).env("LEDGER", project.beside("ledger")).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        (outcomes(&serde_json::from_slice(&output.stdout).unwrap()), text)
    };
    run(&[]);
    let (outcomes, text) = run(&["--refresh", "same", "--refresh", "other"]);
    assert_eq!(
        (project.read("../beside/ledger"), project.read("../beside/ledger.2")),
        ("ran\nran\n".into(), "ran\nran\n".into())
    );
    let pairs = [("same", "ran"), ("other", "ran"), ("behind", "ran"), ("beside", "hit")];
    assert_eq!(outcomes, expected(&pairs));
    assert!(text.contains("other is not reproducible: executed again it gave another x"), "{text}");
    assert!(!text.contains("same is not"), "{text}");
    assert_eq!(project.read("out/z").trim(), "2", "what is behind it has the new output");
    let (outcomes, _) = run(&[]);
    assert!(outcomes.values().all(|outcome| outcome == "hit"), "the new record replaced the old: {outcomes:?}");

    let ran = project.pipe(&["run", "p.yaml", "--refresh", "smae"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("same"), "{}", ran.stderr);
}

#[test]
fn the_private_directory_of_a_failed_stage_is_kept_when_asked_for() {
    let project = Project::with_pipeline(
        r#"pipeline: k
stages:
  bad: {uses: command, run: "cat ${in.d} > half; exit 1", in: {d: {path: data/d.txt}}, out: {x: out/x}}
"#,
    );
    project.write("data/d.txt", "content\n");
    let report = project.run_json(&[], 1);
    assert!(report["stages"]["bad"].get("kept").is_none());
    let ran = project.pipe(&["run", "p.yaml", "--keep-work"]);
    assert_eq!(ran.status, 1);
    let line = ran.stderr.lines().find_map(|line| line.trim().strip_prefix("kept as it was: ")).expect(&ran.stderr);
    let kept = std::path::Path::new(line);
    assert!(kept.starts_with(project.path("cache/work/kept")), "{line}");
    assert_eq!(std::fs::read_to_string(kept.join("root/half")).unwrap(), "content\n");
    assert!(kept.join("root/data/d.txt").is_file());
    project.run_json(&[], 1);
    assert!(kept.is_dir(), "later runs leave it alone");
}
