//! A chat template, rendered as transformers renders it (`apply_chat_template`): the file `chat_template.jinja` that ships with a
//! tokenizer decides what stands around the messages.
//!
//! The content of messages is not rendered. The template gets a mark in place of each, and [`ChatTemplate::parts`] puts the content
//! where its mark is, so that content can neither become a special token nor be mistaken for the template's own text.

use std::path::Path;

use contract::StageError;
use dataset::Message;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::template::{CHAT_TEMPLATE, Special};

/// Steps of a rendering: far more than a conversation takes, so that a template which never ends is an error.
const FUEL: u64 = 10_000_000;

/// Around the number of a message: characters of a private use area, which a template cannot hold by accident.
const MARK: [char; 2] = ['\u{F0000}', '\u{F0001}'];

/// White space around a mark: gone where the template trims the content.
const PAD: char = '\u{2003}';

/// A compiled template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Its name in errors.
    name: String,
}

/// A part of a rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'m> {
    /// A special token of the template.
    Special(Special),
    /// Text of the template, such as a role.
    Frame(String),
    /// Content of a message, trimmed where the template trims it.
    Content {
        /// Its place in the conversation.
        message: usize,
        /// The content.
        text: &'m str,
    },
}

impl Part<'_> {
    /// Its text, unless it is a special token.
    pub fn text(&self) -> Option<&str> {
        match self {
            Part::Special(_) => None,
            Part::Frame(text) => Some(text),
            Part::Content { text, .. } => Some(text),
        }
    }
}

/// How a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last message.
    Message,
    /// Where the assistant's next answer begins.
    Answer,
}

/// A message as a template sees it.
#[derive(Serialize)]
struct Marked<'m> {
    role: &'m str,
    content: String,
}

impl ChatTemplate {
    /// The template that `tokenize` ships.
    pub fn shipped() -> ChatTemplate {
        ChatTemplate::new("chat_template.jinja".to_owned(), CHAT_TEMPLATE.to_owned())
            .expect("a test compiles the shipped template")
    }

    /// `chat_template.jinja` in `directory`, or the shipped one where there is none.
    pub fn load(directory: &Path) -> Result<ChatTemplate, StageError> {
        let path = directory.join("chat_template.jinja");
        match std::fs::read_to_string(&path) {
            Ok(source) => ChatTemplate::new(path.display().to_string(), source),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ChatTemplate::shipped()),
            Err(error) => Err(StageError::invalid_input(format!("{}: {error}", path.display()))),
        }
    }

    /// Compiles `source`; errors call it `name`.
    pub fn new(name: String, source: String) -> Result<ChatTemplate, StageError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| StageError::bug(error.to_string()))?);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |why: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, why))
        });
        environment.add_function("strftime_now", |_: String| -> Result<Value, Error> {
            Err(Error::new(
                ErrorKind::InvalidOperation,
                "strftime_now: tokens must not depend on the day they are made",
            ))
        });
        let wrong = |error: Error| StageError::invalid_input(format!("{name}: {error:#}"));
        environment.add_template_owned(NAME, source).map_err(wrong)?;
        Ok(ChatTemplate { environment, name })
    }

    /// The conversation in parts.
    pub fn parts<'m>(&self, messages: &'m [Message], end: End) -> Result<Vec<Part<'m>>, StageError> {
        let marked = messages.iter().enumerate().map(|(index, message)| {
            let role = message.role.as_str();
            let is_word = role.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            let content = format!("{PAD}{}{PAD}", mark(index));
            is_word
                .then_some(Marked { role, content })
                .ok_or_else(|| self.wrong(&format!("the role {role:?} is no word")))
        });
        let marked = marked.collect::<Result<Vec<_>, _>>()?;
        let rendered = self.render(&marked, end)?;
        let mut parts = Vec::with_capacity(1 + 7 * messages.len());
        let mut rest = rendered.as_str();
        for (index, message) in messages.iter().enumerate() {
            let (before, after) = rest
                .split_once(&mark(index))
                .ok_or_else(|| self.wrong(&format!("it leaves out message {}, or changes its content", index + 1)))?;
            let (before, after, text) = match (before.strip_suffix(PAD), after.strip_prefix(PAD)) {
                (Some(before), Some(after)) => (before, after, message.content.as_str()),
                _ => (before, after, message.content.trim()),
            };
            self.push_frame(before, &mut parts)?;
            parts.push(Part::Content { message: index, text });
            rest = after;
        }
        self.push_frame(rest, &mut parts)?;
        Ok(parts)
    }

    fn render(&self, messages: &[Marked], end: End) -> Result<String, StageError> {
        let template = self.environment.get_template(NAME).map_err(|error| StageError::bug(error.to_string()))?;
        let rendered = template.render(context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => end == End::Answer,
            bos_token => Special::BeginOfText.text(),
            eos_token => Special::EndOfTurn.text(),
            pad_token => Special::Pad.text(),
        });
        rendered.map_err(|error| self.wrong(&format!("{error:#}")))
    }

    /// Parts of the template's own text.
    fn push_frame(&self, mut text: &str, parts: &mut Vec<Part>) -> Result<(), StageError> {
        if text.contains([MARK[0], MARK[1], PAD]) {
            return Err(self.wrong("it gives the content of a message twice, or in another order"));
        }
        let first = |text: &str| {
            Special::ALL.into_iter().filter_map(|s| Some((text.find(s.text())?, s))).min_by_key(|found| found.0)
        };
        while let Some((at, special)) = first(text) {
            if at > 0 {
                parts.push(Part::Frame(text[..at].to_owned()));
            }
            parts.push(Part::Special(special));
            text = &text[at + special.text().len()..];
        }
        if !text.is_empty() {
            parts.push(Part::Frame(text.to_owned()));
        }
        Ok(())
    }

    /// An error about the template or what it was given.
    pub(crate) fn wrong(&self, what: &str) -> StageError {
        StageError::invalid_input(format!("{}: {what}", self.name))
    }
}

