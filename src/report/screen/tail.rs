//! The end of a failed stage's log: shown when it fails, and again at the end of the run where that was long ago or others failed too.

use std::borrow::Cow;
use std::fmt::Write;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::report::clean::escaped;
use crate::report::style::Color;

/// Lines that are shown.
const LINES: usize = 12;

/// Characters of a line that are shown: so many lines of it fill a small screen at most.
const WIDTH: usize = 140;

/// Of those, how many are the line's last ones.
const END: usize = 60;

/// No more is read for them: a line may be as long as it likes.
const BYTES: u64 = 64 * 1024;

/// The last lines of the log, indented, and the command that shows the rest; nothing where there is no log. Its last line is left out
/// where it is `told`, the failure's message, which stands above.
pub(crate) fn render(log: &Path, stage: &str, told: &str, color: Color) -> String {
    let mut text = String::new();
    // The failure has been shown already; its log only adds to it.
    let Ok(bytes) = last_bytes(log) else { return text };
    let content = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<_> = content.lines().collect();
    lines.pop_if(|last| *last == told);
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        let _ = writeln!(text, "  {} {}", color.dim("|"), cut(&harmless(line)));
    }
    let _ = writeln!(text, "  {} pipe logs {}", color.dim("whole log:"), quoted(stage));
    text
}

/// As a shell takes it: the name of an instance has brackets.
fn quoted(stage: &str) -> String {
    let plain = stage.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/.".contains(&byte));
    if plain { stage.to_owned() } else { format!("'{stage}'") }
}

fn last_bytes(log: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Without colours, and with anything else that would act on a terminal made visible. A line that was drawn over itself shows its end.
fn harmless(line: &str) -> String {
    let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let plain = console::strip_ansi_codes(last);
    escaped(&plain).into_owned()
}

/// The beginning and the end of a line that is too long, with a mark between them.
fn cut(line: &str) -> Cow<'_, str> {
    let count = line.chars().count();
    if count <= WIDTH {
        return Cow::Borrowed(line);
    }
    let at = |n: usize| line.char_indices().nth(n).map_or(line.len(), |(at, _)| at);
    let (begin, end) = (&line[..at(WIDTH - END)], &line[at(count - END)..]);
    Cow::Owned(format!("{begin} [.. {} characters ..] {end}", count - WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_lines_without_what_disturbs_a_terminal() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let text = format!("{}10 %\r50 %\r100 %\r\n\u{1b}[31mred\u{1b}[0m\u{7}\n", "early\n".repeat(50_000));
        std::fs::write(&log, text).unwrap();
        let shown = render(&log, "s", "", Color::Off);
        assert_eq!(shown.lines().count(), LINES + 1);
        assert!(shown.ends_with("  | 100 %\n  | red\\x07\n  whole log: pipe logs s\n"), "{shown}");
        assert!(render(&log, "s[lr=0.1]", "", Color::Off).ends_with("pipe logs 's[lr=0.1]'\n"));
        assert_eq!(render(&directory.path().join("absent"), "s", "", Color::Off), "");
    }
}
