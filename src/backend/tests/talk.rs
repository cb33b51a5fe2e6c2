//! The traffic between a launch and the backend: environment, descriptors, events, log.

use std::collections::BTreeSet;

use contract::{Event, Level};

use super::rig::{Rig, block_on, supervise};
use crate::backend::{Outcome, Protocol};

#[test]
fn events_come_in_order_and_output_goes_to_the_log() {
    let rig = Rig::new();
    let ran = rig.worker(
        r#"
        echo to stdout; echo to stderr >&2
        say '{"started":{"kind":"x","version":1}}'
        say '{"progress":{"done":1,"total":2,"unit":"hosts"}}'
        say '{"metric":{"name":"loss","step":3,"value":0.5}}'
        say '{"finished":{}}'
        read -r line; echo "stdin gives nothing: $line"
        "#,
    );
    assert!(matches!(ran.outcome, Outcome::Finished(_)));
    assert_eq!(ran.log, "to stdout\nto stderr\nstdin gives nothing: \n");
    assert_eq!(
        ran.events,
        [
            Event::Started { kind: "x".into(), version: 1 },
            Event::Progress { done: 1, total: Some(2), unit: "hosts".into() },
            Event::Metric { name: "loss".into(), step: Some(3), value: 0.5 },
            Event::Finished {},
        ]
    );
}

#[test]
fn malformed_events_are_warnings_in_the_stream_and_in_the_log() {
    let rig = Rig::new();
    let ran = rig.worker(r#"say 'not json'; say '{"log":{"level":"info","message":"kept"}}'; say '{"finished":{}}'"#);
    assert!(matches!(ran.outcome, Outcome::Finished(_)));
    let Event::Log { level: Level::Warning, message } = &ran.events[0] else { panic!("{:?}", ran.events) };
    assert!(message.ends_with(": not json"), "{message}");
    assert_eq!(ran.log, format!("warning: {message}\nkept\n"));
}

#[test]
fn the_environment_is_what_was_given_the_three_variables_of_the_protocol_and_the_jobserver() {
    let rig = Rig::new();
    let mut launch = rig.launch(&["/usr/bin/env"]);
    launch.program.environment = vec![("GREETING".into(), "good day".into())];
    let run = launch.trace.run.clone();
    let ran = rig.run(launch);
    let mut lines: Vec<_> = ran.log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[0], "GREETING=good day");
    assert!(lines[1].starts_with("MAKEFLAGS="), "{lines:?}");
    assert!(lines[2].strip_prefix("PIPE_EVENTS_FD=").unwrap().parse::<u32>().unwrap() > 2);
    assert_eq!(lines[3..], [format!("PIPE_RUN_ID={run}"), format!("PIPE_STAGE_ID={run}/stage")]);
}

#[test]
fn the_last_output_and_the_last_event_are_not_lost() {
    let rig = Rig::new();
    for _ in 0..50 {
        let ran = rig.worker(r#"say '{"finished":{}}'; printf 'the end'"#);
        assert!(matches!(ran.outcome, Outcome::Finished(_)), "{ran:?}");
        assert_eq!(ran.log, "the end");
    }
}

#[test]
fn of_a_100_mb_log_head_and_tail_are_kept() {
    let rig = Rig::new();
    let ran = rig.plain("echo first; yes 'a line of output' | head -c 100000000; echo last");
    assert!(matches!(ran.outcome, Outcome::Finished(_)));
    assert!(ran.log.len() < 33 << 20, "{}", ran.log.len());
    assert!(ran.log.starts_with("first\na line of output\n"));
    assert!(ran.log.ends_with("a line of output\nalast\n") || ran.log.ends_with("last\n"));
    let left_out = 6 + 100_000_000 + 5 - (32 << 20);
    assert!(ran.log.contains(&format!("\n[... {left_out} bytes left out ...]\n")));
}

/// A descriptor that leaks into another child would hold that pipe open long after its owner has ended.
#[test]
fn children_that_start_together_do_not_inherit_each_others_pipes() {
    let rig = Rig::new();
    let list = r#"say '{"finished":{}}'; exec readlink /proc/$$/fd/*"#;
    let launches = (0..24).map(|n| {
        let mut launch = rig.script(Protocol::Worker, list);
        launch.log = rig.path(&format!("log-{n}"));
        launch.trace.stage = format!("stage-{n}");
        launch
    });
    let runs = launches.map(|launch| {
        let log = launch.log.clone();
        let rig = &rig;
        async move {
            supervise(&rig.local, launch, |_, _| {}).await.0.unwrap();
            std::fs::read_to_string(log).unwrap()
        }
    });
    let pipes_of = |text: &str| -> BTreeSet<String> {
        text.lines().filter(|line| line.starts_with("pipe:")).map(str::to_owned).collect()
    };
    // Descriptors that this process was started with may be inheritable: that is not ours to judge.
    let own: String = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|target| format!("{}\n", target.display()))
        .collect();
    let own = pipes_of(&own);
    let mut seen = BTreeSet::new();
    for log in block_on(join_all(runs)) {
        let pipes: BTreeSet<_> = pipes_of(&log).difference(&own).cloned().collect();
        assert_eq!(pipes.len(), 3, "output, events and job tokens, no more: {log}");
        for pipe in pipes {
            assert!(seen.insert(pipe.clone()), "{pipe} was seen in two children");
        }
    }
    assert_eq!(seen.len(), 72);
}

/// Polls all of `futures` on this one thread.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut open: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in open.iter_mut().filter(|(_, result)| result.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *result = Some(value);
            }
        }
        if open.iter().all(|(_, result)| result.is_some()) {
            return std::task::Poll::Ready(open.iter_mut().filter_map(|(_, result)| result.take()).collect());
        }
        std::task::Poll::Pending
    })
    .await
}
