//! Task `refine`: suggested rules and examples, and the refined rules, in the form of the agent's `refine_rules`.
//!
//! A suggestion follows the agent's gap miner, for findings that a correlation joins: tokens that their titles and metadata have in
//! common. The refined rule states the properties that really hold: the title as it is written (the agent compares with
//! case, its miner suggests lower case), the directory they share, the tags and techniques of the correlation. Addresses, a client's
//! port and a container's name are of one host, and the examples do not show them: a refined rule asks for none.

use std::collections::{BTreeMap, BTreeSet};

use findings::place::FIRST_CLIENT_PORT;
use findings::{Correlation, EnrichedFinding};
use scan::Severity;
use serde::Serialize;

use crate::prompt::listing::Seen;
use crate::prompt::seen::{NOISE, lower_first};
use crate::prompt::visible::Visible;
use crate::tasks::example::Example;
use crate::tasks::rule::{Condition, Logic, RefinedRule};
use crate::tasks::task::Task;

/// Suggestions of one prompt.
const SUGGESTIONS: usize = 3;
/// Examples of one suggestion that are joined, and that are not.
const EXAMPLES: [usize; 2] = [3, 3];
/// Metadata conditions of a suggestion, as many as the agent's miner takes.
const METADATA: usize = 2;
/// Words of a title that make an id, and bytes of them, as the agent's miner has it.
const ID: (usize, usize) = (6, 40);

/// The answer: a rule for each suggestion, in their order.
pub type RefineAnswer = Vec<RefinedRule>;

#[derive(Serialize)]
struct Prompt {
    suggestions: Vec<Suggestion>,
    examples: BTreeMap<String, Vec<String>>,
}

#[derive(Serialize)]
struct Suggestion {
    id: String,
    rationale: String,
    conditions: Vec<Condition>,
    logic: Logic,
    tags: [&'static str; 2],
}

/// The example of one scan; none where nothing is joined.
pub fn example(findings: &[EnrichedFinding], correlations: &[Correlation], visible: &[Visible]) -> Option<Example> {
    let mut gravest: BTreeMap<&str, &Correlation> = BTreeMap::new();
    for correlation in correlations {
        gravest.entry(&correlation.title).or_insert(correlation);
    }
    let mut gravest: Vec<&Correlation> = gravest.into_values().collect();
    gravest.sort_by_key(|correlation| std::cmp::Reverse(correlation.severity));
    let mut prompt = Prompt { suggestions: Vec::new(), examples: BTreeMap::new() };
    let mut answer: RefineAnswer = Vec::new();
    let mut class = Severity::Info;
    for correlation in gravest {
        let Some(pattern) = Pattern::of(correlation, findings, visible) else { continue };
        let repeated = prompt.suggestions.iter().filter(|other| other.id.starts_with(&pattern.id())).count();
        let id = if repeated == 0 { pattern.id() } else { format!("{}_{}", pattern.id(), repeated + 1) };
        answer.push(pattern.refined(id.clone()));
        prompt.examples.insert(id.clone(), pattern.examples());
        prompt.suggestions.push(pattern.suggestion(id));
        class = class.max(correlation.severity);
        if answer.len() == SUGGESTIONS {
            break;
        }
    }
    let template: Vec<&str> = answer.iter().flat_map(|rule| rule.tags.iter().map(String::as_str)).collect();
    (!answer.is_empty()).then(|| Example {
        task: Task::Refine,
        class,
        template: template.join(" "),
        prompt: serde_json::to_string(&prompt).expect("plain data"),
        answer: serde_json::to_string(&answer).expect("plain data"),
    })
}

/// Findings of one scanner that a correlation joins, and others of that scanner that it does not.
struct Pattern<'a> {
    correlation: &'a Correlation,
    joined: Vec<Seen<'a>>,
    others: Vec<Seen<'a>>,
}

