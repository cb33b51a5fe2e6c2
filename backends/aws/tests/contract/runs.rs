//! `pipe run` on the test cloud, end to end: the engine, this program, the scripts that boot a machine, and the real `pipe worker` on it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::servers::Server;

const GROUP: &str = "sg-0c3016e7d01243e5b";
const KEY: &str = "sys-scan-agent_instance";

/// As the mission has them, with a short lease: a killed machine is noticed by that.
const BACKENDS: &str = r#"
  spot:
    ec2-spot:
      {region: us-east-1, instances: [g4dn.xlarge, g5.xlarge], max_price: 0.20, key_name: sys-scan-agent_instance,
       security_groups: [sg-0c3016e7d01243e5b], fallback: none, budget: 5.00, max_lifetime: 8h, user_data: setup.sh, lease: 15s}
  sm:
    sagemaker:
      {instance: ml.g5.4xlarge, count: 1, role: "arn:aws:iam::123456789012:role/pipe", managed_spot: true, max_runtime: 10h,
       max_wait: 12h, volume: 150GiB, lease: 15s,
       image: "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker"}
"#;

/// A project whose backend `gpu` is one of them.
pub(crate) struct Project {
    pub(crate) server: Server,
    pipe: PathBuf,
    directory: tempfile::TempDir,
}

