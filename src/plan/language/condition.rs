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

use crate::plan::model::StageId;

/// The condition of a `when:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// As written.
    pub text: String,
    /// Its meaning.
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
    /// Two parts and their operator.
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

/// An operator between two parts.
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

/// The result of a condition.
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
    /// It has no value, and this is why: `divides by zero`.
    Undefined(&'static str),
}

impl Condition {
    /// Its result with these metrics. A metric that cannot change the result is not asked for, and a calculation that cannot change
    /// it may lack a value.
    pub fn evaluate(&self, metric: &dyn Fn(StageId, &str) -> Option<f64>) -> Verdict {
        match value(&self.expression, metric) {
            Ok(Value::Bool(true)) => Verdict::True,
            Ok(_) => Verdict::False,
            Err(NoValue::Unknown(stage, metric)) => Verdict::Unknown { stage, metric },
            Err(NoValue::Undefined(why)) => Verdict::Undefined(why),
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

/// Why a part has no value.
enum NoValue {
    /// This metric is not known.
    Unknown(StageId, String),
    /// It cannot be calculated.
    Undefined(&'static str),
}

/// Why `part` has no value with any metrics; `None` where it has one, or where that depends on a metric.
pub(super) fn undefined(part: &Expression) -> Option<&'static str> {
    let constant = |part: &Expression| value(part, &|_, _| None);
    match part {
        Expression::Value(_) | Expression::Metric { .. } => None,
        Expression::Not(inner) | Expression::Negative(inner) => undefined(inner),
        Expression::Pair(left, operator @ (Operator::Or | Operator::And), right) => {
            let decides =
                |side: &Expression| constant(side).is_ok_and(|value| truth(&value) == (*operator == Operator::Or));
            if decides(left) || decides(right) { None } else { undefined(left).or_else(|| undefined(right)) }
        }
        Expression::Pair(_, Operator::Divide, right) if constant(right).is_ok_and(|by| number(&by) == 0.0) => {
            Some(BY_ZERO)
        }
        Expression::Pair(left, _, right) => {
            undefined(left).or_else(|| undefined(right)).or_else(|| match constant(part) {
                Err(NoValue::Undefined(why)) => Some(why),
                Ok(_) | Err(NoValue::Unknown(..)) => None,
            })
        }
    }
}

/// Recursion is bounded by the parser's limit on depth. Types were checked there.
fn value(part: &Expression, metric: &dyn Fn(StageId, &str) -> Option<f64>) -> Result<Value, NoValue> {
    use Operator::{
        Add, And, Divide, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Multiply, NotEqual, Or, Subtract,
    };
    Ok(match part {
        Expression::Value(value) => value.clone(),
        Expression::Metric { stage, metric: name } => {
            let known = metric(*stage, name).ok_or_else(|| NoValue::Unknown(*stage, name.clone()))?;
            finite(known, "reads a metric that is no finite number")?
        }
        Expression::Not(inner) => Value::Bool(!truth(&value(inner, metric)?)),
        Expression::Negative(inner) => Value::Number(-number(&value(inner, metric)?)),
        Expression::Pair(left, operator @ (Or | And), right) => {
            let decided = *operator == Or;
            match (value(left, metric), value(right, metric)) {
                (Ok(one), _) if truth(&one) == decided => Value::Bool(decided),
                (_, Ok(other)) if truth(&other) == decided => Value::Bool(decided),
                (Ok(_), Ok(_)) => Value::Bool(!decided),
                // A metric that is still to come may decide it yet.
                (Err(unknown @ NoValue::Unknown(..)), _) | (_, Err(unknown @ NoValue::Unknown(..))) => {
                    return Err(unknown);
                }
                (Err(undefined), _) | (_, Err(undefined)) => return Err(undefined),
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
                Add => finite(number(&left) + number(&right), OVERFLOW)?,
                Subtract => finite(number(&left) - number(&right), OVERFLOW)?,
                Multiply => finite(number(&left) * number(&right), OVERFLOW)?,
                Divide if number(&right) == 0.0 => return Err(NoValue::Undefined(BY_ZERO)),
                Divide => finite(number(&left) / number(&right), OVERFLOW)?,
                Or | And => Value::Bool(false),
            }
        }
    })
}

const BY_ZERO: &str = "divides by zero";
const OVERFLOW: &str = "calculates a number that is too large";

/// `number`, or why it is no number: infinities would compare like numbers and decide the condition by accident.
fn finite(number: f64, otherwise: &'static str) -> Result<Value, NoValue> {
    if number.is_finite() { Ok(Value::Number(number)) } else { Err(NoValue::Undefined(otherwise)) }
}

fn truth(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn number(value: &Value) -> f64 {
    if let Value::Number(number) = value { *number } else { f64::NAN }
}
