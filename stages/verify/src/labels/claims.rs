//! What a finding's text must show where a label says something of it: `claims.yaml`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The table of this build.
pub static CLAIMS: LazyLock<Claims> = LazyLock::new(|| {
    Claims::new(serde_yaml::from_str(include_str!("../../claims.yaml")).expect("the embedded table has its form"))
});

/// What each technique and each action asks of a text.
pub struct Claims {
    techniques: HashMap<String, Shown>,
    actions: HashMap<String, Shown>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    techniques: Vec<Entry>,
    actions: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    of: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    parts: Vec<String>,
}

#[derive(Clone)]
struct Shown {
    words: Vec<String>,
    parts: Vec<String>,
}

impl Claims {
    fn new(table: Table) -> Claims {
        let by_name = |entries: Vec<Entry>| {
            let of = |Entry { of, words, parts }: Entry| {
                let shown = Shown { words, parts };
                of.into_iter().map(move |name| (name, shown.clone()))
            };
            entries.into_iter().flat_map(of).collect()
        };
        Claims { techniques: by_name(table.techniques), actions: by_name(table.actions) }
    }

    /// Whether one of the texts shows a technique. One that the table lacks is shown by none.
    pub fn technique<'t>(&self, technique: &str, mut texts: impl Iterator<Item = &'t str>) -> bool {
        self.techniques.get(technique).is_some_and(|shown| texts.any(|text| shown.by(text)))
    }

    /// The first of the texts that contradicts an action. Of an action that the table lacks nothing is said.
    pub fn contradiction<'t>(&self, action: &str, mut texts: impl Iterator<Item = &'t str>) -> Option<&'t str> {
        let shown = self.actions.get(action)?;
        texts.find(|text| !shown.by(text))
    }

    /// Whether the table has an entry of an action.
    pub fn knows_action(&self, action: &str) -> bool {
        self.actions.contains_key(action)
    }
}

impl Shown {
    fn by(&self, text: &str) -> bool {
        let words = || text.split(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)));
        let word = |word: &String| words().any(|own| own.trim_matches(['-', '.']) == word);
        self.parts.iter().any(|part| text.contains(part.as_str())) || self.words.iter().any(word)
    }
}

/// Whether a text is the id of an ATT&CK technique.
pub fn is_technique(text: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('T').is_some_and(|id| match id.split_once('.') {
        None => digits(id, 4),
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_technique_needs_one_text_and_an_action_all() {
        let shell = |texts: &[&str]| CLAIMS.technique("T1059.004", texts.iter().copied());
        assert!(shell(&["f1 network: x", "f2 processes: /bin/sh as root"]) && shell(&["processes: -bash as a user"]));
        assert!(!shell(&["f2 processes: /usr/share/bashful as root"]) && !shell(&[]));
        assert!(!CLAIMS.technique("T0000", ["anything"].into_iter()));
        let mac = "Turn mandatory access control on";
        assert_eq!(CLAIMS.contradiction(mac, ["f1 mac: apparmor off"].into_iter()), None);
        assert_eq!(CLAIMS.contradiction(mac, ["f1 mac: apparmor off", "f2 ioc: x"].into_iter()), Some("f2 ioc: x"));
        assert_eq!(CLAIMS.contradiction("Have some tea", ["x"].into_iter()), None);
    }

    #[test]
    fn techniques_are_told_from_other_tags() {
        assert!(is_technique("T1059") && is_technique("T1059.004"));
        assert!(!is_technique("Tmp") && !is_technique("T1059.4") && !is_technique("refined"));
    }
}
