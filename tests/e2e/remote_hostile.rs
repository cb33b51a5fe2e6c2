//! A remote that is damaged, hostile or away: nothing of it gets into the store, and the run goes on.

use std::path::Path;

use crate::project::{Project, expected};
use crate::remote_share::Shared;

const PIPELINE: &str = r#"pipeline: p
stages:
  a: {uses: command, run: "mkdir ${out.d}; echo one > ${out.d}/f", out: {d: {path: out/d, type: dir}}}
"#;

/// Runs on the second machine after `damage` was done to the remote: the stage is executed, and the warning holds `words`.
fn refused(damage: impl Fn(&Shared), words: &str) {
    let shared = Shared::new(PIPELINE, true);
    shared.one.outcomes(&[]);
    damage(&shared);
    let ran = shared.two.pipe(&["run", "p.yaml", "--materialize"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(words) && ran.stderr.contains("not used"), "{words}: {}", ran.stderr);
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "hit")]));
    assert_eq!(shared.two.read("out/d/f"), "one\n");
    let verified = shared.two.pipe(&["cache", "verify"]);
    assert_eq!(verified.status, 0, "{}", verified.stdout);
}

fn only(shared: &Shared, family: &str) -> std::path::PathBuf {
    let objects = shared.objects(family);
    assert_eq!(objects.len(), 1, "{family}");
    objects.into_iter().next().unwrap()
}

/// Writes `text` in place of an object.
fn replace(object: &Path, text: &str) {
    std::fs::remove_file(object).unwrap();
    std::fs::write(object, text).unwrap();
}

/// Changes the record and mends its checksum, as somebody would who wants it to be believed.
fn forge(shared: &Shared, change: impl Fn(&str) -> String) {
    let path = only(shared, "records");
    let text = std::fs::read_to_string(&path).unwrap();
    let record = change(text.lines().next().unwrap());
    let digest = contract::Digest::of(record.as_bytes());
    replace(&path, &format!("{record}\n\"{digest}\"\n"));
}

#[test]
fn a_damaged_blob_is_refused() {
    refused(|shared| replace(&only(shared, "blobs"), "two\n"), "its content has another digest");
    refused(|shared| replace(&only(shared, "blobs"), "on"), "it has 2 bytes and not 4");
    refused(|shared| replace(&only(shared, "blobs"), &"x".repeat(100_000)), "it has 100000 bytes and not 4");
    refused(|shared| std::fs::remove_file(only(shared, "blobs")).unwrap(), "it is missing");
}

#[test]
fn a_damaged_manifest_is_refused() {
    refused(|shared| replace(&only(shared, "trees"), "pipe tree 1\nd ../../x\0"), "its content has another digest");
    refused(|shared| std::fs::remove_file(only(shared, "trees")).unwrap(), "it is missing");
}

#[test]
fn a_damaged_or_forged_record_is_refused() {
    refused(|shared| replace(&only(shared, "records"), "{half"), "it is damaged");
    refused(
        |shared| forge(shared, |record| record.replace("\"size\":4", "\"size\":5")),
        "1 files of 4 bytes and not 1 of 5",
    );
    refused(
        |shared| forge(shared, |record| record.replace("\"size\":4", "\"size\":18446744073709551615")),
        "its sizes are absurd",
    );
    // Another action under this key: the record is not about the action that was asked for.
    refused(|shared| forge(shared, |record| record.replace("echo one", "echo two")), "its action has another key");
    refused(
        |shared| {
            forge(shared, |record| {
                record.replacen("\"outputs\":{\"d\":{\"digest\"", "\"outputs\":{\"e\":{\"digest\"", 1)
            })
        },
        "it has the outputs e and not d",
    );
    refused(
        |shared| forge(shared, |record| record.replace("\"format\":1,\"key\"", "\"format\":9,\"key\"")),
        "another version",
    );
}

#[test]
fn a_remote_that_is_away_is_a_warning() {
    let project = Project::with_pipeline(PIPELINE);
    project.write("pipe.yaml", "remote: {url: 'nowhere://x', share: true}\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("pipe-nowhere, which is not there"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("goes on without it").count(), 1, "said once: {}", ran.stderr);
    // Asked for by name it is an error that says what to do.
    let pushed = project.pipe(&["cache", "push"]);
    assert_eq!(pushed.status, 3, "{}", pushed.stderr);
    assert!(pushed.stderr.contains("help:") && pushed.stderr.contains("PATH"), "{}", pushed.stderr);
}

#[test]
fn a_directory_of_other_things_is_left_alone() {
    let shared = Shared::new(PIPELINE, false);
    std::fs::create_dir(shared.remote()).unwrap();
    std::fs::write(shared.remote().join("thesis.tex"), "x").unwrap();
    shared.one.outcomes(&[]);
    let pushed = shared.one.pipe(&["cache", "push"]);
    assert_eq!(pushed.status, 3, "{}", pushed.stderr);
    assert!(pushed.stderr.contains("`thesis.tex`") && pushed.stderr.contains("no store of pipe"), "{}", pushed.stderr);
    assert_eq!(std::fs::read_dir(shared.remote()).unwrap().count(), 1);
}

#[test]
fn a_program_that_breaks_off_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    for (script, words) in [
        ("exit 7", "ended in the middle"),
        ("read line; echo hello", "wrote what is no answer"),
        (
            "read line; echo '{\"failed\": {\"class\": \"credentials\", \"message\": \"no credentials\", \"help\": \"log in\"}}'",
            "no credentials (log in)",
        ),
        (
            "read line; echo '{\"hello\": {\"protocol\": 9, \"program\": \"pipe-bad 9\", \"offers\": [\"objects\"]}}'; read line",
            "speaks protocol 9",
        ),
    ] {
        let project = Project::with_pipeline(PIPELINE);
        let bin = project.beside("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("pipe-bad"), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(bin.join("pipe-bad"), std::fs::Permissions::from_mode(0o755)).unwrap();
        project.write("pipe.yaml", "remote: {url: 'bad://x', share: true}\n");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let ran = crate::project::Ran::from(project.command(&["run", "p.yaml"]).env("PATH", path).output().unwrap());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}

#[test]
fn the_settings_say_where_they_are_wrong() {
    for (yaml, words) in [
        ("remote: {share: true}", "`remote` needs a `url`"),
        ("remote: {url: 's3://'}", "names no bucket"),
        ("remote: {url: shared, region: x}", "a directory has no `region`"),
        ("remote: {url: shared, shared: true}", "did you mean `share`?"),
        ("remote: {url: 's3://b', checksums: never}", "`checksums` cannot be `never`"),
        ("remote: {url: shared, share: yes please}", "`share` must be `true` or `false`"),
    ] {
        let project = Project::with_pipeline(PIPELINE);
        project.write("pipe.yaml", &format!("# settings\n{yaml}\n"));
        let ran = project.pipe(&["config"]);
        assert_eq!(ran.status, 2, "{yaml}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains("pipe.yaml:2"), "{yaml}: {}", ran.stderr);
    }
}
