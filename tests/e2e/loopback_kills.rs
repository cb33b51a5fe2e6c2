//! Clients that are killed at random moments: however often, a stage is executed once and has one result.
//!
//! `PIPE_KILLS=200` sets how many are killed, `PIPE_KILL_SEED=7` which moments; both are told when something fails.

use std::path::Path;
use std::process::Child;

use crate::loopback::{LOOPBACK, documents, end, ledger, open_gate, project_on, start, state};
use crate::project::{eventually, signal};

/// Clients that are killed, unless set.
const KILLS: u64 = 20;

/// A number that the environment sets.
pub(crate) fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// The next number of a sequence that looks random.
pub(crate) fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Whether a process has ended that nobody has waited for yet.
pub(crate) fn is_over(child: &Child) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", child.id()))
        .is_ok_and(|stat| stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// The files below a directory; moments are told by their number, as each step of a client and of an instance leaves some.
fn files(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[test]
fn a_stage_is_executed_once_however_often_its_client_is_killed() {
    let (kills, mut seed) = (variable("PIPE_KILLS", KILLS), variable("PIPE_KILL_SEED", 1));
    let project = project_on(LOOPBACK);
    open_gate(&project);
    let all = || files(&state(&project)) + files(&project.path("cache"));
    let mut killed = 0;
    for round in 0.. {
        let (ledger_file, gate) = (project.beside("ledger"), project.beside("gate"));
        let _ = std::fs::remove_file(&ledger_file);
        // Each round is another action.
        let with = format!("steps: {}, ledger: {}, gate: {}", 4 + round, ledger_file.display(), gate.display());
        project.write(
            "p.yaml",
            &format!("pipeline: c\nstages:\n  count: {{uses: count, with: {{{with}}}, backend: gpu}}\n"),
        );
        let former = (documents(&project, "result.json").len(), documents(&project, "intent").len());
        // Several clients in a row are killed before one is let through.
        for _ in 0..=draw(&mut seed) % 3 {
            let moment = all() + draw(&mut seed) % 24;
            let mut client = start(&project, &[]);
            eventually("the moment comes, or the client ends", || is_over(&client) || all() > moment);
            signal(&client, "-KILL");
            client.wait().unwrap();
            killed += 1;
        }
        let told = format!("round {round} of PIPE_KILLS={kills} PIPE_KILL_SEED={}", variable("PIPE_KILL_SEED", 1));
        end(start(&project, &[]), 0);
        let steps: Vec<String> = (1..=4 + round).map(|step| format!("step {step}")).collect();
        assert_eq!(ledger(&project), steps, "{told}");
        assert_eq!(documents(&project, "result.json").len(), former.0 + 1, "{told}");
        assert_eq!(documents(&project, "intent").len(), former.1 + 1, "{told}");
        if killed >= kills {
            break;
        }
    }
    let reaped = project.pipe(&["backend", "reap"]);
    assert_eq!(reaped.status, 0, "{}", reaped.stderr);
    assert!(crate::loopback::objects(&project).is_empty());
    let left = || std::fs::read_dir(project.path(".pipe-loopback/.instances")).unwrap().count();
    eventually("nothing of an instance is left", || {
        project.pipe(&["backend", "reap"]);
        left() == 0
    });
}
