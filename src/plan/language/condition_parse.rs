//! Reads a `when:`: tokens with their places, then one function a level of precedence. The grammar stands at [`super::condition`].
//!
//! Types are checked on the way: params are known and metrics are numbers, so a condition that could not be decided is refused
//! before anything runs. Names may hold `-`, so a minus between names needs spaces around it.
#![expect(
    clippy::result_large_err,
    reason = "a problem is the end of a plan and met once; a box would only be in the way"
)]

use super::condition::{Condition, Expression, Operator, Value, undefined};
use super::interpolate::Scope;
use crate::plan::model::StageId;
use crate::spec::{Node, NodeValue, Problem, Sources, Span, suggest};

/// Levels of nesting: the limit makes recursion over an expression safe.
const MAX_DEPTH: usize = 50;
/// Words of a condition. `1 + 1 + 1` nests to the left without a parenthesis, so this too bounds the expression's depth.
const MAX_TOKENS: usize = 500;

/// The names that a condition may use.
pub(crate) struct Names<'a> {
    /// Params, and the axes of a matrix.
    pub scope: &'a Scope<'a>,
    /// The stage of a name, as the file spells it.
    pub stage: &'a dyn Fn(&str) -> Option<StageId>,
    /// Every name there is, for suggestions.
    pub stages: &'a dyn Fn() -> Vec<String>,
}

/// The condition in `node`, or the problem with it.
pub(crate) fn parse(node: &Node, names: &Names<'_>, sources: &Sources) -> Result<Condition, Problem> {
    match &node.value {
        NodeValue::Bool(flag) => {
            Ok(Condition { text: flag.to_string(), expression: Expression::Value(Value::Bool(*flag)) })
        }
        NodeValue::Text(text) => {
            let whole = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            let Some(inner) = whole.filter(|inner| !inner.contains("${")) else {
                let problem = Problem::at("bad-condition", node.span, "a condition is one `${..}` and nothing else");
                return Err(problem.label("not a condition").help("write \"${stages.model.metrics.loss < 2.0}\""));
            };
            // Escapes aside, the text stands in the source as it is.
            let written = sources.slice(node.span).find(inner).map(|at| node.span.start + at as u32);
            let tokens = tokens(inner).map_err(|(at, what)| {
                Problem::at("bad-condition", place(node.span, written, at, at + 1), what).label("not understood")
            })?;
            if tokens.len() > MAX_TOKENS {
                let message = format!("the condition is of more than {MAX_TOKENS} words");
                let problem = Problem::at("bad-condition", node.span, message).label("too long");
                return Err(problem.help("let a stage calculate it and give it as one metric"));
            }
            let mut parser =
                Parser { text: inner, tokens, next: 0, depth: 0, names, span: node.span, written, suspect: None };
            let part = parser.either()?;
            if let Some(token) = parser.peek() {
                return Err(parser.problem(token.start, token.end, "the condition should have ended before this"));
            }
            parser.want(&part, Kind::Bool, "a condition")?;
            if let Some(why) = undefined(&part.expression) {
                let (start, end) = parser.suspect.unwrap_or((part.start, part.end));
                let problem = parser.problem(start, end, format!("the condition {why}"));
                return Err(problem.help("decide that case before: `params.n != 0 && 1 / params.n > x`"));
            }
            Ok(Condition { text: inner.trim().to_owned(), expression: part.expression })
        }
        _ => {
            let problem = Problem::at("bad-condition", node.span, format!("`when` is {}", node.describe()));
            Err(problem.label("not a condition").help("write \"${stages.model.metrics.loss < 2.0}\", true or false"))
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Number,
    Text,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Bool => "true or false",
            Kind::Number => "a number",
            Kind::Text => "text",
        }
    }
}

#[derive(Clone, Copy)]
struct Token {
    start: usize,
    end: usize,
}

/// A parsed part and its place.
struct Part {
    expression: Expression,
    kind: Kind,
    start: usize,
    end: usize,
}

fn tokens(text: &str) -> Result<Vec<Token>, (usize, String)> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or(' ');
        let length = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            number_length(rest)
        } else if rest.starts_with("stages.") {
            let name =
                rest.find(".metrics.").ok_or((at, "a metric is written stages.NAME.metrics.METRIC".to_owned()))?;
            let metric = &rest[name + 9..];
            name + 9 + metric.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(metric.len())
        } else if first.is_ascii_alphabetic() {
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))).unwrap_or(rest.len())
        } else if first == '"' || first == '\'' {
            2 + rest[1..].find(first).ok_or((at, "a text without its closing quote".to_owned()))?
        } else if ["||", "&&", "==", "!=", "<=", ">="].iter().any(|two| rest.starts_with(two)) {
            2
        } else if "!<>+-*/()".contains(first) {
            1
        } else {
            return Err((at, format!("{first:?} means nothing in a condition")));
        };
        tokens.push(Token { start: at, end: at + length });
        at += length;
    }
    Ok(tokens)
}

