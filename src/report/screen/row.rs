//! One row of a live display, made to fit: the least important text is left out first, then the name is shortened in its middle, and
//! the reason is cut last.

use console::{measure_text_width, truncate_str};

use crate::report::clean::{cell, screen};

/// Names are not shortened below this.
const NAME: usize = 16;

/// A row before it is fitted.
pub(super) struct Row {
    /// The mark in the first column.
    pub mark: String,
    pub name: String,
    /// The texts, in order, each with its importance: the least important is left out first.
    pub fields: Vec<(u8, String)>,
    /// Why it is so; the last to be cut.
    pub reason: Option<String>,
}

impl Row {
    /// In so many columns.
    pub(super) fn fit(mut self, columns: usize) -> String {
        let name = cell(&self.name).into_owned();
        let named = measure_text_width(&name);
        let shortest = named.min(NAME);
        while self.rest() + shortest > columns {
            let Some(least) = (0..self.fields.len()).min_by_key(|at| self.fields[*at].0) else { break };
            self.fields.remove(least);
        }
        let room = columns.saturating_sub(self.rest()).clamp(shortest, named.max(shortest));
        let mut text = format!("{}  {}", self.mark, shortened(&name, room));
        for (_, field) in &self.fields {
            text = format!("{text}  {field}");
        }
        if let Some(reason) = &self.reason {
            text = format!("{text}: {}", cell(reason));
        }
        text
    }

    /// The columns of all but the name.
    fn rest(&self) -> usize {
        let width = |text: &str| measure_text_width(&screen(text));
        let fields: usize = self.fields.iter().map(|(_, field)| 2 + width(field)).sum();
        let reason = self.reason.as_ref().map_or(0, |reason| 2 + width(&cell(reason)));
        width(&self.mark) + 2 + fields + reason
    }
}

/// A name without its middle: instances of a matrix differ in their ends.
fn shortened(name: &str, columns: usize) -> String {
    if measure_text_width(name) <= columns {
        return name.to_owned();
    }
    let head = columns.saturating_sub(1) / 2;
    let mut tail: &str = name;
    while measure_text_width(tail) + head + 1 > columns {
        let mut rest = tail.chars();
        if rest.next().is_none() {
            break;
        }
        tail = rest.as_str();
    }
    format!("{}…{tail}", truncate_str(name, head, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        Row {
            mark: "retry".to_owned(),
            name: name.to_owned(),
            fields: vec![(2, "in 5 s".to_owned()), (1, "attempt 2 of 3".to_owned())],
            reason: Some("it ended with 3".to_owned()),
        }
    }

    #[test]
    fn the_least_goes_first_and_the_reason_stays() {
        assert_eq!(row("a").fit(60), "retry  a  in 5 s  attempt 2 of 3: it ended with 3");
        assert_eq!(row("a").fit(40), "retry  a  in 5 s: it ended with 3");
        let long = "train[rate=0.001,seed=17]";
        assert_eq!(row(long).fit(57), "retry  train[rate=0.001,seed=17]  in 5 s: it ended with 3");
        assert_eq!(row(long).fit(50), "retry  train[ra…,seed=17]  in 5 s: it ended with 3");
        assert_eq!(row(long).fit(40), "retry  train[r…seed=17]: it ended with 3");
        assert_eq!(row(long).fit(20), "retry  train[r…seed=17]: it ended with 3", "what draws it cuts the end");
    }
}
