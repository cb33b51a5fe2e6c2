//! Some answers, wrong ones first.

use std::collections::BTreeMap;

use super::html::escape;
use crate::answered::Answered;
use crate::samples::Question;

/// Answers of a task that are shown.
const OF_TASK: usize = 4;

/// Faults of this rank are equal to none for the order: the answer says the same in other words.
const HARMLESS: &str = "other wording";

/// One question and its answers.
pub struct Shown<'a> {
    question: &'a Question,
    original: &'a str,
    quantized: &'a str,
    /// Of both answers.
    faults: [&'a [String]; 2],
}

impl<'a> Shown<'a> {
    /// A few of each task: those whose quantized answer is wrong first, the more faults the earlier.
    pub fn choose(questions: &'a [Question], original: &'a Answered, quantized: &'a Answered) -> Vec<Shown<'a>> {
        let mut tasks: BTreeMap<&str, Vec<Shown<'_>>> = BTreeMap::new();
        for (place, question) in questions.iter().enumerate() {
            let shown = Shown {
                question,
                original: &original.texts[place].text,
                quantized: &quantized.texts[place].text,
                faults: [&original.judgements[place].faults, &quantized.judgements[place].faults],
            };
            tasks.entry(&question.task).or_default().push(shown);
        }
        let choose = |mut shown: Vec<Shown<'a>>| {
            shown.sort_by_key(|shown| std::cmp::Reverse(shown.gravity()));
            // A right one among them shows what right is.
            let right = shown.iter().rposition(|shown| shown.gravity() == 0).map(|place| shown.remove(place));
            shown.truncate(OF_TASK - 1);
            shown.extend(right);
            shown
        };
        tasks.into_values().flat_map(choose).collect()
    }

    fn gravity(&self) -> usize {
        self.faults[1].iter().filter(|fault| *fault != HARMLESS).count()
    }
}

/// The section.
pub(super) fn section(shown: &[Shown<'_>]) -> String {
    let texts: String = shown.iter().map(one).collect();
    if texts.is_empty() { texts } else { format!("<h2>Some answers, wrong ones first</h2>\n{texts}") }
}

fn one(shown: &Shown<'_>) -> String {
    let part =
        |name: &str, mark: String, text: &str| format!("<dt>{name}{mark}</dt><dd><pre>{}</pre></dd>\n", escape(text));
    let mark = |faults: &[String]| match faults {
        [] => " <span class=\"good\">right</span>".to_owned(),
        [one] if one == HARMLESS => format!(" <span class=\"soft\">{HARMLESS}</span>"),
        faults => format!(" <span class=\"bad\">{}</span>", escape(&faults.join("; "))),
    };
    let class = if shown.gravity() > 0 { "answer wrong" } else { "answer" };
    format!(
        "<details class=\"{class}\" open>\n<summary>Task {}</summary>\n<dl>\n{}{}{}{}</dl>\n</details>\n",
        escape(&shown.question.task),
        part("Question", String::new(), &shown.question.prompt),
        part("True answer", String::new(), &shown.question.truth),
        part("Original", mark(shown.faults[0]), shown.original),
        part("Quantized", mark(shown.faults[1]), shown.quantized),
    )
}
