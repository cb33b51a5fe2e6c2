//! The name that was meant, for "did you mean".

/// Names listed when none is near.
const LISTED: usize = 10;

/// The candidate nearest to `word`, when one is near enough to be meant; the first among equals.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    let distance = |name: &'a str| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name);
    let near = candidates.into_iter().filter(|name| name.len().abs_diff(word.len()) <= 2 * allowed).map(distance);
    near.filter(|(d, name)| *d <= allowed && *d < name.chars().count()).min_by_key(|(d, _)| *d).map(|(_, name)| name)
}

/// "did you mean", or the names there are; nothing when there is none.
pub fn help<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(name) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    (!candidates.is_empty()).then(|| format!("there is {}", list(candidates)))
}

/// The names in backticks, cut when they are many.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let rest = names.len() - shown.len();
    let text = shown.join(", ");
    if rest == 0 { text } else { format!("{text} and {rest} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expect: Option<&str>) {
        let names = ["lr", "weight_decay", "steps", "batch_size", "seed"];
        assert_eq!(nearest(word, names), expect, "{word}");
    }

    #[test]
    fn a_slip_finds_its_name_and_a_different_word_does_not() {
        check("lrr", Some("lr"));
        check("rl", Some("lr"));
        check("LR", Some("lr"));
        check("weightdecay", Some("weight_decay"));
        check("bach_size", Some("batch_size"));
        check("learning_rate", None);
        check("x", None);
    }

    #[test]
    fn without_a_near_name_the_names_are_listed() {
        assert_eq!(help("zzz", ["a", "b"]).unwrap(), "there is `a`, `b`");
        assert_eq!(help("zzz", []), None);
        let many: Vec<String> = (0..13).map(|n| format!("name{n:02}")).collect();
        assert!(list(many.iter().map(String::as_str)).ends_with("`name09` and 3 more"));
    }
}
