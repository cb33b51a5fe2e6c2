//! The language of a pipeline file: replaces everything that stands for something else.
//!
//! - [`modules`]: a file and those that it includes. [`instances`]: one stage for each combination of a matrix.
//! - [`overrides`]: params set from outside. [`interpolate`]: where params are used.
//! - [`condition`], [`condition_parse`]: `when:`.

pub mod condition;
pub(super) mod condition_parse;
pub mod instances;
pub mod interpolate;
pub(super) mod modules;
pub(super) mod overrides;
