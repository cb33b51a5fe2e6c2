//! The common parts of the tests of remote stages: a project whose backend `gpu` is a loopback or a program, a kind that takes
//! checkpoints, and ledgers.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::project::{Project, checkout, eventually};

/// Counts up to `steps`, a line in `ledger` and a checkpoint a step. At `pause` it waits until the file `gate` is there, and at step N
/// while the file `gate.N` is.
const COUNT: &str = include_str!("../fixtures/kinds/count.py");

const CARD: &str = include_str!("../fixtures/kinds/count.json");

/// A loopback where nobody is taken for dead.
pub(crate) const LOOPBACK: &str = "{loopback: {state: .pipe-loopback, lease: 60s}}";

/// A loopback whose leases are short.
pub(crate) const SHORT: &str = "{loopback: {state: .pipe-loopback, lease: 2s}}";

/// A backend program on this machine.
pub(crate) const PROGRAM: &str = "{files: {state: 'files://STATE', lease: 60s}}";

/// A project whose backend `gpu` is this one; `STATE` in it is a directory of its own.
pub(crate) fn project_on(backend: &str) -> Project {
    let project = Project::new();
    let backend = backend.replace("STATE", &there(&project).join("state").display().to_string());
    project.write("pipe.yaml", &format!("cards: [kinds]\nbackends: {{gpu: {backend}}}\n"));
    std::fs::create_dir(project.beside("bin")).unwrap();
    let program = checkout().join("tests/fixtures/backends/pipe-files.py");
    std::os::unix::fs::symlink(program, project.beside("bin/pipe-files")).unwrap();
    project.write("kinds/count.json", CARD);
    project.write("kinds/count.py", COUNT);
    let worker = project.path("kinds/count.py");
    std::fs::set_permissions(worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    project
}

/// A pipeline with one stage that counts, of four steps.
pub(crate) fn counting(project: &Project, pause: u32) -> String {
    let (ledger, gate) = (project.beside("ledger"), project.beside("gate"));
    let with = format!("steps: 4, pause: {pause}, ledger: {}, gate: {}", ledger.display(), gate.display());
    format!("pipeline: c\nstages:\n  count: {{uses: count, with: {{{with}}}, backend: gpu}}\n")
}

/// A project with a stage that waits for the gate, on this backend.
pub(crate) fn with_waiting(backend: &str) -> Project {
    let project = project_on(backend);
    project.write("p.yaml", &waiting(&project));
    project
}

/// A pipeline with one stage that says in the ledger that it began, and waits for the gate.
pub(crate) fn waiting(project: &Project) -> String {
    let (ledger, gate) = (project.beside("ledger"), project.beside("gate"));
    let run = format!(
        "echo began >> {}; echo up; until test -e {gate}; do sleep 0.02; done; cat {gate} > ${{out.x}}",
        ledger.display(),
        gate = gate.display()
    );
    format!("pipeline: w\nstages:\n  waits: {{uses: command, run: \"{run}\", out: {{x: out/x}}, backend: gpu}}\n")
}

/// The lines in the ledger.
pub(crate) fn ledger(project: &Project) -> Vec<String> {
    let text = std::fs::read_to_string(project.beside("ledger")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until the ledger holds so many of these lines.
pub(crate) fn until_noted(project: &Project, line: &str, count: usize) {
    eventually(line, || ledger(project).iter().filter(|noted| *noted == line).count() == count);
}

pub(crate) fn open_gate(project: &Project) {
    project.write("../beside/gate.new", "open\n");
    std::fs::rename(project.beside("gate.new"), project.beside("gate")).unwrap();
}

/// A client that runs in the background.
pub(crate) fn start(project: &Project, words: &[&str]) -> Child {
    let mut all = vec!["run", "p.yaml", "--json"];
    all.extend(words);
    project.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The closing document of a client that must end with this exit code.
pub(crate) fn end(child: Child, status: i32) -> Value {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"))
}

/// Where the backend program has all that is its own: neither in the project nor where a test and its commands meet.
pub(crate) fn there(project: &Project) -> PathBuf {
    project.root().parent().unwrap().join("there")
}

/// Where the objects of the backend are.
pub(crate) fn state(project: &Project) -> PathBuf {
    let state = there(project).join("state");
    if state.is_dir() { state } else { project.path(".pipe-loopback") }
}

/// A line for each instance that the program launched.
pub(crate) fn launches(project: &Project) -> Vec<String> {
    let text = std::fs::read_to_string(there(project).join("state.instances/launches")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Every object below the state's actions.
pub(crate) fn objects(project: &Project) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut pending = vec![state(project).join("actions")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => pending.push(entry.path()),
                false => drop(found.insert(entry.path())),
            }
        }
    }
    found
}

/// The documents of this name, such as `lease.json`, or in a directory of this name.
pub(crate) fn documents(project: &Project, name: &str) -> Vec<Value> {
    let is_meant = |path: &&PathBuf| path.ends_with(name) || path.parent().is_some_and(|parent| parent.ends_with(name));
    let read = |path: &PathBuf| serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok();
    objects(project).iter().filter(is_meant).filter_map(read).collect()
}

/// The process of the instance that has the lease of this epoch.
pub(crate) fn instance(project: &Project, epoch: u64) -> String {
    let lease = || documents(project, "lease.json").into_iter().find(|lease| lease["epoch"] == epoch);
    eventually("the instance takes the lease", || lease().is_some());
    lease().unwrap()["owner"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned()
}

/// Sends a signal to a process.
pub(crate) fn send(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
}

pub(crate) fn is_running(process: &str) -> bool {
    // A zombie has ended; its reaper is only late.
    std::fs::read_to_string(Path::new("/proc").join(process).join("stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}
