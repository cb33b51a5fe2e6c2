//! What travels to an instance: programs by digest, nothing twice, nothing that cannot run there, and nothing of the checkout's paths.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::loopback::{LOOPBACK, SHORT, documents, objects, project_on};
use crate::project::{Project, Ran, checkout, pipe, worker};

/// Objects of a family, such as `blobs`, with their sizes.
fn family(project: &Project, family: &str) -> BTreeMap<PathBuf, u64> {
    let directories = fs::read_dir(project.path(".pipe-loopback").join(family)).into_iter().flatten().flatten();
    let files = directories.flat_map(|directory| fs::read_dir(directory.path()).unwrap().flatten());
    files.map(|file| (file.path(), file.metadata().unwrap().len())).collect()
}

/// A copy of a program of this build, in a directory of its own.
fn copy(program: &Path, directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let copy = directory.join(program.file_name().unwrap());
    fs::copy(program, &copy).unwrap();
    copy
}

fn run(engine: &Path, project: &Project) -> Ran {
    let mut command = Command::new(engine);
    command.args(["run", "p.yaml"]).current_dir(project.root()).stdin(Stdio::null());
    Ran::from(command.output().unwrap())
}

#[test]
fn programs_travel_once_and_a_changed_one_alone() {
    let project = project_on(LOOPBACK);
    let engine = copy(pipe(), &project.beside("bin"));
    copy(&worker("pipe-data"), &project.beside("bin"));
    let pipeline = |seed: u32| {
        // What it gives is the same whatever the seed, so that only programs are new.
        let scans = format!("produce, with: {{seed: {seed}, hosts: 1, scans_per_host: 1}}, backend: gpu");
        project.write("p.yaml", &format!("pipeline: p\nstages:\n  same: {{uses: command, run: \"echo same > ${{out.x}} # {seed}\", out: {{x: out/x}}, backend: gpu}}\n  scans: {{uses: {scans}}}\n"));
    };
    pipeline(1);
    let ran = run(&engine, &project);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let first = family(&project, "blobs");
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    for program in [&engine, &project.beside("bin/pipe-data")] {
        assert_eq!(first.values().filter(|held| **held == size(program)).count(), 1, "{program:?} {first:?}");
    }

    project.write("p.yaml", &project.read("p.yaml").replace("# 1", "# 2"));
    assert_eq!(run(&engine, &project).status, 0);
    assert_eq!(family(&project, "blobs"), first, "a second run sends no program");

    // Bytes behind the end of an ELF file change its digest and nothing else. A new file: the old one may still run.
    let mut bytes = fs::read(&engine).unwrap();
    bytes.extend_from_slice(b"another build");
    fs::remove_file(&engine).unwrap();
    fs::write(&engine, &bytes).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    let trees = family(&project, "trees");
    project.write("p.yaml", &project.read("p.yaml").replace("# 2", "# 3"));
    let ran = run(&engine, &project);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let new: Vec<_> = family(&project, "blobs").into_iter().filter(|(path, _)| !first.contains_key(path)).collect();
    assert_eq!(new.iter().map(|(_, size)| *size).collect::<Vec<_>>(), [bytes.len() as u64]);
    assert_eq!(family(&project, "trees").len(), trees.len() + 1);
    let stages = project.run_json(&[], 0);
    assert_eq!(stages["stages"]["same"]["outcome"], "hit", "{stages}");
}

