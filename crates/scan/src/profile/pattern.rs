//! Patterns of ids, titles and descriptions.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::profile::format::Format;

/// A text with places for values.
#[derive(Debug)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// As it stands.
    Text(String),
    /// The finding's own value of that key, or its `id`.
    Key(String),
    Format(Format),
    Words(Vec<String>),
}

impl Pattern {
    /// Reads `text {key} <format or list of words>`.
    pub(crate) fn compile(text: &str, words: &BTreeMap<String, Vec<String>>) -> Result<Pattern, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '<']) {
            let close = if rest.as_bytes()[at] == b'{' { '}' } else { '>' };
            let end = rest[at..].find(close).ok_or_else(|| format!("{text:?} lacks a `{close}`"))? + at;
            let name = &rest[at + 1..end];
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.push(match (close, words.get(name), Format::named(name)) {
                ('}', _, _) => Part::Key(name.to_owned()),
                (_, Some(words), _) => Part::Words(words.clone()),
                (_, _, Some(format)) => Part::Format(format),
                _ => return Err(format!("{text:?} names no format and none of the `words`: {name}")),
            });
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Pattern(parts))
    }

    /// Whether a text of a finding is like this.
    pub(crate) fn matches(&self, text: &str, finding: &Finding) -> bool {
        matches(&self.0, text, finding)
    }
}

fn matches(parts: &[Part], text: &str, finding: &Finding) -> bool {
    let Some((part, others)) = parts.split_first() else { return text.is_empty() };
    let after = |prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| matches(others, rest, finding));
    match part {
        Part::Text(literal) => after(literal),
        Part::Key(key) if key == "id" => after(&finding.id),
        Part::Key(key) => finding.get(key).is_some_and(after),
        Part::Words(words) => words.iter().any(|word| after(word)),
        Part::Format(format) if others.is_empty() => format.accepts(text),
        // Where text follows, only its occurrences can end the value; the last is tried first.
        Part::Format(format) => match &others[0] {
            Part::Text(next) => text
                .rmatch_indices(next.as_str())
                .any(|(end, _)| format.accepts(&text[..end]) && matches(others, &text[end..], finding)),
            _ => (0..=text.len())
                .rev()
                .filter(|end| text.is_char_boundary(*end))
                .any(|end| format.accepts(&text[..end]) && matches(others, &text[end..], finding)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;

    #[test]
    fn values_keys_and_words_fill_their_places() {
        let words = BTreeMap::from([("proto".to_owned(), vec!["tcp".to_owned(), "tcp6".to_owned()])]);
        let finding = Finding::new("/x (deleted):7", "", Severity::Info, "").with("pid", "7").with("port", "80");
        let check = |pattern: &str, text: &str, expected: bool| {
            let pattern = Pattern::compile(pattern, &words).unwrap();
            assert_eq!(pattern.matches(text, &finding), expected, "{pattern:?} {text:?}");
        };
        check("<path>:{pid}", "/x (deleted):7", true);
        check("<path>:{pid}", "/a:7:7", true);
        check("<path>:{pid}", "/x:8", false);
        check("<proto>:{port}:<number>", "tcp6:80:12", true);
        check("<proto>:{port}:<number>", "udp:80:12", false);
        check("{id}", "/x (deleted):7", true);
        check("{absent}", "", false);
        check("plain", "plain ", false);
        check("<text><number>", "añ7", true);
        let error = |text| Pattern::compile(text, &words).unwrap_err();
        assert!(error("<pth>").contains("pth") && error("a{b").contains("lacks a `}`"));
    }
}
