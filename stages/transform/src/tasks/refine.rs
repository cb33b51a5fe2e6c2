//! Task `refine`: suggested rules, and the refined ones, in the form of the agent's `refine_rules`.
//!
//! The prompt is what the agent's graph passes: the suggestions of its gap miner, and no examples. So an answer follows from the
//! suggestions alone: the title as the scanner writes it (the agent compares with case, its miner suggests lower case), and of the metadata
//! what is not of one host. No answer has two rules with the same conditions, and no rule is without any: the agent's linter calls the
//! one unreachable, its correlator skips the other.

use std::collections::{BTreeMap, BTreeSet};

use findings::place::FIRST_CLIENT_PORT;
use findings::{Category, EnrichedFinding};
use scan::Severity;
use serde::Serialize;

use crate::prompt::seen::NOISE;
use crate::tasks::example::{Example, SCAN_BYTES};
use crate::tasks::rule::{Condition, Logic, RefinedRule};
use crate::tasks::task::Task;

/// The fewest findings of one title that the miner suggests a rule for, as the agent's graph calls it.
const SUPPORT: usize = 2;
/// Examples that the miner compares the metadata of.
const COMPARED: usize = 5;
/// Tokens of a title, and metadata conditions, that the miner takes.
const TAKEN: usize = 2;
/// Words of a title that make an id, and letters of them, as the agent's miner has it.
const ID: (usize, usize) = (6, 40);
/// A metadata value that the miner takes is shorter.
const VALUE: usize = 64;
/// Suggestions of one prompt at most: more would not fit, and few scans have more.
const SUGGESTIONS: usize = 6;
/// Letters of a title that a condition may hold.
const TITLE: usize = 120;
/// Keys whose values are of one host or of one boot.
const OF_ONE_HOST: [&str; 6] = ["container_id", "lip", "rip", "exe", "command", "hostname"];

/// The answer: a rule for each suggestion, in their order.
pub type RefineAnswer = Vec<RefinedRule>;

#[derive(Serialize)]
struct Prompt {
    suggestions: Vec<Suggestion>,
}

/// A rule as the agent's miner suggests it.
#[derive(Clone, Debug, Serialize)]
struct Suggestion {
    id: String,
    title: String,
    rationale: String,
    conditions: Vec<Condition>,
    logic: Logic,
    risk_score_delta: u8,
    tags: [&'static str; 2],
}

/// The example of one scan; none where nothing is suggested.
pub fn example(findings: &[EnrichedFinding]) -> Option<Example> {
    let (mut prompt, mut answer) = (Prompt { suggestions: Vec::new() }, RefineAnswer::new());
    let mut signatures = BTreeSet::new();
    let (mut class, mut findings_of) = (Severity::Info, Vec::new());
    for gap in gaps(findings).into_iter().take(SUGGESTIONS) {
        let suggestion = gap.suggestion();
        let rule = gap.refined(&suggestion);
        if signatures.insert(signature(&rule)) {
            class = class.max(gap.severity());
            findings_of.extend(gap.findings.iter().map(|finding| finding.document_id.clone()));
            prompt.suggestions.push(suggestion);
            answer.push(rule);
        }
    }
    let template: Vec<&str> = answer.iter().map(|rule| rule.id.as_str()).collect();
    let example = Example {
        task: Task::Refine,
        findings: findings_of,
        class,
        template: template.join(" "),
        prompt: serde_json::to_string(&prompt).expect("plain data"),
        answer: serde_json::to_string(&answer).expect("plain data"),
    };
    (!answer.is_empty() && example.fits(SCAN_BYTES)).then_some(example)
}

/// What the agent's linter compares rules by: their conditions in any order, and their logic.
fn signature(rule: &RefinedRule) -> String {
    let condition = |condition: &Condition| {
        let parts = [
            ("field", &condition.field),
            ("contains", &condition.contains),
            ("metadata_key", &condition.metadata_key),
            ("metadata_contains", &condition.metadata_contains),
        ];
        let told = parts.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}:{value}")));
        told.collect::<Vec<_>>().join("|")
    };
    let mut conditions: Vec<String> = rule.conditions.iter().map(condition).collect();
    conditions.sort();
    format!("{}|logic={:?}", conditions.join("&&"), rule.logic)
}

