//! How a launch went, judged from real ends of real processes.

use contract::FailureClass;

use super::rig::{Ran, Rig};
use crate::backend::{Exit, Failure, Outcome, Protocol};

fn failure(ran: Ran) -> Failure {
    match ran.outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn exit_statuses_and_signals_are_told_apart() {
    let rig = Rig::new();
    let check = |script: &str, class: FailureClass, exit: Exit, message: &str| {
        let failed = failure(rig.plain(script));
        assert_eq!((failed.class, failed.exit, failed.message.as_str()), (class, exit, message));
        assert!(failed.help.is_some());
    };
    use FailureClass::{Resources, StageBug};
    check("exit 3", StageBug, Exit::Status(3), "the command failed: exit status 3");
    check("exit 75", StageBug, Exit::Status(75), "the command failed: exit status 75");
    check("no-such-program-here", StageBug, Exit::Status(127), "the command failed: exit status 127");
    check("kill -KILL $$", Resources, Exit::Signal(9), "the command failed: killed by SIGKILL");
    check(
        "sh -c 'kill -KILL $$'; exit $?",
        Resources,
        Exit::Status(137),
        "the command failed: exit status 137 (SIGKILL)",
    );
    check("kill -SEGV $$", StageBug, Exit::Signal(11), "the command failed: killed by SIGSEGV");
    assert!(matches!(rig.plain("true").outcome, Outcome::Finished(_)));
}

#[test]
fn a_worker_must_say_that_it_finished() {
    let rig = Rig::new();
    assert!(matches!(rig.worker(r#"say '{"finished":{}}'"#).outcome, Outcome::Finished(_)));
    assert!(matches!(rig.worker("exit 75").outcome, Outcome::Interrupted(_)));
    let silent = failure(rig.worker("true"));
    assert_eq!(silent.message, "the worker ended without saying `finished`");
    let liar = failure(rig.worker(r#"say '{"finished":{}}'; exit 4"#));
    assert_eq!(liar.message, "said `finished`, then ended with exit status 4");
    let said =
        r#"say '{"failed":{"class":"invalid_input","message":"no host in a.json","help":"scan again"}}'; exit 1"#;
    let said = failure(rig.worker(said));
    assert_eq!((said.class, said.message.as_str()), (FailureClass::InvalidInput, "no host in a.json"));
    assert_eq!((said.help.as_deref(), said.exit), (Some("scan again"), Exit::Status(1)));
}

#[test]
fn what_cannot_be_started_is_a_failure_that_says_what_to_do() {
    let rig = Rig::new();
    let make = |name: &str, text: &[u8]| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(rig.path(name), text).unwrap();
        std::fs::set_permissions(rig.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    make("orphan", b"#!/no/such/interpreter\n");
    make("noise", &[0x7f, b'E', b'L', b'F', 0, 1, 2, 3]);
    let check = |program: &str, message: &str, help: &str| {
        let mut launch = rig.launch(&[program]);
        launch.protocol = Protocol::Worker;
        let ran = rig.run(launch);
        assert!(ran.log.contains("cannot start"), "the log names it too: {:?}", ran.log);
        let failed = failure(ran);
        assert_eq!((failed.class, failed.exit), (FailureClass::NotBuilt, Exit::NotStarted));
        assert!(failed.message.contains(message), "{}", failed.message);
        assert!(failed.help.unwrap().contains(help));
    };
    check("pipe-nowhere", "cannot start pipe-nowhere: not found on PATH", "build or install it");
    check("./orphan", "the interpreter that its first line names is missing", "install the interpreter");
    check("./noise", "not a program of this machine", "#!/bin/sh");

    let huge = "x".repeat(3 << 20);
    let failed = failure(rig.run(rig.launch(&["echo", &huge])));
    assert_eq!(failed.class, FailureClass::InvalidInput);
    assert!(failed.message.contains("too long"), "{}", failed.message);
}

#[test]
fn a_backend_that_cannot_work_is_an_error() {
    let rig = Rig::new();
    let message = |change: fn(&mut crate::backend::Launch)| {
        let mut launch = rig.launch(&["true"]);
        change(&mut launch);
        let run = super::rig::supervise(&rig.local, launch, |_, _| {});
        super::rig::block_on(run).0.unwrap_err().to_string()
    };
    assert!(message(|launch| launch.log.push("below")).starts_with("cannot create the log "));
    assert!(message(|launch| launch.program.cwd.push("absent")).starts_with("cannot run in "));
}

#[test]
fn usage_counts_the_whole_tree_that_was_waited_for() {
    let rig = Rig::new();
    let burn = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let Outcome::Finished(idle) = rig.plain("true").outcome else { panic!() };
    let Outcome::Finished(busy) = rig.plain(&format!("sh -c '{burn}'; true")).outcome else { panic!() };
    assert!(busy.cpu_seconds > idle.cpu_seconds + 0.005, "{busy:?} against {idle:?}");
    assert!(busy.seconds >= 0.005 && busy.peak_memory > 100_000, "{busy:?}");
    let hungry = "head -c 64M /dev/zero | tail -c 64M | wc -c";
    let Outcome::Finished(hungry) = rig.plain(hungry).outcome else { panic!() };
    assert!(hungry.peak_memory > 60 << 20, "{hungry:?}");
}
