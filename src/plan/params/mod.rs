//! The value walker: `with:` against the schema on a card, and the complete params a worker gets.
//!
//! It understands the closed subset of JSON Schema that `contract::params` describes and nothing else; [`unsupported`] finds a
//! schema that goes beyond. It reports every problem with its place, fills defaults recursively ([`defaults`]), and writes
//! numbers the way the worker's types will write them back. Recursion is bounded by the loader's depth budget.

mod alternatives;
mod defaults;
mod scalars;
mod subset;
mod walk;

pub(super) use subset::unsupported;
pub(super) use walk::resolve;

#[cfg(test)]
mod tests;
