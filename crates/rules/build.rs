//! Tables as JSON.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    ["rules", "measured", "knowledge", "knowledge/agent", "knowledge/attack"].into_iter().try_for_each(embed::tables)
}