/// The template's name in its environment. No ending that minijinja escapes for.
const NAME: &str = "chat_template";

fn mark(index: usize) -> String {
    format!("{}{index}{}", MARK[0], MARK[1])
}

/// The filter `tojson` of transformers: `json.dumps(value, ensure_ascii=False, indent=indent)`. Jinja's own escapes HTML.
fn to_json(value: &Value, arguments: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    let ensure_ascii: Option<bool> = arguments.get("ensure_ascii")?;
    arguments.assert_all_used()?;
    if ensure_ascii == Some(true) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: ensure_ascii=True is not supported"));
    }
    let mut bytes = Vec::new();
    let written = match indent.map(|indent| " ".repeat(indent)) {
        None => value.serialize(&mut Serializer::with_formatter(&mut bytes, OneLine)),
        Some(indent) => {
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        }
    };
    let invalid = |error: &dyn std::fmt::Display| Error::new(ErrorKind::InvalidOperation, format!("tojson: {error}"));
    written.map_err(|error| invalid(&error))?;
    String::from_utf8(bytes).map_err(|error| invalid(&error))
}

/// Python's separators: `", "` and `": "`.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned() }
    }

    fn of(source: &str) -> ChatTemplate {
        ChatTemplate::new("template".to_owned(), source.to_owned()).unwrap()
    }

    fn error(source: &str, messages: &[Message]) -> String {
        of(source).parts(messages, End::Message).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_template_gives_turns_and_trims() {
        let messages = [message("user", " a\n"), message("assistant", "b")];
        let parts = ChatTemplate::shipped().parts(&messages, End::Answer).unwrap();
        let header = |role: &str| {
            let frame = |text: &str| Part::Frame(text.to_owned());
            [Part::Special(Special::StartHeader), frame(role), Part::Special(Special::EndHeader), frame("\n\n")]
        };
        let end = || Part::Special(Special::EndOfTurn);
        let mut expected = vec![Part::Special(Special::BeginOfText)];
        expected.extend(header("user"));
        expected.extend([Part::Content { message: 0, text: "a" }, end()]);
        expected.extend(header("assistant"));
        expected.extend([Part::Content { message: 1, text: "b" }, end()]);
        expected.extend(header("assistant"));
        assert_eq!(parts, expected);
    }

    /// The expected text is that of `render_jinja_template` in transformers 5.23 with jinja2 3.1.6.
    #[test]
    fn white_space_and_json_are_those_of_transformers() {
        let template = of(r#"{%- if messages[0]['role'] == 'system' %}
    {%- set offset = 1 %}
{%- else %}
    {%- set offset = 0 %}
{%- endif %}
  {% for message in messages %}
    {% if message.role == 'tool' %}{% continue %}{% endif %}
<|start_header_id|>{{ message.role }}<|end_header_id|>

  {{ message['content'] }}{{ eos_token }}
  {% endfor %}
{{ {"name": "größe", "list": [1, 2.5, None, True], "empty": {}, "html": "<a & 'b'>"} | tojson }}
{{ {"name": [1], "e": []} | tojson(indent=2) }}
offset {{ offset }} {{ undefined_name }}|
"#);
        let marked = [("system", "S"), ("tool", "T"), ("user", " U ")]
            .map(|(role, content)| Marked { role, content: content.to_owned() });
        let expected = "<|start_header_id|>system<|end_header_id|>\n\n  S<|eot_id|>\n\
            <|start_header_id|>user<|end_header_id|>\n\n   U <|eot_id|>\n\
            {\"name\": \"größe\", \"list\": [1, 2.5, null, true], \"empty\": {}, \"html\": \"<a & 'b'>\"}\n\
            {\n  \"name\": [\n    1\n  ],\n  \"e\": []\n}\noffset 1 |";
        assert_eq!(template.render(&marked, End::Message).unwrap(), expected);
    }

    #[test]
    fn content_that_a_template_does_not_trim_stays_whole() {
        let messages = [message("user", " a ")];
        let parts = of("{{ messages[0].content }}!").parts(&messages, End::Message).unwrap();
        assert_eq!(parts, [Part::Content { message: 0, text: " a " }, Part::Frame("!".to_owned())]);
    }

    #[test]
    fn a_template_that_does_not_fit_is_an_error_that_names_it() {
        let messages = [message("user", "a"), message("assistant", "b")];
        assert!(error("{{ messages[1].content }}", &messages).starts_with("template: it leaves out message 1"));
        assert!(error("{{ messages[0].content * 2 }}", &messages[..1]).starts_with("template: "));
        let twice = "{{ messages[0].content }}{{ messages[0].content }}";
        assert!(error(twice, &messages[..1]).contains("twice"));
        assert!(error("{{ raise_exception('no system') }}", &messages).contains("no system"));
        assert!(error("{{ strftime_now('%d %b %Y') }}", &messages).contains("strftime_now"));
        assert!(
            error("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", &messages)
                .contains("fuel")
        );
        assert!(
            ChatTemplate::new("t".to_owned(), "{% if %}".to_owned()).is_err_and(|e| e.to_string().starts_with("t: "))
        );
        assert!(error("{{ messages[0].content }}", &[message("user<|eot_id|>", "a")]).contains("is no word"));
    }
}
