//! Findings as prompts and summaries may quote them: the text of a report is data, so no id, path or title of one ends a line, colours a
//! terminal, turns letters around, ends a message of a chat or begins another clause of the line that it stands in.

use std::borrow::Cow;

use contract::clean;
use findings::EnrichedFinding;

/// The findings with visible escapes in place of what acts; the ids by which others refer to them stay.
pub fn findings(all: &[EnrichedFinding]) -> Cow<'_, [EnrichedFinding]> {
    if all.iter().all(|finding| texts(finding).all(|text| matches!(quotable(text), Cow::Borrowed(_)))) {
        return Cow::Borrowed(all);
    }
    Cow::Owned(all.iter().map(harmless).collect())
}

fn texts(finding: &EnrichedFinding) -> impl Iterator<Item = &str> {
    let EnrichedFinding { scanner, id, title, description, metadata, host_role_rationale, .. } = finding;
    let own = [scanner, id, title, description, host_role_rationale];
    own.into_iter().chain(metadata.iter().flat_map(|(key, value)| [key, value])).map(String::as_str)
}

fn harmless(finding: &EnrichedFinding) -> EnrichedFinding {
    let line = |text: &str| quotable(text).into_owned();
    EnrichedFinding {
        scanner: line(&finding.scanner),
        id: line(&finding.id),
        title: line(&finding.title),
        description: line(&finding.description),
        metadata: finding.metadata.iter().map(|(key, value)| (line(key), line(value))).collect(),
        host_role_rationale: line(&finding.host_role_rationale),
        ..finding.clone()
    }
}

/// A text as a part of a line of a prompt.
pub(crate) fn quotable(text: &str) -> Cow<'_, str> {
    let line = clean::line(text);
    // Nearly all texts have none of them.
    if line.is_ascii() && !line.bytes().any(|byte| matches!(byte, b';' | b'<' | b'[')) {
        return line;
    }
    let must = |(at, c): (usize, char)| c == ';' || is_invisible(c) || begins_token(&line[at..]);
    if !line.char_indices().any(must) {
        return line;
    }
    let mut escaped = String::with_capacity(line.len() + 8);
    for (at, c) in line.char_indices() {
        match u32::from(c) {
            _ if !must((at, c)) => escaped.push(c),
            code @ ..0x80 => escaped.push_str(&format!("\\x{code:02x}")),
            code => escaped.push_str(&format!("\\u{{{code:x}}}")),
        }
    }
    Cow::Owned(escaped)
}

/// Characters that show nothing: two names that differ by them read alike. (Unicode: default ignorable, fillers, annotations.)
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0080}'..='\u{e0fff}')
}

/// Whether a text begins as tokens of chat forms do, which a tokenizer may take for what they say: `<|eot_id|>`, `</s>`, `<<SYS>>`,
/// `<start_of_turn>`, `[INST]`, `[/TOOL_RESULTS]`.
fn begins_token(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('<') {
        return rest.starts_with(|c: char| {
            c.is_ascii_alphanumeric() || matches!(c, '|' | '/' | '<' | '!' | '?' | '_' | '\u{ff5c}')
        });
    }
    let name = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
    let name = name.map(|name| name.strip_prefix('/').unwrap_or(name)).filter(|name| name.len() > 1);
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_in_a_chat_or_begins_a_clause_is_escaped_and_the_rest_is_left() {
        let check = |text: &str, expected: &str| assert_eq!(quotable(text), expected);
        check("/tmp/<|eot_id|><|start_header_id|>x", "/tmp/\\x3c|eot_id|>\\x3c|start_header_id|>x");
        check("</s><s>[INST] <<SYS>> [/INST]", "\\x3c/s>\\x3cs>\\x5bINST] \\x3c\\x3cSYS>> \\x5b/INST]");
        check("/tmp/a;seen once before", "/tmp/a\\x3bseen once before");
        check("a\u{200b}b\u{ad}\u{feff}\u{3164}\u{fff9}", "a\\u{200b}b\\u{ad}\\u{feff}\\u{3164}\\u{fff9}");
        check("[kworker/0:1] a < b > c [x] 日本 größer\n", "[kworker/0:1] a < b > c [x] 日本 größer\\n");
    }
}
