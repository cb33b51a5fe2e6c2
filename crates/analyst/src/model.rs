//! A model as it is asked: its settings, its tokenizer and chat form, and the digest of its file. Its weights are left alone.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use contract::stage::At;
use contract::{Digest, StageError, clean};
use dataset::{Message, Role};
use formats::gguf::{GgufFile, Value, tokenizer};
use policy::{Settings, SettingsError};
use serde_json::Value as Json;
use tokenizers::Tokenizer;
use tokens::{ChatEncoder, ChatTemplate, TokenNames};
use transform::tasks::task::Task;

use crate::enriched::ModelName;
use crate::exchange::Asking;
use crate::question::Question;

/// Metadata of a GGUF file that name tokens at which an answer ends.
const ENDS: [&str; 3] = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

/// What a model has to be.
const WHOLE: &str = "name a whole GGUF file, or a whole directory in the form of Hugging Face or GPTQ, as the kind `analyst` \
                     writes them";

/// A model as it is asked.
pub struct Model {
    /// Its name, and the digest of its file or of all files of its directory.
    pub name: ModelName,
    /// For which prompts it was made, and how sure it must be.
    pub settings: Settings,
    /// The directory, or the GGUF file.
    pub path: PathBuf,
    encoder: ChatEncoder,
    /// The tokens that end an answer.
    stop: Vec<u32>,
    /// The most tokens of prompt and answer together.
    context: usize,
}

/// What a file or directory says of itself.
struct About {
    settings: Option<String>,
    encoder: ChatEncoder,
    ends: Vec<u32>,
    positions: Option<usize>,
}

impl Model {
    /// Opens a Hugging Face or GPTQ directory, or a GGUF file. One that was made for other prompts is refused.
    pub fn open(path: &Path) -> Result<Model, StageError> {
        let told = |error: StageError| if error.help.is_some() { error } else { error.help(WHOLE) };
        Model::read(path).map_err(told)
    }

    fn read(path: &Path) -> Result<Model, StageError> {
        if std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Err(StageError::invalid_input(format!("{}: there is no such model", path.display())));
        }
        let gguf = formats::source::gguf_at(path).map_err(StageError::from)?;
        let about = match &gguf {
            Some(file) => About::of_gguf(file)?,
            None => About::of_directory(path)?,
        };
        let shown = clean::line(&path.display().to_string()).into_owned();
        let refused = |what: String, help: &str| StageError::invalid_input(format!("{shown}: {what}")).help(help);
        let settings = about.settings.ok_or_else(|| {
            let what = format!("the model does not say for which prompts it was made: it has no {}", Settings::FILE);
            refused(what, "name a model that the kind `analyst` wrote, as out/full/analyst/model.gguf; docs/analyst.md tells how one is made")
        })?;
        let unusable = |error: SettingsError| {
            let help = match error {
                SettingsError::Version(_) => "take a newer pipe, or export the model with this one",
                _ => "docs/analyst.md tells how a model is made",
            };
            refused(error.to_string(), help)
        };
        let settings = Settings::parse(&settings).map_err(unusable)?;
        settings.check(instruction).map_err(unusable)?;
        let context = about.positions.map_or(settings.context as usize, |own| own.min(settings.context as usize));
        let mut stop: BTreeSet<u32> = about.ends.into_iter().collect();
        stop.insert(about.encoder.end_of_turn());
        let file_name =
            path.canonicalize().ok().and_then(|path| path.file_name().map(|name| name.display().to_string()));
        let name = clean::bounded(&file_name.unwrap_or_else(|| shown.clone()), 120).into_owned();
        let digest = digest(gguf.as_deref().unwrap_or(path))?.to_string();
        Ok(Model {
            name: ModelName { digest, name },
            settings,
            path: path.to_owned(),
            encoder: about.encoder,
            stop: stop.into_iter().collect(),
            context,
        })
    }

    /// What the model adds to a question: the prompt as tokens, and where its answer ends.
    pub fn asking(&self, question: &Question) -> Result<Asking, StageError> {
        let skipped = |why: String| Asking { skipped: Some(why), stop: self.stop.clone(), ..Asking::default() };
        let Some(task) = self.settings.tasks.get(question.task.name()) else {
            return Ok(skipped(policy::Refusal::NotAsked.to_string()));
        };
        let message = |role, text: &str| Message { role, content: text.to_owned() };
        let messages = [message(Role::System, question.task.instruction()), message(Role::User, &question.prompt)];
        let ids = self.encoder.prompt(&messages)?;
        let (length, limit) = (ids.len(), task.limit as usize);
        if length + limit > self.context {
            let why =
                format!("the prompt has {length} tokens and the answer up to {limit}, the model {}", self.context);
            return Ok(Asking { limit: Some(task.limit), ..skipped(why) });
        }
        let tokens = ids.into_iter().map(|id| u32::try_from(id).unwrap_or_default()).collect();
        Ok(Asking { tokens: Some(tokens), skipped: None, limit: Some(task.limit), stop: self.stop.clone() })
    }

    /// The text of an answer's tokens.
    pub fn text(&self, ids: &[u32]) -> Result<String, StageError> {
        let text = self.encoder.tokenizer().decode(ids, true);
        text.map_err(|error| StageError::bug(format!("tokenizers: {error}")))
    }
}

