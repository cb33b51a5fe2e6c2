//! Turns the bytes of an events pipe into events. A line that is none becomes a warning: a worker's bug is not to be lost.

use contract::{Event, Level};

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
            return self.complain(hear, format_args!("an event of {} bytes; 1 MiB is the most", line.len() + dropped));
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => hear(event),
            Err(error) => {
                let shown: String = String::from_utf8_lossy(&line).chars().take(SHOWN).collect();
                self.complain(hear, format_args!("a line that is not an event ({error}): {shown}"));
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
