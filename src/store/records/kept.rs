//! The form of small files of the store that say something by themselves: plans, lists of last actions, pins. Like a record such a
//! file has two lines of JSON, the text and a checksum; the checksum covers the file's name, so that one file in the place of another
//! is noticed too.
//!
//! Documents that other programs read carry the checksum within: [`seal_document`] for one, [`Chain`] for lines that are written one by
//! one. Files of older versions have none and are believed as they are.

use contract::Digest;

use crate::action::canonical::Encoder;

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// The text that was written under this name.
    Sound(&'a [u8]),
    /// It carries no checksum: an older version wrote it, if it is whole.
    Unsealed(&'a [u8]),
    /// Something else.
    Damaged,
}

/// `text`, which is compact JSON, with the checksum of it under `name`.
pub(in crate::store) fn seal(name: &str, text: &[u8]) -> Vec<u8> {
    [text, b"\n\"", sum(name, text).to_string().as_bytes(), b"\"\n"].concat()
}

/// The text that [`seal`] was given.
pub(super) fn open<'a>(name: &str, bytes: &'a [u8]) -> Kept<'a> {
    // Compact JSON holds no line feed; the indented form of older versions has many.
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Kept::Unsealed(bytes) };
    let (text, checksum) = bytes.split_at(end);
    if checksum == format!("\n\"{}\"\n", sum(name, text)).as_bytes() {
        Kept::Sound(text)
    } else {
        Kept::Unsealed(bytes)
    }
}

fn sum(name: &str, text: &[u8]) -> Digest {
    let mut encoder = Encoder::new("pipe kept file");
    encoder.text(name).bytes(text);
    encoder.finish()
}

/// `,"check":"0123456789abcdef"}`, with which a sealed document ends.
const BEFORE: &[u8] = b",\"check\":\"";
const AFTER: &[u8] = b"\"}";
const DIGITS: usize = 16;
const TAIL: usize = BEFORE.len() + DIGITS + AFTER.len();

/// The most wrong characters around the digits of something that still counts as a damaged seal.
const NEAR: usize = 3;

/// A JSON object with a last member `check` over the rest of it and `name`. It must have another member.
pub fn seal_document(name: &str, mut object: Vec<u8>) -> Vec<u8> {
    let checksum = short(&sum(name, &object));
    object.pop();
    [&object[..], BEFORE, checksum.as_bytes(), AFTER].concat()
}

/// Whether the JSON object is as [`seal_document`] left it.
pub fn open_document<'a>(name: &str, bytes: &'a [u8]) -> Kept<'a> {
    let Some((text, checksum)) = split(bytes) else { return Kept::Unsealed(bytes) };
    if checksum == short(&sum(name, &text)).as_bytes() && has_form(bytes) { Kept::Sound(bytes) } else { Kept::Damaged }
}

/// The checksums of lines, each over the name and all lines until then: one that is changed, missing or in another place is found.
#[derive(Debug)]
pub struct Chain(blake3::Hasher);

impl Chain {
    /// Of the lines under `name`.
    pub fn new(name: &str) -> Chain {
        let mut hasher = blake3::Hasher::new_derive_key("pipe journal 1");
        hasher.update(name.as_bytes());
        Chain(hasher)
    }

    /// The next line, a JSON object without its line feed, with a last member `check`.
    pub fn seal(&mut self, mut object: Vec<u8>) -> Vec<u8> {
        let checksum = self.next(&object);
        object.pop();
        [&object[..], BEFORE, checksum.as_bytes(), AFTER].concat()
    }

    /// Whether the next line is as [`Chain::seal`] left it.
    pub fn open<'a>(&mut self, line: &'a [u8]) -> Kept<'a> {
        let Some((text, checksum)) = split(line) else { return Kept::Unsealed(line) };
        if checksum == self.next(&text).as_bytes() && has_form(line) { Kept::Sound(line) } else { Kept::Damaged }
    }

    fn next(&mut self, object: &[u8]) -> String {
        self.0.update(b"\n").update(object);
        self.0.finalize().to_hex()[..DIGITS].to_owned()
    }
}

/// The object without its last member, and the digits of that; `None` where it ends otherwise.
fn split(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let start = bytes.len().checked_sub(TAIL)?;
    let tail = &bytes[start..];
    if wrong(tail) > NEAR {
        return None;
    }
    Some(([&bytes[..start], b"}"].concat(), &tail[BEFORE.len()..BEFORE.len() + DIGITS]))
}

fn has_form(bytes: &[u8]) -> bool {
    wrong(&bytes[bytes.len() - TAIL..]) == 0
}

/// How many characters around the digits are others.
fn wrong(tail: &[u8]) -> usize {
    let around = tail[..BEFORE.len()].iter().chain(&tail[BEFORE.len() + DIGITS..]);
    around.zip(BEFORE.iter().chain(AFTER)).filter(|(found, meant)| found != meant).count()
}

fn short(digest: &Digest) -> String {
    let hex = blake3::Hash::from_bytes(*digest.as_bytes()).to_hex();
    hex[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn one_flipped_bit_anywhere_is_noticed(place: prop::sample::Index, bit in 0..8_u32) {
            let flipped = |mut bytes: Vec<u8>| {
                let at = place.index(bytes.len());
                bytes[at] ^= 1 << bit;
                bytes
            };
            let whole = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
            let two = flipped(seal("a", br#"{"n":7,"text":"x"}"#));
            let noticed = match open("a", &two) {
                Kept::Sound(_) => false,
                Kept::Unsealed(bytes) => !whole(bytes),
                Kept::Damaged => true,
            };
            prop_assert!(noticed);
            let one = flipped(seal_document("a", br#"{"n":7,"text":"x"}"#.to_vec()));
            prop_assert_eq!(open_document("a", &one), Kept::Damaged);
            let line = flipped(Chain::new("a").seal(br#"{"n":7,"text":"x"}"#.to_vec()));
            prop_assert_eq!(Chain::new("a").open(&line), Kept::Damaged);
        }
    }

    #[test]
    fn what_lies_under_another_name_or_in_another_place_is_noticed() {
        let text = br#"{"n":7}"#;
        assert_eq!(open("a", &seal("a", text)), Kept::Sound(text));
        assert!(matches!(open("b", &seal("a", text)), Kept::Unsealed(_)));
        let sealed = seal_document("a", text.to_vec());
        assert_eq!(open_document("a", &sealed), Kept::Sound(&sealed));
        assert_eq!(open_document("b", &sealed), Kept::Damaged);
        assert_eq!(open_document("a", text), Kept::Unsealed(text));
        let mut chain = Chain::new("a");
        let lines = [chain.seal(text.to_vec()), chain.seal(text.to_vec())];
        let mut chain = Chain::new("a");
        assert_eq!([chain.open(&lines[0]), chain.open(&lines[1])], [Kept::Sound(&lines[0]), Kept::Sound(&lines[1])]);
        assert_eq!(Chain::new("a").open(&lines[1]), Kept::Damaged, "a line is missing before it");
    }
}
