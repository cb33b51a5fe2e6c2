//! Anything in the store may turn into another kind of thing, or a little different: the next run makes it right, and nobody waits, ends
//! with "the store broke", or removes what somebody needs.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::project::{Project, Ran, pipe};

const EVERYTHING: &str = r#"pipeline: all
params: {suffix: a}
stages:
  word: {uses: command, run: "sed s/^/w/ ${in.text} > ${out.w}", in: {text: {path: data/in.txt}}, out: {w: out/word}}
  tool: {uses: command, run: "echo '#!/bin/sh' > ${out.t} && chmod +x ${out.t}", out: {t: out/tool}}
  parts: {uses: command, run: "mkdir -p ${out.p}/sub && cp ${in.w} ${out.p}/a && echo b > ${out.p}/sub/b && ln -s a ${out.p}/link", in: {w: word}, out: {p: {path: out/parts, type: dir}}}
  sign: {uses: command, run: "cat ${in.p}/a ${in.p}/sub/b > ${out.s} && echo ${params.suffix} >> ${out.s}", in: {p: parts}, out: {s: out/sign}}
"#;

/// A project whose store has one of everything.
fn used() -> Project {
    let project = Project::with_pipeline(EVERYTHING);
    project.write("data/in.txt", "hello\n");
    project.outcomes(&["-S", "suffix=b"]);
    assert_eq!(project.pipe(&["cache", "pin", "sign"]).status, 0);
    project.outcomes(&[]);
    for (path, text) in [
        ("cache/checkpoints/0000/step", "1"),
        ("cache/displaced/run/mine", "mine"),
        ("cache/quarantine/old", "old"),
        ("cache/work/kept/run/stage/file", "kept"),
        ("cache/tmp/1-dead-0.lock", ""),
    ] {
        project.write(path, text);
    }
    project
}

fn outputs(project: &Project) -> BTreeMap<&'static str, String> {
    let names = ["out/word", "out/tool", "out/parts/a", "out/parts/sub/b", "out/sign"];
    names.into_iter().map(|name| (name, project.read(name))).collect()
}

/// Runs `pipe` so that one that waits for ever is told from one that ends.
fn run(project: &Project, words: &[&str]) -> Ran {
    let mut command = Command::new("timeout");
    command.arg("30").arg(pipe()).args(words).current_dir(project.root()).env("NO_COLOR", "1");
    Ran::from(command.stdin(std::process::Stdio::null()).output().unwrap())
}

/// The things of a used store, by kind, relative to the project.
fn things(project: &Project) -> Vec<(String, PathBuf)> {
    let mut things = Vec::new();
    for room in [
        "blobs",
        "trees",
        "records",
        "last",
        "plans",
        "pins",
        "locks",
        "work",
        "tmp",
        "runs",
        "checkpoints",
        "quarantine",
        "displaced",
    ] {
        things.push((format!("the room {room}"), Path::new("cache").join(room)));
    }
    let first = |directory: &str, fits: &dyn Fn(&str) -> bool| {
        let mut names: Vec<_> = std::fs::read_dir(project.path(directory))
            .unwrap_or_else(|e| panic!("{directory}: {e}"))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| fits(name))
            .collect();
        names.sort();
        names.pop().map(|name| Path::new(directory).join(name)).unwrap_or_else(|| panic!("{directory}"))
    };
    let any = |_: &str| true;
    for family in ["blobs", "trees", "records"] {
        let shard = first(&format!("cache/{family}"), &any);
        things.push((format!("a directory of {family}"), shard.clone()));
        let inside = shard.to_str().unwrap().to_owned();
        things.push((format!("one of {family}"), first(&inside, &|name| !name.ends_with(".manifest"))));
        if family == "trees" {
            let tree = first(&inside, &|name| !name.ends_with(".manifest"));
            things.push(("a manifest".to_owned(), first(&inside, &|name| name.ends_with(".manifest"))));
            for name in ["a", "sub", "sub/b", "link"] {
                things.push((format!("{name} of a tree"), tree.join(name)));
            }
        }
    }
    let run = first("cache/runs", &any);
    for name in ["report.json", "events.ndjson", "workspace", "workspace.check", "logs"] {
        things.push((format!("{name} of a run"), run.join(name)));
    }
    things.push(("a run".to_owned(), run));
    things.push(("the memo".to_owned(), "cache/memo".into()));
    for room in ["last", "plans", "pins", "checkpoints", "displaced", "quarantine"] {
        things.push((format!("one of {room}"), first(&format!("cache/{room}"), &any)));
    }
    things.push(("a lock".to_owned(), "cache/locks/use".into()));
    things.push(("a lock of tmp".to_owned(), "cache/tmp/1-dead-0.lock".into()));
    things.push(("kept work".to_owned(), "cache/work/kept".into()));
    things
}

