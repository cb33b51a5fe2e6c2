//! The bytes of tokens.

use std::collections::BTreeMap;

/// The tokens of a model, by their bytes.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// In the order of their bytes; each has how many of them it shares with the one before.
    pub(crate) sorted: Vec<Spelled>,
    by_bytes: BTreeMap<Vec<u8>, usize>,
    longest: usize,
}

/// A token and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Spelled {
    pub token: u32,
    pub bytes: Vec<u8>,
    pub shared: usize,
}

impl Vocabulary {
    /// Of tokens with their bytes. Those that are no text, as the ones that end an answer, are left out.
    pub fn new(tokens: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Vocabulary {
        let mut by_bytes = BTreeMap::new();
        for (token, bytes) in tokens.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            by_bytes.entry(bytes).or_insert(token as usize);
        }
        let mut sorted: Vec<Spelled> = Vec::new();
        for (bytes, token) in &by_bytes {
            let before = sorted.last().map_or(&[][..], |spelled| &spelled.bytes);
            let shared = before.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            sorted.push(Spelled { token: *token as u32, bytes: bytes.clone(), shared });
        }
        let longest = by_bytes.keys().map(Vec::len).max().unwrap_or(0);
        Vocabulary { sorted, by_bytes, longest }
    }

    /// Of the tokens of a byte-level BPE, which writes each byte as a printable character. Of tokens of another kind none is text.
    pub fn of_byte_level(tokens: impl IntoIterator<Item = (u32, String)>) -> Vocabulary {
        let bytes = byte_level();
        let spelled = |text: &str| text.chars().map(|c| bytes.get(&c).copied()).collect::<Option<Vec<u8>>>();
        Vocabulary::new(tokens.into_iter().filter_map(|(token, text)| Some((token, spelled(&text)?))))
    }

    /// The tokens of `text`, the longest that fits each time; none where some byte has no token.
    pub fn spell(&self, text: &[u8]) -> Option<Vec<u32>> {
        let (mut tokens, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let longest = self.longest.min(text.len() - at);
            let found =
                (1..=longest).rev().find_map(|length| Some((self.by_bytes.get(&text[at..at + length])?, length)));
            let (token, length) = found?;
            tokens.push(*token as u32);
            at += length;
        }
        Some(tokens)
    }
}

/// The characters of a byte-level BPE: printable bytes as themselves, the others from U+0100 on.
fn byte_level() -> BTreeMap<char, u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let own = (0..=255_u8).filter(printable).map(|byte| (char::from(byte), byte));
    let others = (0..=255_u8)
        .filter(|byte| !printable(byte))
        .zip(0x100..)
        .filter_map(|(byte, code)| Some((char::from_u32(code)?, byte)));
    own.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_level_tokens_are_their_bytes() {
        let vocabulary = Vocabulary::of_byte_level([
            (1, "Ġport".to_owned()),
            (2, "Ã¼".to_owned()),
            (3, "Ċ".to_owned()),
            (4, "▁x".to_owned()),
        ]);
        assert_eq!(vocabulary.spell(" portü\n".as_bytes()), Some(vec![1, 2, 3]));
        assert_eq!(vocabulary.spell(b"x"), None);
    }
}
