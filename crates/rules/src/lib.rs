//! Correlation rules and what is known of programs, ports and techniques: what `correlate` computes with, and `transform` and
//! `verify` look up.
//!
//! - [`facts`]: one finding as rules see it, by [`field`]. [`rule`]: correlation rules as data (`rules/README.md`), with the points
//!   measured for them.
//! - [`knowledge`]: the tables. [`tools`]: attackers' tools and ports. [`tags`], [`role`]: what a finding and a host are by themselves.
//!   [`evidence`]: the techniques that findings show. [`traces`]: those that a suspected attack may be.
//! - [`subject`], [`sign`], [`usual`]: what clean hosts never show of one program; [`tally`] counts it.
//! - [`words`]: what is no name, as the tables know it.
//!
//! It joins nothing: that is the kind `correlate`.

pub mod evidence;
pub mod facts;
pub mod field;
pub mod knowledge;
pub mod role;
pub mod rule;
pub mod sign;
pub mod subject;
pub mod tags;
pub mod tally;
pub mod tools;
pub mod traces;
pub mod usual;
pub mod words;