const DAMAGES: [&str; 9] =
    ["directory", "file", "pipe", "dangling link", "link elsewhere", "link to a file", "cut", "flipped", "gone"];

/// Puts something else at `path`; `false` where that is nothing new.
fn damage(project: &Project, path: &Path, how: &str, random: &mut Random) -> bool {
    let path = &project.path(path.to_str().unwrap());
    let there = path.symlink_metadata().unwrap();
    let elsewhere = project.beside("elsewhere");
    match how {
        "cut" | "flipped" => {
            if !there.is_file() || there.len() == 0 {
                return false;
            }
            let mut bytes = std::fs::read(path).unwrap();
            let at = random.below(bytes.len());
            if how == "cut" {
                bytes.truncate(at)
            } else {
                bytes[at] ^= 1 << random.below(8)
            }
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(there.mode() | 0o200)).unwrap();
            std::fs::write(path, bytes).unwrap();
            return true;
        }
        "directory" if there.is_dir() => return false,
        _ => {}
    }
    if there.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
    match how {
        "directory" => {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("inside"), "inside").unwrap();
        }
        "file" => std::fs::write(path, "a file\n").unwrap(),
        "pipe" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "dangling link" => symlink("/nowhere/at/all", path).unwrap(),
        "link elsewhere" => symlink(&elsewhere, path).unwrap(),
        "link to a file" => symlink(elsewhere.join("file"), path).unwrap(),
        _ => {}
    }
    true
}

/// A seeded sequence of numbers: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Copies a project with its links among each other, by which the store knows its outputs.
fn renew(project: &Project, kept: &Path) {
    for name in ["cache", "out"] {
        let status = Command::new("rm").arg("-rf").arg(project.path(name)).status().unwrap();
        assert!(status.success());
    }
    let copied = Command::new("cp").arg("-a").arg(kept.join(".")).arg(project.root()).status().unwrap();
    assert!(copied.success());
}

