//! Names of people, hosts and domains, and their pseudonyms.
//!
//! A name has one pseudonym, however it is written: the ten digits are of its lower case. So that undoing gives back what was written,
//! the case of the pseudonym's first word tells the spelling: `user-` of `bob`, `User-` of `Bob`, `USER-` of `BOB`.

use std::borrow::Cow;

use contract::Digest;

/// Accounts and homes that systems, images and programs have by themselves: they name nobody, and many are names of programs too.
const SYSTEM: [&str; 50] = [
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "mail",
    "news",
    "proxy",
    "backup",
    "list",
    "nobody",
    "user",
    "users",
    "admin",
    "administrator",
    "guest",
    "test",
    "ubuntu",
    "debian",
    "fedora",
    "centos",
    "rocky",
    "ec2-user",
    "azureuser",
    "cloud-user",
    "core",
    "pi",
    "vagrant",
    "docker",
    "git",
    "jenkins",
    "runner",
    "builder",
    "linuxbrew",
    "www",
    "www-data",
    "nginx",
    "apache",
    "postgres",
    "mysql",
    "redis",
    "oracle",
    "unknown",
    "accepted",
    "localhost",
    "localdomain",
    "lost+found",
    "shared",
];
/// Between the parts of a word.
pub(crate) const SEPARATORS: [char; 3] = ['.', '-', '_'];
/// Shorter names stand in texts by chance.
const SHORTEST: usize = 3;
/// Hexadecimal digits behind the kind of a pseudonym.
const DIGITS: usize = 10;

/// What a name is of. Of a name that is both, the greater kind counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Domain,
    Host,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::User, Kind::Domain, Kind::Host];

    fn word(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Domain => "domain",
            Kind::Host => "host",
        }
    }
}

/// Whether a character can be of a name, so that beside one a word goes on.
pub(crate) fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// A name as it is looked up.
pub(crate) fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(name.to_lowercase()),
    }
}

/// Whether a part of a text is a word of its own.
pub(crate) fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    !text[..start].ends_with(char::is_alphanumeric) && !text[end..].starts_with(char::is_alphanumeric)
}

/// The pseudonym of a name under a key.
pub(crate) fn pseudonym(key: &Digest, kind: Kind, name: &str) -> String {
    let name_in_lower = lower(name);
    let parts: [&[u8]; 4] = [key.as_bytes(), kind.word().as_bytes(), b"-", name_in_lower.as_bytes()];
    let digits = &Digest::of(&parts.concat()).to_string()[..DIGITS];
    format!("{}-{digits}", spelled(kind.word(), name))
}

/// The word in the case that tells how a name is written.
fn spelled(word: &str, name: &str) -> String {
    let lower = name.to_lowercase();
    let mut letters = lower.chars();
    let capitalized: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    // Bit by bit of which letters are upper case.
    let all = (1_u64 << word.len()) - 1;
    let bits = match name {
        _ if name == lower => 0,
        _ if name == capitalized => 1,
        _ if name == name.to_uppercase() => all,
        // Two spellings of one name that meet here get two pseudonyms.
        _ => 2 + draw(name) % (all - 2),
    };
    let letter = |(place, c): (usize, char)| if bits >> place & 1 == 1 { c.to_ascii_uppercase() } else { c };
    word.chars().enumerate().map(letter).collect()
}

fn draw(name: &str) -> u64 {
    Digest::of(name.as_bytes()).as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// Where a text has what stands for a name or looks like it: in any case `user-`, `host-` or `domain-`, and ten digits.
pub(crate) fn pseudonyms(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.match_indices('-').filter_map(|(dash, _)| {
        let (before, after) = (&text.as_bytes()[..dash], &text.as_bytes()[dash + 1..]);
        let ends = |kind: &Kind| {
            let word = kind.word().as_bytes();
            before.len() >= word.len() && before[before.len() - word.len()..].eq_ignore_ascii_case(word)
        };
        let kind = Kind::ALL.into_iter().find(ends)?;
        let digits = after.get(..DIGITS)?;
        let (start, end) = (dash - kind.word().len(), dash + 1 + DIGITS);
        let hexadecimal = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (hexadecimal && stands_alone(text, start, end)).then_some((start, end))
    })
}

/// Whether a name names somebody: accounts of systems do not.
pub(crate) fn is_personal(name: &str) -> bool {
    !SYSTEM.contains(&&*lower(name)) && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name is long enough to be replaced wherever it stands.
pub(crate) fn identifies(name: &str) -> bool {
    name.chars().count() >= SHORTEST && is_personal(name)
}

/// The parts of a word, from where to where: `web`, `1` and `lan` of `web-1.lan`. A name is one or several of them.
pub(crate) fn parts(word: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (end, separator) in word.match_indices(SEPARATORS).chain([(word.len(), "")]) {
        if end > start {
            parts.push((start, end));
        }
        start = end + separator.len();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_parts() {
        let of = |word: &'static str| -> Vec<&str> {
            parts(word).into_iter().map(|(start, end)| &word[start..end]).collect()
        };
        assert_eq!(of("web-1.lan"), ["web", "1", "lan"]);
        assert_eq!(of("_x--y_"), ["x", "y"]);
    }

    #[test]
    fn a_name_has_the_same_digits_however_it_is_written() {
        let key = Digest::of(b"key");
        let all = ["bob", "Bob", "BOB", "bOb", "boB"].map(|name| pseudonym(&key, Kind::User, name));
        assert!(all.iter().all(|text| text[4..] == all[0][4..] && text.to_lowercase() == all[0]), "{all:?}");
        assert!(all[0].starts_with("user-") && all[1].starts_with("User-") && all[2].starts_with("USER-"), "{all:?}");
        assert!(all.iter().all(|text| pseudonyms(text).eq([(0, text.len())])), "{all:?}");
        assert_eq!(
            pseudonyms("x-host-0123456789.service, user-01234567890, auser-0123456789").collect::<Vec<_>>(),
            [(2, 17)]
        );
        assert!(pseudonym(&key, Kind::User, "李雷").starts_with("user-"));
    }
}