impl Project {
    /// With this pipeline, in which `DIR` is a directory that commands and the test share.
    pub(crate) fn new(backend: &str, pipeline: &str) -> Option<Project> {
        let pipe = Path::new(env!("CARGO_BIN_EXE_pipe-aws")).with_file_name("pipe");
        if !pipe.exists() {
            return skipped("pipe");
        }
        let server = Server::test_cloud()?;
        server.control("seed", &json!({"groups": [GROUP], "keys": [KEY], "profiles": ["pipe-worker"]}));
        let project = Project { server, pipe, directory: tempfile::tempdir().unwrap() };
        let settings = format!(
            "cards: [kinds]\nremote: {{url: 's3://bucket/runs'}}\nbackends:\n  gpu: {backend}\n{}",
            BACKENDS.trim_start_matches('\n')
        );
        project.write("pipe.yaml", &settings);
        project.write("setup.sh", &format!("#!/bin/sh\necho set up >> {}\n", project.shared("setup").display()));
        for (name, text) in [
            ("count.py", include_str!("../../../../tests/fixtures/kinds/count.py")),
            ("count.json", include_str!("../../../../tests/fixtures/kinds/count.json")),
        ] {
            project.write(&format!("kinds/{name}"), text);
        }
        for script in ["setup.sh", "kinds/count.py"] {
            std::fs::set_permissions(project.path(script), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::create_dir(project.directory.path().join("shared")).unwrap();
        project.write("p.yaml", &pipeline.replace("DIR", &project.shared("").display().to_string()));
        Some(project)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("project").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Where the commands and the test meet.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.directory.path().join("shared").join(name)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.pipe);
        command
            .args(words)
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(self.server.place.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// A program that is built beside this one.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.pipe.with_file_name(name)
    }

    /// What a machine of EC2 wrote so far.
    pub(crate) fn console(&self, id: &str) -> String {
        std::fs::read_to_string(self.server.disks().join("vm").join(id).join("console.log")).unwrap_or_default()
    }

    pub(crate) fn start(&self) -> Child {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, words: &[&str]) -> Child {
        self.command(&[&["run", "p.yaml", "--json"], words].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A run that must end with this exit code: its report.
    pub(crate) fn run(&self, words: &[&str], status: i32) -> Value {
        report(&self.command(&[&["run", "p.yaml", "--json"], words].concat()).output().unwrap(), status)
    }

    pub(crate) fn ledger(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.shared("ledger")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn noted(&self, line: &str) -> usize {
        self.ledger().iter().filter(|noted| *noted == line).count()
    }

    pub(crate) fn open_gate(&self) {
        std::fs::write(self.shared("gate"), "").unwrap();
    }

    /// An instance that has its objects elsewhere, and a job that `pipe` did not launch.
    pub(crate) fn launch_of_others(&self) {
        let instance = "Action=RunInstances&ImageId=ami-12345678&MinCount=1&MaxCount=1&InstanceType=g4dn.xlarge\
                        &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=pipe:workspace\
                        &TagSpecification.1.Tag.1.Value=another&TagSpecification.1.Tag.2.Key=pipe:lifetime\
                        &TagSpecification.1.Tag.2.Value=0";
        self.server.ask("ec2", instance);
        self.server.job_of_others("pipe-of-somebody-else");
        assert_eq!(self.living().len(), 2);
    }

    /// Everything that was ever launched, by id.
    pub(crate) fn launched(&self) -> Vec<String> {
        let state = self.server.state();
        ["vms", "jobs"].iter().flat_map(|kind| state[kind].as_object().unwrap().keys().cloned()).collect()
    }

    /// What has not ended.
    pub(crate) fn living(&self) -> Vec<String> {
        let state = self.server.state();
        let vms = state["vms"].as_object().unwrap().iter().filter(|(_, vm)| vm["state"] != "terminated");
        let over = |job: &Value| ["Completed", "Failed", "Stopped"].iter().any(|status| job["status"] == *status);
        let jobs = state["jobs"].as_object().unwrap().iter().filter(|(_, job)| !over(job));
        vms.chain(jobs).map(|(id, _)| id.clone()).collect()
    }

    /// What only this machine says: that nothing is left, once what ends has ended.
    pub(crate) fn all_ends(&self) {
        eventually("everything that was launched ends", || self.living().is_empty());
        let vms = self.server.state()["vms"].clone();
        for (id, vm) in vms.as_object().unwrap() {
            let pid = vm["pid"].as_u64().unwrap_or_default();
            eventually("no process is left", || !Path::new(&format!("/proc/{pid}")).exists() || vm["alive"] == false);
            assert_eq!(vm["state"], "terminated", "{id}");
        }
    }
}

/// Says that a test is skipped as a program is not there.
pub(crate) fn skipped<T>(program: &str) -> Option<T> {
    // Not eprintln, which the test runner keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {program} is not built beside pipe-aws (./check builds all)");
    None
}

/// Waits for what another process brings about; a guard against hanging, not a timing.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(180), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn report(output: &Output, status: i32) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

pub(crate) const COUNTS: &str = "pipeline: c\nstages:\n  count: {uses: count, with: {steps: 4, pause: 2, ledger: DIRledger, gate: DIRgate}, \
                      backend: gpu}\n";

/// The steps of a count in which none is repeated.
pub(crate) const STEPS: [&str; 5] = ["step 1", "step 2", "waits", "step 3", "step 4"];

const TWO: &str = "pipeline: p\nstages:\n  a: {uses: command, run: \"echo in; cat ${in.i} > ${out.x}\", in: {i: {path: input}}, \
                   out: {x: out/x}, backend: gpu}\n  s: {uses: produce, with: {seed: 1, hosts: 2}, backend: gpu}\n";

const FAILS: &str =
    "pipeline: p\nstages:\n  a: {uses: command, run: \"echo why >&2; exit 3\", out: {x: out/x}, backend: gpu}\n";

fn succeeds_as_here(backend: &str) {
    let Some(project) = Project::new(backend, TWO) else { return };
    project.write("input", "read\n");
    let there = project.run(&[], 0);
    assert_eq!(std::fs::read_to_string(project.path("out/x")).unwrap(), "read\n");
    for stage in ["a", "s"] {
        assert_eq!(there["stages"][stage]["outcome"], "ran", "{there}");
        let attempt = &there["stages"][stage]["attempts"][0];
        assert!(attempt["cost"].as_f64().is_some_and(|cost| cost > 0.0) && attempt["ended"].is_u64(), "{attempt}");
    }
    assert_eq!(project.launched().len(), 2);
    project.all_ends();
    // The same bytes as this machine makes.
    let digests = |report: &Value| report["stages"]["s"]["outputs"].clone();
    let here = project.run(&["--backend", "local", "--refresh", "a", "--refresh", "s"], 0);
    assert!(digests(&here).is_object() && digests(&here) == digests(&there), "{here} {there}");
    assert_eq!(project.launched().len(), 2);
    let set_up = std::fs::read_to_string(project.shared("setup")).unwrap_or_default();
    assert_eq!(set_up.lines().count(), if backend == "spot" { 2 } else { 0 });
}

fn fails_as_here(backend: &str) {
    let Some(project) = Project::new(backend, FAILS) else { return };
    let words = |report: &Value| report["stages"]["a"]["failure"].clone();
    let there = project.run(&[], 1);
    let log = project.command(&["logs", "a"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&log.stdout), "why\n");
    let here = project.run(&["--backend", "local"], 1);
    assert!(words(&here).is_object() && words(&here) == words(&there), "{here} {there}");
    assert_eq!(project.launched().len(), 1);
    project.all_ends();
}

/// A machine that is taken away in the middle, in this way.
fn goes_on(backend: &str, taken: impl Fn(&Project, &str)) -> Option<Project> {
    let project = Project::new(backend, COUNTS)?;
    let client = project.start();
    eventually("the stage waits", || project.noted("waits") == 1);
    taken(&project, &project.living()[0]);
    let report = report(&client.wait_with_output().unwrap(), 0);
    assert_eq!(report["stages"]["count"]["outcome"], "ran");
    // A process of this machine that counts without being disturbed.
    assert_eq!(std::fs::read_to_string(project.path("out/c/count/total")).unwrap(), "465655\n");
    assert_eq!(project.ledger(), STEPS);
    assert_eq!(project.launched().len(), 2);
    let attempts = report["stages"]["count"]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{report}");
    assert!(attempts.iter().all(|attempt| attempt["cost"].as_f64().is_some_and(|cost| cost > 0.0)), "{report}");
    project.all_ends();
    Some(project)
}

#[test]
fn a_stage_on_spot_gives_what_it_gives_here() {
    succeeds_as_here("spot");
}

#[test]
fn a_job_gives_what_a_stage_gives_here() {
    succeeds_as_here("sm");
}

#[test]
fn a_failure_on_spot_has_the_words_that_it_has_here() {
    fails_as_here("spot");
}

#[test]
fn a_failure_of_a_job_has_the_words_that_it_has_here() {
    fails_as_here("sm");
}

#[test]
fn an_instance_that_is_killed_is_replaced() {
    goes_on("spot", |project, id| project.server.control("kill", &json!({"id": id})));
}

#[test]
fn an_instance_that_has_notice_repeats_no_step() {
    goes_on("spot", |project, id| project.server.control("interrupt", &json!({"id": id})));
}

#[test]
fn a_job_whose_machine_is_taken_repeats_no_step() {
    goes_on("sm", |project, id| project.server.control("sm_interrupt", &json!({"job": id})));
}

#[test]
fn the_next_client_follows_what_a_killed_one_launched() {
    for backend in ["spot", "sm"] {
        let Some(project) = Project::new(backend, COUNTS) else { return };
        let mut client = project.start();
        eventually("the stage waits", || project.noted("waits") == 1);
        client.kill().unwrap();
        client.wait().unwrap();
        let second = project.start();
        project.open_gate();
        report(&second.wait_with_output().unwrap(), 0);
        assert_eq!(project.launched().len(), 1, "{backend}");
        assert_eq!(project.ledger(), STEPS);
        project.all_ends();
    }
}

#[test]
fn a_reap_leaves_nothing_of_ours_and_everything_of_others() {
    let Some(project) = Project::new("spot", COUNTS) else { return };
    project.launch_of_others();
    let others = project.living();
    let mut client = project.start();
    eventually("the stage waits", || project.noted("waits") == 1);
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(project.living().len(), others.len() + 1);
    let listed = project.command(&["backend", "ps", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(listed.as_array().unwrap().iter().any(|stage| stage["standing"] == "running"), "{listed}");
    let reaped = project.command(&["backend", "reap"]).output().unwrap();
    assert!(reaped.status.success(), "{}", String::from_utf8_lossy(&reaped.stderr));
    eventually("only the other's is left", || project.living() == others);
}

#[test]
fn a_place_without_room_is_asked_until_it_has_and_launches_once() {
    let Some(project) = Project::new("spot", COUNTS) else { return };
    project.open_gate();
    // One answer for each of the pools; the next requests find room.
    let none = json!({"op": "CreateFleet", "code": "InsufficientInstanceCapacity", "message": "none", "times": 9});
    project.server.faults(json!([none]));
    let client = project.start();
    eventually("it was refused", || fleets(&project) > 0);
    // Prices, and with them the pools of the next request, change meanwhile.
    project.server.control("price", &json!({"type": "g5.xlarge", "az": null, "price": 0.15}));
    report(&client.wait_with_output().unwrap(), 0);
    assert!(fleets(&project) > 1);
    assert_eq!(project.launched().len(), 1);
    assert_eq!(project.ledger(), STEPS);
    project.all_ends();
}

/// Requests for a fleet so far.
fn fleets(project: &Project) -> usize {
    let state = project.server.state();
    state["requests"].as_array().unwrap().iter().filter(|request| request[0] == "CreateFleet").count()
}

#[test]
fn the_next_attempt_lives_as_long_as_the_rest_of_the_budget_pays_for() {
    let Some(project) = Project::new("spot", COUNTS) else { return };
    // Ten minutes at max_price, of which the first attempt takes one at least.
    let settings = std::fs::read_to_string(project.path("pipe.yaml")).unwrap();
    project.write("pipe.yaml", &settings.replace("budget: 5.00", "budget: 0.0334"));
    let client = project.start();
    eventually("the stage waits", || project.noted("waits") == 1);
    let first = project.living().remove(0);
    project.server.control("kill", &json!({"id": first}));
    report(&client.wait_with_output().unwrap(), 0);
    let state = project.server.state();
    let minutes = |id: &str| -> u32 {
        let script = Path::new(state["vms"][id]["dir"].as_str().unwrap()).join("user-data");
        let text = std::fs::read_to_string(script).unwrap();
        text.split_once("shutdown -h +").unwrap().1.lines().next().unwrap().parse().unwrap()
    };
    let second = project.launched().into_iter().find(|id| *id != first).unwrap();
    assert_eq!(minutes(&first), 11);
    assert!((5..11).contains(&minutes(&second)), "{}", minutes(&second));
}

#[test]
fn a_run_is_bounded_before_it_costs_anything_and_told_afterwards() {
    let pipeline = "pipeline: p\nparams: {w: a}\nstages:\n  \
                    a: {uses: command, run: \"echo ${params.w} > ${out.x}\", out: {x: out/x}, backend: gpu}\n";
    let Some(project) = Project::new("spot", pipeline) else { return };
    let cost = |words: &[&str]| {
        let output = project.command(&[&["plan", "p.yaml", "--cost", "--json"], words].concat()).output().unwrap();
        report(&output, 0)["cost"].clone()
    };
    let near = |value: &Value, dollars: f64| value.as_f64().is_some_and(|value| (value - dollars).abs() < 1e-9);
    let before = cost(&[]);
    // 8 hours at 0.20, which the budget of 5.00 pays for.
    assert!(near(&before["most"], 1.6) && near(&before["limit"], 1.6), "{before}");
    assert_eq!(before["stages"]["a"]["why"], "no_run_yet");
    assert_eq!(before["stages"]["a"]["prices"]["least"], 0.158);
    // 10 hours of a ml.g5.4xlarge.
    assert!(near(&cost(&["--backend", "gpu=sm"])["most"], 20.3));

    let refused = project.command(&["run", "p.yaml", "--max-cost", "1.50"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("the run may cost $1.60 beyond this machine, and --max-cost is $1.50"), "{said}");
    assert!(project.launched().is_empty());

    project.run(&["--max-cost", "1.60"], 0);
    assert_eq!(project.launched().len(), 1);
    let output = project.command(&["runs", "--cost", "--json"]).output().unwrap();
    let after = report(&output, 0);
    let attempt = &after["runs"][0]["stages"]["a"][0];
    assert_eq!((&attempt["price"], &after["together"]["attempts"]), (&json!(0.158), &json!(1)), "{after}");
    assert!(attempt["cost"].as_f64().is_some_and(|cost| cost > 0.0) && after["together"]["dollars"] == attempt["cost"]);
    // What is up to date asks nobody: without credentials, too.
    let idle = project.command(&["plan", "p.yaml", "--cost"]).env_remove("AWS_ACCESS_KEY_ID").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&idle.stdout), "1 stage costs nothing: nothing is to be done\n");
    let again = cost(&["-S", "w=b"]);
    let a = &again["stages"]["a"];
    let seconds = a["seconds"].as_f64().unwrap().max(60.0);
    assert_eq!(a["why"], "learned");
    assert!(near(&a["least"], 0.158 * seconds / 3600.0), "{a}");
    project.all_ends();
}