impl<'a> Pattern<'a> {
    /// The scanner is that of the member with most risk.
    fn of(
        correlation: &'a Correlation,
        findings: &'a [EnrichedFinding],
        visible: &'a [Visible],
    ) -> Option<Pattern<'a>> {
        let ids: BTreeSet<&str> = correlation.related_finding_ids.iter().map(String::as_str).collect();
        let all = findings.iter().zip(visible).filter(|(_, visible)| visible.determined);
        let (joined, mut others): (Vec<_>, Vec<_>) = all
            .map(|(finding, visible)| Seen { finding, visible })
            .partition(|seen| ids.contains(seen.finding.document_id.as_str()));
        let order = |seen: &Seen<'_>| (std::cmp::Reverse(seen.finding.risk_score), text(seen));
        let scanner = joined.iter().min_by_key(|seen| order(seen)).map(|seen| seen.finding.scanner.clone())?;
        let of_scanner = |seen: &Seen<'_>| seen.finding.scanner == scanner;
        let mut joined: Vec<Seen<'_>> = joined.into_iter().filter(of_scanner).collect();
        others.retain(of_scanner);
        for list in [&mut joined, &mut others] {
            list.sort_by_cached_key(order);
            list.dedup_by(|a, b| text(a) == text(b));
        }
        // What reads like a member cannot be told from one.
        let texts: BTreeSet<String> = joined.iter().map(text).collect();
        others.retain(|seen| !texts.contains(&text(seen)));
        joined.truncate(EXAMPLES[0]);
        others.truncate(EXAMPLES[1]);
        Some(Pattern { correlation, joined, others })
    }

    /// The agent's id for a gap: words of the title.
    fn id(&self) -> String {
        let title = self.joined.first().map_or("", |seen| seen.finding.title.as_str());
        let words: Vec<String> = tokens(title).take(ID.0).map(str::to_lowercase).collect();
        let name: String = words.join("_").chars().take(ID.1).collect();
        format!("gap_{name}")
    }

    /// The suggestion of the agent's miner.
    fn suggestion(&self, id: String) -> Suggestion {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for seen in &self.joined {
            let words: BTreeSet<String> = tokens(&seen.finding.title).map(str::to_lowercase).collect();
            words.into_iter().filter(|word| word.len() > 3).for_each(|word| *counts.entry(word).or_default() += 1);
        }
        let mut words: Vec<(String, usize)> = counts.into_iter().collect();
        words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let titles = words.into_iter().take(2).map(|(word, _)| Condition::field("title", word));
        let rationale =
            format!("Suggested from findings of one pattern ({}): {}", self.joined.len(), self.correlation.title);
        let conditions = titles.chain(self.common_metadata().into_iter().take(METADATA)).collect();
        Suggestion { id, rationale, conditions, logic: Logic::All, tags: ["auto_suggested", "gap_candidate"] }
    }

    /// Metadata that all joined findings have, in the order in which the agent's miner takes them.
    fn common_metadata(&self) -> Vec<Condition> {
        let Some(first) = self.joined.first() else { return Vec::new() };
        let common = first.finding.metadata.iter().filter(|(key, value)| {
            let told = !NOISE.contains(&key.as_str()) && !value.is_empty() && value.len() < 64 && *value != "0";
            told && self.joined.iter().all(|seen| seen.finding.metadata.get(*key) == Some(value))
        });
        common.map(|(key, value)| Condition::metadata(key, value)).collect()
    }

    fn conditions(&self) -> Vec<Condition> {
        let titles = || self.joined.iter().map(|seen| seen.finding.title.as_str());
        let paths = || self.joined.iter().map(|seen| seen.finding.id.as_str());
        let title = common_prefix(titles(), ' ');
        let directory = common_prefix(paths(), '/');
        let title = (!title.is_empty()).then(|| Condition::field("title", title.to_owned()));
        let deep = directory.starts_with('/') && directory.len() > 1;
        let directory = deep.then(|| Condition::field("id", directory.to_owned()));
        let metadata = self.common_metadata().into_iter().filter(|condition| self.general(condition)).take(METADATA);
        title.into_iter().chain(directory).chain(metadata).collect()
    }

    /// Whether a condition speaks of more than one host, and of what the examples show.
    fn general(&self, condition: &Condition) -> bool {
        let value = condition.metadata_contains.as_deref().unwrap_or_default();
        let listens = |seen: &Seen<'_>| seen.finding.metadata.get("state").is_none_or(|state| state == "LISTEN");
        match condition.metadata_key.as_deref() {
            Some("container_id" | "lip" | "rip") => false,
            Some("lport") => self.joined.iter().all(listens),
            Some("rport") => value.parse().is_ok_and(|port: u16| port < FIRST_CLIENT_PORT),
            _ => true,
        }
    }

    fn refined(&self, id: String) -> RefinedRule {
        let conditions = self.conditions();
        let matching =
            |list: &[Seen<'_>]| list.iter().filter(|seen| conditions.iter().all(|c| c.holds(seen.finding))).count();
        let (joined, others) = (matching(&self.joined), matching(&self.others));
        let matches = joined + others;
        let confidence = (joined + 1) as f64 / (matches + 2) as f64;
        let mut tags: BTreeSet<String> = self.correlation.tags.iter().cloned().collect();
        tags.extend(self.correlation.techniques.iter().cloned());
        tags.insert("refined".to_owned());
        RefinedRule {
            id,
            logic: Logic::All,
            tags: tags.into_iter().collect(),
            confidence: (confidence * 100.0).round_ties_even() / 100.0,
            rationale: format!(
                "{}; {joined} of {matches} examples that match belong to it",
                lower_first(&self.correlation.title)
            ),
            conditions,
        }
    }

    /// Texts of both kinds, in their order.
    fn examples(&self) -> Vec<String> {
        let joined = self.joined.iter().map(|seen| format!("{}; joined", text(seen)));
        let mut all: Vec<String> = joined.chain(self.others.iter().map(text)).collect();
        all.sort();
        all
    }
}

