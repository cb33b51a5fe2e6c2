//! How launches end before their time, and that nothing of them is left.

use std::io::Write;
use std::process::{Command, Stdio};

use std::time::Duration;

use contract::{Event, FailureClass, Level};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use super::rig::{Lines, Rig, block_on, script_in, supervise, this_test};
use crate::backend::guardian::guard;
use crate::backend::{Cancel, Control, Guardian, Launch, Local, Outcome, Protocol};

/// Says that it is up, on an event; then waits for ever, in a way that a trapped signal ends.
const READY_AND_WAIT: &str = r#"cat block & say '{"log":{"level":"info","message":"ready"}}'; wait"#;

/// Three descendants that hold the FIFO `held` and wait for ever: in the group, in a session of its own, and one whose
/// parents are gone.
const FAMILY: &str = "
    hold() { exec 8>held; echo up >&8; exec cat block; }
    (hold) &
    setsid sh -c 'exec 8>held; echo up >&8; exec cat block' &
    (setsid sh -c '(exec 8>held; trap \"\" TERM HUP; echo up >&8; exec cat block) & exit' &)
";

fn cancel_when_ready(rig: &Rig, script: &str, cancel: Cancel) -> super::rig::Ran {
    rig.fifo("block");
    let script = format!("{script}\n{READY_AND_WAIT}");
    rig.run_with(rig.script(Protocol::Worker, &script), |event, sender| {
        if matches!(event, Event::Log { level: Level::Info, .. }) {
            sender.send_modify(|control| control.cancel = cancel);
        }
    })
}

#[test]
fn stop_lets_a_stage_take_its_checkpoint() {
    let rig = Rig::new();
    let script = r#"trap 'echo saved; say "{\"checkpoint\":{\"path\":\"/c/1\",\"step\":7}}"; exit 75' TERM"#;
    let ran = cancel_when_ready(&rig, script, Cancel::Stop);
    assert!(matches!(ran.outcome, Outcome::Interrupted(_)), "{ran:?}");
    assert_eq!(ran.events.last(), Some(&Event::Checkpoint { path: "/c/1".into(), step: 7 }));
    assert_eq!(ran.log, "ready\nsaved\n");
}

#[test]
fn a_stage_that_ignores_the_signal_is_killed_after_the_grace() {
    let rig = Rig::new();
    let ran = cancel_when_ready(&rig, "trap '' TERM", Cancel::Stop);
    assert!(matches!(ran.outcome, Outcome::Interrupted(_)), "{ran:?}");
    assert!(ran.log.ends_with("warning: did not leave within 50ms of SIGTERM and was killed\n"), "{}", ran.log);
}

#[test]
fn kill_gives_no_grace() {
    let rig = Rig::new();
    let ran = cancel_when_ready(&rig, "trap 'echo saved; exit 75' TERM", Cancel::Kill);
    assert!(matches!(ran.outcome, Outcome::Interrupted(_)), "{ran:?}");
    assert_eq!(ran.log, "ready\n");
}

#[test]
fn what_was_cancelled_before_its_start_does_not_start() {
    let rig = Rig::new();
    let (sender, _receiver) = unbounded_channel();
    let (_cancel, cancelled) = watch::channel(Control { cancel: Cancel::Stop, ..Control::default() });
    let launch = rig.script(Protocol::Plain, "echo started > trace");
    let outcome = block_on(rig.local.run(launch, sender, cancelled)).unwrap();
    assert_eq!(outcome, Outcome::Interrupted(Default::default()));
    assert!(!rig.path("trace").exists());
}

#[test]
fn what_a_stage_leaves_running_ends_with_it() {
    let rig = Rig::new();
    rig.fifo("block");
    let up = rig.fifo("up");
    let held = Lines::of(rig.fifo("held"));
    // The stage waits until all three are up, then ends.
    let script = FAMILY.replace("echo up >&8", "echo up >&8; echo up >up");
    let script = format!("{script}\nexec 9<>up; read _ <&9; read _ <&9; read _ <&9; exit 0");
    let ran = rig.plain(&script);
    assert!(matches!(ran.outcome, Outcome::Finished(_)), "{ran:?}");
    assert!(up.exists());
    for _ in 0..3 {
        assert_eq!(held.next().as_deref(), Some("up"));
    }
    assert_eq!(held.next(), None, "somebody still lives");
}

