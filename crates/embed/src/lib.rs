//! For build scripts of crates with tables: people edit YAML, a worker reads JSON, several times as fast.

// What a build script says to cargo goes to its output.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// Writes each `NAME.yaml` of a directory of the crate as `$OUT_DIR/NAME.json`, its keys in their order.
pub fn tables(directory: &str) -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed={directory}");
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            // Not JSON's own value, which would sort the keys.
            let table: serde_yaml::Value = serde_yaml::from_str(&fs::read_to_string(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let name = path.file_stem().expect("a file has a name");
            fs::write(Path::new(&out).join(name).with_extension("json"), serde_json::to_vec(&table)?)?;
        }
    }
    Ok(())
}
