//! Ids as the scanner wrote them, from those of a document.
//!
//! `correlate` makes the second `x` of a document `x#2`, the third `x#3`. An id may end in `#2` by itself, so the ending is left
//! out only where as many uses of `x` as it counts on come before.

use std::collections::HashMap;

use super::view::Finding;

/// The id of each finding as the scanner wrote it. What repeats an id without such an ending keeps it.
pub fn raw<'d>(findings: &'d [Finding<'_>]) -> Vec<&'d str> {
    let mut uses: HashMap<&str, u32> = HashMap::with_capacity(findings.len());
    let mut raw = Vec::with_capacity(findings.len());
    for finding in findings {
        let id = &*finding.id;
        let repeated = repetition(id).filter(|(of, number)| uses.get(of).is_some_and(|count| count + 1 == *number));
        let of = repeated.map_or(id, |(of, _)| of);
        *uses.entry(of).or_default() += 1;
        raw.push(of);
    }
    raw
}

/// What an id repeats, and for which time, if it is one that `correlate` made.
fn repetition(id: &str) -> Option<(&str, u32)> {
    let (of, number) = id.rsplit_once('#')?;
    let times = number.parse().ok()?;
    (times > 1 && !number.starts_with(['0', '+'])).then_some((of, times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[&str]) -> Vec<String> {
        let text = serde_json::to_string(&ids.iter().map(|id| serde_json::json!({"id": id})).collect::<Vec<_>>());
        let text = text.unwrap();
        let findings: Vec<Finding<'_>> = serde_json::from_str(&text).unwrap();
        raw(&findings).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn only_the_endings_of_repeated_ids_are_left_out() {
        assert_eq!(of(&["8", "8#2", "8#3", "9"]), ["8", "8", "8", "9"]);
        // Of another scanner, with others between.
        assert_eq!(of(&["/a", "/b", "/a#2"]), ["/a", "/b", "/a"]);
        // The scanner's own.
        assert_eq!(of(&["/a#2", "/b#3", "/tmp/#x:40"]), ["/a#2", "/b#3", "/tmp/#x:40"]);
        assert_eq!(of(&["/a", "/a#3", "/a#02", "/a#"]), ["/a", "/a#3", "/a#02", "/a#"]);
        assert_eq!(of(&["/a#2", "/a#2#2", "/a#2#3"]), ["/a#2", "/a#2", "/a#2"]);
    }
}
