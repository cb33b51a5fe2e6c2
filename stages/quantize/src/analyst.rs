//! The kind `analyst`: a quantized model with what it has to know of its own use, so that it can be asked without its pipeline.

use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use formats::gguf::{GgufFile, Value, export};
use policy::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts the settings of a model into its containers.
pub struct Analyst;

/// The kind has no params.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnalystParams {}

impl Stage for Analyst {
    type Params = AnalystParams;

    fn card() -> Card {
        Card::new("analyst", 1)
            .summary("Puts into a quantized model for which prompts it was made, and from which confidence on its answers are taken")
            .worker("pipe-torch")
            .input("analyst", Type::METRICS, "from `evaluate`: tasks, limits and gates")
            .input("model", Type::GGUF, "from `quantize`: the quantized model as GGUF")
            .input("gptq", Type::GPTQ_MODEL, "from `quantize`: the same as GPTQ safetensors")
            .output("model", Type::GGUF, "the GGUF, with the settings as metadata `pipe.analyst`")
            .output("gptq", Type::GPTQ_MODEL, "the directory, with the settings as `analyst.json`")
            .resources(1, 1 << 30)
    }

    fn run(_: AnalystParams, context: &Context) -> Result<(), StageError> {
        let settings = settings(context.input("analyst")?)?;
        let file = GgufFile::open(context.input("model")?)?;
        let metadata = vec![(Settings::GGUF_KEY.to_owned(), Value::String(settings.to_json()))];
        export::write_with(&file, &metadata, context.output("model")?)?;
        let out = context.output_dir("gptq")?;
        copy(context.input("gptq")?, out)?;
        let path = out.join(Settings::FILE);
        std::fs::write(&path, settings.to_json() + "\n").at(&path)
    }
}

/// Reads the input `analyst` at `path`.
pub(crate) fn settings(path: &Path) -> Result<Settings, StageError> {
    let text = std::fs::read_to_string(path).at(path)?;
    let wrong = |e| StageError::invalid_input(format!("input `analyst`: {e}"));
    Settings::parse(&text).map_err(|e| wrong(e).help("wire the output `analyst` of `evaluate`"))
}

/// Copies a directory. An older `analyst.json` in it gives way.
fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    std::fs::create_dir_all(to).at(to)?;
    for entry in std::fs::read_dir(from).at(from)? {
        let entry = entry.at(from)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else if entry.file_name() != Settings::FILE {
            // Bytes alone: inputs are read-only.
            let mut source = std::fs::File::open(&path).at(&path)?;
            let mut copied = std::fs::File::create(&target).at(&target)?;
            std::io::copy(&mut source, &mut copied).at(&target)?;
        }
    }
    Ok(())
}
