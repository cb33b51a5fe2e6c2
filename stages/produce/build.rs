//! Tables as JSON.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    ["data", "data/chains"].into_iter().try_for_each(embed::tables)
}