/// Today's system message of a task.
fn instruction(task: &str) -> Option<&'static str> {
    Task::ALL.into_iter().find(|known| known.name() == task).map(Task::instruction)
}

impl About {
    fn of_gguf(path: &Path) -> Result<About, StageError> {
        let file = GgufFile::open_metadata(path)?;
        let integer = |key: &str| file.value(key).and_then(Value::integer).and_then(|id| u32::try_from(id).ok());
        let files = tokenizer::files(&file).map_err(formats::LlamaError::at(path)).map_err(StageError::from)?;
        let find = |name: &str| files.iter().find(|file| file.name == name).map(|file| file.bytes.as_slice());
        Ok(About {
            settings: file.value(Settings::GGUF_KEY).and_then(Value::text).map(str::to_owned),
            encoder: encoder(path, find)?,
            ends: ENDS.iter().filter_map(|key| integer(key)).collect(),
            positions: integer("llama.context_length").map(|positions| positions as usize),
        })
    }

    fn of_directory(path: &Path) -> Result<About, StageError> {
        let settings = path.join(Settings::FILE);
        let config = json(&path.join("config.json"))?;
        let generation = path.join("generation_config.json");
        let generation = if generation.exists() { json(&generation)? } else { Json::Null };
        let ends = [&config["eos_token_id"], &generation["eos_token_id"]].into_iter().flat_map(|ids| match ids {
            Json::Array(ids) => ids.clone(),
            one => vec![one.clone()],
        });
        Ok(About {
            settings: if settings.exists() { Some(std::fs::read_to_string(&settings).at(&settings)?) } else { None },
            encoder: ChatEncoder::load(path)?,
            ends: ends.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect(),
            positions: config["max_position_embeddings"].as_u64().map(|positions| positions as usize),
        })
    }
}

/// The encoder of a GGUF file, from the files that a Hugging Face directory would have. Nothing is written for it, so nothing is left where
/// the program is ended.
fn encoder<'f>(path: &Path, find: impl Fn(&str) -> Option<&'f [u8]>) -> Result<ChatEncoder, StageError> {
    let wrong = |error: String| StageError::invalid_input(format!("{}: {error}", path.display()));
    let tokenizer = find("tokenizer.json").ok_or_else(|| wrong("it has no tokenizer".to_owned()))?;
    let tokenizer = Tokenizer::from_bytes(tokenizer).map_err(|error| wrong(error.to_string()))?;
    let Some(template) = find("chat_template.jinja") else {
        return ChatEncoder::new(tokenizer, ChatTemplate::shipped());
    };
    let template = String::from_utf8_lossy(template);
    let config = find("tokenizer_config.json").map(serde_json::from_slice).transpose();
    let config: Json = config.map_err(|error| wrong(error.to_string()))?.unwrap_or_default();
    let name = format!("{}: tokenizer.chat_template", path.display());
    ChatEncoder::new(tokenizer, ChatTemplate::new(name, &template, TokenNames::of(&config))?)
}

fn json(path: &Path) -> Result<Json, StageError> {
    let bytes = std::fs::read(path).at(path)?;
    serde_json::from_slice(&bytes).map_err(|error| StageError::invalid_input(format!("{}: {error}", path.display())))
}

/// The digest of a file's bytes, or of the names and digests of a directory's files.
fn digest(path: &Path) -> Result<Digest, StageError> {
    if !path.is_dir() {
        return of_file(path);
    }
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(path).at(path)?.collect();
    let mut files: Vec<PathBuf> = entries.at(path)?.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file());
    files.sort_unstable();
    let mut names = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default();
        names.extend_from_slice(name.as_encoded_bytes());
        names.extend_from_slice(format!("\0{}\n", of_file(&file)?).as_bytes());
    }
    Ok(Digest::of(&names))
}

fn of_file(path: &Path) -> Result<Digest, StageError> {
    Ok(Hasher::new().update_mmap_rayon(path).at(path)?.finalize().into())
}
