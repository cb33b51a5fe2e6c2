//! Text of others made harmless: names, paths, titles and logs that reach a terminal, a prompt or a summary.
//!
//! Characters that move a cursor, colour what follows, end a line or turn the order of letters around are shown as `\x1b` or `\u{202e}`.
//! [`escaped`] keeps lines, [`line()`] makes one line of any text, [`bounded`] also cuts it. Text that holds none is borrowed.

use std::borrow::Cow;
use std::fmt::Write;

/// Stands for what [`bounded`] leaves out.
pub const ELLIPSIS: &str = "...";

/// Whether a terminal does something else with the character than to show it. Tabs and line ends are wanted.
pub fn acts(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        // Control characters: C0, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Marks, embeddings, overrides and isolates of writing direction.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Separators that some terminals and editors break lines at.
        '\u{2028}' | '\u{2029}' => true,
        // Tags, which nothing shows.
        '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// Nearly all text; told without looking at characters.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~'))
}

fn write_escaped(to: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = match u32::from(c) {
        code @ ..0x80 => write!(to, "\\x{code:02x}"),
        code => write!(to, "\\u{{{code:x}}}"),
    };
}

fn escaping(text: &str, must: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&must) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if !must(c) => clean.push(c),
            '\n' => clean.push_str("\\n"),
            '\t' => clean.push_str("\\t"),
            c => write_escaped(&mut clean, c),
        }
    }
    Cow::Owned(clean)
}

/// `text` with visible escapes. Line ends of Windows are line ends.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    if text.contains("\r\n") {
        return Cow::Owned(escaping(&text.replace("\r\n", "\n"), acts).into_owned());
    }
    escaping(text, acts)
}

/// `text` as one line: line ends and tabs are escaped too.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    escaping(text, |c| acts(c) || c == '\n' || c == '\t')
}

/// `text` as one line of at most `limit` bytes; where something is left out, it ends with `...`.
pub fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    // Escapes only lengthen a text, so what lies beyond the limit need not be looked at.
    let whole = line(&text[..text.floor_char_boundary(limit + 1)]);
    if whole.len() <= limit && text.len() <= limit {
        return whole;
    }
    let head = whole.floor_char_boundary(limit.saturating_sub(ELLIPSIS.len()));
    Cow::Owned(format!("{}{ELLIPSIS}", &whole[..head]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_made_visible_and_the_rest_is_left() {
        let check = |text: &str, expect: &str| assert_eq!(escaped(text), expect);
        check("plain, ünïcödé, 日本, a\tb\nc", "plain, ünïcödé, 日本, a\tb\nc");
        check("\u{1b}[31mred\u{7}\r", "\\x1b[31mred\\x07\\x0d");
        check("one\r\ntwo\r\n", "one\ntwo\n");
        check("\u{9b}31m \u{7f} \u{202e}abc\u{2069}\u{200f}", "\\u{9b}31m \\x7f \\u{202e}abc\\u{2069}\\u{200f}");
        assert_eq!(line("a\nb\tc\u{85}"), "a\\nb\\tc\\u{85}");
    }

    #[test]
    fn a_long_text_is_cut_with_a_mark() {
        let check = |text: &str, limit, expect: &str| assert_eq!(bounded(text, limit), expect);
        check("0123456789", 10, "0123456789");
        check("0123456789a", 10, "0123456...");
        check("日本日本", 10, "日本...");
        check("\u{1b}\u{1b}\u{1b}", 10, "\\x1b\\x1...");
        check("a\nb", 10, "a\\nb");
    }

    proptest! {
        #[test]
        fn whatever_is_said_it_is_one_line_within_the_limit(text in any::<String>(), limit in 3_usize..80) {
            let clean = bounded(&text, limit);
            prop_assert!(clean.len() <= limit && !clean.contains(|c| acts(c) || c == '\n' || c == '\t'));
            prop_assert!(line(&text).len() > limit || clean == line(&text));
        }
    }
}