/// Findings whose titles are the same but for numbers.
struct Gap<'a> {
    key: String,
    findings: Vec<&'a EnrichedFinding>,
}

/// The gaps of one scan, those of most findings first, as the agent's miner finds them: it knows no correlations of real reports, and its
/// graph leaves out findings that only inform.
fn gaps(findings: &[EnrichedFinding]) -> Vec<Gap<'_>> {
    let mut gaps: Vec<Gap<'_>> = Vec::new();
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity > Severity::Info) {
        let key = normalized(&finding.title);
        let place = *place.entry(key.clone()).or_insert(gaps.len());
        if place == gaps.len() {
            gaps.push(Gap { key, findings: Vec::new() });
        }
        gaps[place].findings.push(finding);
    }
    gaps.retain(|gap| gap.findings.len() >= SUPPORT);
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.findings.len()));
    gaps
}

impl Gap<'_> {
    fn severity(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Info)
    }

    fn suggestion(&self) -> Suggestion {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for finding in &self.findings {
            let words: BTreeSet<String> =
                tokens(&finding.title).filter(|word| word.len() > 3).map(str::to_lowercase).collect();
            words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
        }
        let mut words: Vec<(String, usize)> = counts.into_iter().collect();
        words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut words: Vec<String> = words.into_iter().take(TAKEN).map(|(word, _)| word).collect();
        if words.is_empty() {
            words.push(self.key.clone());
        }
        let title: Vec<String> = words.iter().map(|word| capitalized(word)).collect();
        let conditions = words.into_iter().map(|word| Condition::field("title", word));
        Suggestion {
            id: format!("gap_{}", self.key.chars().take(ID.1).collect::<String>()),
            title: format!("Auto Suggested: {}", title.join(" ")),
            // The agent's own words, letter by letter.
            rationale: format!("Suggested from {} recurring uncorrrelated high-risk findings", self.findings.len()),
            conditions: conditions.chain(self.common_metadata()).collect(),
            logic: Logic::All,
            risk_score_delta: 5,
            tags: ["auto_suggested", "gap_candidate"],
        }
    }

    /// Metadata that the first findings have in common. Numbers of processes are of one boot, and prompts name none.
    fn common_metadata(&self) -> Vec<Condition> {
        let compared = &self.findings[..self.findings.len().min(COMPARED)];
        let common = compared[0].metadata.iter().filter(|(key, value)| {
            !NOISE.contains(&key.as_str())
                && value.chars().count() < VALUE
                && compared.iter().all(|finding| finding.metadata.get(key) == Some(*value))
        });
        common.take(TAKEN).map(|(key, value)| Condition::metadata(key, value)).collect()
    }

    /// The rule that a suggestion becomes.
    fn refined(&self, suggestion: &Suggestion) -> RefinedRule {
        let title = common_prefix(self.findings.iter().map(|finding| finding.title.as_str()));
        let title = title.get(..title.floor_char_boundary(TITLE)).unwrap_or(title).trim_end();
        let mut conditions: Vec<Condition> = suggestion.conditions.iter().filter(|c| general(c)).cloned().collect();
        let metadata = conditions.len();
        if title.is_empty() {
            conditions =
                suggestion.conditions.iter().filter(|c| c.field.is_some()).cloned().chain(conditions).collect();
        } else {
            conditions.insert(0, Condition::field("title", title.to_owned()));
        }
        let told: Vec<String> = conditions.iter().map(Condition::in_words).collect();
        RefinedRule {
            id: suggestion.id.clone(),
            tags: self.tags(&conditions),
            // A rule of a title alone speaks of everything that the scanner calls so.
            confidence: [0.5, 0.67, 0.75][metadata.min(2)],
            rationale: format!("{}: {}", suggestion.rationale, told.join(", ")),
            logic: Logic::All,
            conditions,
        }
    }

    /// What the findings are, and the technique that the conditions by themselves show.
    fn tags(&self, conditions: &[Condition]) -> Vec<String> {
        let told = |key: &str| {
            conditions
                .iter()
                .any(|c| c.metadata_key.as_deref() == Some(key) && c.metadata_contains.as_deref() == Some("true"))
        };
        let category = serde_json::to_value(Category::of_scanner(&self.findings[0].scanner)).unwrap_or_default();
        let mut tags = BTreeSet::from(["refined".to_owned()]);
        tags.extend(category.as_str().map(str::to_owned));
        let shown = [("environment_issue", "T1574.006"), ("hidden_sysfs", "T1014")];
        tags.extend(shown.iter().filter(|(key, _)| told(key)).map(|(_, technique)| (*technique).to_owned()));
        tags.into_iter().collect()
    }
}

