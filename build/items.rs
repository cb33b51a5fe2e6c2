//! A Rust source as a set of items, each by the digest of its tokens.
//!
//! Left out are parts that a move changes or that do not change a result: comments, documentation and layout; `use` and `mod name;`;
//! visibility; the crates and modules of a path; tests inside the file. A change that consists of nothing else, such as a `use`
//! that now names another function of the same name, goes unnoticed: the digest is for a warning, not for a key.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The digest of one part of a kind.
pub(super) type Part = [u8; 32];

/// That of a part taken as it is.
pub(super) fn part(bytes: &[u8]) -> Part {
    *blake3::hash(bytes).as_bytes()
}

/// The digests of the items of a file. A file that cannot be read as tokens is one item.
pub(super) fn digests(source: &str) -> BTreeSet<Part> {
    let Ok(tokens) = source.parse::<TokenStream>() else {
        return BTreeSet::from([part(source.as_bytes())]);
    };
    let tokens = essence(tokens);
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    tokens
        .split_inclusive(ends)
        .map(|item| {
            let mut hasher = blake3::Hasher::new();
            add(&mut hasher, item);
            *hasher.finalize().as_bytes()
        })
        .collect()
}

fn add(hasher: &mut blake3::Hasher, tokens: &[TokenTree]) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let within = essence(group.stream());
                hasher.update(&[b'(', group.delimiter() as u8]).update(&(within.len() as u64).to_le_bytes());
                add(hasher, &within);
            }
            token => {
                let text = token.to_string();
                hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
    }
}

/// The tokens of one level that count.
fn essence(tokens: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut kept, mut at) = (Vec::with_capacity(tokens.len()), 0);
    while let Some(token) = tokens.get(at) {
        match skipped(&tokens[at..]) {
            0 => {
                kept.push(token.clone());
                at += 1;
            }
            count => at += count,
        }
    }
    kept
}

/// How many of the next tokens do not count; 0 where the first one does.
fn skipped(tokens: &[TokenTree]) -> usize {
    let is = |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == wanted);
    let end = |is_end: &dyn Fn(&TokenTree) -> bool| tokens.iter().position(is_end).map_or(tokens.len(), |at| at + 1);
    let semicolon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    match tokens {
        [TokenTree::Punct(hash), ..] if hash.as_char() == '#' => {
            let at = if is(1, '!') { 2 } else { 1 };
            match tokens.get(at) {
                Some(TokenTree::Group(group)) if begins(group, "doc") => at + 1,
                Some(TokenTree::Group(group)) if group.to_string().replace(' ', "") == "[cfg(test)]" => end(&|token| {
                    semicolon(token) || matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace)
                }),
                _ => 0,
            }
        }
        // `use<'a>` is a bound, no import.
        [TokenTree::Ident(first), ..] => match first.to_string().as_str() {
            "use" if !is(1, '<') => end(&semicolon),
            "mod" if is(2, ';') => 3,
            "pub" => match tokens.get(1) {
                Some(TokenTree::Group(group)) if ["crate", "super", "self", "in"].iter().any(|w| begins(group, w)) => 2,
                _ => 1,
            },
            // `place::shell` is `shell`, wherever `place` lies; `u32::MAX` is not `u64::MAX`, and in `sum::<u32>()` nothing is a place.
            name if is(1, ':') && is(2, ':') && !is(3, '<') && is_module(name) => 3,
            _ => 0,
        },
        _ => 0,
    }
}

fn is_module(name: &str) -> bool {
    let primitive = matches!(name, "bool" | "char" | "str" | "f32" | "f64" | "usize" | "isize")
        || name.strip_prefix(['u', 'i']).is_some_and(|bits| bits.parse::<u8>().is_ok());
    !primitive && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn begins(group: &Group, wanted: &str) -> bool {
    matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(ident)) if ident == wanted)
}
