//! Turns the bytes of an events pipe into events. A line that is none becomes a warning: a worker's bug is not to be lost.

use contract::{Event, FailureClass, Level};
use serde::Deserialize;
use serde_json::Value;

/// The longest line that is read; a longer one is dropped.
const LONGEST: usize = 1 << 20;

/// Malformed lines that are reported; a worker that writes something else altogether is not to flood the log.
const COMPLAINTS: u32 = 10;

/// Characters of a malformed line that are shown.
const SHOWN: usize = 200;

/// Collects lines across reads.
#[derive(Default)]
pub(super) struct EventLines {
    line: Vec<u8>,
    /// Bytes of the current line that were dropped because it is too long.
    dropped: usize,
    complaints: u32,
}

impl EventLines {
    /// Takes the next bytes and passes on every event that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8], mut hear: impl FnMut(Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LONGEST - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            self.dropped += text.len().saturating_sub(room);
            if complete {
                self.end_line(&mut hear);
            }
        }
    }

    /// Takes the last line, which may lack its newline.
    pub(super) fn finish(mut self, mut hear: impl FnMut(Event)) {
        self.end_line(&mut hear);
    }

    fn end_line(&mut self, hear: &mut impl FnMut(Event)) {
        let line = std::mem::take(&mut self.line);
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.complain(hear, format_args!("an event of {} bytes; 1 MiB is the most", line.len() + dropped));
            return hear_failure(&line, "it is too long", hear);
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => hear(event),
            Err(error) => {
                let shown: String = String::from_utf8_lossy(&line).chars().take(SHOWN).collect();
                self.complain(hear, format_args!("a line that is not an event ({error}): {shown}"));
                hear_failure(&line, &error.to_string(), hear);
            }
        }
    }

    fn complain(&mut self, hear: &mut impl FnMut(Event), what: std::fmt::Arguments<'_>) {
        self.complaints += 1;
        let message = match self.complaints {
            ..COMPLAINTS => format!("the worker wrote {what}"),
            COMPLAINTS => format!("the worker wrote {what}; more of these are not shown"),
            _ => return,
        };
        hear(Event::Log { level: Level::Warning, message });
    }
}

/// A worker that says it has failed has failed, also where it does not say so as it should: `line` is no event because of `fault`.
fn hear_failure(line: &[u8], fault: &str, hear: &mut impl FnMut(Event)) {
    let text = String::from_utf8_lossy(line);
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    if !(said.get("failed").is_some() || said == "failed" || begins_as_failure(&text)) {
        return;
    }
    let field = |name: &str| said.get("failed").and_then(|failure| failure.get(name));
    let text = |name: &str| field(name).and_then(Value::as_str).map(str::to_owned);
    let class = field("class").and_then(|class| FailureClass::deserialize(class).ok());
    let message = text("message").unwrap_or_else(|| "the worker said that it failed, and not why".to_owned());
    let protocol = format!("its `failed` event is not as it should be ({fault}): see docs/worker-protocol.md");
    let help = text("help").unwrap_or(protocol);
    hear(Event::Failed { class: class.unwrap_or(FailureClass::StageBug), message, help: Some(help) });
}

/// Whether a line that is no JSON, because it is cut off for one, begins as `{"failed"`.
fn begins_as_failure(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with("\"failed\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(chunks: &[&[u8]]) -> Vec<Event> {
        let mut all = Vec::new();
        let mut lines = EventLines::default();
        for chunk in chunks {
            lines.feed(chunk, |event| all.push(event));
        }
        lines.finish(|event| all.push(event));
        all
    }

    fn warning(event: &Event) -> &str {
        match event {
            Event::Log { level: Level::Warning, message } => message,
            other => panic!("not a warning: {other:?}"),
        }
    }

    #[test]
    fn lines_are_joined_across_reads_and_the_last_needs_no_newline() {
        let events = heard(&[b"{\"metric\":{\"name\":\"lo", b"ss\",\"value\":0.5}}\n\n{\"fini", b"shed\":{}}"]);
        assert_eq!(events, [Event::Metric { name: "loss".into(), step: None, value: 0.5 }, Event::Finished {}]);
    }

    #[test]
    fn what_is_no_event_is_reported_and_the_rest_is_heard() {
        let events = heard(&[b"hello\n{\"unheard\":{}}\n\xff\n{\"finished\":{}}\n"]);
        assert!(warning(&events[0]).ends_with(": hello"), "{events:?}");
        assert!(warning(&events[1]).contains("unknown variant `unheard`"), "{events:?}");
        assert!(warning(&events[2]).contains("not an event"), "{events:?}");
        assert_eq!(events[3..], [Event::Finished {}]);
    }

    #[test]
    fn a_failure_that_is_said_badly_is_a_failure() {
        let check = |line: &str, class: FailureClass, message: &str| {
            let events = heard(&[line.as_bytes(), b"\n"]);
            assert!(warning(&events[0]).contains("not an event"), "{line}: {events:?}");
            match &events[1] {
                Event::Failed { class: heard, message: said, help: Some(_) } => {
                    assert_eq!((*heard, said.as_str()), (class, message), "{line}");
                }
                other => panic!("{line}: {other:?}"),
            }
        };
        let unsaid = "the worker said that it failed, and not why";
        check(r#"{"failed":{"class":"no_such","message":"no host"}}"#, FailureClass::StageBug, "no host");
        check(r#"{"failed":{"message":"no class"}}"#, FailureClass::StageBug, "no class");
        check(r#"{"failed":{"class":"resources"}}"#, FailureClass::Resources, unsaid);
        check(r#"{"failed":"boom"}"#, FailureClass::StageBug, unsaid);
        check(r#"{"failed":null}"#, FailureClass::StageBug, unsaid);
        check(r#""failed""#, FailureClass::StageBug, unsaid);
        check(r#"{"failed":{"class":"stage_bug","message":"cut o"#, FailureClass::StageBug, unsaid);
        check(r#" { "failed" : {"class": 3, "message": "number"}, "more": 1}"#, FailureClass::StageBug, "number");
        let long = format!(r#"{{"failed":{{"class":"stage_bug","message":"{}"}}}}"#, "x".repeat(LONGEST));
        let events = heard(&[long.as_bytes()]);
        assert!(matches!(&events[1], Event::Failed { .. }), "too long");
        let others = heard(&[b"{\"message\":\"failed\"}\nfailed\n"]);
        assert!(others.iter().all(|event| matches!(event, Event::Log { .. })), "{others:?}");
    }

    #[test]
    fn a_line_without_end_is_dropped_not_collected() {
        let mut lines = EventLines::default();
        let mut events = Vec::new();
        for _ in 0..64 {
            lines.feed(&[b'x'; 65536], |event| events.push(event));
            assert!(lines.line.capacity() <= 2 * LONGEST);
        }
        lines.feed(b"\n{\"finished\":{}}\n", |event| events.push(event));
        assert_eq!(warning(&events[0]), "the worker wrote an event of 4194304 bytes; 1 MiB is the most");
        assert_eq!(events[1..], [Event::Finished {}]);
    }

    #[test]
    fn complaints_are_counted_not_repeated_for_ever() {
        let events = heard(&[&b"?\n".repeat(1000)]);
        assert_eq!(events.len(), 10);
        assert!(warning(&events[9]).ends_with("not shown"));
    }
}
