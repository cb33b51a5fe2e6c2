//! The bytes of a report as text.
//!
//! The scanner copies names and arguments of processes raw, and any user may start a process whose name is no UTF-8. Such a name must
//! not make a report unreadable: each bad byte becomes U+FFFD and its two hexadecimal digits, each lone surrogate U+FFFD, `u` and its
//! four, so that two different names stay different. Text that is valid, which nearly all is, is borrowed and only checked.

use std::borrow::Cow;
use std::fmt::Write;

use serde::de::IgnoredAny;

/// The text of a file, and where it was mended.
pub(crate) struct Text<'b> {
    pub text: Cow<'b, str>,
    /// Offsets in `text` of what stands for bytes and code units that are no text.
    pub mended: Vec<usize>,
    /// It had a byte order mark or was UTF-16.
    pub reencoded: bool,
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes UTF-8 and UTF-16, with and without a byte order mark. None where the bytes are no JSON, whatever is done about them.
pub(crate) fn decode(bytes: &[u8]) -> Option<Text<'_>> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [b'{', 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, b'{', ..] => utf16(bytes, u16::from_be_bytes),
        _ => match bytes.strip_prefix(UTF8_MARK) {
            Some(rest) => utf8(rest).map(|text| Text { reencoded: true, ..text }),
            None => utf8(bytes),
        },
    }
}

/// Whether bytes are UTF-16, by their first.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..])
}

fn utf8(bytes: &[u8]) -> Option<Text<'_>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Text { text: Cow::Borrowed(text), mended: Vec::new(), reencoded: false });
    }
    // The form is checked first, which looks at no character: what is no JSON is not worth a copy several times its size.
    serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
    let mut mended = Vec::new();
    let mut text = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            mended.push(text.len());
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, "\u{fffd}{byte:02x}");
        }
    }
    Some(Text { text: Cow::Owned(text), mended, reencoded: false })
}

fn utf16<'b>(bytes: &'b [u8], unit: fn([u8; 2]) -> u16) -> Option<Text<'b>> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let mut mended = Vec::new();
    let mut text = String::with_capacity(pairs.len() + 64);
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match decoded {
            Ok(c) => text.push(c),
            Err(lone) => {
                mended.push(text.len());
                write_surrogate(&mut text, lone.unpaired_surrogate());
            }
        }
    }
    Some(Text { text: Cow::Owned(text), mended, reencoded: true })
}

fn write_surrogate(text: &mut String, unit: u16) {
    let _ = write!(text, "\u{fffd}u{unit:04x}");
}

/// The same JSON without escapes of lone surrogates; None where there are none.
pub(crate) fn without_lone_surrogates(text: Text<'_>) -> Result<Text<'_>, Text<'_>> {
    let lone = lone_surrogates(&text.text);
    if lone.is_empty() {
        return Err(text);
    }
    let mut before = text.mended.iter().peekable();
    let mut mended = Vec::with_capacity(text.mended.len() + lone.len());
    let mut whole = String::with_capacity(text.text.len());
    let mut from = 0;
    for (at, unit) in lone {
        while let Some(earlier) = before.next_if(|earlier| **earlier < at) {
            mended.push(earlier - from + whole.len());
        }
        whole.push_str(&text.text[from..at]);
        mended.push(whole.len());
        write_surrogate(&mut whole, unit);
        from = at + ESCAPE;
    }
    mended.extend(before.map(|later| later - from + whole.len()));
    whole.push_str(&text.text[from..]);
    Ok(Text { text: Cow::Owned(whole), mended, ..text })
}

/// Bytes of `\ud800`.
const ESCAPE: usize = 6;

/// Where escapes of lone surrogates begin, and which.
fn lone_surrogates(text: &str) -> Vec<(usize, u16)> {
    let bytes = text.as_bytes();
    let (mut lone, mut at) = (Vec::new(), 0);
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += next;
        match (unit(bytes, at), unit(bytes, at + ESCAPE)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 2 * ESCAPE,
            (Some(unit @ 0xd800..0xe000), _) => {
                lone.push((at, unit));
                at += ESCAPE;
            }
            // The character behind a backslash may be one itself.
            _ => at += 2,
        }
    }
    lone
}

/// The code unit that an escape at `at` names.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_stay_apart_and_are_told() {
        let check = |bytes: &[u8], expected: &str, mended: &[usize]| {
            let text = decode(bytes).unwrap();
            assert_eq!((&*text.text, &*text.mended), (expected, mended));
        };
        check(b"\"a\xff\xfeb\"", "\"a\u{fffd}ff\u{fffd}feb\"", &[2, 7]);
        check(b"\"\xe6\x97\"", "\"\u{fffd}e6\u{fffd}97\"", &[1, 6]);
        check("\"\u{fffd}日\"".as_bytes(), "\"\u{fffd}日\"", &[]);
        assert!(decode(b"{\"a\": \xff").is_none());
    }

    #[test]
    fn lone_surrogates_are_told_from_pairs_and_from_escaped_backslashes() {
        let check = |text: &str, expected: Option<&str>| {
            let text = Text { text: text.into(), mended: Vec::new(), reencoded: false };
            assert_eq!(without_lone_surrogates(text).ok().map(|text| text.text.into_owned()).as_deref(), expected);
        };
        check(r#""\ud83d\ude00 \\ud800 \u00e9""#, None);
        check(r#""\ud800\ud83d\ude00\\\udc01""#, Some("\"\u{fffd}ud800\\ud83d\\ude00\\\\\u{fffd}udc01\""));
        check(r#""\ud800"#, Some("\"\u{fffd}ud800"));
    }

    #[test]
    fn places_of_both_kinds_follow_the_text() {
        let text = decode(b"[\"\xff\",\"\\ud800\",\"\xfe\"]").unwrap();
        let text = without_lone_surrogates(text).ok().unwrap();
        assert_eq!(text.mended.len(), 3);
        assert!(text.mended.iter().all(|at| text.text[*at..].starts_with('\u{fffd}')));
    }

    #[test]
    fn utf16_is_read_in_both_orders_with_and_without_a_mark() {
        let json = "{\"x\":\"日\u{1f600}\"}";
        let units: Vec<u16> = json.encode_utf16().collect();
        for mark in [&[][..], &[0xfeff]] {
            let all: Vec<u16> = mark.iter().chain(&units).copied().collect();
            let little: Vec<u8> = all.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = all.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            assert!([little, big].iter().all(|bytes| decode(bytes).unwrap().text == json));
        }
        let lone: Vec<u8> = [0xfeff, 0x22, 0xd800, 0x22].iter().flat_map(|unit: &u16| unit.to_be_bytes()).collect();
        assert_eq!(decode(&lone).unwrap().text, "\"\u{fffd}ud800\"");
    }
}
