//! Where outputs may not lie and inputs may not come from: compared after links, with the store where it really is.

use std::os::unix::fs::symlink;

use crate::project::{Project, Ran, expected, outcomes};

fn project(stages: &str) -> Project {
    Project::with_pipeline(&format!("pipeline: p\nstages:\n{stages}"))
}

fn writes(name: &str, place: &str) -> String {
    format!("  {name}: {{uses: command, run: \"echo {name} > ${{out.o}}\", out: {{o: {place}}}}}\n")
}

#[track_caller]
fn refused(project: &Project, words: &[&str]) {
    for verb in ["check", "run"] {
        let Ran { status, stderr, .. } = project.pipe(&[verb, "p.yaml"]);
        assert_eq!(status, 2, "{verb}: {stderr}");
        for word in words.iter().chain(&["--> p.yaml:", "^"]) {
            assert!(stderr.contains(word), "{verb}: no `{word}` in {stderr}");
        }
    }
}

#[track_caller]
fn accepted(project: &Project) {
    let Ran { status, stderr, .. } = project.pipe(&["run", "p.yaml"]);
    assert_eq!(status, 0, "{stderr}");
}

#[test]
fn the_users_own_cache_is_theirs_when_the_store_lies_elsewhere() {
    let project = project(
        &(writes("a", "cache/a")
            + "  b: {uses: command, run: \"cat ${in.i} > ${out.o}\", in: {i: {path: cache/data}}, out: {o: out/b}}\n"),
    );
    project.write("cache/data", "mine\n");
    let ran = project.pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("this is no store: it holds `data`"), "{}", ran.stderr);
    project.write("pipe.yaml", "store: .store\n");
    accepted(&project);
    assert_eq!((project.read("cache/a"), project.read("out/b")), ("a\n".to_owned(), "mine\n".to_owned()));
    let undeclared = "  c: {uses: command, run: \"cat cache/data > ${out.o}\", out: {o: out/c}}\n";
    project.write("p.yaml", &format!("pipeline: p\nstages:\n{undeclared}"));
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.stderr.contains("{path: cache/data}"), "{}", ran.stderr);
}

#[test]
fn no_output_lies_in_or_around_the_store_wherever_that_is() {
    for place in ["vault/here/x", "vault", "vault/here", "link/x", "link/../vault/here/x"] {
        let project = project(&writes("a", place));
        project.write("pipe.yaml", "store: vault/here\n");
        std::fs::create_dir_all(project.path("vault/here")).unwrap();
        symlink("vault/here", project.path("link")).unwrap();
        refused(&project, &["the store"]);
    }
    let beside = project(&writes("a", "vault/there/x"));
    beside.write("pipe.yaml", "store: vault/here\n");
    accepted(&beside);
}

