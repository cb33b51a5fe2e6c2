//! Artifact types, by which a wrong wire is found before anything runs.
//!
//! The set is open: a card may state types of its own. Those that ship with pipe are constants of one table; in documents they are
//! written by name, and types of others as `{"name": .., "form": .., "ending": ..}`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a port carries. A type says what the bytes mean; `Form` says whether they lie in a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type {
    name: &'static str,
    form: Form,
    ending: Option<&'static str>,
}

/// How an artifact lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One regular file.
    File,
    /// A directory.
    Dir,
}

/// A type as a card states it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated<'t> {
    name: Cow<'t, str>,
    form: Form,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ending: Option<Cow<'t, str>>,
}

/// The types that ship with pipe: a constant each, and all in a row with what they mean.
macro_rules! table {
    ($(#[doc = $doc:literal] $constant:ident = $name:literal, $form:ident, $ending:expr;)*) => {
        impl Type {
            $(#[doc = $doc] pub const $constant: Type = Type { name: $name, form: Form::$form, ending: $ending };)*

            /// Every type that ships with pipe, for messages and schemas.
            pub const ALL: [Type; [$($name),*].len()] = [$(Type::$constant),*];
        }

        const MEANINGS: [&str; Type::ALL.len()] = [$($doc),*];
        const NAMES: &[&str] = &[$($name),*];
    };
}

table! {
    /// A directory of scanner reports (`v2.json`), one file a host and scan.
    SCANS = "scans", Dir, None;
    /// Enriched findings: JSON lines.
    FINDINGS = "findings", File, Some("jsonl");
    /// The hidden truth of simulated scans: JSON lines.
    TRUTH = "truth", File, Some("jsonl");
    /// Correlations between findings: JSON lines.
    CORRELATIONS = "correlations", File, Some("jsonl");
    /// A directory of ground-truth documents (`ground_truth_schema.json`).
    DOCUMENTS = "documents", Dir, None;
    /// A directory of chat-form JSONL splits with a manifest.
    DATASET = "dataset", Dir, None;
    /// A directory with a tokenizer and encoded splits.
    TOKENS = "tokens", Dir, None;
    /// A Hugging Face model directory.
    HF_MODEL = "hf-model", Dir, None;
    /// A Hugging Face model directory with GPTQ safetensors.
    GPTQ_MODEL = "gptq-model", Dir, None;
    /// One GGUF file.
    GGUF = "gguf", File, Some("gguf");
    /// One JSON document of figures.
    METRICS = "metrics", File, Some("json");
    /// One self-contained HTML page.
    REPORT = "report", File, Some("html");
    /// Any file.
    FILE = "file", File, None;
    /// Any directory.
    DIR = "dir", Dir, None;
}

impl Type {
    /// A type that a card states. The text says why there can be no such type.
    pub fn stated(name: &str, form: Form, ending: Option<&str>) -> Result<Type, String> {
        if !is_word(name, "-_") {
            return Err(format!("{name:?} cannot name an artifact type: letters, digits, `-` and `_`"));
        }
        match (form, ending) {
            (Form::Dir, Some(_)) => return Err(format!("the type `{name}` is a directory, which has no ending")),
            (_, Some(ending)) if !is_word(ending, "-_.") => {
                return Err(format!("{ending:?} cannot be the ending of `{name}`: letters, digits, `.`, `-` and `_`"));
            }
            _ => {}
        }
        match name.parse::<Type>() {
            Ok(ours) if ours.form == form && (ending.is_none() || ending == ours.ending) => Ok(ours),
            Ok(_) => Err(format!("the type `{name}` ships with pipe; write it by its name, or give yours another")),
            Err(()) => Ok(Type { name: interned(name), form, ending: ending.map(interned) }),
        }
    }

    /// Whether an artifact of this type is a file or a directory.
    pub fn form(self) -> Form {
        self.form
    }

    /// Whether an artifact of this type may be wired into a port of type `port`: the same type, or the untyped form of it.
    pub fn fits(self, port: Type) -> bool {
        self == port || (matches!(port, Type::FILE | Type::DIR) && self.form == port.form)
    }

    /// What the name of such a file in the workspace ends with, so that other programs know what it is.
    pub fn extension(self) -> Option<&'static str> {
        self.ending
    }

    /// The name as written in cards.
    pub fn name(self) -> &'static str {
        self.name
    }
}

/// Text that lives as long as the program, each once: types are compared and copied everywhere, and few are ever named.
fn interned(text: &str) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.into());
    texts.insert(kept);
    kept
}

