//! A stage that wants a GPU takes the worker that was built for GPUs, with all that libtorch opens by name. No GPU and no libtorch is
//! needed: a compiler makes libraries with the names and the links of the real ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::loopback::{LOOPBACK, documents, objects, project_on, there};
use crate::project::{Project, Ran};

/// A worker that opens these libraries by name, as libtorch does, and writes down where the loader found all of its libraries.
const WORKER: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
  char text[65536] = {0}, line[4096], *opened[] = {OPENED};
  for (int at = 0; opened[at]; at++)
    if (!dlopen(opened[at], RTLD_NOW)) { fprintf(stderr, "%s\n", dlerror()); return 1; }
  FILE *job = fopen(words[count - 1], "r");
  if (!job || !fread(text, 1, sizeof text - 1, job)) return 1;
  char *path = strstr(strstr(text, "\"outputs\""), "\"x\": \"") + 6;
  *strchr(path, '"') = 0;
  FILE *maps = fopen("/proc/self/maps", "r"), *out = fopen(path, "w");
  while (fgets(line, sizeof line, maps))
    if (strstr(line, ".so") && strstr(line, "r--p 00000000")) fputs(strchr(line, '/'), out);
  fclose(out);
  dprintf(atoi(getenv("PIPE_EVENTS_FD")), "{\"finished\":{}}\n");
  return 0;
}
"#;

/// Libraries, each with those that it is linked with, as those of PyTorch 2.13 for CUDA 13 are.
const LIBTORCH: &[(&str, &[&str])] = &[("libc10.so", &[]), ("libtorch_cpu.so", &["libc10.so"])];
const CUDA: &[(&str, &[&str])] = &[
    ("libc10.so", &[]),
    ("libtorch_cpu.so", &["libc10.so"]),
    ("libnvJitLink.so.13", &[]),
    ("libcusparse.so.12", &["libnvJitLink.so.13"]),
    ("libcudnn.so.9", &[]),
    ("libcudnn_graph.so.9", &[]),
    ("libcudnn_ops.so.9", &["libcudnn_graph.so.9"]),
    ("libnvrtc.so.13", &[]),
    ("libnvrtc-builtins.so.13.0", &[]),
    ("libcusolver.so.12", &["libcusparse.so.12"]),
    ("libtorch_cuda.so", &["libtorch_cpu.so", "libcudnn.so.9", "libnvrtc.so.13", "libcusparse.so.12"]),
    ("libtorch_cuda_linalg.so", &["libtorch_cuda.so", "libcusolver.so.12"]),
    ("libcaffe2_nvrtc.so", &["libnvrtc.so.13", "libcuda.so.1"]),
    ("libunrelated.so", &[]),
];