/// Starts the instance of the newest intent as a machine would that has nothing but the objects: as docs/backend-protocol.md says it.
fn boot(project: &Project) -> Ran {
    let state = project.path(".pipe-loopback");
    let intents = documents(project, "intent");
    let intent = intents.last().unwrap();
    let hex = |digest: &str| format!("{}/{digest}", &digest[..2]);
    let tree = fs::read(state.join("trees").join(hex(intent["bundle"]["digest"].as_str().unwrap()))).unwrap();
    let tree = String::from_utf8(tree).unwrap();
    let engine = tree.split('\0').find(|line| line.ends_with(" bin/pipe")).unwrap();
    let digest = engine.split(' ').nth(1).unwrap();
    let root = state.join(".instances/machine");
    fs::create_dir_all(root.join("bin")).unwrap();
    let engine = root.join("bin/pipe");
    fs::copy(state.join("blobs").join(hex(digest)), &engine).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    let key = objects(project).iter().find(|path| path.ends_with("spec.json")).unwrap().clone();
    let key = key.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let mut command = Command::new(&engine);
    let objects = format!("{{\"url\":\"file://{}\"}}", state.display());
    command.arg("worker").arg("--objects").arg(objects).arg("--directory").arg(&root).arg("--project").arg(&root);
    command.args(["--action", &key, "--attempt", &intent["attempt"].to_string()]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent").stdin(Stdio::null());
    Ran::from(command.output().unwrap())
}

/// A copy of `pipe-torch` that looks for its libraries in `libraries`, which `path` is made to lead to.
fn torch_from(path: &Path, libraries: &Path, directory: &Path) -> PathBuf {
    let program = copy(&worker("pipe-torch"), directory);
    let mut bytes = fs::read(&program).unwrap();
    let built_with = b".deps/libtorch/lib";
    let end = bytes.windows(built_with.len()).position(|window| window == built_with).unwrap() + built_with.len();
    let start = bytes[..end].iter().rposition(|byte| matches!(byte, 0 | b':')).unwrap() + 1;
    symlink(libraries, path).unwrap();
    let mut written = path.to_str().unwrap().as_bytes().to_vec();
    assert!(written.len() <= end - start, "{path:?} is longer than the path of the checkout");
    // As many slashes as fill the place of the former path.
    written.splice(0..0, std::iter::repeat_n(b'/', end - start - written.len()));
    bytes[start..end].copy_from_slice(&written);
    fs::write(&program, &bytes).unwrap();
    program
}

#[test]
fn an_instance_runs_from_its_bundle_where_nothing_else_is_left() {
    let project = project_on(SHORT);
    let bin = project.beside("bin");
    let engine = copy(pipe(), &bin);
    copy(&worker("pipe-data"), &bin);
    let libraries = project.beside("lib");
    fs::create_dir(&libraries).unwrap();
    for library in fs::read_dir(checkout().join(".deps/libtorch/lib")).unwrap().flatten() {
        symlink(fs::canonicalize(library.path()).unwrap(), libraries.join(library.file_name())).unwrap();
    }
    let short = tempfile::Builder::new().prefix("").rand_bytes(5).tempdir_in("/tmp").unwrap();
    torch_from(&short.path().join("l"), &libraries, &bin);
    project.write("p.yaml", &crate::loopback_training::pipeline("backend: gpu", ""));
    let made = project.pipe(&["run", "p.yaml", "dataset"]);
    assert_eq!(made.status, 0, "{}", made.stderr);

    let mut client = Command::new(&engine);
    client.args(["run", "p.yaml", "tokens"]).current_dir(project.root()).env("PIPE_FAILPOINT", "after-intent");
    let died = Ran::from(client.output().unwrap());
    assert_eq!(documents(&project, "intent").len(), 1, "{}", died.stderr);
    fs::remove_dir_all(&bin).unwrap();
    // The loader stops at a library in the paths inside of files that is none: whatever it uses comes from the bundle.
    fs::remove_dir_all(&libraries).unwrap();
    fs::create_dir(&libraries).unwrap();
    for name in ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"] {
        fs::write(libraries.join(name), "no library").unwrap();
    }
    let ran = boot(&project);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let ends = documents(&project, "attempt");
    assert!(ends[0]["end"]["finished"].is_object(), "{ends:?}");
    let report = project.run_json(&["tokens"], 0);
    assert_eq!(documents(&project, "intent").len(), 1, "it was collected, not launched again: {report}");
    let tokens = fs::read(project.path("out/t/tokens/tokens/tokenizer.json")).unwrap();
    assert!(serde_json::from_slice::<Value>(&tokens).unwrap()["model"].is_object());
}

/// A kind whose worker is a program on PATH, with a stage of it on the loopback. Runs `pipe` with these words.
fn with_worker(project: &Project, program: &[u8], words: &[&str]) -> Ran {
    let card = r#"{"kind": "own", "version": 1, "summary": "Ours", "worker": {"program": "own-worker"},
        "outputs": [{"name": "x", "type": "file", "summary": "it"}], "params": {"type": "object", "properties": {}}}"#;
    project.write("kinds/own.json", card);
    project.write("p.yaml", "pipeline: p\nstages:\n  mine: {uses: own, backend: gpu}\n");
    let path = project.beside("own-worker");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let found = format!("{}:{}", project.beside("").display(), std::env::var("PATH").unwrap());
    Ran::from(project.command(words).env("PATH", found).output().unwrap())
}

#[test]
fn what_cannot_run_at_the_place_is_refused_before_the_launch() {
    let own = fs::read(worker("pipe-data")).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let mut bytes = own.clone();
        let found: Vec<usize> = (0..bytes.len() - from.len()).filter(|at| &own[*at..at + from.len()] == from).collect();
        assert!(!found.is_empty());
        found.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
        bytes
    };
    let newer = replaced(b"GLIBC_2.34\0", b"GLIBC_2.99\0");
    let mut foreign = own.clone();
    // The field e_machine: 183 is AArch64, 243 RISC-V.
    foreign[18] = if cfg!(target_arch = "aarch64") { 243 } else { 183 };
    let other = if cfg!(target_arch = "aarch64") { "riscv64" } else { "aarch64" };
    let of_other = format!("`own-worker` is built for {other}, and `gpu` has {}", std::env::consts::ARCH);
    for (program, words) in [(newer, "`own-worker` needs glibc 2.99, and `gpu` has 2."), (foreign, of_other.as_str())] {
        let project = project_on(LOOPBACK);
        let ran = with_worker(&project, &program, &["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(objects(&project).is_empty(), "something was launched, or is about to be");
    }
}

#[test]
fn a_worker_that_is_a_script_does_not_go_along() {
    let project = project_on(LOOPBACK);
    let script = b"#!/bin/sh\nexit 1\n";
    let ran = with_worker(&project, script, &["check", "p.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    for words in ["p.yaml:3", "`mine` runs on `gpu`", "`own-worker`", "is a script", "argv"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let ran = with_worker(&project, script, &["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("is a script") && objects(&project).is_empty(), "{}", ran.stderr);
    let settings = project.read("pipe.yaml").replace(LOOPBACK, "local");
    project.write("pipe.yaml", &settings);
    assert_eq!(with_worker(&project, script, &["check", "p.yaml"]).status, 0);
}