#[test]
fn no_output_takes_the_place_of_what_says_what_is_to_be_done() {
    for place in ["p.yaml", "./p.yaml", "x/../p.yaml", "here/p.yaml", "pipe.yaml", "parts/part.yaml", "parts"] {
        let project = Project::with_pipeline(&format!(
            "pipeline: p\ninclude: {{part: parts/part.yaml}}\nstages:\n{}",
            writes("a", place)
        ));
        project.write("parts/part.yaml", &format!("pipeline: part\nstages:\n{}", writes("b", "out/b")));
        symlink(".", project.path("here")).unwrap();
        refused(&project, &["output `", ".yaml"]);
    }
    let project = project(&writes("a", "set/params.yaml"));
    project.write("set/params.yaml", "{}\n");
    let ran = project.pipe(&["check", "p.yaml", "--params", "set/params.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert_eq!(project.pipe(&["check", "p.yaml"]).status, 0, "it is an ordinary file when it is not asked for");
}

#[test]
fn no_output_takes_the_place_of_a_card_or_its_worker() {
    for place in ["kinds/odd.json", "kinds/odd.sh", "kinds"] {
        let project = project(&writes("a", place));
        project.write("pipe.yaml", "cards: [kinds]\n");
        project.write("kinds/odd.json", r#"{"kind": "odd", "version": 1, "summary": "x", "worker": {"command": {"argv": ["odd.sh"], "files": ["odd.sh"]}}, "inputs": [], "outputs": [], "params": {"type": "object", "properties": {}, "additionalProperties": false}}"#);
        project.write("kinds/odd.sh", "#!/bin/sh\n");
        let ran = project.pipe(&["check", "p.yaml"]);
        assert_eq!(ran.status, 2, "{place}: {} {}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("the card's file") && ran.stderr.contains("p.yaml:3:"), "{}", ran.stderr);
    }
}

#[test]
fn two_spellings_of_one_place_are_one_place() {
    for other in ["out/x", "./out/x", "out/d/../x", "again/x", "again/x/inner"] {
        let project = project(&(writes("a", "out/x") + &writes("b", other)));
        std::fs::create_dir(project.path("out")).unwrap();
        symlink("out", project.path("again")).unwrap();
        refused(&project, &["output-overlap", "output `o` of stage `a`"]);
    }
    // Case is not folded, and a name that only begins alike is another one.
    accepted(&project(&(writes("a", "out/x") + &writes("b", "out/X") + &writes("c", "out/xx"))));
}

#[test]
fn no_output_takes_the_place_of_a_link_that_something_is_read_through() {
    let project = project(&writes("a", "cache"));
    let outside = project.beside("store");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, project.path("cache")).unwrap();
    refused(&project, &["the store"]);

    let of_input = Project::with_pipeline(&format!(
        "pipeline: p\nstages:\n{}  b: {{uses: command, run: \"cat ${{in.i}} > ${{out.o}}\", in: {{i: {{path: data/i}}}}, out: {{o: out/b}}}}\n",
        writes("a", "data/i")
    ));
    of_input.write("data/real", "mine\n");
    symlink("real", of_input.path("data/i")).unwrap();
    refused(&of_input, &["path-in-output"]);

    let of_file = Project::with_pipeline(&format!(
        "pipeline: p\ninclude: {{part: part.yaml}}\nstages:\n{}",
        writes("a", "part.yaml")
    ));
    of_file.write("parts/real.yaml", &format!("pipeline: part\nstages:\n{}", writes("b", "out/b")));
    symlink("parts/real.yaml", of_file.path("part.yaml")).unwrap();
    refused(&of_file, &["output `part.yaml` is the pipeline's file"]);
}

#[test]
fn no_output_leads_out_of_the_project_through_a_link() {
    let project = project(&writes("a", "away/x"));
    let outside = project.beside("outside");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, project.path("away")).unwrap();
    refused(&project, &["escaping-path", "away/x"]);
    assert!(!outside.join("x").exists());
}

#[test]
fn a_link_made_since_the_plan_was_fails_the_stage_that_would_write_through_it() {
    let project = project(&(writes("a", "res/x") + &writes("b", "out/b")));
    assert_eq!(project.outcomes(&[]), expected(&[("a", "ran"), ("b", "ran")]));
    let outside = project.beside("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("x"), "theirs\n").unwrap();
    std::fs::remove_dir_all(project.path("res")).unwrap();
    symlink(&outside, project.path("res")).unwrap();
    let report = project.run_json(&[], 1);
    assert_eq!(outcomes(&report), expected(&[("a", "failed"), ("b", "hit")]));
    let failure = &report["stages"]["a"]["failure"];
    assert_eq!(failure["class"], "invalid_input");
    assert!(failure["message"].as_str().unwrap().contains("outside of the project"), "{failure}");
    assert_eq!(std::fs::read_to_string(outside.join("x")).unwrap(), "theirs\n");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);

    // Into the store, and onto what another stage writes.
    for (target, why) in [("cache", "in the store"), ("out", "where stage `b` writes")] {
        std::fs::remove_file(project.path("res")).unwrap();
        std::fs::write(project.path("p.yaml"), project.read("p.yaml").replace("res/x", "res/b")).unwrap();
        std::fs::create_dir(project.path("res")).unwrap();
        project.pipe(&["run", "p.yaml"]);
        std::fs::remove_dir_all(project.path("res")).unwrap();
        symlink(target, project.path("res")).unwrap();
        let report = project.run_json(&[], 1);
        let failure = report["stages"]["a"]["failure"]["message"].as_str().unwrap();
        assert!(failure.contains(why), "{failure}");
        assert_eq!(project.read("out/b"), "b\n");
    }
}

#[test]
fn no_stage_touches_a_remote_or_the_state_of_a_backend() {
    let check = |settings: &str, place: &str, words: &[&str]| {
        let output = project(&writes("a", place));
        output.write("pipe.yaml", settings);
        refused(&output, &[&["reserved-path", "output"], words].concat());
        let reads = format!(
            "  b: {{uses: command, run: \"cat ${{in.i}} > ${{out.o}}\", in: {{i: {{path: {place}, type: dir}}}}, out: {{o: out/b}}}}\n"
        );
        let input = project(&reads);
        input.write("pipe.yaml", settings);
        input.write(&format!("{place}/blobs/x"), "x");
        refused(&input, &[&["reserved-path", "input"], words].concat());
    };
    let remote = "remote: {url: far/shared, share: true}\n";
    check(remote, "far/shared", &["lies in the remote, far/shared"]);
    check(remote, "far/shared/blobs", &["lies in the remote, far/shared"]);
    check(remote, "far", &["contains the remote, far/shared"]);
    check("remote: {url: new/../far, share: true}\n", "far", &["lies in the remote, far"]);
    let loopback = "backends: {gpu: {loopback: {state: .there}}}\n";
    check(loopback, ".there/out", &["lies in the state of backend `gpu`, .there"]);
    let bucket = "backends: {gpu: {loopback: {state: 's3://bucket/there'}}}\n";
    check(bucket, ".pipe-loopback", &["contains the instances of backend `gpu`, .pipe-loopback/.instances"]);
}

#[test]
fn a_kept_plan_is_not_believed_when_an_output_has_come_to_lie_in_the_remote() {
    let project = project(&writes("a", "shared"));
    accepted(&project);
    project.write("pipe.yaml", "remote: {url: shared, share: true}\n");
    refused(&project, &["reserved-path", "the remote, shared"]);
    project.write("pipe.yaml", "remote: {url: other, share: true}\n");
    assert_eq!(project.outcomes(&[]), expected(&[("a", "hit")]));
}

#[test]
fn a_remote_and_a_state_lie_neither_in_nor_around_the_store_and_the_project() {
    let project = project(&writes("a", "out/a"));
    let check = |settings: &str, words: &[&str]| {
        project.write("pipe.yaml", settings);
        for verb in [&["check", "p.yaml"][..], &["run", "p.yaml"], &["cache", "status", "--remote"]] {
            let ran = project.pipe(verb);
            assert_eq!(ran.status, 2, "{settings}: {}", ran.stderr);
            for word in words.iter().chain(&["reserved-path", "pipe.yaml:1:"]) {
                assert!(ran.stderr.contains(word), "{settings}: no `{word}` in {}", ran.stderr);
            }
        }
        assert!(!project.path("cache/sub").exists() && !project.path("pipe-store.json").exists());
    };
    check("remote: {url: cache/sub}\n", &["the remote lies in the store"]);
    check("remote: {url: .}\n", &["the remote contains the store"]);
    check("{store: vault/here, remote: {url: vault}}\n", &["the remote contains the store"]);
    check("{store: ../beside/store, remote: {url: ..}}\n", &["the remote contains the store"]);
    check("{store: /nowhere/store, remote: {url: ..}}\n", &["the remote contains the project"]);
    check("backends: {gpu: {loopback: {state: cache/sub}}}\n", &["the state lies in the store"]);
    check("backends: {gpu: {files: {state: cache}}}\n", &["the state lies in the store"]);
}

#[test]
fn an_input_through_a_link_is_seen_to_be_an_output_or_a_secret() {
    let reads = "  b: {uses: command, run: \"cat ${in.i} > ${out.o}\", in: {i: {path: alias}}, out: {o: out/b}}\n";
    let of_output = project(&(writes("a", "out/a") + reads));
    symlink("out/a", of_output.path("alias")).unwrap();
    refused(&of_output, &["path-in-output", "`alias` is an output of stage `a`", "{i: a.o}"]);

    let secret = format!(
        "pipeline: p\nsecrets: {{key: {{file: keys/key}}}}\nstages:\n{}{reads}",
        writes("a", "out/a").replace("out: {o", "secrets: {KEY: key}, out: {o")
    );
    for target in ["keys/key", "keys"] {
        let of_secret = Project::with_pipeline(&secret);
        of_secret.write("keys/key", "hush\n");
        symlink(target, of_secret.path("alias")).unwrap();
        refused(&of_secret, &["misplaced-secret", "keys/key"]);
    }
    let of_store = project(reads);
    std::fs::create_dir(of_store.path("cache")).unwrap();
    symlink("cache", of_store.path("alias")).unwrap();
    refused(&of_store, &["input `alias` lies in the store"]);
}

#[test]
fn a_kept_plan_is_not_believed_when_an_input_has_become_a_link_to_an_output() {
    let project = project(
        &(writes("a", "out/a")
            + "  b: {uses: command, run: \"cat ${in.i} > ${out.o}\", in: {i: {path: data/i}}, out: {o: out/b}}\n"),
    );
    project.write("data/i", "mine\n");
    assert_eq!(project.outcomes(&[]), expected(&[("a", "ran"), ("b", "ran")]));
    std::fs::remove_file(project.path("data/i")).unwrap();
    symlink("../out/a", project.path("data/i")).unwrap();
    refused(&project, &["path-in-output"]);
    // A directory on the way, too.
    std::fs::remove_dir_all(project.path("data")).unwrap();
    project.write("other/i", "mine\n");
    symlink("other", project.path("data")).unwrap();
    assert_eq!(project.outcomes(&[]), expected(&[("a", "hit"), ("b", "hit")]));
    std::fs::remove_file(project.path("data")).unwrap();
    symlink("out", project.path("data")).unwrap();
    project.write("out/i", "mine\n");
    assert_eq!(project.outcomes(&[]), expected(&[("a", "hit"), ("b", "hit")]), "beside the outputs is nobody's output");
}
