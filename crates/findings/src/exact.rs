//! Lists that take no more room than they need: a scan may have hundreds of thousands of findings and correlations with a few lists each, and a
//! list that grows while it is read has room for four.

use serde::{Deserialize, Deserializer};

/// Reads a list without room left over; for `#[serde(deserialize_with)]`.
pub fn exact<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let grown: Vec<T> = Vec::deserialize(deserializer)?;
    let mut exact = Vec::with_capacity(grown.len());
    exact.extend(grown);
    Ok(exact)
}
