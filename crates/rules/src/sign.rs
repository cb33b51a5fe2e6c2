//! Findings as signs of what they speak of: the texts that the table of usual things counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use findings::place;
use serde::Deserialize;

use crate::facts::Facts;
use crate::field::Field;
use crate::knowledge::table;
use crate::role::in_words;
use crate::rule::{Test, all_hold};

/// The signs of this build.
pub static SIGNS: LazyLock<Signs> = LazyLock::new(|| Signs::new(table!("signs")));

/// One entry of `knowledge/signs.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scanner: String,
    #[serde(default, rename = "where")]
    conditions: BTreeMap<Field, Test>,
    say: Vec<Field>,
    of: Option<Of>,
}

/// With what a sign is compared, where that is not all scans.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    /// The scans that show the same program.
    Program,
    /// Those of hosts with the same role.
    Role,
}

/// How findings are told as signs.
pub struct Signs {
    by_scanner: HashMap<String, Vec<Entry>>,
}

/// A property that a finding gives to its subject, to a program that packages install, or to a host of its role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sign {
    /// The scanner and the values that tell it.
    pub text: String,
    /// Of which program of packages, or host, where it is compared with what that does elsewhere: `cron`, `a web server`.
    pub of: Option<String>,
    /// Whether it was told with what other hosts have: rare is said of nothing else.
    pub compared: bool,
}

impl Signs {
    fn new(entries: Vec<Entry>) -> Signs {
        let mut by_scanner: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in entries {
            by_scanner.entry(entry.scanner.clone()).or_default().push(entry);
        }
        Signs { by_scanner }
    }

    /// Whether findings of the scanner can be signs.
    pub fn speak_of(&self, scanner: &str) -> bool {
        self.by_scanner.contains_key(scanner)
    }

    /// The signs of one finding.
    pub fn of<'s>(&'s self, facts: &'s Facts<'_>) -> impl Iterator<Item = Sign> + 's {
        let entries = self.by_scanner.get(facts.scanner).into_iter().flatten();
        entries.filter(|entry| all_hold(&entry.conditions, facts)).filter_map(|entry| entry.sign(facts))
    }

    /// The distinct signs of some findings, in order.
    pub fn of_all(&self, findings: &[Facts<'_>], members: &[usize]) -> BTreeSet<Sign> {
        members.iter().flat_map(|&index| self.of(&findings[index])).collect()
    }
}

impl Entry {
    fn sign(&self, facts: &Facts<'_>) -> Option<Sign> {
        let of = match self.of {
            Some(Of::Program) => Some(program(facts)?.to_owned()),
            Some(Of::Role) => Some(role(facts)?),
            None => None,
        };
        Some(Sign { text: self.text(facts), of, compared: facts.compared })
    }

    fn text(&self, facts: &Facts<'_>) -> String {
        let mut text = self.scanner.clone();
        for field in &self.say {
            match (field, facts.get(field).as_deref()) {
                (_, None) => {}
                (Field::Metadata(name), Some("true")) => write!(text, " {name}").expect("text grows"),
                (Field::Disguised, Some(_)) => text.push_str(" disguised"),
                (Field::Renamed, Some(_)) => text.push_str(" renamed"),
                (Field::Offensive, Some(_)) => text.push_str(" offensive"),
                (Field::Known, Some(_)) => text.push_str(" of no package"),
                (_, Some(value)) => write!(text, " {value}").expect("text grows"),
            }
        }
        text
    }
}

/// The name of a program without its version.
pub fn program<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let name = place::base_name(facts.program()?).split([' ', ':']).next()?;
    Some(name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')).filter(|name| !name.is_empty())
}

/// The finding's host by its role.
pub fn role(facts: &Facts<'_>) -> Option<String> {
    facts.host_role.map(|role| format!("a {}", in_words(role)))
}

impl Sign {
    /// For people.
    pub fn shown(&self) -> String {
        match &self.of {
            Some(of) => format!("{} of {of}", self.text),
            None => self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::{Finding, Severity};

    #[test]
    fn a_program_is_known_without_its_version() {
        let named = |command: &str| {
            let finding = Finding::new("7", "t", Severity::Info, command);
            program(&Facts::alone("processes", &finding)).map(str::to_owned)
        };
        let names = ["/usr/bin/python3.11", "/usr/sbin/php-fpm8.2", "/usr/sbin/nginx", "/usr/bin/7"].map(named);
        assert_eq!(names, [Some("python"), Some("php-fpm"), Some("nginx"), None].map(|name| name.map(str::to_owned)));
    }
}