#[test]
fn a_daemon_that_sheds_its_mark_and_keeps_the_pipes_open_does_not_hold_the_stage_up() {
    let rig = Rig::new();
    rig.fifo("block");
    rig.fifo("up");
    let script = r#"
        env -u PIPE_STAGE_ID -u PIPE_RUN_ID setsid sh -c 'echo $$ >pid; echo up >up; exec cat block' &
        read _ <up; say '{"finished":{}}'; echo done"#;
    let ran = rig.worker(script);
    assert!(matches!(ran.outcome, Outcome::Finished(_)), "{ran:?}");
    assert_eq!(ran.log, "done\n");
    let pid: i32 = std::fs::read_to_string(rig.path("pid")).unwrap().trim().parse().unwrap();
    // It is still there: who takes care to shed the mark is not found. It is killed here so that the test leaves nothing.
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn orphans_of_a_running_stage_do_not_pile_up_as_zombies() {
    let rig = Rig::new();
    // Two hundred orphans, then one more with every event.
    let script = r#"
        i=0; while [ $i -lt 200 ]; do (true &); i=$((i+1)); done
        while :; do (true &); say '{"log":{"level":"info","message":"one more"}}'; done"#;
    let (mut children, mut events) = (usize::MAX, 0);
    rig.run_with(rig.script(Protocol::Plain, script), |_, sender| {
        events += 1;
        children = children.min(crate::backend::census::own_children().len());
        if children < 100 || events == 1000 {
            sender.send_modify(|control| control.cancel = Cancel::Kill);
        }
    });
    assert!(children < 100, "{children} children");
}

#[test]
fn dropping_the_run_kills_the_launch() {
    let rig = Rig::new();
    rig.fifo("block");
    let held = Lines::of(rig.fifo("held"));
    let launch = rig.script(Protocol::Plain, &format!("{FAMILY}\ncat block"));
    let held = block_on(async {
        let ups = tokio::task::spawn_blocking(move || {
            (0..3).for_each(|_| assert_eq!(held.next().as_deref(), Some("up")));
            held
        });
        tokio::select! {
            _ = supervise(&rig.local, launch, |_, _| {}) => panic!("the stage ended by itself"),
            held = ups => held.unwrap(),
        }
    });
    // The members of the group are gone now; the strays end with the guardian.
    drop(rig);
    assert_eq!(held.next(), None, "somebody still lives");
}

#[test]
fn kill_9_of_the_engine_ends_every_descendant() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::new();
    rig.fifo("block");
    let held = Lines::of(rig.fifo("held"));
    let argv = this_test("ends::engine_process");
    let mut engine = Command::new(&argv[0])
        .args(&argv[1..])
        .env("ENGINE_DIRECTORY", rig.path(""))
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(held.next().as_deref(), Some("up"));
    }
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert_eq!(held.next(), None, "somebody still lives");
}

#[test]
#[ignore = "not a test: the engine that kill_9_of_the_engine_ends_every_descendant kills"]
fn engine_process() {
    let Some(directory) = std::env::var_os("ENGINE_DIRECTORY") else { return };
    let launch = script_in(directory.as_ref(), Protocol::Plain, &format!("{FAMILY}\ncat block"));
    let guardian = Guardian::start(&this_test("rig::guardian_process"), &launch.trace.run).unwrap();
    let local = Local::new(guardian, None);
    let (outcome, _) = block_on(supervise(&local, launch, |_, _| {}));
    panic!("should have been killed: {outcome:?}");
}

#[test]
fn the_guardian_kills_what_was_not_released_and_nothing_else() {
    use std::os::unix::process::CommandExt;
    let start = || {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap()
    };
    let (mut watched, mut released) = (start(), start());
    let orders = format!("+{}\n+{}\nnonsense\n+x\n-{1}\n", watched.id(), released.id());
    guard(orders.as_bytes());
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(watched.wait().unwrap().signal(), Some(9));
    // Still alive: it echoes, and ends when its input does.
    released.stdin.take().unwrap().write_all(b"here").unwrap();
    let output = released.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"here".as_slice()));
}

