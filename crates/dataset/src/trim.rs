//! White space as Python has it, whose `strip` decides what chat templates leave of a message.

/// Whether Python takes `c` for white space: Unicode's property and the four separators U+001C to U+001F.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `text` without white space at both ends: Python's `str.strip`.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters for which `str.isspace` of Python 3.11 holds.
    #[test]
    fn white_space_is_that_of_python() {
        let mut python: Vec<u32> = (0x9..=0xd).chain(0x1c..=0x20).chain([0x85, 0xa0, 0x1680]).collect();
        python.extend((0x2000..=0x200a).chain([0x2028, 0x2029, 0x202f, 0x205f, 0x3000]));
        let ours: Vec<u32> = ('\0'..=char::MAX).filter(|c| is_space(*c)).map(u32::from).collect();
        assert_eq!(ours, python);
        assert_eq!(trim("\u{1c}\u{2003}a\u{200b}\u{85}\u{feff}\n"), "a\u{200b}\u{85}\u{feff}");
    }
}
