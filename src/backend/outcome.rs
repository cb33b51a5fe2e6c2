//! The outcome of a launch, judged from the evidence: exit status, last words, whether it was asked to stop.

use std::time::Duration;

use contract::{EXIT_INTERRUPTED, Event, FailureClass, Usage};
use rustix::process::Signal;

use super::exit::Exit;
use super::launch::{Cancel, Protocol};

/// How a launch went. A stage that failed is a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It did its work; its outputs are to be looked for.
    Finished(Usage),
    /// It did not.
    Failed(Failure),
    /// It was stopped, by us or by itself with status 75; its checkpoints are of use.
    Interrupted(Usage),
}

/// A failed launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Whose turn it is to act.
    pub class: FailureClass,
    /// The error.
    pub message: String,
    /// Advice to the user.
    pub help: Option<String>,
    /// Its usage until then.
    pub usage: Usage,
    /// How its process ended.
    pub exit: Exit,
    /// The basis of the judgement.
    pub verdict: Verdict,
}

/// The basis on which a failure was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Only by how a plain program ended: a caller that knows more may say it.
    ByExit,
    /// By its own words, or by what was done to it.
    ByMore,
}

/// Why a launch was refused or failed, before its usage is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) class: FailureClass,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) verdict: Verdict,
}

impl Refusal {
    pub(super) fn new(class: FailureClass, message: impl Into<String>) -> Refusal {
        Refusal { class, message: message.into(), help: None, verdict: Verdict::ByMore }
    }

    pub(super) fn help(mut self, text: impl Into<String>) -> Refusal {
        self.help = Some(text.into());
        self
    }

    pub(super) fn into_outcome(self, exit: Exit, usage: Usage) -> Outcome {
        let Refusal { class, message, help, verdict } = self;
        Outcome::Failed(Failure { class, message, help, usage, exit, verdict })
    }
}

/// The final word of a worker.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LastWord {
    Finished,
    Failed(Refusal),
}

impl LastWord {
    /// The final word in `event`, if it is one.
    pub(super) fn of(event: &Event) -> Option<LastWord> {
        match event {
            Event::Finished {} => Some(LastWord::Finished),
            Event::Failed { class, message, help } => {
                let refusal = Refusal::new(*class, message.clone());
                Some(LastWord::Failed(Refusal { help: help.clone(), ..refusal }))
            }
            _ => None,
        }
    }
}

/// The evidence about a launch that has ended.
pub(super) struct Evidence {
    pub(super) protocol: Protocol,
    pub(super) exit: Exit,
    pub(super) last_word: Option<LastWord>,
    /// The request to cancel it, if any.
    pub(super) cancel: Cancel,
    /// The time-out that it overran.
    pub(super) timed_out: Option<Duration>,
    pub(super) usage: Usage,
}

/// The outcome that the evidence supports.
pub(super) fn judge(seen: Evidence) -> Outcome {
    let Evidence { protocol, exit, last_word, cancel, timed_out, usage } = seen;
    let done = exit == Exit::Status(0) && (protocol == Protocol::Plain || last_word == Some(LastWord::Finished));
    if done && !matches!(last_word, Some(LastWord::Failed(_))) {
        return Outcome::Finished(usage);
    }
    // A stage that ends while it is being stopped is run again, no matter which error it reports.
    let left = exit == Exit::Status(EXIT_INTERRUPTED) && protocol == Protocol::Worker && timed_out.is_none();
    if cancel > Cancel::No || left {
        return Outcome::Interrupted(usage);
    }
    if let Some(timeout) = timed_out {
        let message = format!("did not end within its time-out of {timeout:?}");
        let refusal = Refusal::new(FailureClass::Resources, message);
        return refusal
            .help("raise `timeout`, or give it less to do; the end of its log may say where it was")
            .into_outcome(exit, usage);
    }
    let refusal = match last_word {
        Some(LastWord::Failed(refusal)) if refusal.class == FailureClass::Interrupted => {
            return Outcome::Interrupted(usage);
        }
        Some(LastWord::Failed(refusal)) => refusal,
        Some(LastWord::Finished) => fault(exit, format!("said `finished`, then ended with {exit}")),
        None => match (protocol, exit) {
            (Protocol::Worker, Exit::Status(0)) => {
                Refusal::new(FailureClass::StageBug, "the worker ended without saying `finished`")
                    .help("its last event must be {\"finished\":{}}: see docs/worker-protocol.md")
            }
            (Protocol::Worker, _) => fault(exit, format!("the worker ended without a word: {exit}")),
            (Protocol::Plain, _) => {
                Refusal { verdict: Verdict::ByExit, ..fault(exit, format!("the command failed: {exit}")) }
            }
        },
    };
    refusal.into_outcome(exit, usage)
}