fn number_length(text: &str) -> usize {
    let digits =
        |from: usize| text[from..].find(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(text.len(), |n| from + n);
    let whole = digits(0);
    let exponent = text[whole..].strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    match exponent {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => digits(text.len() - rest.len()),
        _ => whole,
    }
}

/// Bytes `start..end` of the condition's text, in the file.
fn place(span: Span, written: Option<u32>, start: usize, end: usize) -> Span {
    match written {
        Some(at) => Span { source: span.source, start: at + start as u32, end: at + end as u32 },
        None => span,
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    names: &'a Names<'a>,
    span: Span,
    /// Where the text begins in the file; `None` when it was written with escapes.
    written: Option<u32>,
    /// The first calculation that has no value, in the condition's text.
    suspect: Option<(usize, usize)>,
}

type Parsed = Result<Part, Problem>;

impl Parser<'_> {
    fn either(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.problem(0, self.text.len(), "the condition is nested too deep"));
        }
        let mut left = self.both()?;
        while self.take(&["||", "or"]).is_some() {
            let right = self.both()?;
            left = self.logic(left, Operator::Or, right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn both(&mut self) -> Parsed {
        let mut left = self.negation()?;
        while self.take(&["&&", "and"]).is_some() {
            let right = self.negation()?;
            left = self.logic(left, Operator::And, right)?;
        }
        Ok(left)
    }

    fn logic(&self, left: Part, operator: Operator, right: Part) -> Parsed {
        self.want(&left, Kind::Bool, "what `&&` and `||` join")?;
        self.want(&right, Kind::Bool, "what `&&` and `||` join")?;
        Ok(pair(left, operator, right, Kind::Bool))
    }

    fn negation(&mut self) -> Parsed {
        let mut starts = Vec::new();
        while let Some((_, token)) = self.take(&["!", "not"]) {
            starts.push(token.start);
        }
        let mut part = self.comparison()?;
        for start in starts.into_iter().rev() {
            self.want(&part, Kind::Bool, "what `!` negates")?;
            part = Part { expression: Expression::Not(Box::new(part.expression)), start, ..part };
        }
        Ok(part)
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        let Some((word, token)) = self.take(&["==", "!=", "<=", ">=", "<", ">"]) else { return Ok(left) };
        let right = self.sum()?;
        if left.kind != right.kind {
            let message = format!("compares {} with {}", left.kind.name(), right.kind.name());
            return Err(self.problem(left.start, right.end, message));
        }
        let operator = match word {
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<=" => Operator::LessOrEqual,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            _ => Operator::Greater,
        };
        if left.kind == Kind::Bool && !matches!(operator, Operator::Equal | Operator::NotEqual) {
            return Err(self.problem(token.start, token.end, "true and false have no order"));
        }
        Ok(pair(left, operator, right, Kind::Bool))
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        while let Some((word, _)) = self.take(&["+", "-"]) {
            let right = self.product()?;
            left = self.arithmetic(left, if word == "+" { Operator::Add } else { Operator::Subtract }, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.sign()?;
        while let Some((word, _)) = self.take(&["*", "/"]) {
            let right = self.sign()?;
            left = self.arithmetic(left, if word == "*" { Operator::Multiply } else { Operator::Divide }, right)?;
        }
        Ok(left)
    }

    fn arithmetic(&mut self, left: Part, operator: Operator, right: Part) -> Parsed {
        self.want(&left, Kind::Number, "what is calculated with")?;
        self.want(&right, Kind::Number, "what is calculated with")?;
        let part = pair(left, operator, right, Kind::Number);
        if self.suspect.is_none() && undefined(&part.expression).is_some() {
            self.suspect = Some((part.start, part.end));
        }
        Ok(part)
    }

    fn sign(&mut self) -> Parsed {
        let mut starts = Vec::new();
        while let Some((_, token)) = self.take(&["-"]) {
            starts.push(token.start);
        }
        let mut part = self.value()?;
        for start in starts.into_iter().rev() {
            self.want(&part, Kind::Number, "what has a sign")?;
            part = Part { expression: Expression::Negative(Box::new(part.expression)), start, ..part };
        }
        Ok(part)
    }

    fn value(&mut self) -> Parsed {
        let Some(token) = self.peek() else {
            return Err(self.problem(self.text.len(), self.text.len(), "the condition ends where a value should be"));
        };
        self.next += 1;
        let Token { start, end } = token;
        let word = &self.text[start..end];
        let known = |value: Value, kind| Ok(Part { expression: Expression::Value(value), kind, start, end });
        if word == "(" {
            let inner = self.either()?;
            let Some((_, closing)) = self.take(&[")"]) else {
                return Err(self.problem(start, end, "`(` without `)`"));
            };
            return Ok(Part { start, end: closing.end, ..inner });
        }
        if word.starts_with(['"', '\'']) {
            return known(Value::Text(word[1..word.len() - 1].to_owned()), Kind::Text);
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return match word.parse::<f64>() {
                Ok(number) if !number.is_finite() => Err(self.problem(start, end, format!("`{word}` is too large"))),
                Ok(number) => known(Value::Number(number), Kind::Number),
                Err(_) => Err(self.problem(start, end, format!("`{word}` is no number"))),
            };
        }
        match word {
            "true" | "false" => known(Value::Bool(word == "true"), Kind::Bool),
            _ if word.starts_with("stages.") => self.metric(token),
            _ => match self.lookup(token)? {
                NodeValue::Bool(flag) => known(Value::Bool(flag), Kind::Bool),
                NodeValue::Text(text) => known(Value::Text(text), Kind::Text),
                NodeValue::Number(number) => known(Value::Number(number.as_f64().unwrap_or(f64::NAN)), Kind::Number),
                NodeValue::Broken => known(Value::Bool(false), Kind::Bool),
                other => {
                    let found = Node::new(other, self.span).describe();
                    Err(self.problem(start, end, format!("`{word}` is {found}, which cannot be compared")))
                }
            },
        }
    }

    fn metric(&self, token: Token) -> Parsed {
        let word = &self.text[token.start + "stages.".len()..token.end];
        let (name, metric) = word.split_once(".metrics.").unwrap_or((word, ""));
        if metric.is_empty() {
            return Err(self.problem(token.start, token.end, "no metric is named"));
        }
        let Some(stage) = (self.names.stage)(name) else {
            let names = (self.names.stages)();
            let problem = self.problem(token.start, token.end, format!("there is no stage `{name}`"));
            return Err(problem.maybe_help(suggest::help(name, names.iter().map(String::as_str))));
        };
        let expression = Expression::Metric { stage, metric: metric.to_owned() };
        Ok(Part { expression, kind: Kind::Number, start: token.start, end: token.end })
    }

    /// A param or an axis of the matrix.
    fn lookup(&self, token: Token) -> Result<NodeValue, Problem> {
        let word = &self.text[token.start..token.end];
        let (head, path) = word.split_once('.').unwrap_or((word, ""));
        let mut node = match (head, self.names.scope.params, self.names.scope.matrix) {
            ("params", Some(params), _) => params,
            ("matrix", _, Some(instance)) => &instance.values,
            _ => {
                let problem = self.problem(token.start, token.end, format!("`{word}` names nothing"));
                return Err(problem.help("name params.NAME, matrix.AXIS or stages.NAME.metrics.METRIC; quote a text"));
            }
        };
        for step in path.split('.') {
            let Some(inner) = node.get(step) else {
                let problem = self.problem(token.start, token.end, format!("there is no `{word}`"));
                let NodeValue::Map(entries) = &node.value else { return Err(problem) };
                let names = entries.iter().map(|entry| entry.key.value.as_str());
                return Err(problem.maybe_help(suggest::help(step, names)));
            };
            node = inner;
        }
        Ok(node.value.clone())
    }

    fn want(&self, part: &Part, kind: Kind, what: &str) -> Result<(), Problem> {
        if part.kind == kind {
            return Ok(());
        }
        let message = format!("{what} must be {}, found {}", kind.name(), part.kind.name());
        Err(self.problem(part.start, part.end, message))
    }

    fn problem(&self, start: usize, end: usize, message: impl Into<String>) -> Problem {
        Problem::at("bad-condition", place(self.span, self.written, start, end), message).label("here")
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).copied()
    }

    /// The next token, if it is one of `words`.
    fn take<'w>(&mut self, words: &[&'w str]) -> Option<(&'w str, Token)> {
        let token = self.peek()?;
        let word = words.iter().find(|word| **word == &self.text[token.start..token.end])?;
        self.next += 1;
        Some((word, token))
    }
}

fn pair(left: Part, operator: Operator, right: Part, kind: Kind) -> Part {
    let (start, end) = (left.start, right.end);
    let expression = Expression::Pair(Box::new(left.expression), operator, Box::new(right.expression));
    Part { expression, kind, start, end }
}

#[cfg(test)]
mod tests;
