//! The kind `export`: a model as a plain GGUF file, its weights rounded to one type and nothing else done to them.

use contract::{Card, Context, Stage, StageError, Type};
use formats::ModelSource;
use formats::gguf::{About, Value, export, vocabulary};
use policy::Settings;

use crate::analyst;
use crate::params::ExportParams;

/// Writes a model as GGUF.
pub struct Export;

impl Stage for Export {
    type Params = ExportParams;

    fn card() -> Card {
        Card::new("export", 1)
            .summary("Writes a model as a plain GGUF file: F16, BF16 or Q8_0, with the tokenizer")
            .worker("pipe-torch")
            .input("model", Type::HF_MODEL, "the model")
            .optional_input(
                "analyst",
                Type::METRICS,
                "from `evaluate`: tasks, limits and gates of this very model, into the metadata",
            )
            .output("model", Type::GGUF, "the same as GGUF")
            .resources(1, 1 << 30)
    }

    fn run(params: ExportParams, context: &Context) -> Result<(), StageError> {
        let source = ModelSource::open(context.input("model")?)?;
        let config = &source.config;
        let companions = context.scratch();
        source.write_companions(companions)?;
        let mut metadata = About::of(&source).overridden_by(params.about()).metadata(config);
        metadata.extend(vocabulary::metadata(companions, config.vocab_size, &config.eos_token_ids)?);
        if let Some(path) = context.optional_input("analyst") {
            metadata.push((Settings::GGUF_KEY.to_owned(), Value::String(analyst::settings(path)?.to_json())));
        }
        export::write_plain(&source, params.tensor_type(), &metadata, context.output("model")?)
    }
}
