//! Which examples a dataset gets.
//!
//! - [`spool`]: examples on disk. [`merge`]: one example per prompt, and conflicts. [`split`]: hosts to splits. [`balance`]: limits
//!   on each template, severity and task.

pub mod balance;
pub mod merge;
pub mod split;
pub mod spool;