#[test]
fn whatever_becomes_of_a_thing_in_the_store_the_next_run_makes_it_right() {
    let project = used();
    let right = outputs(&project);
    let kept = project.beside("kept");
    assert!(Command::new("cp").arg("-a").arg(project.root()).arg(&kept).status().unwrap().success());
    let elsewhere = project.beside("elsewhere");
    make_elsewhere(&elsewhere);

    let seed = std::env::var("PIPE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_129);
    let mut random = Random(seed);
    let mut cases: Vec<_> =
        things(&project).into_iter().flat_map(|thing| DAMAGES.map(|how| (thing.clone(), how))).collect();
    for at in (1..cases.len()).rev() {
        cases.swap(at, random.below(at + 1));
    }
    let seconds = std::env::var("PIPE_TEST_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(12);
    let (begun, mut done) = (Instant::now(), 0);
    let mut wrong = Vec::new();
    for ((thing, path), how) in &cases {
        if begun.elapsed() > Duration::from_secs(seconds) {
            break;
        }
        if !damage(&project, path, how, &mut random) {
            continue;
        }
        done += 1;
        wrong.extend(check(&project, &right).err().map(|why| format!("{thing} ({}), {how}: {why}", path.display())));
        let theirs = ["file", "file.lock", "dir/file"].map(|name| std::fs::read_to_string(elsewhere.join(name)).ok());
        if theirs.iter().any(|text| text.as_deref() != Some("of somebody else\n")) {
            wrong.push(format!("{thing}, {how}: something elsewhere was touched"));
            make_elsewhere(&elsewhere);
        }
        renew(&project, &kept);
    }
    assert!(wrong.is_empty(), "seed {seed}, {done} cases:\n{}", wrong.join("\n"));
    assert!(done > 20, "only {done} cases in {seconds} seconds");
}

/// Makes the files that links of the damage lead to, and that nobody may touch.
fn make_elsewhere(elsewhere: &Path) {
    std::fs::create_dir_all(elsewhere.join("dir")).unwrap();
    for name in ["file", "file.lock", "dir/file"] {
        std::fs::write(elsewhere.join(name), "of somebody else\n").unwrap();
    }
}

fn check(project: &Project, right: &BTreeMap<&str, String>) -> Result<(), String> {
    let expect = |words: &[&str], allowed: &[i32]| {
        let ran = run(project, words);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        match allowed.contains(&ran.status) {
            true => Ok(()),
            false => Err(format!("{} ends with {}: {told}", words.join(" "), ran.status)),
        }
    };
    // First verbs that look at the damage itself, then the run, then verbs that look at the result.
    expect(&["cache", "status"], &[0])?;
    expect(&["runs"], &[0])?;
    expect(&["run", "p.yaml"], &[0])?;
    if outputs(project) != *right {
        return Err(format!("wrong bytes: {:?}", outputs(project)));
    }
    expect(&["cache", "verify"], &[0, 1])?;
    expect(&["cache", "gc", "--grace", "0"], &[0, 1])?;
    expect(&["run", "p.yaml", "-q"], &[0])?;
    if outputs(project) != *right {
        return Err(format!("wrong bytes after gc: {:?}", outputs(project)));
    }
    Ok(())
}

fn only(project: &Project, directory: &str) -> PathBuf {
    let mut entries = std::fs::read_dir(project.path(directory)).unwrap();
    entries.next().unwrap().unwrap().path()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_a_kept_plan_is_told_in_one_line_and_changes_nothing() {
    let project = used();
    let right = outputs(&project);
    std::fs::remove_dir_all(project.path("cache/plans")).unwrap();
    project.outcomes(&[]);
    let plan = only(&project, "cache/plans");
    let length = std::fs::metadata(&plan).unwrap().len() as usize;
    for at in [0, length / 5, length / 3, length / 2, length - 70, length - 67, length - 1] {
        flip(&plan, at);
        std::fs::remove_dir_all(project.path("out")).unwrap();
        let verified = project.command(&["run", "p.yaml"]).output().map(Ran::from).unwrap();
        assert_eq!(verified.status, 0, "byte {at}: {}", verified.stderr);
        assert_eq!(verified.stderr.matches("was damaged; the pipeline was planned anew").count(), 1, "byte {at}");
        assert_eq!(outputs(&project), right, "byte {at}");
        let again = project.pipe(&["run", "p.yaml"]);
        assert!(!again.stderr.contains("damaged"), "{}", again.stderr);
    }
    flip(&plan, length / 2);
    let verified = project.pipe(&["cache", "verify"]);
    assert_eq!(verified.status, 1, "{}", verified.stdout);
    assert!(verified.stdout.contains(&format!("damaged: {}", plan.display())), "{}", verified.stdout);
    assert_eq!(project.pipe(&["cache", "verify"]).status, 0);
}

#[test]
fn a_plan_under_the_name_of_another_is_none() {
    let project = used();
    let plans = || std::fs::read_dir(project.path("cache/plans")).unwrap().map(|it| it.unwrap().path());
    let [one, other] = plans().collect::<Vec<_>>().try_into().unwrap();
    std::fs::copy(&one, &other).unwrap();
    let right = outputs(&project);
    let a = project.pipe(&["run", "p.yaml"]);
    let (first, b) = (outputs(&project), project.pipe(&["run", "p.yaml", "-S", "suffix=b"]));
    assert_eq!((a.status, b.status), (0, 0));
    assert_eq!((first, project.read("out/sign").as_str()), (right, "whello\nb\nb\n"));
    assert!((a.stderr + &b.stderr).contains("planned anew"));
}

/// Collects everything that may go; the exit code, and the output.
fn collect(project: &Project) -> (i32, String) {
    let ran = project.pipe(&["cache", "gc", "--grace", "0"]);
    (ran.status, ran.stdout + &ran.stderr)
}

#[test]
fn a_damaged_pin_keeps_everything_and_names_itself_and_what_to_do() {
    for how in ["cut", "flipped", "pipe", "directory", "link elsewhere"] {
        let project = used();
        std::fs::create_dir(project.beside("elsewhere")).unwrap();
        let before = below(&project.path("cache/blobs"));
        damage(&project, Path::new("cache/pins/sign.json"), how, &mut Random(7));
        let (status, told) = collect(&project);
        assert_eq!(status, 1, "{how}: {told}");
        assert!(told.contains("pins/sign.json") && told.contains("pipe cache pin 'sign'"), "{how}: {told}");
        let verified = project.pipe(&["cache", "verify"]);
        assert_eq!(verified.status, 1, "{how}: {}", verified.stdout);
        assert!(verified.stdout.contains("pins/sign.json"), "{how}: {}", verified.stdout);
        assert_eq!(collect(&project).0, 1, "{how}: verify leaves it, as what it protects is not known");
        assert_eq!(below(&project.path("cache/blobs")), before, "{how}");
        assert!(project.pipe(&["cache", "status"]).stdout.contains("nothing can go"), "{how}");
        assert_eq!(project.pipe(&["cache", "pin", "sign"]).status, 0, "{how}");
        assert_eq!(collect(&project).0, 0, "{how}: pinned anew");
    }
}

#[test]
fn pins_that_lie_in_no_directory_keep_everything() {
    for how in ["file", "pipe", "dangling link", "link to a file"] {
        let project = used();
        std::fs::create_dir(project.beside("elsewhere")).unwrap();
        std::fs::write(project.beside("elsewhere").join("file"), "").unwrap();
        let before = below(&project.path("cache/blobs"));
        damage(&project, Path::new("cache/pins"), how, &mut Random(7));
        let (status, told) = collect(&project);
        assert_eq!((status, below(&project.path("cache/blobs"))), (1, before), "{how}: {told}");
        assert!(told.contains("cache/pins"), "{how}: {told}");
    }
}

#[test]
fn pins_and_last_of_the_form_without_checksums_are_read_and_written_anew() {
    let project = used();
    for path in [project.path("cache/pins/sign.json"), project.path("cache/last/all.json")] {
        let text = std::fs::read_to_string(&path).unwrap();
        let old: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        std::fs::write(&path, serde_json::to_string_pretty(&old).unwrap()).unwrap();
    }
    assert_eq!(project.pipe(&["cache", "verify"]).status, 0);
    assert_eq!(collect(&project).0, 0);
    let restored = project.outcomes(&["-S", "suffix=b"]);
    assert_eq!(restored["sign"], "restored", "the pin protected it");
    let last = project.read("cache/last/all.json");
    assert_eq!(last.lines().count(), 2, "{last}");
}

#[test]
fn a_damaged_report_is_no_root_that_is_passed_over() {
    let project = used();
    let report = std::fs::read_dir(project.path("cache/runs")).unwrap().map(|it| it.unwrap().path()).max().unwrap();
    for (name, at) in [("report.json", 300), ("report.json", 40), ("workspace", 3)] {
        let path = report.join(name);
        let sound = std::fs::read(&path).unwrap();
        flip(&path, at);
        let (status, told) = collect(&project);
        assert_eq!(status, 1, "{name}: {told}");
        assert!(told.contains(name) && told.contains(&format!("remove {}", report.display())), "{told}");
        assert_eq!(project.pipe(&["cache", "verify"]).status, 1);
        std::fs::write(&path, sound).unwrap();
    }
    assert_eq!(project.pipe(&["cache", "verify"]).status, 0);
    let journal = report.join("events.ndjson");
    let lines = std::fs::read_to_string(&journal).unwrap();
    let without: String = lines.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, l)| format!("{l}\n")).collect();
    std::fs::write(&journal, without).unwrap();
    let verified = project.pipe(&["cache", "verify"]);
    assert_eq!(verified.status, 1, "a line that is missing");
    assert!(verified.stdout.contains("events.ndjson"), "{}", verified.stdout);
    assert_eq!(collect(&project).0, 0, "nothing is known by a journal");
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let found = Command::new("find").arg(directory).arg("-type").arg("f").output().unwrap();
    let mut paths: Vec<_> = String::from_utf8(found.stdout).unwrap().lines().map(PathBuf::from).collect();
    paths.sort();
    paths
}

/// Flips a bit of a file and leaves size, mode and mtime as they were.
fn flip_silently(path: &Path) {
    let before = std::fs::metadata(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    flip(path, 0);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_times(std::fs::FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
    std::fs::set_permissions(path, before.permissions()).unwrap();
}

#[test]
fn a_flip_beside_a_lost_file_does_not_stay_in_the_workspace() {
    let project = used();
    let right = outputs(&project);
    flip_silently(&project.path("out/parts/a"));
    let tree = below(&project.path("cache/trees")).into_iter().find(|path| path.ends_with("sub/b")).unwrap();
    std::fs::remove_file(tree).unwrap();
    assert_eq!(project.pipe(&["run", "p.yaml"]).status, 0);
    assert_eq!(outputs(&project), right);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
fn verify_always_reads_copies_in_the_workspace() {
    let dev = |path: &Path| std::fs::metadata(path).map(|there| there.dev()).ok();
    let memory = Path::new("/dev/shm");
    if dev(memory).is_none() || dev(memory) == dev(&std::env::temp_dir()) {
        return eprintln!("SKIPPED: there is no second filesystem, across which outputs are copies");
    }
    for flipped in ["out/word", "out/parts/sub/b"] {
        let project = Project::with_pipeline(EVERYTHING);
        project.write("data/in.txt", "hello\n");
        let store = tempfile::tempdir_in(memory).unwrap();
        let words = ["--store", store.path().to_str().unwrap()];
        project.outcomes(&words);
        let right = outputs(&project);
        assert!(project.outcomes(&words).values().all(|outcome| outcome == "hit"));
        flip_silently(&project.path(flipped));
        assert!(project.outcomes(&words).values().all(|outcome| outcome == "hit"), "by stat it looks sound");
        project.write("pipe.yaml", "verify: always\n");
        assert!(project.outcomes(&words).values().any(|outcome| outcome == "restored"));
        assert_eq!(outputs(&project), right, "{flipped}");
        assert!(project.outcomes(&words).values().all(|outcome| outcome == "hit"));
    }
}

#[test]
fn a_directory_too_deep_to_be_named_is_a_fault_of_its_stage() {
    let deep = r#"pipeline: deep
stages:
  deep:
    uses: command
    run: "n=$(printf %0200d 0); mkdir a; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do mkdir b && mv a b/$n && mv b a || exit 9; done; mv a ${out.d}"
    out: {d: {path: out/deep, type: dir}}
  flat: {uses: command, run: "echo flat > ${out.f}", out: {f: out/flat}}
"#;
    let project = Project::with_pipeline(deep);
    let ran = run(&project, &["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("output `d`") && ran.stderr.contains("too deep"), "{}", ran.stderr);
    assert_eq!(project.read("out/flat"), "flat\n");
    for words in [&["cache", "status"][..], &["cache", "verify"], &["cache", "gc"]] {
        let ran = run(&project, words);
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
    }
}
