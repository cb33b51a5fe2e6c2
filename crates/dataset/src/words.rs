//! How Llama 3 cuts text into words before byte-level BPE, without a regex engine: the seven alternatives of [`LLAMA_3_SPLIT`], by hand.
//!
//! A test of the stage `tokenize`, which has the reference library, holds it against that.

use unicode_general_category::{GeneralCategory, get_general_category};

/// The pattern whose matches [`words`] gives; llama.cpp calls it `llama-bpe`.
pub const LLAMA_3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The classes of characters that the pattern tells apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    /// `\r` or `\n`.
    Newline,
    /// Any other `\s`.
    Space,
    Other,
}

impl Class {
    fn of(c: char) -> Class {
        use GeneralCategory as G;
        match c {
            'a'..='z' | 'A'..='Z' => Class::Letter,
            '0'..='9' => Class::Number,
            '\r' | '\n' => Class::Newline,
            _ if c.is_whitespace() => Class::Space,
            _ if c.is_ascii() => Class::Other,
            _ => match get_general_category(c) {
                G::UppercaseLetter | G::LowercaseLetter | G::TitlecaseLetter | G::ModifierLetter | G::OtherLetter => {
                    Class::Letter
                }
                G::DecimalNumber | G::LetterNumber | G::OtherNumber => Class::Number,
                _ => Class::Other,
            },
        }
    }

    fn blank(self) -> bool {
        matches!(self, Class::Newline | Class::Space)
    }
}

/// The words of `text`, which together are all of it.
pub fn words(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (word, rest) = text.split_at_checked(first(text)?)?;
        text = rest;
        Some(word)
    })
}

/// Bytes of the first word; none at the end.
fn first(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let head = chars.next()?;
    let class = Class::of(head);
    let rest = chars.as_str();
    let next = rest.chars().next().map(Class::of);
    if head == '\''
        && let Some(suffix) = contraction(rest)
    {
        return Some(head.len_utf8() + suffix);
    }
    let run = |text: &str, of: fn(Class) -> bool| text.find(|c| !of(Class::of(c))).unwrap_or(text.len());
    let letters = |class| class == Class::Letter;
    Some(match class {
        Class::Letter => run(text, letters),
        Class::Space | Class::Other if next == Some(Class::Letter) => head.len_utf8() + run(rest, letters),
        Class::Number => text.char_indices().take(3).take_while(|(_, c)| Class::of(*c) == Class::Number).fold(0, past),
        Class::Other => symbols(text),
        Class::Space if head == ' ' && next == Some(Class::Other) => 1 + symbols(rest),
        Class::Space | Class::Newline => blanks(&text[..run(text, Class::blank)], text),
    })
}

fn past(_: usize, (place, c): (usize, char)) -> usize {
    place + c.len_utf8()
}

/// `[^\s\p{L}\p{N}]+[\r\n]*`.
fn symbols(text: &str) -> usize {
    let end = text.find(|c| Class::of(c) != Class::Other).unwrap_or(text.len());
    let newlines = text[end..].find(|c| Class::of(c) != Class::Newline).unwrap_or(text.len() - end);
    end + newlines
}

/// The three alternatives for blanks: up to the last newline; else all but the last, which goes to what follows; else all.
fn blanks(run: &str, text: &str) -> usize {
    if let Some(newline) = run.rfind(['\r', '\n']) {
        return newline + 1;
    }
    let last = run.char_indices().next_back().map_or(0, |(place, _)| place);
    if run.len() < text.len() && last > 0 { last } else { run.len() }
}

/// Bytes of what follows an apostrophe in `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` and `'d`, in any case; the long s is an s.
fn contraction(rest: &str) -> Option<usize> {
    let mut chars = rest.chars().map(|c| if c == 'ſ' { ('s', c) } else { (c.to_ascii_lowercase(), c) });
    let (first, original) = chars.next()?;
    match (first, chars.next().map(|(second, _)| second)) {
        ('s' | 't' | 'm' | 'd', _) => Some(original.len_utf8()),
        ('r' | 'v', Some('e')) | ('l', Some('l')) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn text_is_cut_as_llama_3_cuts_it() {
        check("tcp LISTEN 8080", &["tcp", " LISTEN", " ", "808", "0"]);
        check("It'S a/b  x", &["It", "'S", " a", "/b", " ", " x"]);
        check("a \n\n b\t", &["a", " \n\n", " b", "\t"]);
        check(" {\"k\":1}\n", &[" {\"", "k", "\":", "1", "}\n"]);
        check("   ", &["   "]);
        check("'ſ 'rE 'x", &["'ſ", " '", "rE", " '", "x"]);
    }
}
