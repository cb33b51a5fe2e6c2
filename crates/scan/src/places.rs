//! JSON pointers of places in a text, for warnings about what was mended there.

/// One array or object that a walk is in.
enum Level<'t> {
    Array(usize),
    /// With the key whose value comes, as it is written.
    Object(Option<&'t str>),
}

/// The strings of `text` that hold one of `offsets` (sorted): how many, and the pointers of the first `limit`. The text is JSON.
pub(crate) fn of(text: &str, offsets: &[usize], limit: usize) -> (u64, Vec<String>) {
    let bytes = text.as_bytes();
    let mut levels: Vec<Level<'_>> = Vec::new();
    let (mut count, mut pointers) = (0, Vec::new());
    let mut offsets = offsets.iter().copied().peekable();
    let mut at = 0;
    while at < bytes.len() && offsets.peek().is_some() {
        match bytes[at] {
            b'[' => levels.push(Level::Array(0)),
            b'{' => levels.push(Level::Object(None)),
            b']' | b'}' => drop(levels.pop()),
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object(key)) => *key = None,
                None => {}
            },
            b'"' => {
                let end = end_of_string(bytes, at);
                if let Some(Level::Object(key @ None)) = levels.last_mut() {
                    *key = text.get(at + 1..end);
                }
                let mut held = false;
                while offsets.next_if(|offset| *offset < end).is_some() {
                    held = true;
                }
                count += u64::from(held);
                if held && pointers.len() < limit {
                    pointers.push(pointer(&levels));
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    (count, pointers)
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn pointer(levels: &[Level<'_>]) -> String {
    let mut text = String::new();
    for level in levels {
        text.push('/');
        match level {
            Level::Array(index) => text.push_str(&index.to_string()),
            Level::Object(key) => text.push_str(&key.unwrap_or_default().replace('~', "~0").replace('/', "~1")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_the_string_it_is_in() {
        let text = r#"{"a": [1, {"b/c": "x\"?"}, "y"], "?": {}, "e": "z", "f": [[], ["?", "?"]]}"#;
        let marks: Vec<usize> = text.match_indices('?').map(|(at, _)| at).collect();
        assert_eq!(of(text, &marks, 3), (4, ["/a/1/b~1c", "/?", "/f/1/0"].map(str::to_owned).to_vec()));
        assert_eq!(of(text, &[], 3), (0, Vec::new()));
    }
}