/// Who has to act when a process ends like that.
fn fault(exit: Exit, message: String) -> Refusal {
    let is = |signal: Signal| exit.signal() == Some(signal.as_raw());
    let with = |class, help: &str| Refusal::new(class, message.clone()).help(help);
    if is(Signal::KILL) {
        with(
            FailureClass::Resources,
            "most often the kernel's out-of-memory killer (`dmesg` tells): give the stage more memory, or run fewer at a \
             time with --jobs",
        )
    } else if is(Signal::XCPU) || is(Signal::XFSZ) {
        with(FailureClass::Resources, "a limit of this user was reached: `ulimit -a` shows them")
    } else if is(Signal::TERM) || is(Signal::INT) || is(Signal::HUP) {
        with(FailureClass::Resources, "somebody else on this machine ended it; run again")
    } else if is(Signal::PIPE) {
        with(
            FailureClass::StageBug,
            "SIGPIPE: it wrote to a program that had stopped reading, as `head` does once it has its lines; let the reader read to the \
             end (`sed -n 1,3p` for `head -n 3`), or write `{ WRITER || test $? = 141; } | head` where that is no error",
        )
    } else if exit.signal().is_some() {
        with(FailureClass::StageBug, "it crashed; the end of its log may say where")
    } else if exit == Exit::Status(127) {
        with(FailureClass::StageBug, "a program that it calls was not found; the end of its log names it")
    } else if exit == Exit::Status(126) {
        with(FailureClass::StageBug, "a program that it calls is not executable; the end of its log names it")
    } else {
        with(FailureClass::StageBug, "the end of its log may say why")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage { seconds: 1.0, cpu_seconds: 0.5, peak_memory: 4096 };

    fn seen(protocol: Protocol, exit: Exit, last_word: Option<LastWord>, cancel: Cancel) -> Outcome {
        judge(Evidence { protocol, exit, last_word, cancel, timed_out: None, usage: USAGE })
    }

    fn said(class: FailureClass) -> Option<LastWord> {
        Some(LastWord::Failed(Refusal::new(class, "no host")))
    }

    #[test]
    fn success_needs_status_0_and_of_a_worker_the_word() {
        use Protocol::{Plain, Worker};
        let finished = Outcome::Finished(USAGE);
        assert_eq!(seen(Plain, Exit::Status(0), None, Cancel::No), finished);
        assert_eq!(seen(Worker, Exit::Status(0), Some(LastWord::Finished), Cancel::No), finished);
        // Work that was done in spite of a late stop is kept.
        assert_eq!(seen(Worker, Exit::Status(0), Some(LastWord::Finished), Cancel::Stop), finished);
        for outcome in [
            seen(Worker, Exit::Status(0), None, Cancel::No),
            seen(Worker, Exit::Status(3), Some(LastWord::Finished), Cancel::No),
            seen(Worker, Exit::Status(0), said(FailureClass::StageBug), Cancel::No),
            seen(Plain, Exit::Status(0), said(FailureClass::StageBug), Cancel::No),
            seen(Plain, Exit::Status(75), None, Cancel::No),
        ] {
            assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        }
    }

    #[test]
    fn whatever_ends_after_a_stop_without_success_is_interrupted() {
        let interrupted = Outcome::Interrupted(USAGE);
        for exit in [Exit::Status(75), Exit::Status(1), Exit::Signal(9), Exit::Signal(15), Exit::Status(0)] {
            assert_eq!(seen(Protocol::Worker, exit, None, Cancel::Stop), interrupted, "{exit}");
        }
        assert_eq!(seen(Protocol::Plain, Exit::Signal(9), None, Cancel::Kill), interrupted);
        assert_eq!(seen(Protocol::Worker, Exit::Status(75), None, Cancel::No), interrupted);
        assert_eq!(seen(Protocol::Worker, Exit::Status(1), said(FailureClass::Interrupted), Cancel::No), interrupted);
    }

    #[test]
    fn a_failure_says_what_and_whose_turn_it_is() {
        let check = |protocol, exit, word, class: FailureClass, message: &str, help: &str| match seen(
            protocol,
            exit,
            word,
            Cancel::No,
        ) {
            Outcome::Failed(failure) => {
                assert_eq!((failure.class, failure.message.as_str()), (class, message));
                assert_eq!((failure.exit, failure.usage), (exit, USAGE));
                assert!(failure.help.unwrap_or_default().contains(help));
            }
            other => panic!("{other:?}"),
        };
        use FailureClass::{InvalidInput, Resources, StageBug};
        use Protocol::{Plain, Worker};
        check(Worker, Exit::Status(1), said(InvalidInput), InvalidInput, "no host", "");
        check(Worker, Exit::Status(0), None, StageBug, "the worker ended without saying `finished`", "finished");
        check(Worker, Exit::Signal(9), None, Resources, "the worker ended without a word: killed by SIGKILL", "memory");
        check(
            Worker,
            Exit::Signal(11),
            None,
            StageBug,
            "the worker ended without a word: killed by SIGSEGV",
            "crashed",
        );
        check(Plain, Exit::Status(2), None, StageBug, "the command failed: exit status 2", "log");
        check(Plain, Exit::Status(127), None, StageBug, "the command failed: exit status 127", "not found");
        check(Plain, Exit::Status(137), None, Resources, "the command failed: exit status 137 (SIGKILL)", "memory");
    }
}
