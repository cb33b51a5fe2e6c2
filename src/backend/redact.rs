//! Takes secrets out of a stage's output, before it reaches a log, an event or a person.
//!
//! Every occurrence of a value becomes `***`, also one that arrives in pieces. Of a value of several lines each longer line counts
//! too, since logs are read by line. A value shorter than [`SHORTEST`] is left: replacing it would make a log unreadable and
//! hide nothing. A stage that writes its secret in another form, in base64 for one, is not seen through.

use contract::Event;

/// Bytes of the shortest value that is taken out.
const SHORTEST: usize = 4;
/// Bytes of the shortest line of a value of several lines that is taken out by itself.
const SHORTEST_LINE: usize = 8;
const MASK: &[u8] = b"***";

/// Knows the values.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// The longest first, so that a value is not spoilt by one that it contains.
    values: Vec<Vec<u8>>,
    /// The end of the input so far, which may be the beginning of a value.
    held: Vec<u8>,
}

/// `text` without the values of `secrets`.
pub fn redacted(text: String, secrets: &[String]) -> String {
    Redactor::new(secrets).text(text)
}

impl Redactor {
    pub(super) fn new(secrets: &[String]) -> Redactor {
        let whole = secrets.iter().map(String::as_str).filter(|value| value.len() >= SHORTEST);
        let lines = secrets.iter().filter(|value| value.contains('\n')).flat_map(|value| value.lines());
        let lines = lines.filter(|line| line.len() >= SHORTEST_LINE);
        let mut values: Vec<Vec<u8>> = whole.chain(lines).map(|value| value.as_bytes().to_vec()).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Redactor { values, held: Vec::new() }
    }

    /// Takes the next bytes of a stream and passes on those that can no longer be part of a value.
    pub(super) fn feed(&mut self, bytes: &[u8], give: impl FnOnce(&[u8])) {
        if self.values.is_empty() {
            return give(bytes);
        }
        self.held.extend_from_slice(bytes);
        let (clean, rest) = self.masked(&self.held);
        self.held = rest;
        give(&clean);
    }

    /// Passes on the text that was held back: the stream has ended, or something else is to be written now.
    pub(super) fn flush(&mut self, give: impl FnOnce(&[u8])) {
        if !self.held.is_empty() {
            give(&std::mem::take(&mut self.held));
        }
    }

    /// The same event without the values.
    pub(super) fn event(&self, event: Event) -> Event {
        if self.values.is_empty() {
            return event;
        }
        match event {
            Event::Log { level, message } => Event::Log { level, message: self.text(message) },
            Event::Failed { class, message, help } => {
                Event::Failed { class, message: self.text(message), help: help.map(|help| self.text(help)) }
            }
            Event::Metric { name, step, value } => Event::Metric { name: self.text(name), step, value },
            Event::Progress { done, total, unit } => Event::Progress { done, total, unit: self.text(unit) },
            Event::Checkpoint { path, step } => {
                Event::Checkpoint { path: self.text(path.to_string_lossy().into_owned()).into(), step }
            }
            Event::Started { .. } | Event::Finished {} => event,
        }
    }

    fn text(&self, text: String) -> String {
        let (mut clean, rest) = self.masked(text.as_bytes());
        clean.extend(rest);
        String::from_utf8_lossy(&clean).into_owned()
    }

    /// The bytes with every value masked, and the end that may be the beginning of one.
    fn masked(&self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut clean = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some(value) = self.values.iter().find(|value| rest.starts_with(value)) {
                clean.extend_from_slice(MASK);
                rest = &rest[value.len()..];
            } else if self.values.iter().any(|value| value.starts_with(rest)) {
                return (clean, rest.to_vec());
            } else {
                clean.push(rest[0]);
                rest = &rest[1..];
            }
        }
        (clean, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Level;
    use proptest::prelude::*;

    fn through(redactor: &mut Redactor, pieces: &[&str]) -> String {
        let mut all = Vec::new();
        for piece in pieces {
            redactor.feed(piece.as_bytes(), |bytes| all.extend_from_slice(bytes));
        }
        redactor.flush(|bytes| all.extend_from_slice(bytes));
        String::from_utf8(all).unwrap()
    }

    fn of(values: &[&str]) -> Redactor {
        Redactor::new(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_masked_also_in_pieces_and_short_ones_are_left() {
        assert_eq!(through(&mut of(&["s3cret"]), &["a s3c", "ret b s3crex"]), "a *** b s3crex");
        assert_eq!(through(&mut of(&["abcd", "abcdef"]), &["abcdef abcd"]), "*** ***");
        assert_eq!(through(&mut of(&["yes"]), &["yes"]), "yes");
        let key = "-----BEGIN-----\nAAAABBBBCCCC\nx\n";
        assert_eq!(through(&mut of(&[key]), &["> AAAABBBBCCCC x\n"]), "> *** x\n");
        let event = Event::Log { level: Level::Info, message: "token s3cret".into() };
        assert_eq!(of(&["s3cret"]).event(event), Event::Log { level: Level::Info, message: "token ***".into() });
    }

    proptest! {
        #[test]
        fn however_it_is_cut_no_value_comes_through(text in "[ab]{0,40}", cuts in proptest::collection::vec(0_usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let clean = through(&mut of(&["abba", "babab"]), &pieces);
            prop_assert!(!clean.contains("abba") && !clean.contains("babab"), "{}", clean);
            prop_assert_eq!(clean, through(&mut of(&["abba", "babab"]), &[&text]));
        }
    }
}
