//! The enriched report as a page for people: one line a finding, whatever its text is.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use analyst::{Enriched, Origin, Tally};
use contract::clean;
use findings::{Correlation, EnrichedFinding};
use transform::documents::verdict::Rank;

/// Findings, correlations and actions that the page shows of each.
const SHOWN: usize = 12;
/// Notes.
const NOTES: usize = 5;

/// The page, `width` columns wide.
pub(crate) fn of(enriched: &Enriched<'_>, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    let latest = enriched.latest;
    let document = enriched.document();
    page.line(&format!("Host {}: {}", latest.host, enriched.level().name().to_uppercase()));
    let started = latest.started.as_deref().unwrap_or("an unknown time");
    let earlier = match latest.scan {
        0 => "first scan".to_owned(),
        1 => "1 earlier scan".to_owned(),
        more => format!("{more} earlier scans"),
    };
    let (findings, correlations) = (latest.findings.len(), latest.correlations.len());
    page.line(&format!("scan of {started}; {earlier}; {findings} findings, {correlations} correlations"));
    page.paragraph(&summary(enriched));
    page.list("Look at first", &first(&latest.findings));
    page.list("Belongs together", &joined(&latest.correlations));
    let actions = document.actions.iter().map(|action| format!("{:<8} {}", action.priority.name(), action.title));
    page.list("To do", &actions.collect::<Vec<_>>());
    page.list("Answers", &answers(enriched));
    let notes: Vec<String> = latest.notes.clone();
    page.some("Notes", &notes, NOTES);
    page.text
}

/// The model's summary where one was taken, else the rules'.
fn summary(enriched: &Enriched<'_>) -> String {
    let of_model = enriched.answers.iter().find(|answer| answer.task == "summary" && answer.source == Origin::Model);
    let text = of_model.and_then(|answer| answer.answer["EXECUTIVE_SUMMARY"].as_str());
    text.unwrap_or(&enriched.document().summaries.executive_summary).to_owned()
}

/// The findings that matter most; those that say the same share a line.
fn first(findings: &[EnrichedFinding]) -> Vec<String> {
    let mut all: Vec<&EnrichedFinding> = findings.iter().collect();
    all.sort_by_key(|finding| Reverse(Rank::of(finding)));
    let said = |finding: &EnrichedFinding| (finding.severity, finding.scanner.clone(), finding.title.clone());
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    all.iter().for_each(|finding| *counts.entry(said(finding)).or_default() += 1);
    let line = |finding: &EnrichedFinding| {
        // Gone where an earlier line stands for it.
        let more = match counts.remove(&said(finding))? {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let EnrichedFinding { severity, risk_total, scanner, title, document_id, .. } = finding;
        Some(format!("{:<8} {risk_total:>3}  {scanner}: {title} ({document_id}{more})", severity.name()))
    };
    all.into_iter().filter_map(line).collect()
}

/// Correlations by title, the gravest first.
fn joined(correlations: &[Correlation]) -> Vec<String> {
    let mut all: Vec<&Correlation> = correlations.iter().collect();
    all.sort_by_key(|one| (Reverse((one.severity, one.risk_score_delta)), &one.title, &one.id));
    let mut titles: Vec<(&Correlation, usize)> = Vec::new();
    for one in all {
        match titles.iter_mut().find(|(known, _)| known.title == one.title) {
            Some((_, count)) => *count += 1,
            None => titles.push((one, 1)),
        }
    }
    let line = |(one, count): (&Correlation, usize)| {
        let times = if count > 1 { format!("{count}x ") } else { String::new() };
        let techniques =
            if one.techniques.is_empty() { String::new() } else { format!(" [{}]", one.techniques.join(", ")) };
        format!("{:<8} {times}{}{techniques}", one.severity.name(), one.title)
    };
    titles.into_iter().map(line).collect()
}

/// Who the answers are from, and why a model's were not taken.
fn answers(enriched: &Enriched<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let Some(model) = &enriched.model else {
        return vec![format!("all {} by rules: no model was asked", enriched.answers.len())];
    };
    lines.push(format!("model {} ({})", model.name, &model.digest[..model.digest.len().min(10)]));
    for (task, Tally { asked, model, .. }) in Tally::of(&enriched.answers) {
        let own = enriched.answers.iter().filter(|answer| answer.task == task && answer.source == Origin::Rule);
        let mut why: BTreeMap<&str, usize> = BTreeMap::new();
        own.for_each(|answer| *why.entry(&answer.why).or_default() += 1);
        let most = why.into_iter().max_by_key(|(_, count)| *count);
        let why = most.map(|(why, _)| format!("; by rules: {why}")).unwrap_or_default();
        lines.push(format!("{task}: {model} of {asked} by a model{why}"));
    }
    lines
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// One line, cut at the end of the terminal's.
    fn line(&mut self, text: &str) {
        self.text.push_str(&cut(text, self.width));
        self.text.push('\n');
    }

    /// Whole words up to the end of each line.
    fn paragraph(&mut self, text: &str) {
        self.text.push('\n');
        let mut line = String::new();
        for word in clean::line(text).split(' ') {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > self.width {
                let full = std::mem::take(&mut line);
                self.line(&full);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    fn list(&mut self, title: &str, lines: &[String]) {
        self.some(title, lines, SHOWN);
    }

    fn some(&mut self, title: &str, lines: &[String], shown: usize) {
        if lines.is_empty() {
            return;
        }
        self.text.push('\n');
        self.line(title);
        lines.iter().take(shown).for_each(|line| self.line(&format!("  {line}")));
        if lines.len() > shown {
            self.line(&format!("  ... and {} more lines; --json has all", lines.len() - shown));
        }
    }
}

/// Characters; wide ones only make a line break early where the terminal does it.
fn columns(text: &str) -> usize {
    text.chars().count()
}

/// `text` as one line of at most `width` characters.
fn cut(text: &str, width: usize) -> String {
    let text = clean::line(text);
    if columns(&text) <= width {
        return text.into_owned();
    }
    let head: String = text.chars().take(width.saturating_sub(clean::ELLIPSIS.len())).collect();
    head + clean::ELLIPSIS
}
