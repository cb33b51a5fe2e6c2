//! The figures of answers: what each is, and how it follows from sums over answers.
//!
//! A figure is a function of sums, so that it can be taken over any selection of hosts: that is what intervals resample.

use scan::Severity;

/// Sums of one answer, or of many.
pub type Sums = Vec<f64>;

/// A figure of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Whether it is JSON.
    ValidJson,
    /// Whether it is JSON of the task's schema.
    SchemaConformance,
    /// Whether the model ended it by itself.
    Terminated,
    /// Whether it equals the true one.
    Exact,
    /// Whether its severity is the true one.
    SeverityAccuracy,
    /// F1 of severities, mean over those that occur.
    SeverityMacroF1,
    /// Share of the truly high ones that are found.
    HighRecall,
    /// Share of the truly critical ones that are found.
    CriticalRecall,
    /// Whether its priority, or level of risk, is the true one.
    LevelAccuracy,
    /// F1 of these, mean over those that occur.
    LevelMacroF1,
    /// Distance of its risk from the true one.
    RiskError,
    /// Whether its risk lies within 5 of the true one.
    RiskWithin5,
    /// Whether its risk is the true one.
    RiskExact,
    /// F1 of its techniques.
    TechniqueF1,
    /// F1 of the findings that it joins.
    CorrelationF1,
    /// F1 of all its values, each with the keys that lead to it.
    ContentF1,
    /// F1 of its words, where the true answer is no JSON.
    WordF1,
    /// Share of the facts in it that stand in the question.
    FactsSupported,
}

/// Which values are good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Large ones.
    Higher,
    /// Small ones.
    Lower,
}

impl Measure {
    /// All, in the order they are shown.
    pub const ALL: [Measure; 18] = [
        Measure::ValidJson,
        Measure::SchemaConformance,
        Measure::Terminated,
        Measure::Exact,
        Measure::SeverityAccuracy,
        Measure::SeverityMacroF1,
        Measure::HighRecall,
        Measure::CriticalRecall,
        Measure::LevelAccuracy,
        Measure::LevelMacroF1,
        Measure::RiskError,
        Measure::RiskWithin5,
        Measure::RiskExact,
        Measure::TechniqueF1,
        Measure::CorrelationF1,
        Measure::ContentF1,
        Measure::WordF1,
        Measure::FactsSupported,
    ];

    /// The name in `metrics.json` and in `require`.
    pub fn name(self) -> &'static str {
        match self {
            Measure::ValidJson => "valid_json",
            Measure::SchemaConformance => "schema_conformance",
            Measure::Terminated => "terminated",
            Measure::Exact => "exact",
            Measure::SeverityAccuracy => "severity_accuracy",
            Measure::SeverityMacroF1 => "severity_macro_f1",
            Measure::HighRecall => "severity_high_recall",
            Measure::CriticalRecall => "severity_critical_recall",
            Measure::LevelAccuracy => "level_accuracy",
            Measure::LevelMacroF1 => "level_macro_f1",
            Measure::RiskError => "risk_mae",
            Measure::RiskWithin5 => "risk_within_5",
            Measure::RiskExact => "risk_exact",
            Measure::TechniqueF1 => "technique_f1",
            Measure::CorrelationF1 => "correlation_f1",
            Measure::ContentF1 => "content_f1",
            Measure::WordF1 => "word_f1",
            Measure::FactsSupported => "facts_supported",
        }
    }

    /// The measure of that name.
    pub fn named(name: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// The name on pages for people.
    pub fn title(self) -> &'static str {
        match self {
            Measure::ValidJson => "Valid JSON",
            Measure::SchemaConformance => "Of the task's schema",
            Measure::Terminated => "Ended by itself",
            Measure::Exact => "Equal to the true answer",
            Measure::SeverityAccuracy => "Severity right",
            Measure::SeverityMacroF1 => "Severity, macro-F1",
            Measure::HighRecall => "Severity high, recall",
            Measure::CriticalRecall => "Severity critical, recall",
            Measure::LevelAccuracy => "Level right",
            Measure::LevelMacroF1 => "Level, macro-F1",
            Measure::RiskError => "Risk, mean absolute error",
            Measure::RiskWithin5 => "Risk within 5",
            Measure::RiskExact => "Risk exact",
            Measure::TechniqueF1 => "Techniques, F1",
            Measure::CorrelationF1 => "Joined findings, F1",
            Measure::ContentF1 => "Values, F1",
            Measure::WordF1 => "Words, F1",
            Measure::FactsSupported => "Facts that the question supports",
        }
    }

    /// Which values are good ones.
    pub fn better(self) -> Better {
        if self == Measure::RiskError { Better::Lower } else { Better::Higher }
    }

    /// Whether baselines are held against it: they always write well-formed answers, and end them.
    pub fn is_of_content(self) -> bool {
        !matches!(self, Measure::ValidJson | Measure::SchemaConformance | Measure::Terminated)
    }

    /// Whether a model has to beat baselines in it: one for each thing that a task asks for.
    pub fn is_headline(self) -> bool {
        matches!(
            self,
            Measure::SeverityMacroF1
                | Measure::RiskError
                | Measure::LevelMacroF1
                | Measure::TechniqueF1
                | Measure::CorrelationF1
                | Measure::ContentF1
                | Measure::WordF1
        )
    }

    /// The figure of `sums`; none where they hold nothing to look at.
    pub fn of(self, sums: &[f64]) -> Option<f64> {
        match self {
            Measure::SeverityMacroF1 | Measure::LevelMacroF1 => macro_f1(sums),
            _ => match sums {
                [sum, count] if *count > 0.0 => Some(sum / count),
                _ => None,
            },
        }
    }
}

