//! How a stage is run, as it was typed: `timeout`, `retry`, `group`, `sandbox`, and the `groups` of a file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::{self, mapping};
use super::name::is_valid;
use super::node::{Node, NodeValue};
use super::problem::Problem;
use super::read::{check_name, word};
use super::span::Spanned;

/// The most attempts that a stage may be given.
const MAX_ATTEMPTS: u64 = 100;
/// The longest time that can be written: a year.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

/// `retry:`; an absent key has its default.
#[derive(Clone, Debug, Default)]
pub struct RetrySpec {
    /// Executions in all.
    pub attempts: Option<u32>,
    /// The wait before the second one.
    pub backoff: Option<Duration>,
    /// The share of a wait that is random.
    pub jitter: Option<f64>,
}

/// Reads a time such as `6h`, `1h30m`, `90s`, `250ms`.
pub fn time(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Duration> {
    if node.is_broken() {
        return None;
    }
    let found = node.as_text().and_then(duration);
    if found.is_none() {
        let problem = Problem::at("bad-time", node.span, format!("`{key}` must be a time, found {}", node.describe()));
        let help = match &node.value {
            NodeValue::Number(number) => format!("write the unit: {number}s, {number}m or {number}h"),
            _ => "write a time such as 90s, 30m, 6h, 1h30m or 250ms".to_owned(),
        };
        problems.push(problem.label("not a time").help(help));
    }
    found
}

/// A time in units of days, hours, minutes, seconds and milliseconds, each at most once, the largest first.
pub fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds, mut last) = (text, 0.0, f64::INFINITY);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == &after[..letters])?;
        if *scale >= last {
            return None;
        }
        (seconds, last, rest) = (seconds + number * scale, *scale, &after[letters..]);
    }
    (!text.is_empty() && seconds > 0.0 && seconds <= MAX_SECONDS).then(|| Duration::from_secs_f64(seconds))
}

/// Reads `retry:`, a number of attempts or a mapping.
pub fn retry(node: &Node, problems: &mut Vec<Problem>) -> RetrySpec {
    let NodeValue::Map(_) = &node.value else {
        return RetrySpec { attempts: attempts(node, problems), ..RetrySpec::default() };
    };
    let mut retry = RetrySpec::default();
    for (key, entry) in keys::known(node, keys::RETRY, "`retry`", problems) {
        match key {
            "attempts" => retry.attempts = attempts(&entry.value, problems),
            "backoff" => retry.backoff = time(&entry.value, key, problems),
            _ => retry.jitter = share(&entry.value, problems),
        }
    }
    retry
}

fn attempts(node: &Node, problems: &mut Vec<Problem>) -> Option<u32> {
    let given = match &node.value {
        NodeValue::Number(number) => number.as_u64().filter(|n| (1..=MAX_ATTEMPTS).contains(n)),
        _ => None,
    };
    if given.is_none() && !node.is_broken() {
        let message = format!("attempts must be a whole number from 1 to {MAX_ATTEMPTS}, found {}", node.describe());
        let problem = Problem::at("bad-retry", node.span, message).label("not a number of attempts");
        problems.push(problem.help("write `retry: 3`, or {attempts: 3, backoff: 30s, jitter: 0.2}"));
    }
    given.map(|n| n as u32)
}

fn share(node: &Node, problems: &mut Vec<Problem>) -> Option<f64> {
    let given = match &node.value {
        NodeValue::Number(number) => number.as_f64().filter(|share| (0.0..=1.0).contains(share)),
        _ => None,
    };
    if given.is_none() && !node.is_broken() {
        let message = format!("`jitter` must be a share from 0 to 1, found {}", node.describe());
        problems.push(Problem::at("bad-retry", node.span, message).label("not a share"));
    }
    given
}

/// Reads `group:`, one name or a list of names.
pub fn groups(node: &Node, problems: &mut Vec<Problem>) -> Vec<Spanned<String>> {
    let items = match &node.value {
        NodeValue::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let names = items.iter().filter_map(|item| word(item, "`group`", problems)).collect::<Vec<_>>();
    names.into_iter().filter(|name| check_name(name, "group", problems)).collect()
}

/// Reads `groups:` of a file: how many of each may run at once.
pub fn capacities(node: &Node, problems: &mut Vec<Problem>) -> BTreeMap<String, u32> {
    let mut capacities = BTreeMap::new();
    for entry in mapping(node, "`groups`", problems) {
        check_name(&entry.key, "group", problems);
        let given = match &entry.value.value {
            NodeValue::Number(number) => number.as_u64().filter(|n| (1..=u64::from(u32::MAX)).contains(n)),
            _ => None,
        };
        match given {
            Some(count) if is_valid(&entry.key.value) => _ = capacities.insert(entry.key.value.clone(), count as u32),
            Some(_) => {}
            None if entry.value.is_broken() => {}
            None => {
                let message = format!(
                    "group `{}` must say how many of its stages may run at once, found {}",
                    entry.key.value,
                    entry.value.describe()
                );
                problems.push(Problem::at("wrong-type", entry.value.span, message).label("not a number from 1"));
            }
        }
    }
    capacities
}

/// Reads `sandbox:`.
pub fn sandbox(node: &Node, problems: &mut Vec<Problem>) -> Option<bool> {
    match &node.value {
        NodeValue::Bool(flag) => Some(*flag),
        NodeValue::Broken => None,
        _ => {
            let message = format!("`sandbox` must be true or false, found {}", node.describe());
            let problem = Problem::at("wrong-type", node.span, message).label("not true or false");
            problems.push(problem.help("`false` runs the command at the project root, among all its files"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_the_largest_first() {
        let check = |text: &str, seconds: Option<f64>| {
            assert_eq!(duration(text).map(|time| time.as_secs_f64()), seconds, "{text}");
        };
        check("6h", Some(21_600.0));
        check("1h30m", Some(5400.0));
        check("1.5s", Some(1.5));
        check("250ms", Some(0.25));
        check("1d2h", Some(93_600.0));
        for text in ["", "6", "h", "6 h", "30m1h", "1h1h", "-1s", "0s", "9999d", "6H", "1..5s", "6h "] {
            check(text, None);
        }
    }
}