/// Whether a condition on metadata speaks of more than one host.
fn general(condition: &Condition) -> bool {
    let (Some(key), Some(value)) = (condition.metadata_key.as_deref(), condition.metadata_contains.as_deref()) else {
        return false;
    };
    let clients = matches!(key, "lport" | "rport") && value.parse().is_ok_and(|port: u16| port >= FIRST_CLIENT_PORT);
    !value.is_empty() && value != "0" && !OF_ONE_HOST.contains(&key) && !clients
}

/// A title without numbers and signs, as the agent's miner has it.
fn normalized(title: &str) -> String {
    let words: Vec<String> = tokens(title).take(ID.0).map(str::to_lowercase).collect();
    if words.is_empty() { "untitled".to_owned() } else { words.join("_") }
}

/// The agent's tokens, without numbers.
fn tokens(title: &str) -> impl Iterator<Item = &str> {
    let words = title.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.bytes().any(|byte| !byte.is_ascii_digit()))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The whole words that all texts begin with, without numbers: those are pids and ports.
fn common_prefix<'a>(mut texts: impl Iterator<Item = &'a str>) -> &'a str {
    let Some(first) = texts.next() else { return "" };
    let equal = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let length = texts.fold(first.len(), |length, text| {
        let equal = equal(first, text);
        // A word that goes on in one of them is none of both.
        let whole = equal == first.len() && !text[equal..].starts_with(|c: char| c != ' ');
        if whole {
            length.min(equal)
        } else {
            length.min(first[..first.floor_char_boundary(equal)].rfind(' ').map_or(0, |at| at + 1))
        }
    });
    let prefix = &first[..first.floor_char_boundary(length)];
    let numbered = |word: &&str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    match prefix.split(' ').position(|word| numbered(&word)) {
        Some(place) => {
            let end = prefix.split(' ').take(place).map(|word| word.len() + 1).sum::<usize>();
            &prefix[..end.min(prefix.len())]
        }
        None => prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prefixes_are_whole_words_and_hold_no_number() {
        let check = |texts: &[&str], prefix: &str| {
            assert_eq!(common_prefix(texts.iter().copied()).trim_end(), prefix, "{texts:?}");
        };
        check(&["Process IOC Detected", "Process IOC Detected"], "Process IOC Detected");
        check(&["Process 4012"], "Process");
        check(&["tcp LISTEN 4444", "tcp LISTEN 4445"], "tcp LISTEN");
        check(&["tcp LISTEN 22", "tcp LISTEN 22"], "tcp LISTEN");
        check(&["Module anomaly: ab", "Module anomaly: abc"], "Module anomaly:");
        check(&["a", "b"], "");
    }

    #[test]
    fn titles_are_normalized_as_the_agents_miner_does() {
        assert_eq!(tokens("tcp LISTEN 8080/x_1").collect::<Vec<_>>(), ["tcp", "LISTEN", "x_1"]);
        assert_eq!(normalized("tcp LISTEN 8080"), "tcp_listen");
        assert_eq!(normalized("22"), "untitled");
    }
}
