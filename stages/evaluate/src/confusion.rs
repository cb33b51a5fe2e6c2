//! The confusion matrix: how often each answer was given for each truth.

use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts of answers: a row a true severity, a column an answered one, and a last column for answers without any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// The severities of rows and columns, by rank.
    pub labels: Vec<Severity>,
    /// The counts.
    pub counts: Vec<Vec<usize>>,
}

impl Confusion {
    /// Counts `(true, answered)` pairs. Severities that occur nowhere get no row.
    pub fn of(pairs: &[(Severity, Option<Severity>)]) -> Confusion {
        let occurs = |label: &Severity| pairs.iter().any(|(truth, answer)| truth == label || *answer == Some(*label));
        let labels: Vec<Severity> = Severity::ALL.into_iter().filter(occurs).collect();
        let mut counts = vec![vec![0; labels.len() + 1]; labels.len()];
        let place = |severity: Severity| labels.iter().position(|label| *label == severity);
        for (truth, answer) in pairs {
            let row = place(*truth).expect("a severity that occurs has a row");
            let column = answer.and_then(place).unwrap_or(labels.len());
            counts[row][column] += 1;
        }
        Confusion { labels, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{High, Low};

    #[test]
    fn rows_are_the_truth_and_the_last_column_is_no_answer() {
        let confusion = Confusion::of(&[(High, Some(Low)), (Low, Some(Low)), (High, None)]);
        assert_eq!(confusion.labels, [Low, High]);
        assert_eq!(confusion.counts, [[1, 0, 0], [1, 0, 1]]);
    }
}
