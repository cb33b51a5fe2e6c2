//! Decides whether stages that run elsewhere are left running when their user leaves. At a terminal it asks, once for all stages.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long it waits for an answer; without one, the stages are left running.
const SECOND_THOUGHT: Duration = Duration::from_secs(10);

/// The user's wish for the stages that run elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It goes on.
    Leave,
    /// It ends, with a checkpoint where its stage takes one.
    Stop,
}

/// The question, since it was asked first.
struct Question {
    ends: Instant,
    answer: Option<Wish>,
}

static QUESTION: Mutex<Option<Question>> = Mutex::new(None);

/// The user's wish, once it is known. The first call asks by `say`; where nobody can answer, all is left running.
pub(super) fn asked(say: impl FnOnce(String)) -> Option<Wish> {
    if !std::io::stdin().is_terminal() {
        return Some(Wish::Leave);
    }
    let mut question = QUESTION.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(question) = &*question else {
        let seconds = SECOND_THOUGHT.as_secs();
        say(format!("leave it running? Enter leaves it, s and Enter or Ctrl-C stops it; left in {seconds} seconds"));
        *question = Some(Question { ends: Instant::now() + SECOND_THOUGHT, answer: None });
        // It ends with the program; nobody else reads the terminal.
        std::thread::spawn(hear);
        return None;
    };
    question.answer.or((Instant::now() >= question.ends).then_some(Wish::Leave))
}

/// Reads lines until one is an answer.
fn hear() {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        if let Some(wish) = meant(&line) {
            if let Some(question) = QUESTION.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                question.answer = Some(wish);
            }
            return;
        }
    }
}

fn meant(line: &str) -> Option<Wish> {
    match line.trim().to_ascii_lowercase().as_str() {
        "" | "y" | "yes" | "l" | "leave" => Some(Wish::Leave),
        "n" | "no" | "s" | "stop" => Some(Wish::Stop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_answer_is_passed_over() {
        assert_eq!(meant(""), Some(Wish::Leave));
        assert_eq!(meant(" S "), Some(Wish::Stop));
        assert_eq!(meant("what?"), None);
    }
}
