//! The subjects of findings: a process, a program, a file, a unit, a module. Findings of one subject share a pid, a path, a directory
//! of their own or one that anyone may write, or the stem of an uncommon name.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use findings::clusters::Clusters;
use findings::{Prevalence, place};

use crate::facts::Facts;
use crate::field::Field;

/// The scanner's name for a directory of PATH that anyone may write.
const OPEN_DIRECTORY: &str = "path_dir_world_writable";

/// A name that two findings of one subject share.
#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Pid(&'a str),
    Path(&'a str),
    Stem(Cow<'a, str>),
    Directory(&'a str),
}

/// Groups `members` (places among `findings`) by subject; each group and the groups are in the order of findings. A member without a
/// subject is left out.
pub fn subjects<'a>(findings: &[Facts<'a>], members: &[usize]) -> Vec<Vec<usize>> {
    let mut clusters = Clusters::new(members.len());
    let mut first: HashMap<Name<'a>, usize> = HashMap::new();
    let mut named = vec![false; members.len()];
    let open: HashSet<&str> = members.iter().filter_map(|&index| open_directory(&findings[index])).collect();
    for (place, &index) in members.iter().enumerate() {
        for name in names(&findings[index], &open).into_iter().flatten() {
            named[place] = true;
            let known = *first.entry(name).or_insert(place);
            clusters.join([known, place].into_iter());
        }
    }
    let mut group_of_root: HashMap<usize, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for place in (0..members.len()).filter(|&place| named[place]) {
        let group = *group_of_root.entry(clusters.root(place)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(members[place]);
    }
    groups
}

/// The name of a subject: its path, else its unit or module, else its pid. It is unique within the scan.
pub fn name<'a>(findings: &[Facts<'a>], subject: &[usize]) -> &'a str {
    let first = |of: fn(&Facts<'a>) -> Option<&'a str>| subject.iter().find_map(|&index| of(&findings[index]));
    first(path)
        .or_else(|| first(|facts| facts.terms.unit.or(facts.terms.module)))
        .or_else(|| first(|facts| facts.terms.pid))
        .unwrap_or_default()
}

/// The file that a finding is about; one in a directory with a link from the root has one path.
fn path<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    facts.program().or(facts.terms.path).filter(|path| path.starts_with('/')).map(place::merged)
}

/// The names under which a finding can meet others.
fn names<'a>(facts: &Facts<'a>, open: &HashSet<&str>) -> [Option<Name<'a>>; 4] {
    let stem = telling(facts).then(|| facts.get(&Field::Stem)).flatten();
    [
        facts.terms.pid.map(Name::Pid),
        path(facts).map(Name::Path),
        stem.map(Name::Stem),
        directory(facts, open).map(Name::Directory),
    ]
}

/// The directory that a file shares with others of its subject: one of its own, or one of `open`. Files that packages install lie
/// beside many unrelated ones.
fn directory<'a>(facts: &Facts<'a>, open: &HashSet<&str>) -> Option<&'a str> {
    open_directory(facts).or_else(|| {
        let path = path(facts).filter(|path| place::place(path) != Some("packaged"))?;
        let (directory, _) = path.rsplit_once('/')?;
        (open.contains(directory) || telling(facts) && !place::shared(directory)).then_some(directory)
    })
}

/// A directory of PATH that anyone may write.
fn open_directory<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    (facts.finding.get("rule") == Some(OPEN_DIRECTORY)).then(|| path(facts)).flatten()
}

/// Whether a name is so uncommon that two findings are unlikely to share it by chance.
fn telling(facts: &Facts<'_>) -> bool {
    (facts.is_odd() && facts.prevalence != Some(Prevalence::Many))
        || (facts.terms.module.is_some() && facts.finding.severity > scan::Severity::Low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::{Finding, Severity};

    fn of(findings: &[(&str, Finding)]) -> Vec<Vec<usize>> {
        let facts = |(scanner, finding)| Facts { prevalence: Some(Prevalence::One), ..Facts::alone(scanner, finding) };
        let findings: Vec<Facts<'_>> = findings.iter().map(|(scanner, finding)| facts((*scanner, finding))).collect();
        subjects(&findings, &(0..findings.len()).collect::<Vec<_>>())
    }

    #[test]
    fn a_subject_is_followed_from_pid_to_path_to_stem() {
        let plain = |id: &str, description: &str| Finding::new(id, "t", Severity::Info, description);
        let socket = plain("tcp:1:2", "").with("pid", "7").with("exe", "/opt/w/watchd (deleted)");
        let found = [
            ("network", socket),
            ("processes", plain("7", "[kworker/0:1]")),
            ("processes", plain("8", "/opt/w/watchd")),
            ("suid_sgid", plain("/usr/bin/watchd", "")),
            ("world_writable", plain("/bin/watchd", "")),
            ("systemd_units", plain("u", "").with("unit", "watchd.service")),
            ("processes", plain("9", "/usr/bin/other")),
            ("mac", plain("apparmor", "")),
        ];
        assert_eq!(of(&found), [vec![0, 1, 2, 3, 4, 5], vec![6]]);
    }

    #[test]
    fn a_directory_of_its_own_or_an_open_one_brings_files_together() {
        let plain = |id: &str, description: &str| Finding::new(id, "t", Severity::Info, description);
        let found = [
            ("processes", plain("7", "/opt/tool/bin/run")),
            ("world_writable", plain("/opt/tool/bin/other", "")),
            ("processes", plain("8", "/tmp/run-a")),
            ("processes", plain("9", "/tmp/go-b")),
            ("world_writable", plain("/usr/local/bin", "").with("rule", "path_dir_world_writable")),
            ("processes", plain("10", "/usr/local/bin/ls")),
            ("suid_sgid", plain("/usr/local/sbin/mount", "")),
        ];
        assert_eq!(of(&found), [vec![0, 1], vec![2], vec![3], vec![4, 5], vec![6]]);
    }

    #[test]
    fn common_names_tell_nothing() {
        let finding = Finding::new("/usr/bin/passwd", "t", Severity::Medium, "");
        let other = Finding::new("/usr/sbin/passwd", "t", Severity::Medium, "");
        let both = [Facts::alone("suid_sgid", &finding), Facts::alone("world_writable", &other)];
        assert_eq!(subjects(&both, &[0, 1]), [vec![0], vec![1]]);
    }
}
