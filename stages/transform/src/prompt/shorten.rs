//! Texts of reports have any length and name processes by number; those of examples do neither.

/// The beginning of a text, at most `limit` bytes of it.
pub(crate) fn clipped(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Whole words of the beginning of a text, at most `limit` bytes; one word is cut where it is longer than that.
pub(crate) fn clipped_to_words(text: &str, limit: usize) -> &str {
    let clip = clipped(text, limit);
    if clip.len() == text.len() { clip } else { clip.rfind(' ').map_or(clip, |end| &clip[..end]) }
}

/// Both ends of a text, at most `limit` bytes with what stands for the middle: a path's place and its name, or what follows a path.
/// None where it is short enough.
pub(crate) fn elided(text: &str, limit: usize) -> Option<String> {
    const MIDDLE: &str = "...";
    if text.len() <= limit {
        return None;
    }
    let ends = limit.saturating_sub(MIDDLE.len());
    let tail = ends / 3;
    let head = text.floor_char_boundary(ends - tail);
    let tail = text.ceil_char_boundary(text.len() - tail);
    Some(format!("{}{MIDDLE}{}", &text[..head], &text[tail..]))
}

/// A text without the process numbers that scanners put behind a name, as in `bash (PID: 4012)`.
pub(crate) fn without_pid(text: &str) -> String {
    let mut parts = text.split(" (PID: ");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => left.push_str(rest),
            _ => left.extend([" (PID: ", part]),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_text_within_the_limit() {
        assert_eq!(elided("/usr/bin/x", 10), None);
        assert_eq!(elided("/usr/local/bin/tool", 15).as_deref(), Some("/usr/loc...tool"));
        assert_eq!(elided("日本日本日本", 12).as_deref(), Some("日本...本"));
        assert_eq!(clipped("日本", 4), "日");
        assert_eq!(clipped_to_words("one two three", 9), "one two");
        assert_eq!(clipped_to_words("one two", 9), "one two");
        assert_eq!(clipped_to_words("onetwothree", 6), "onetwo");
    }

    #[test]
    fn numbers_of_processes_are_left_out_of_titles() {
        assert_eq!(without_pid("Process execution detected: bash (PID: 4012)"), "Process execution detected: bash");
        assert_eq!(without_pid("a (PID: 1) b (PID: 22)."), "a b.");
        for text in ["bash (PID: x)", "bash (PID: 1", "bash", ""] {
            assert_eq!(without_pid(text), text);
        }
    }
}
