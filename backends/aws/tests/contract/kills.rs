//! Clients that are killed at random moments, with instances and jobs: however often, a stage is executed once, by one machine, and has
//! one result. What belongs to others is left alone.
//!
//! `PIPE_KILLS=100` sets how many are killed at each place, `PIPE_KILL_SEED=7` which moments; both are told when something fails.

use std::path::Path;

use crate::runs::{Project, eventually, report};

/// Clients that are killed at each place, unless set.
const KILLS: u64 = 5;

/// Calls and files of the steps between a client's start and its end.
const MOMENTS: u64 = 64;

const PIPELINE: &str = "pipeline: c\nstages:\n  count: {uses: count, with: {steps: STEPS, ledger: DIRledger, gate: DIRgate}, backend: gpu}\n";

#[test]
fn a_stage_on_spot_is_executed_once_however_often_its_client_is_killed() {
    kill_clients("spot");
}

#[test]
fn a_job_is_launched_once_however_often_its_client_is_killed() {
    kill_clients("sm");
}

fn kill_clients(backend: &str) {
    let (kills, first) = (variable("PIPE_KILLS", KILLS), variable("PIPE_KILL_SEED", 1));
    let Some(project) = Project::new(backend, PIPELINE) else { return };
    // Nobody is taken for dead here.
    let settings = std::fs::read_to_string(project.path("pipe.yaml")).unwrap();
    project.write("pipe.yaml", &settings.replace("lease: 15s", "lease: 60s"));
    let pipeline = std::fs::read_to_string(project.path("p.yaml")).unwrap();
    project.open_gate();
    project.launch_of_others();
    let others = project.living();
    let moment = || project.server.count() + files(&project.path("cache"));
    let (mut killed, mut seed) = (0, first);
    for round in 1.. {
        let _ = std::fs::remove_file(project.shared("ledger"));
        // Each round is another action.
        project.write("p.yaml", &pipeline.replace("STEPS", &(3 + round).to_string()));
        // Several clients in a row are killed before one is let through.
        for _ in 0..=draw(&mut seed) % 4 {
            let last = moment() + draw(&mut seed) % MOMENTS;
            let mut client = project.start();
            eventually("the moment comes, or the client ends", || {
                moment() > last || matches!(client_state(client.id()), None | Some('Z'))
            });
            client.kill().unwrap();
            client.wait().unwrap();
            killed += 1;
        }
        let told = format!("round {round} of PIPE_KILLS={kills} PIPE_KILL_SEED={first}");
        report(&project.start().wait_with_output().unwrap(), 0);
        let steps: Vec<String> = (1..=3 + round).map(|step| format!("step {step}")).collect();
        assert_eq!(project.ledger(), steps, "{told}");
        let of =
            |name: &str| project.server.keys_where(|key| key.contains("/actions/") && key.contains(name)).len() as u64;
        // A lease is one object of an action, so that a second one would be a second attempt with its intent.
        assert_eq!((of("/result.json"), of("/intent/")), (round, round), "{told}");
        assert_eq!(project.launched().len() as u64, round + others.len() as u64, "{told}");
        if killed >= kills {
            break;
        }
    }
    let reaped = project.command(&["backend", "reap"]).output().unwrap();
    assert!(reaped.status.success(), "{}", String::from_utf8_lossy(&reaped.stderr));
    eventually("nothing of ours is left", || project.living() == others);
    assert_eq!(project.server.keys_where(|key| key.contains("/actions/")), Vec::<String>::new());
    let templates = project.server.ask("ec2", "Action=DescribeLaunchTemplates");
    assert!(!templates.contains("<launchTemplateName>"), "{templates}");
}

/// The state of a process, `Z` of one that has ended.
fn client_state(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// The files below a directory: each step of a client leaves some.
fn files(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// The next number of a sequence that looks random.
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
