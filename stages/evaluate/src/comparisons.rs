//! Differences on the same questions: each model against each baseline, and the quantized model against the original.

use std::collections::BTreeMap;

use crate::answered::Answered;
use crate::baselines::Baseline;
use crate::measure::{Better, Measure};
use crate::metrics::{Comparison, Figure, Verdict};
use crate::scores::{Resamples, Scope, Scores};

/// The name of the mean over tasks among the tasks.
pub const MEAN: &str = "mean";

/// All of them.
pub fn all(
    original: &Answered,
    quantized: &Answered,
    baselines: &BTreeMap<Baseline, Answered>,
    resamples: &Resamples,
) -> Vec<Comparison> {
    let (original, quantized) = (("original", &original.scores), ("quantized", &quantized.scores));
    let mut found = of_pair(quantized, original, |_| true, resamples);
    for model in [original, quantized] {
        for (baseline, answered) in baselines {
            let against = (baseline.name(), &answered.scores);
            found.extend(of_pair(model, against, Measure::is_of_content, resamples));
        }
    }
    found
}

/// The differences of two, on each task that both have, and on the mean where both have all of them.
fn of_pair(
    (name, scores): (&str, &Scores),
    (other, against): (&str, &Scores),
    wanted: impl Fn(Measure) -> bool,
    resamples: &Resamples,
) -> Vec<Comparison> {
    let tasks = scores.answers().keys().map(|task| (task.as_str(), Scope::Task(task)));
    let mean = (scores.answers().keys().eq(against.answers().keys())).then_some((MEAN, Scope::Mean));
    let mut found = Vec::new();
    for (task, scope) in tasks.chain(mean) {
        for measure in Measure::ALL.into_iter().filter(|measure| wanted(*measure)) {
            let Some(difference) = scores.difference(against, (scope, measure), resamples) else { continue };
            found.push(Comparison {
                of: name.to_owned(),
                against: other.to_owned(),
                task: task.to_owned(),
                figure: measure.name().to_owned(),
                difference,
                verdict: verdict(measure, &difference),
            });
        }
    }
    found
}

fn verdict(measure: Measure, difference: &Figure) -> Verdict {
    let (Some(low), Some(high)) = (difference.low, difference.high) else { return Verdict::Undecided };
    match measure.better() {
        Better::Higher if low > 0.0 => Verdict::Better,
        Better::Higher if high < 0.0 => Verdict::Worse,
        Better::Lower if high < 0.0 => Verdict::Better,
        Better::Lower if low > 0.0 => Verdict::Worse,
        Better::Higher | Better::Lower => Verdict::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_error_is_better_and_an_interval_around_nothing_decides_nothing() {
        let check = |measure, low: f64, high: f64, expected| {
            let difference = Figure { value: (low + high) / 2.0, low: Some(low), high: Some(high), hosts: 9 };
            assert_eq!(verdict(measure, &difference), expected, "{low} to {high}");
        };
        check(Measure::SeverityMacroF1, 0.1, 0.3, Verdict::Better);
        check(Measure::SeverityMacroF1, -0.3, -0.1, Verdict::Worse);
        check(Measure::RiskError, -3.0, -1.0, Verdict::Better);
        check(Measure::RiskError, 1.0, 3.0, Verdict::Worse);
        check(Measure::RiskError, -1.0, 3.0, Verdict::Undecided);
        let alone = Figure { value: 0.5, low: None, high: None, hosts: 1 };
        assert_eq!(verdict(Measure::Exact, &alone), Verdict::Undecided);
    }
}