/// The sums of a share or a mean.
pub fn one(value: impl Into<f64>) -> Sums {
    vec![value.into(), 1.0]
}

/// The sums of a classification: for each severity, whether it was hit, given wrongly, missed.
pub fn classified(truth: Severity, answer: Option<Severity>) -> Sums {
    let flag = |is: bool| f64::from(u8::from(is));
    let of = |class: Severity| {
        let (is, said) = (truth == class, answer == Some(class));
        [flag(is && said), flag(said && !is), flag(is && !said)]
    };
    Severity::ALL.into_iter().flat_map(of).collect()
}

/// Mean over the classes that occur, in the truth or in an answer.
fn macro_f1(sums: &[f64]) -> Option<f64> {
    let scores: Vec<f64> = sums
        .as_chunks::<3>()
        .0
        .iter()
        .filter(|counts| counts.iter().sum::<f64>() > 0.0)
        .map(|[hit, wrong, missed]| 2.0 * hit / (2.0 * hit + wrong + missed))
        .collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{Critical, High, Low};

    fn sum(all: &[Sums]) -> Sums {
        (0..all[0].len()).map(|place| all.iter().map(|sums| sums[place]).sum()).collect()
    }

    #[test]
    fn macro_f1_is_the_mean_over_classes_that_occur() {
        // scikit-learn: f1_score(["low", "low", "high", "high"], ["low", "high", "high", "critical"], average="macro")
        let pairs = [(Low, Low), (Low, High), (High, High), (High, Critical)];
        let sums = sum(&pairs.map(|(truth, answer)| classified(truth, Some(answer))));
        let found = Measure::SeverityMacroF1.of(&sums).unwrap();
        assert!((found - (2.0 / 3.0 + 0.5 + 0.0) / 3.0).abs() < 1e-12, "{found}");
        assert_eq!(Measure::SeverityMacroF1.of(&classified(Low, None)), Some(0.0));
        assert_eq!(Measure::SeverityMacroF1.of(&[0.0; 18]), None);
    }

    #[test]
    fn names_are_distinct_and_found_again() {
        for measure in Measure::ALL {
            assert_eq!(Measure::named(measure.name()), Some(measure));
        }
        assert_eq!(Measure::named("accuracy"), None);
        assert_eq!(Measure::Exact.of(&[0.0, 0.0]), None);
    }
}
