//! `{% generation %}`: the tags by which templates for training say which of their text the model learns.
//!
//! transformers has them as an extension of Jinja; minijinja has no extensions. So the tags become blocks it knows, which write a
//! mark at each end of what they hold.

use std::ops::Range;

/// The variables that hold the marks.
pub(crate) const VARIABLES: [&str; 2] = ["__generation_begins", "__generation_ends"];

/// `source` with its tags replaced, and whether it has any. The control of white space around a tag stays as it is.
pub(crate) fn replace_tags(source: &str) -> (String, bool) {
    let (mut out, mut rest, mut found) = (String::with_capacity(source.len()), source, false);
    let [begins, ends] = VARIABLES;
    while let Some(at) = rest.find("{%").into_iter().chain(rest.find("{#")).min() {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let closing = if tag.starts_with("{#") { "#}" } else { "%}" };
        let Some(length) = tag.find(closing).map(|end| end + closing.len()) else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(length);
        rest = after;
        let inside = tag.trim_start_matches("{%").trim_end_matches("%}");
        let (name, left) = match inside.strip_prefix(['-', '+']) {
            Some(name) => (name, &inside[..1]),
            None => (inside, ""),
        };
        let (name, right) = match name.strip_suffix(['-', '+']) {
            Some(shorter) => (shorter, &name[shorter.len()..]),
            None => (name, ""),
        };
        match name.trim() {
            // `with` as the tag has it: what is set inside is not seen outside.
            "generation" => {
                found = true;
                out.push_str(&format!("{{%{left} with %}}{{% if true %}}{{{{ {begins} }}}}{{% endif {right}%}}"));
            }
            "endgeneration" => {
                out.push_str(&format!("{{%{left} if true %}}{{{{ {ends} }}}}{{% endif %}}{{% endwith {right}%}}"));
            }
            _ => out.push_str(tag),
        }
    }
    out.push_str(rest);
    (out, found)
}

/// Takes the marks out of `text`; gives the bytes between each pair.
pub(crate) fn take_marks(text: &str, [begins, ends]: [char; 2]) -> (String, Vec<Range<usize>>) {
    let (mut clean, mut spans, mut start) = (String::with_capacity(text.len()), Vec::new(), None);
    for c in text.chars() {
        if c == begins {
            start = Some(clean.len());
        } else if c == ends {
            spans.extend(start.take().map(|start| start..clean.len()));
        } else {
            clean.push(c);
        }
    }
    (clean, spans)
}

/// Two characters of private use that are in none of `texts`.
pub(crate) fn free_marks<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Option<[char; 2]> {
    let mut free = ('\u{F0000}'..='\u{FFFFD}').filter(|mark| texts.clone().all(|text| !text.contains(*mark)));
    Some([free.next()?, free.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_blocks_and_marks_become_spans() {
        let (source, found) =
            replace_tags("a {%- generation -%} b {#{% generation %}#}{% endgeneration %}\nc{% if x %}");
        assert!(found);
        let expected = "a {%- with %}{% if true %}{{ __generation_begins }}{% endif -%} b {#{% generation %}#}\
            {% if true %}{{ __generation_ends }}{% endif %}{% endwith %}\nc{% if x %}";
        assert_eq!(source, expected);
        assert_eq!(replace_tags("{{ generation }}{% open"), ("{{ generation }}{% open".to_owned(), false));
        let marks = free_marks(["a\u{F0000}", "b"].into_iter()).unwrap();
        assert_eq!(marks, ['\u{F0001}', '\u{F0002}']);
        let (text, spans) = take_marks("x\u{F0001}yé\u{F0002}z\u{F0001}w\u{F0002}", marks);
        assert_eq!((text.as_str(), spans), ("xyézw", vec![1..4, 5..6]));
    }
}