#[test]
fn a_time_out_is_a_failure_that_says_so_and_leaves_a_checkpoint() {
    let rig = Rig::new();
    rig.fifo("block");
    let script = "trap 'echo saved; exit 75' TERM; cat block & wait";
    let launch = Launch { timeout: Some(Duration::from_millis(30)), ..rig.script(Protocol::Worker, script) };
    let ran = rig.run(launch);
    let Outcome::Failed(failure) = &ran.outcome else { panic!("{ran:?}") };
    assert_eq!(failure.message, "did not end within its time-out of 30ms");
    assert_eq!(failure.class, FailureClass::Resources);
    assert!(ran.log.ends_with("asked to leave\nsaved\n"), "{}", ran.log);
}

#[test]
fn what_is_done_in_spite_of_its_time_out_counts() {
    let rig = Rig::new();
    rig.fifo("block");
    let script = "trap 'exit 0' TERM; cat block & wait";
    let launch = Launch { timeout: Some(Duration::from_millis(30)), ..rig.script(Protocol::Plain, script) };
    assert!(matches!(rig.run(launch).outcome, Outcome::Finished(_)));
}

/// Pauses when it is ready, and lets it go on when the kernel says that it stands still.
#[test]
fn a_paused_launch_stands_still_and_its_time_out_with_it() {
    let rig = Rig::new();
    rig.fifo("block");
    let script = r#"echo $$ > pid; say '{"log":{"level":"info","message":"ready"}}'; read line < block; echo went on"#;
    let launch = Launch { timeout: Some(Duration::from_millis(400)), ..rig.script(Protocol::Plain, script) };
    let (pid_file, block) = (rig.path("pid"), rig.path("block"));
    let ran = rig.run_with(launch, move |event, control| {
        if !matches!(event, Event::Log { level: Level::Info, .. }) {
            return;
        }
        control.send_modify(|control| control.paused = true);
        let (control, pid_file, block) = (control.clone(), pid_file.clone(), block.clone());
        std::thread::spawn(move || {
            let pid = wait_for(|| std::fs::read_to_string(&pid_file).ok()?.trim().parse::<u32>().ok());
            wait_for(|| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.contains(" T ").then_some(()));
            // Longer than the time-out: it would be over if it ran on.
            let over = std::time::Instant::now() + Duration::from_millis(500);
            wait_for(|| (std::time::Instant::now() > over).then_some(()));
            control.send_modify(|control| control.paused = false);
            std::fs::write(&block, "go\n").unwrap();
        });
    });
    let Outcome::Finished(usage) = ran.outcome else { panic!("{ran:?}") };
    assert!(ran.log.ends_with("went on\n"), "{}", ran.log);
    assert!(usage.seconds < 0.5, "pauses are not counted: {}", usage.seconds);
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never happened");
        std::thread::yield_now();
    }
}

#[test]
fn a_stopped_launch_that_stands_still_can_leave() {
    let rig = Rig::new();
    let ran = cancel_when_ready_paused(&rig);
    assert!(matches!(ran.outcome, Outcome::Interrupted(_)), "{ran:?}");
    assert_eq!(ran.log, "ready\nsaved\n");
}

fn cancel_when_ready_paused(rig: &Rig) -> super::rig::Ran {
    rig.fifo("block");
    let script = format!("trap 'echo saved; exit 75' TERM\n{READY_AND_WAIT}");
    rig.run_with(rig.script(Protocol::Worker, &script), |event, sender| {
        if matches!(event, Event::Log { level: Level::Info, .. }) {
            sender.send_modify(|control| control.paused = true);
            sender.send_modify(|control| control.cancel = Cancel::Stop);
        }
    })
}

#[test]
fn secrets_reach_neither_the_log_nor_an_event() {
    let rig = Rig::new();
    let script =
        r#"printf 'a s3c'; printf 'ret b\n'; say '{"log":{"level":"warning","message":"token s3cret"}}'; exit 3"#;
    let launch = Launch { secrets: vec!["s3cret".to_owned()], ..rig.script(Protocol::Plain, script) };
    let ran = rig.run(launch);
    assert!(ran.log.contains("a *** b\n") && ran.log.contains("token ***"), "{}", ran.log);
    assert!(!format!("{ran:?}").contains("s3cret"));
}
