//! Correlation rules as data.
//!
//! - `model`: the form of a rule.
//! - `embedded`: the rules of this build, their order, and the points that were measured for them.
//! - `soundness`: what can be wrong with a set of rules beyond its form.

mod embedded;
mod model;
mod soundness;

pub use embedded::RULES;
pub use model::{Alternative, Beside, Join, Link, Purpose, Rare, Rule, Side, Test, all_hold};
