//! Tables as JSON.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    embed::tables("rules")?;
    embed::tables("knowledge")
}