fn cc(words: &[&str]) {
    let output = Command::new("cc").args(words).output().unwrap();
    assert!(output.status.success(), "cc {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A library without any content of its own, linked with others in `places`.
fn library(path: &Path, linked: &[&str], places: &[&Path]) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (soname, source) = (format!("-Wl,-soname,{name}"), path.with_extension("c"));
    fs::write(&source, format!("int made_{}(void) {{ return 1; }}\n", name.replace(['.', '-'], "_"))).unwrap();
    let source = source.to_str().unwrap();
    let linked: Vec<String> = linked.iter().map(|name| format!("-l:{name}")).collect();
    let places: Vec<String> = places.iter().map(|place| format!("-L{}", place.display())).collect();
    // An RPATH, as the real ones have: theirs goes before LD_LIBRARY_PATH.
    let mut words = vec!["-shared", "-fPIC", "-o", path.to_str().unwrap(), source, &soname, "-Wl,--no-as-needed"];
    words.extend(["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../../nvidia/cu13/lib:$ORIGIN"]);
    words.extend(places.iter().chain(&linked).map(String::as_str));
    cc(&words);
    fs::remove_file(source).unwrap();
}

/// A directory in the layout of scripts/libtorch.sh, with these libraries.
fn libtorch(root: &Path, libraries: &[(&str, &[&str])]) -> PathBuf {
    let (lib, driver) = (root.join("lib"), root.join("driver"));
    fs::create_dir_all(&lib).unwrap();
    fs::create_dir_all(&driver).unwrap();
    fs::write(root.join("build-version"), "2.13.0\n").unwrap();
    // It comes with the driver, so it lies nowhere where libtorch looks for it.
    library(&driver.join("libcuda.so.1"), &[], &[]);
    for (name, linked) in libraries {
        library(&lib.join(name), linked, &[&lib, &driver]);
    }
    fs::remove_dir_all(driver).unwrap();
    lib
}

/// A worker at `path` that is linked with some libraries of `lib` and opens others.
fn worker(path: &Path, lib: &Path, linked: &[&str], opened: &[&str]) {
    let source = path.with_extension("c");
    let opened: String = opened.iter().map(|name| format!("\"{name}\", ")).collect();
    fs::write(&source, WORKER.replace("OPENED", &(opened + "0"))).unwrap();
    let (search, rpath) = (format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display()));
    let linked: Vec<String> = linked.iter().map(|name| format!("-l:{name}")).collect();
    let mut words = vec![source.to_str().unwrap(), "-o", path.to_str().unwrap(), &search, &rpath];
    words.extend(["-Wl,--enable-new-dtags", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"]);
    words.extend(linked.iter().map(String::as_str));
    words.push("-ldl");
    cc(&words);
    fs::remove_file(source).unwrap();
}

/// A project with a kind `own`, whose worker is linked with the stand-in for processors.
fn project(backend: &str, stage: &str) -> Project {
    let project = project_on(backend);
    let card = r#"{"kind": "own", "version": 1, "summary": "Ours", "worker": {"program": "own-worker"},
        "outputs": [{"name": "x", "type": "file", "summary": "it"}], "params": {"type": "object", "properties": {"n": {"type": "integer", "default": 0}}}}"#;
    project.write("kinds/own.json", card);
    project.write("p.yaml", &format!("pipeline: p\nstages:\n  mine: {{uses: own, {stage}}}\n"));
    let lib = libtorch(&project.beside("libtorch"), LIBTORCH);
    worker(&project.beside("bin/own-worker"), &lib, &["libtorch_cpu.so"], &[]);
    project
}

/// Builds the same worker with the stand-in for GPUs.
fn build_for_gpus(project: &Project) -> PathBuf {
    let lib = libtorch(&project.beside("libtorch-cuda"), CUDA);
    let opened = ["libtorch_cuda_linalg.so", "libcudnn_ops.so.9", "libnvrtc-builtins.so.13.0"];
    worker(&project.beside("bin/own-worker-cuda"), &lib, &["libtorch_cpu.so", "libtorch_cuda.so"], &opened);
    lib
}

/// `bundle.json` of the newest intent.
fn bundle(project: &Project) -> Value {
    let state = crate::loopback::state(project);
    let at = |family: &str, digest: &str| state.join(family).join(&digest[..2]).join(digest);
    let intents = documents(project, "intent");
    let digest = intents.last().unwrap()["bundle"]["digest"].as_str().unwrap().to_owned();
    let tree = fs::read_to_string(at("trees", &digest)).unwrap();
    let manifest = tree.split('\0').find(|line| line.ends_with(" bundle.json")).unwrap();
    serde_json::from_slice(&fs::read(at("blobs", manifest.split(' ').nth(1).unwrap())).unwrap()).unwrap()
}

fn names(of: &Value) -> Vec<String> {
    of.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_gpu_is_refused_to_a_worker_for_processors_before_anything_is_launched() {
    let project = project(LOOPBACK, "backend: gpu, resources: {gpus: 1}");
    let says = |ran: &Ran| {
        for words in ["linked with the libtorch for CPUs", "scripts/libtorch.sh --cuda", "`own-worker-cuda`"] {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
    };
    let checked = project.pipe(&["check", "p.yaml"]);
    assert_eq!(checked.status, 2, "{}", checked.stderr);
    says(&checked);
    assert!(
        checked.stderr.contains("p.yaml:3") && checked.stderr.contains("`mine` runs on `gpu`"),
        "{}",
        checked.stderr
    );
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    says(&ran);
    assert!(objects(&project).is_empty(), "something was launched, or is about to be");

    // Here it is the user's own business: the worker says what it finds.
    let settings = project.read("pipe.yaml").replace(LOOPBACK, "local");
    project.write("pipe.yaml", &settings);
    assert_eq!(project.pipe(&["check", "p.yaml"]).status, 0);
}

#[test]
fn what_libtorch_for_gpus_links_and_opens_by_name_goes_along_to_stages_that_want_one() {
    let project = project(LOOPBACK, "backend: gpu, resources: {gpus: 1}");
    let lib = build_for_gpus(&project);
    let checked = project.pipe(&["check", "p.yaml"]);
    assert_eq!(checked.status, 0, "{}", checked.stderr);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let packed = bundle(&project);
    let mut wanted: Vec<&str> = CUDA.iter().map(|(name, _)| *name).filter(|name| *name != "libunrelated.so").collect();
    wanted.sort_unstable();
    assert_eq!(names(&packed["libraries"]), wanted);
    assert_eq!(names(&packed["programs"]), ["own-worker", "pipe"]);
    assert_eq!(packed["libraries"]["libcudnn_ops.so.9"]["version"], "2.13.0");
    let system = packed["system"].as_array().unwrap();
    assert!(system.contains(&"libcuda.so.1".into()), "it comes with the driver: {system:?}");

    // On the instance all of them were those of the bundle.
    let loaded = project.read("out/p/mine/x");
    for name in
        ["libtorch_cpu.so", "libtorch_cuda.so", "libtorch_cuda_linalg.so", "libcusolver.so.12", "libcudnn_ops.so.9"]
    {
        let path = loaded
            .lines()
            .find(|line| line.ends_with(&format!("/{name}")))
            .unwrap_or_else(|| panic!("{name}: {loaded}"));
        assert!(!path.starts_with(lib.to_str().unwrap()) && path.contains("/lib/"), "{path}");
    }

    // A stage that wants none takes the other worker, and no library of CUDA.
    project.write("p.yaml", &project.read("p.yaml").replace("resources: {gpus: 1}", "with: {n: 1}"));
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let loaded = project.read("out/p/mine/x");
    assert!(loaded.contains("/libtorch_cpu.so") && !loaded.contains("/libtorch_cuda"), "{loaded}");
}

#[test]
fn the_worker_for_gpus_is_started_on_this_machine_too() {
    let project = project("local", "backend: gpu, resources: {gpus: 1}");
    let lib = build_for_gpus(&project);
    let run = |words: &[&str]| Ran::from(project.command(words).env("CUDA_VISIBLE_DEVICES", "0").output().unwrap());
    let ran = run(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(project.read("out/p/mine/x").contains(&format!("{}/libtorch_cuda.so", lib.display())));
    // The worker is no part of the key.
    project.write("p.yaml", &project.read("p.yaml").replace(", resources: {gpus: 1}", ""));
    let ran = run(&["run", "p.yaml", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["stages"]["mine"]["outcome"], "hit", "{report}");
}

/// A place whose machines have a GPU, served by the program of two pages.
const SPOT: &str =
    "{ec2-spot: {region: us-east-1, instances: [g4dn.xlarge], max_price: 0.2, state: 'files://STATE', lease: 60s}}";

#[test]
fn machines_that_have_a_gpu_get_the_worker_for_gpus_or_a_warning() {
    let project = project(SPOT, "backend: gpu");
    // Beside an engine of its own, as the program for AWS may lie beside the one under test.
    let engine = project.beside("bin/pipe");
    fs::copy(project.command(&[]).get_program(), &engine).unwrap();
    std::os::unix::fs::symlink(project.beside("bin/pipe-files"), project.beside("bin/pipe-aws")).unwrap();
    let run = || {
        let mut command = Command::new(&engine);
        for (name, value) in project.command(&[]).get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        Ran::from(command.args(["run", "p.yaml"]).current_dir(project.root()).output().unwrap())
    };
    let ran = run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for words in
        ["the machines of `gpu` have a GPU", "`own-worker` computes on CPUs alone", "scripts/libtorch.sh --cuda"]
    {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(there(&project).join("state").is_dir());
    assert!(!names(&bundle(&project)["libraries"]).contains(&"libtorch_cuda.so".to_owned()));
    build_for_gpus(&project);
    project.write("p.yaml", &project.read("p.yaml").replace("backend: gpu", "backend: gpu, with: {n: 1}"));
    let ran = run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("CPUs alone"), "{}", ran.stderr);
    assert!(project.read("out/p/mine/x").contains("/libtorch_cuda.so"));
}
