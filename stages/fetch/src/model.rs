//! The directory that is handed on: weights as they came, and the config, the tokenizer and the chat template beside them.

use std::fs::File;
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};
use formats::ModelSource;

/// Copies the model in `from` to `to`: what belongs to it and nothing else.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    let source = ModelSource::open(from)?;
    for path in source.files() {
        let name = path.file_name().ok_or_else(|| StageError::bug(format!("{} has no name", path.display())))?;
        let place = to.join(name);
        // Read and written, not copied: inputs are read-only and a copy would be too.
        let (mut read, mut written) = (File::open(&path).at(&path)?, File::create(&place).at(&place)?);
        std::io::copy(&mut read, &mut written).at(&place)?;
    }
    for companion in source.companions()? {
        let path = to.join(companion.name);
        std::fs::write(&path, companion.bytes).at(&path)?;
    }
    Ok(())
}

/// Checks the model that lies in `directory` and puts beside it what follows from it.
pub(crate) fn complete(directory: &Path, context: &Context) -> Result<(), StageError> {
    let source = ModelSource::open(directory)?;
    for companion in source.companions()? {
        let path = directory.join(companion.name);
        if !path.exists() {
            std::fs::write(&path, companion.bytes).at(&path)?;
        }
    }
    if !directory.join("config.json").exists() {
        source.config.save(directory)?;
    }
    if !directory.join("tokenizer.json").exists() {
        context.warn("the model comes without a tokenizer.json, so nothing can be encoded for it");
    }
    let config = &source.config;
    context.info(format!(
        "{} parameters, {} layers, context {}, vocabulary {}",
        config.parameters(),
        config.num_hidden_layers,
        config.max_position_embeddings,
        config.vocab_size
    ));
    context.metric("parameters", config.parameters() as f64);
    context.metric("bytes", source.bytes()? as f64);
    Ok(())
}
