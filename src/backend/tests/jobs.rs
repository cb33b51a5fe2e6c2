//! Jobs within a launch: a real `make` with our jobserver.

use super::rig::Rig;
use crate::backend::{Launch, Outcome, Protocol};

/// Every job notes its start and its end; five of them, each waiting for its own gate.
const MAKEFILE: &str =
    "all: 1 2 3 4 5\n\t@:\n\n%:\n\techo + $@ >> notes; echo $@ > up; read line < gate; echo - $@ >> notes\n";

/// The most jobs that ran at once, by the notes.
fn most(notes: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for line in notes.lines() {
        if line.starts_with('+') {
            now += 1
        } else {
            now -= 1
        }
        most = most.max(now);
    }
    most
}

fn make(jobs: u32, options: &str) -> (String, String) {
    let rig = Rig::new();
    std::fs::write(rig.path("Makefile"), MAKEFILE).unwrap();
    rig.fifo("up");
    rig.fifo("gate");
    // Jobs that are up are let through, one after the other, once as many are up as there are tokens.
    let script = format!(
        "make -s {options} & n=0; exec 3<>up 4<>gate; while [ $n -lt 5 ]; do read job <&3; n=$((n+1)); \
         if [ $n -ge {jobs} ]; then echo go >&4; fi; done; i=1; while [ $i -lt {jobs} ]; do echo go >&4; i=$((i+1)); done; wait"
    );
    let launch = Launch { jobs, ..rig.script(Protocol::Plain, &script) };
    let ran = rig.run(launch);
    assert!(matches!(ran.outcome, Outcome::Finished(_)), "{ran:?}");
    (std::fs::read_to_string(rig.path("notes")).unwrap(), ran.log)
}

#[test]
fn make_runs_as_many_jobs_as_the_launch_may_and_no_more() {
    for jobs in [1, 3] {
        let (notes, log) = make(jobs, "");
        assert_eq!(most(&notes), jobs as usize, "{notes}");
        assert!(!log.contains("warning"), "{log}");
    }
}
