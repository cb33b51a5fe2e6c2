//! Foreign text for people: file names, params, logs, output of stages. Characters that move the cursor, colour text
//! or turn the order of letters around are shown as `\x1b` or `\u{202e}` instead of sent to the terminal.
//!
//! [`contract::clean`] says which characters those are and how they are shown; prompts go through it as well. [`screen`] is the only way
//! to a terminal. It knows our own colours from those of others by [`mark`], which nobody outside of this process can write.

use std::borrow::Cow;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use contract::clean::{acts, is_plain};
pub use contract::clean::{escaped, line as cell};

/// The stand-in for the escape character in text of ours, until [`screen`] writes it: different in each process.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("\u{fdd0}{:016x}", RandomState::new().build_hasher().finish()));

/// Stands for the escape character of a colour of ours.
pub(super) fn mark() -> &'static str {
    &MARK
}

/// `text`, with colours of ours and anything of others, as a terminal may get it.
pub fn screen(text: &str) -> String {
    let mut pieces = text.split(mark());
    let mut clean = escaped(pieces.next().unwrap_or_default()).into_owned();
    for piece in pieces {
        clean.push('\u{1b}');
        clean.push_str(&escaped(piece));
    }
    clean
}

/// JSON without the characters that [`escaped`] would escape: within strings, the only place where they can be, as `\u202e`.
pub fn json(document: &str) -> Cow<'_, str> {
    if is_plain(document) || !document.contains(acts) {
        return Cow::Borrowed(document);
    }
    let mut clean = String::with_capacity(document.len() + 8);
    for c in document.chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(clean, "\\u{unit:04x}");
            }
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// Escapes bytes that come in pieces, which may end within a character.
#[derive(Debug, Default)]
pub struct Bytes {
    held: Vec<u8>,
}

impl Bytes {
    /// The next piece; the possible beginning of a character, or of a line end, is held back.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let whole = self.held.len() - unfinished(&self.held);
        let rest = self.held.split_off(whole);
        let text = escaped_bytes(&self.held);
        self.held = rest;
        text
    }

    /// The rest that was held back.
    pub fn finish(self) -> String {
        escaped_bytes(&self.held)
    }
}

/// How many bytes at the end belong to something that may go on.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    let from = bytes.len().saturating_sub(3);
    let begins = bytes[from..].iter().rposition(|byte| *byte >= 0xc0).map(|at| from + at);
    let incomplete = |at: usize| std::str::from_utf8(&bytes[at..]).is_err_and(|error| error.error_len().is_none());
    begins.filter(|at| incomplete(*at)).map_or(0, |at| bytes.len() - at)
}

fn escaped_bytes(bytes: &[u8]) -> String {
    let mut clean = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        clean.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            // As above.
            let _ = write!(clean, "\\x{byte:02x}");
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_our_own_colours_reach_the_terminal() {
        let ours = format!("{}[1mname\u{1b}[8m{}[0m", mark(), mark());
        assert_eq!(screen(&ours), "\u{1b}[1mname\\x1b[8m\u{1b}[0m");
    }

    #[test]
    fn invalid_bytes_are_shown_and_characters_are_joined_across_pieces() {
        let mut bytes = Bytes::default();
        let text = "é\u{202e}日".as_bytes();
        let mut shown: String = text.iter().map(|byte| bytes.feed(&[*byte])).collect();
        shown += &bytes.feed(b"\x9b31m\r");
        shown += &bytes.feed(b"\n\xe6\x97");
        shown += &bytes.finish();
        assert_eq!(shown, "é\\u{202e}日\\x9b31m\n\\xe6\\x97");
    }

    proptest! {
        #[test]
        fn whatever_is_said_nothing_acts_and_json_means_the_same(text in any::<String>()) {
            prop_assert!(!escaped(&text).contains(acts));
            prop_assert!(!screen(&text).contains(acts));
            let document = serde_json::to_string(&text).unwrap();
            let clean = json(&document).into_owned();
            prop_assert!(!clean.contains(acts));
            prop_assert_eq!(serde_json::from_str::<String>(&clean).unwrap(), text);
        }

        #[test]
        fn however_bytes_are_cut_the_same_is_shown(bytes in proptest::collection::vec(any::<u8>(), 0..40), cut in 0_usize..40) {
            let cut = cut.min(bytes.len());
            let mut pieces = Bytes::default();
            let mut shown = pieces.feed(&bytes[..cut]);
            shown += &pieces.feed(&bytes[cut..]);
            shown += &pieces.finish();
            prop_assert_eq!(shown, escaped_bytes(&bytes));
        }
    }
}