/// The agent's tokens, without numbers: those are pids and ports.
fn tokens(title: &str) -> impl Iterator<Item = &str> {
    let words = title.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.bytes().any(|byte| !byte.is_ascii_digit()))
}

/// The common prefix of all texts, up to and with its last `end` (or the whole of the first where all are equal), without numbers.
fn common_prefix<'a>(mut texts: impl Iterator<Item = &'a str>, end: char) -> &'a str {
    let Some(first) = texts.next() else { return "" };
    let equal = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let length = texts.fold(first.len(), |length, text| length.min(equal(first, text)));
    let mut prefix = first.get(..length).unwrap_or("");
    let numbered = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let whole = length == first.len() && end == ' ' && !prefix.rsplit(end).next().is_some_and(numbered);
    if !whole {
        prefix = prefix.rfind(end).map_or("", |at| &prefix[..=at]);
    }
    prefix
}

fn text(seen: &Seen<'_>) -> String {
    format!("{}; {}", seen.visible.text, seen.visible.history)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], end: char, prefix: &str) {
        assert_eq!(common_prefix(texts.iter().copied(), end), prefix, "{texts:?}");
    }

    #[test]
    fn common_prefixes_end_with_whole_words_and_hold_no_pid() {
        check(&["Process IOC Detected", "Process IOC Detected"], ' ', "Process IOC Detected");
        check(&["Process 4012"], ' ', "Process ");
        check(&["Process execution detected: bash (PID: 4012)"], ' ', "Process execution detected: bash (PID: ");
        check(&["tcp LISTEN 4444", "tcp LISTEN 4445"], ' ', "tcp LISTEN ");
        check(&["/tmp/.x/a:12", "/tmp/.x/b:13"], '/', "/tmp/.x/");
        check(&["/tmp/.x/a:12", "/tmp/.y/b:13"], '/', "/tmp/");
        check(&["tcp:80:1"], '/', "");
    }

    #[test]
    fn tokens_are_those_of_the_agents_miner_without_numbers() {
        assert_eq!(tokens("tcp LISTEN 8080/x_1").collect::<Vec<_>>(), ["tcp", "LISTEN", "x_1"]);
    }
}
