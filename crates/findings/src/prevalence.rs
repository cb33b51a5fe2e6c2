//! How common what a finding names is among the hosts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On how many hosts a program, module, unit or file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prevalence {
    /// On no other host.
    One,
    /// On two, or on at most one in fifty of the hosts that the scanner says anything of.
    Few,
    /// On more.
    Many,
}

impl Prevalence {
    /// The name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Prevalence::One => "one",
            Prevalence::Few => "few",
            Prevalence::Many => "many",
        }
    }
}
