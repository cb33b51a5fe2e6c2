//! Which stages run again and which are hits.

use crate::project::{Project, expected};

/// Three stages in a row and one beside them. `shout` maps different inputs to one output, so it shows early cutoff.
const CHAIN: &str = r#"pipeline: chain
params: {suffix: a}
stages:
  copy:
    uses: command
    run: "cat ${in.text} > ${out.text}"
    in: {text: {path: data/in.txt}}
    out: {text: out/copy.txt}
  shout:
    uses: command
    run: "tr a-z A-Z < ${in.text} > ${out.text}"
    in: {text: copy}
    out: {text: out/shout.txt}
  sign:
    uses: command
    run: "{ cat ${in.text}; echo ${params.suffix}; } > ${out.text}"
    in: {text: shout}
    out: {text: out/sign.txt}
  other:
    uses: command
    run: "echo other > ${out.text}"
    out: {text: out/other.txt}
"#;

fn chain() -> Project {
    let project = Project::with_pipeline(CHAIN);
    project.write("data/in.txt", "hello\n");
    project
}

const ALL_HIT: [(&str, &str); 4] = [("copy", "hit"), ("shout", "hit"), ("sign", "hit"), ("other", "hit")];

#[test]
fn a_second_run_executes_nothing() {
    let project = chain();
    assert_eq!(project.outcomes(&[]).values().filter(|outcome| *outcome == "ran").count(), 4);
    assert_eq!(project.read("out/sign.txt"), "HELLO\na\n");
    assert_eq!(project.outcomes(&[]), expected(&ALL_HIT));
}

#[test]
fn a_comment_and_reordered_keys_execute_nothing() {
    let project = chain();
    project.outcomes(&[]);
    project.write("p.yaml", &format!("# a comment\n{}", CHAIN.replace("uses: command\n", "uses: command # mine\n")));
    assert_eq!(project.outcomes(&[]), expected(&ALL_HIT));
}

#[test]
fn an_overridden_param_executes_only_what_reads_it() {
    let project = chain();
    project.outcomes(&[]);
    let ran = project.outcomes(&["-S", "suffix=b"]);
    assert_eq!(ran, expected(&[("copy", "hit"), ("shout", "hit"), ("sign", "ran"), ("other", "hit")]));
    assert_eq!(project.read("out/sign.txt"), "HELLO\nb\n");
}

#[test]
fn an_output_that_stays_the_same_stops_the_change_there() {
    let project = chain();
    project.outcomes(&[]);
    project.write("data/in.txt", "Hello\n");
    let ran = project.outcomes(&[]);
    assert_eq!(ran, expected(&[("copy", "ran"), ("shout", "ran"), ("sign", "hit"), ("other", "hit")]));
}

#[test]
fn going_back_executes_nothing_and_puts_the_old_outputs_back() {
    let project = chain();
    project.outcomes(&[]);
    project.outcomes(&["-S", "suffix=b"]);
    let back = project.outcomes(&[]);
    assert_eq!(back, expected(&[("copy", "hit"), ("shout", "hit"), ("sign", "restored"), ("other", "hit")]));
    assert_eq!(project.read("out/sign.txt"), "HELLO\na\n");
}

#[test]
fn a_deleted_output_comes_back_from_the_store() {
    let project = chain();
    project.outcomes(&[]);
    std::fs::remove_file(project.path("out/sign.txt")).unwrap();
    std::fs::remove_file(project.path("out/copy.txt")).unwrap();
    let ran = project.outcomes(&[]);
    assert_eq!(ran, expected(&[("copy", "restored"), ("shout", "hit"), ("sign", "restored"), ("other", "hit")]));
    assert_eq!(project.read("out/sign.txt"), "HELLO\na\n");
}

#[test]
fn a_named_stage_runs_with_what_it_needs_and_no_more() {
    let project = chain();
    let report = project.run_json(&["shout"], 0);
    assert_eq!(crate::project::outcomes(&report), expected(&[("copy", "ran"), ("shout", "ran")]));
    let wrong = project.pipe(&["run", "p.yaml", "shot"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("did you mean `shout`?"), "{}", wrong.stderr);
}

#[test]
fn touching_an_input_executes_nothing() {
    let project = chain();
    project.outcomes(&[]);
    project.write("data/in.txt", "hello\n");
    assert_eq!(project.outcomes(&[]), expected(&ALL_HIT));
}

#[test]
fn a_file_of_the_users_in_the_way_of_an_output_is_kept_and_named() {
    let project = chain();
    project.write("out/sign.txt", "mine\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("out/sign.txt"), "HELLO\na\n");
    let line = ran.stderr.lines().find(|line| line.contains("was moved to")).expect(&ran.stderr);
    assert!(ran.stderr.contains("; 1 file of yours moved to "), "said again at the end: {}", ran.stderr);
    let kept = line.rsplit(' ').next().unwrap();
    assert_eq!(std::fs::read_to_string(project.root().join(kept)).unwrap(), "mine\n");
}

#[test]
fn a_blob_overwritten_through_its_link_is_found_and_made_again() {
    let project = chain();
    project.outcomes(&[]);
    let victim = project.path("out/shout.txt");
    let mut permissions = std::fs::metadata(&victim).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&victim, permissions).unwrap();
    std::fs::write(&victim, "BROKEN\n").unwrap();
    let ran = project.pipe(&["run", "p.yaml", "-S", "suffix=c"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("out/sign.txt"), "HELLO\nc\n", "{}", ran.stderr);
    assert_eq!(project.read("out/shout.txt"), "HELLO\n");
}

#[test]
fn a_damaged_record_is_a_miss() {
    let project = chain();
    project.outcomes(&[]);
    let records = walk(&project.path("cache/records"));
    assert_eq!(records.len(), 4);
    for record in records {
        std::fs::write(record, "{").unwrap();
    }
    assert!(project.outcomes(&[]).values().all(|outcome| outcome == "ran"));
    assert_eq!(project.outcomes(&[]), expected(&ALL_HIT));
}

#[test]
fn a_directory_output_is_an_input_and_comes_back() {
    let project = Project::with_pipeline(
        r#"pipeline: dirs
stages:
  make:
    uses: command
    run: "mkdir -p ${out.parts}/sub && echo 1 > ${out.parts}/a && echo 2 > ${out.parts}/sub/b"
    out: {parts: {path: out/parts, type: dir}}
  join:
    uses: command
    run: "cat ${in.parts}/a ${in.parts}/sub/b > ${out.all}"
    in: {parts: make}
    out: {all: out/all.txt}
"#,
    );
    project.outcomes(&[]);
    assert_eq!(project.read("out/all.txt"), "1\n2\n");
    std::fs::remove_file(project.path("out/parts/sub/b")).unwrap();
    assert_eq!(project.outcomes(&[]), expected(&[("make", "restored"), ("join", "hit")]));
    assert_eq!(project.read("out/parts/sub/b"), "2\n");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files
}