fn is_word(text: &str, marks: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// By the name of one that ships with pipe.
impl FromStr for Type {
    type Err = ();

    fn from_str(text: &str) -> Result<Type, ()> {
        Type::ALL.into_iter().find(|t| t.name == text).ok_or(())
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Type::ALL.contains(self) {
            true => serializer.serialize_str(self.name),
            false => {
                let (name, ending) = (self.name.into(), self.ending.map(Cow::from));
                Stated { name, form: self.form, ending }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Type, D::Error> {
        deserializer.deserialize_any(TypeVisitor)
    }
}

struct TypeVisitor;

impl<'de> Visitor<'de> for TypeVisitor {
    type Value = Type;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an artifact type, or a type of its own as {name, form, ending}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Type, E> {
        text.parse().map_err(|()| E::unknown_variant(text, NAMES))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Type, M::Error> {
        let Stated { name, form, ending } = Stated::deserialize(MapAccessDeserializer::new(map))?;
        Type::stated(&name, form, ending.as_deref()).map_err(M::Error::custom)
    }
}

impl JsonSchema for Type {
    fn schema_name() -> Cow<'static, str> {
        "Type".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let ours = NAMES
            .iter()
            .zip(MEANINGS)
            .map(|(name, meaning)| json_schema!({"description": meaning.trim(), "type": "string", "const": name}));
        let stated = json_schema!({
            "description": "A type of the card's own. It is written like this wherever it is used.",
            "type": "object",
            "properties": {
                "name": {"description": "Wires are checked by it.", "type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"},
                "form": {"description": "One regular file, or a directory.", "type": "string", "enum": ["file", "dir"]},
                "ending": {
                    "description": "What the name of such a file in the workspace ends with, without a dot.",
                    "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$",
                },
            },
            "required": ["name", "form"],
            "additionalProperties": false,
        });
        json_schema!({
            "description": "What a port carries. A type says what the bytes mean; `Form` says whether they lie in a file or a directory.",
            "oneOf": ours.chain([stated]).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_pipe_are_written_by_name() {
        for t in Type::ALL {
            assert_eq!(serde_json::to_value(t).unwrap(), t.name());
            assert_eq!(serde_json::from_value::<Type>(t.name().into()).unwrap(), t);
            assert_eq!(t.name().parse(), Ok(t));
        }
    }

    #[test]
    fn a_type_of_others_is_written_with_its_form_and_ending() {
        let text = r#"{"name":"capture","form":"file","ending":"pcap"}"#;
        let capture: Type = serde_json::from_str(text).unwrap();
        assert_eq!((capture.name(), capture.form(), capture.extension()), ("capture", Form::File, Some("pcap")));
        assert_eq!(serde_json::to_string(&capture).unwrap(), text);
        let again = Type::stated("capture", Form::File, Some("pcap")).unwrap();
        assert_eq!(capture, again);
        assert!(std::ptr::eq(capture.name(), again.name()), "a name is kept once");
        let plain = r#"{"name":"weights","form":"dir"}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Type>(plain).unwrap()).unwrap(), plain);
    }

    #[test]
    fn a_typed_artifact_fits_its_own_port_and_the_untyped_one_of_its_form() {
        assert!(Type::SCANS.fits(Type::SCANS));
        assert!(Type::SCANS.fits(Type::DIR));
        assert!(!Type::SCANS.fits(Type::FILE));
        assert!(!Type::DIR.fits(Type::SCANS));
        let capture = Type::stated("capture", Form::File, None).unwrap();
        assert!(capture.fits(capture) && capture.fits(Type::FILE));
        assert!(!capture.fits(Type::DIR) && !capture.fits(Type::METRICS) && !Type::FILE.fits(capture));
        let elsewhere = Type::stated("capture", Form::Dir, None).unwrap();
        assert!(!capture.fits(elsewhere), "one name, two forms");
    }

    #[test]
    fn what_cannot_be_a_type_is_refused_with_a_reason() {
        let refused = |text: &str| serde_json::from_str::<Type>(text).unwrap_err().to_string();
        assert!(refused(r#""pcap""#).starts_with("unknown variant `pcap`, expected one of `scans`, `findings`"));
        assert!(refused(r#"{"name":"scans","form":"file"}"#).contains("`scans` ships with pipe"));
        assert!(refused(r#"{"name":"metrics","form":"file","ending":"csv"}"#).contains("`metrics` ships with pipe"));
        assert!(refused(r#"{"name":"a/b","form":"file"}"#).contains("\"a/b\" cannot name an artifact type"));
        assert!(refused(r#"{"name":"","form":"file"}"#).contains("\"\" cannot name"));
        assert!(refused(r#"{"name":"a","form":"file","ending":"../b"}"#).contains("cannot be the ending of `a`"));
        assert!(refused(r#"{"name":"a","form":"dir","ending":"b"}"#).contains("a directory, which has no ending"));
        assert!(refused(r#"{"name":"a","form":"socket"}"#).contains("unknown variant `socket`"));
        assert!(refused(r#"{"name":"a"}"#).contains("missing field `form`"));
        assert!(refused(r#"{"name":"a","form":"dir","of":1}"#).contains("unknown field `of`"));
        assert!(refused("3").contains("the name of an artifact type"));
    }

    #[test]
    fn stating_a_type_of_pipe_as_it_is_names_that_type() {
        assert_eq!(Type::stated("metrics", Form::File, Some("json")), Ok(Type::METRICS));
        assert_eq!(Type::stated("metrics", Form::File, None), Ok(Type::METRICS));
        assert_eq!(Type::stated("scans", Form::Dir, None), Ok(Type::SCANS));
    }
}
