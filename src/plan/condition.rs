//! `when:` of a stage: a boolean expression over params and the metrics of other stages, parsed and checked when the plan is made.
//!
//! ```text
//! or     = and ( ("||" | "or") and )*          and  = not ( ("&&" | "and") not )*        not = ("!" | "not") not | compare
//! compare = sum ( ("==" | "!=" | "<" | "<=" | ">" | ">=") sum )?          sum = product ( ("+" | "-") product )*
//! product = sign ( ("*" | "/") sign )*        sign = "-" sign | value
//! value  = number | "text" | 'text' | true | false | params.a.b | matrix.a | stages.NAME.metrics.M | "(" or ")"
//! ```
//! Params are put in at once; a metric is the last value of that name that the stage gave, a number. [`parse`](super::condition_parse)
//! reads it.

use serde::{Deserialize, Serialize};

use super::model::StageId;

/// What a `when:` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// As written.
    pub text: String,
    /// What it means.
    pub expression: Expression,
}

/// A part of a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expression {
    /// A value that is known.
    Value(Value),
    /// A metric of another stage: a number.
    Metric {
        /// The stage.
        stage: StageId,
        /// The metric's name.
        metric: String,
    },
    /// `!x`.
    Not(Box<Expression>),
    /// `-x`.
    Negative(Box<Expression>),
    /// Two parts and what joins them.
    Pair(Box<Expression>, Operator, Box<Expression>),
}

/// A known value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
}

/// What joins two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// What a condition comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stage is wanted.
    True,
    /// It is not.
    False,
    /// A metric is not known: its stage has not run, or does not give it.
    Unknown {
        /// The stage.
        stage: StageId,
        /// The metric.
        metric: String,
    },
}

impl Condition {
    /// What it comes to with these metrics. What is decided without a metric does not ask for it.
    pub fn evaluate(&self, metric: &dyn Fn(StageId, &str) -> Option<f64>) -> Verdict {
        match value(&self.expression, metric) {
            Ok(Value::Bool(true)) => Verdict::True,
            Ok(_) => Verdict::False,
            Err((stage, metric)) => Verdict::Unknown { stage, metric },
        }
    }

    /// Every metric it names.
    pub fn reads(&self) -> impl Iterator<Item = (StageId, &str)> {
        let mut pending = vec![&self.expression];
        std::iter::from_fn(move || {
            loop {
                match pending.pop()? {
                    Expression::Value(_) => {}
                    Expression::Metric { stage, metric } => return Some((*stage, metric.as_str())),
                    Expression::Not(inner) | Expression::Negative(inner) => pending.push(inner),
                    Expression::Pair(left, _, right) => pending.extend([&**right, &**left]),
                }
            }
        })
    }

    /// Renumbers the stages it names: a plan of some targets has fewer.
    pub fn map_stages(&mut self, map: impl Fn(StageId) -> StageId) {
        let mut pending = vec![&mut self.expression];
        while let Some(part) = pending.pop() {
            match part {
                Expression::Value(_) => {}
                Expression::Metric { stage, .. } => *stage = map(*stage),
                Expression::Not(inner) | Expression::Negative(inner) => pending.push(inner),
                Expression::Pair(left, _, right) => pending.extend([&mut **left, &mut **right]),
            }
        }
    }
}

type Unknown = (StageId, String);

/// Recursion is bounded by the parser's limit on depth. Types were checked there.
fn value(part: &Expression, metric: &dyn Fn(StageId, &str) -> Option<f64>) -> Result<Value, Unknown> {
    use Operator::{
        Add, And, Divide, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Multiply, NotEqual, Or, Subtract,
    };
    Ok(match part {
        Expression::Value(value) => value.clone(),
        Expression::Metric { stage, metric: name } => {
            Value::Number(metric(*stage, name).ok_or_else(|| (*stage, name.clone()))?)
        }
        Expression::Not(inner) => Value::Bool(!truth(&value(inner, metric)?)),
        Expression::Negative(inner) => Value::Number(-number(&value(inner, metric)?)),
        Expression::Pair(left, operator @ (Or | And), right) => {
            let decided = *operator == Or;
            match (value(left, metric), value(right, metric)) {
                (Ok(one), _) if truth(&one) == decided => Value::Bool(decided),
                (_, Ok(other)) if truth(&other) == decided => Value::Bool(decided),
                (Ok(_), Ok(_)) => Value::Bool(!decided),
                (Err(unknown), _) | (_, Err(unknown)) => return Err(unknown),
            }
        }
        Expression::Pair(left, operator, right) => {
            let (left, right) = (value(left, metric)?, value(right, metric)?);
            let order = match (&left, &right) {
                (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
                (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
                _ => number(&left).partial_cmp(&number(&right)),
            };
            match operator {
                Equal => Value::Bool(left == right),
                NotEqual => Value::Bool(left != right),
                Less => Value::Bool(order.is_some_and(std::cmp::Ordering::is_lt)),
                LessOrEqual => Value::Bool(order.is_some_and(std::cmp::Ordering::is_le)),
                Greater => Value::Bool(order.is_some_and(std::cmp::Ordering::is_gt)),
                GreaterOrEqual => Value::Bool(order.is_some_and(std::cmp::Ordering::is_ge)),
                Add => Value::Number(number(&left) + number(&right)),
                Subtract => Value::Number(number(&left) - number(&right)),
                Multiply => Value::Number(number(&left) * number(&right)),
                Divide => Value::Number(number(&left) / number(&right)),
                Or | And => Value::Bool(false),
            }
        }
    })
}

fn truth(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn number(value: &Value) -> f64 {
    if let Value::Number(number) = value { *number } else { f64::NAN }
}
