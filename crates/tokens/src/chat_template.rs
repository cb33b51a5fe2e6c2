//! A chat template, rendered as transformers renders it (`apply_chat_template`): the file `chat_template.jinja` that ships with a
//! tokenizer decides what stands around the messages.
//!
//! The text is that of transformers, byte for byte. [`ChatTemplate::contents`] finds the contents of the messages in it: it renders the
//! conversation once more with a mark in place of each content, and holds the two texts against each other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use dataset::trim::is_space;
use dataset::{Message, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;

use crate::generation;
use crate::python;
use crate::special::{TokenNames, template_in};
use crate::template::{CHAT_TEMPLATE, TOKENIZER_CONFIG, trained_names};

/// Steps of a rendering: far more than a conversation takes, so that a template which never ends is an error.
const FUEL: u64 = 10_000_000;

/// Around the number of a message, in place of its content: characters of a private use area, which no template holds.
const MARK: [char; 2] = ['\u{100000}', '\u{100001}'];

/// White space around a mark: gone where the template trims the content.
const PAD: char = '\u{2003}';

/// The template's name in its environment. No ending that minijinja escapes for.
const NAME: &str = "chat_template";

/// A compiled template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Its name in errors.
    name: String,
    names: TokenNames,
    /// Whether it says by `{% generation %}` what the model learns.
    generation: bool,
}

/// A conversation as the template has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The whole text.
    pub text: String,
    /// The bytes that the template says the model learns; `None` where it does not say.
    pub learned: Option<Vec<Range<usize>>>,
}

/// The content of a message in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its message's place in the conversation.
    pub message: usize,
    /// The bytes that it takes, trimmed where the template trims it.
    pub range: Range<usize>,
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
struct Turn<'m> {
    role: &'m str,
    content: &'m str,
}

impl ChatTemplate {
    /// The template that `tokenize` ships with the tokenizers it trains.
    pub fn shipped() -> ChatTemplate {
        ChatTemplate::new("chat_template.jinja".to_owned(), CHAT_TEMPLATE, trained_names())
            .expect("a test compiles the shipped template")
    }

    /// `chat_template.jinja` in `directory`, or else the template in its `tokenizer_config.json`. `None` where there is neither.
    pub fn load(directory: &Path) -> Result<Option<ChatTemplate>, StageError> {
        let path = directory.join(TOKENIZER_CONFIG);
        let config: serde_json::Value = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| StageError::invalid_input(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => serde_json::Value::Null,
            Err(error) => return Err(error).at(&path),
        };
        let names = TokenNames::of(&config);
        let file = directory.join("chat_template.jinja");
        match std::fs::read_to_string(&file) {
            Ok(source) => ChatTemplate::new(file.display().to_string(), &source, names).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => template_in(&config)
                .map(|source| ChatTemplate::new(format!("{}: chat_template", path.display()), source, names))
                .transpose(),
            Err(error) => Err(error).at(&file),
        }
    }

    /// Compiles `source`; errors call it `name`. Its variables for special tokens are `names`.
    pub fn new(name: String, source: &str, names: TokenNames) -> Result<ChatTemplate, StageError> {
        let wrong = |what: String| StageError::invalid_input(format!("{name}: {what}"));
        if source.contains(MARK) {
            return Err(wrong("it holds U+100000 or U+100001, which are used as marks".to_owned()));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| StageError::bug(error.to_string()))?);
        environment.set_fuel(Some(FUEL));
        python::add_to(&mut environment);
        environment.add_function("raise_exception", |why: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, why))
        });
        // Jinja reads every newline as one character.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        let (source, generation) = generation::replace_tags(&source);
        environment.add_template_owned(NAME, source).map_err(|error| wrong(format!("{error:#}")))?;
        Ok(ChatTemplate { environment, name, names, generation })
    }

    /// The special tokens that it knows by name.
    pub(crate) fn names(&self) -> &TokenNames {
        &self.names
    }

    /// The conversation as text.
    pub fn render(&self, messages: &[Message], end: End) -> Result<Rendered, StageError> {
        let turns: Vec<Turn> =
            messages.iter().map(|message| Turn { role: message.role.name(), content: &message.content }).collect();
        if !self.generation {
            return Ok(Rendered { text: self.text(&turns, end, None)?, learned: None });
        }
        let contents = messages.iter().map(|message| message.content.as_str());
        let marks = generation::free_marks(contents)
            .ok_or_else(|| self.wrong("the messages hold all characters of private use, which mark what is learned"))?;
        let (text, learned) = generation::take_marks(&self.text(&turns, end, Some(marks))?, marks);
        Ok(Rendered { text, learned: Some(learned) })
    }

    /// Where the contents of `messages` lie in `text`, their rendering, in the order of the text.
    pub fn contents(&self, messages: &[Message], end: End, text: &str) -> Result<Vec<Content>, StageError> {
        let marks: Vec<String> =
            (0..messages.len()).map(|index| format!("{PAD}{}{index}{}{PAD}", MARK[0], MARK[1])).collect();
        let roles = messages.iter().map(|message| message.role.name());
        let turns: Vec<Turn> = roles.zip(&marks).map(|(role, content)| Turn { role, content }).collect();
        let skeleton = self.text(&turns, end, None)?;
        let (mut contents, mut rest, mut at) = (Vec::with_capacity(messages.len()), skeleton.as_str(), 0);
        while let Some((before, marked)) = rest.split_once(MARK[0]) {
            let marked =
                marked.split_once(MARK[1]).and_then(|(number, after)| Some((number.parse::<usize>().ok()?, after)));
            let Some((message, after)) = marked.filter(|(message, _)| *message < messages.len()) else {
                return Err(self.wrong("it changes the content of messages"));
            };
            let changed = || {
                self.wrong(&format!("it gives the content of message {} another form by what it holds", message + 1))
            };
            let (frame, start) = before.strip_suffix(PAD).map_or((before, true), |frame| (frame, false));
            let (after, end) = after.strip_prefix(PAD).map_or((after, true), |after| (after, false));
            at = self.follow(text, at, frame).ok_or_else(changed)?;
            let content = messages[message].content.as_str();
            let content = if start { content.trim_start_matches(is_space) } else { content };
            let content = if end { content.trim_end_matches(is_space) } else { content };
            let stop = self
                .follow(text, at, content)
                .or_else(|| self.follow(text, at, &as_json(content)))
                .ok_or_else(changed)?;
            contents.push(Content { message, range: at..stop });
            (at, rest) = (stop, after);
        }
        if text.get(at..) != Some(rest) {
            return Err(self.wrong("its text depends on what the messages hold"));
        }
        for (index, message) in messages.iter().enumerate() {
            let count = contents.iter().filter(|content| content.message == index).count();
            if count == 0 {
                return Err(self.wrong(&format!("it leaves out message {}", index + 1)));
            }
            if count > 1 && message.role == Role::Assistant {
                return Err(self.wrong(&format!("it gives message {} twice", index + 1)));
            }
        }
        Ok(contents)
    }

    /// The end of `part`, if it stands at byte `at` of `text`.
    fn follow(&self, text: &str, at: usize, part: &str) -> Option<usize> {
        text.get(at..)?.starts_with(part).then_some(at + part.len())
    }

    fn text(&self, turns: &[Turn], end: End, marks: Option<[char; 2]>) -> Result<String, StageError> {
        let template = self.environment.get_template(NAME).map_err(|error| StageError::bug(error.to_string()))?;
        let marks = marks.map_or_else(Default::default, |marks| marks.map(|mark| mark.to_string()));
        // As `apply_chat_template` calls it.
        let mut variables: BTreeMap<&str, Value> = BTreeMap::from([
            ("messages", Value::from(Serde(turns))),
            ("add_generation_prompt", (end == End::Answer).into()),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ]);
        variables.extend(generation::VARIABLES.into_iter().zip(marks.map(Value::from)));
        variables.extend(self.names.iter().map(|(name, text)| (name, text.into())));
        template.render(Value::from(variables)).map_err(|error| {
            let what = format!("{error:#}");
            let failed = self.wrong(&what);
            if what.contains("strftime_now") {
                return failed
                    .help("tokens must not depend on the day they are made: write the date into the template");
            }
            failed
        })
    }

    /// An error about the template or what it was given.
    pub(crate) fn wrong(&self, what: &str) -> StageError {
        StageError::invalid_input(format!("{}: {what}", self.name))
    }
}

/// `text` as it stands in JSON, without the quotation marks.
fn as_json(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn of(source: &str) -> ChatTemplate {
        ChatTemplate::new("template".to_owned(), source, trained_names()).unwrap()
    }

    /// The contents of `messages` as they lie in the text.
    fn contents(template: &ChatTemplate, messages: &[Message]) -> Result<Vec<String>, String> {
        let rendered = template.render(messages, End::Message).map_err(|error| error.to_string())?;
        let contents = template.contents(messages, End::Message, &rendered.text).map_err(|error| error.to_string())?;
        Ok(contents.into_iter().map(|content| rendered.text[content.range].to_owned()).collect())
    }

    fn error(source: &str, messages: &[Message]) -> String {
        contents(&of(source), messages).unwrap_err()
    }

    #[test]
    fn the_shipped_template_gives_turns_trims_and_says_what_is_learned() {
        let template = ChatTemplate::shipped();
        let messages = [message(Role::User, " a\u{1c}\n"), message(Role::Assistant, "b")];
        let rendered = template.render(&messages, End::Answer).unwrap();
        let expected = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>\
            <|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
        assert_eq!(rendered.text, expected);
        let learned: Vec<&str> = rendered.learned.unwrap().into_iter().map(|range| &expected[range]).collect();
        assert_eq!(learned, ["b<|eot_id|>"]);
        assert_eq!(contents(&template, &messages).unwrap(), ["a", "b"]);
    }

    /// The expected text is that of `render_jinja_template` in transformers 5.23 with jinja2 3.1.6.
    #[test]
    fn white_space_is_that_of_transformers() {
        let template = of("{%- if messages[0]['role'] == 'system' %}\r\n    {%- set offset = 1 %}\n{%- else %}\n    {%- set offset = 0 %}
{%- endif %}
  {% for message in messages %}
    {% if message.role == 'tool' %}{% continue %}{% endif %}
<|start_header_id|>{{ message.role }}<|end_header_id|>

  {{ message['content'] }}{{ eos_token }}
  {% endfor %}
offset {{ offset }} {{ undefined_name }}|
");
        let messages = [message(Role::System, "S"), message(Role::Tool, "T"), message(Role::User, " U ")];
        let expected = "<|start_header_id|>system<|end_header_id|>\n\n  S<|eot_id|>\n\
            <|start_header_id|>user<|end_header_id|>\n\n   U <|eot_id|>\noffset 1 |";
        assert_eq!(template.render(&messages, End::Message).unwrap().text, expected);
    }

    #[test]
    fn contents_are_found_wherever_a_template_puts_them() {
        let found = |source: &str, expected: &[&str]| {
            let messages =
                [message(Role::System, " s\n"), message(Role::User, "q \"q\""), message(Role::Assistant, " a ")];
            assert_eq!(contents(&of(source), &messages).unwrap(), expected, "{source}");
        };
        found("{% for m in messages %}{{ m.content }}!{% endfor %}", &[" s\n", "q \"q\"", " a "]);
        found("{% for m in messages %}{{ m.content.rstrip() }}!{% endfor %}", &[" s", "q \"q\"", " a"]);
        found(
            "{% for m in messages[1:] %}{{ m.content | tojson }}{% endfor %}{{ messages[0].content | trim }}",
            &["q \\\"q\\\"", " a ", "s"],
        );
        found(
            "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages[0].content }}",
            &[" s\n", "q \"q\"", " a ", " s\n"],
        );
        // A branch on what a message holds, taken alike.
        found(
            "{% for m in messages %}{% if '</think>' in m.content %}!{% endif %}{{ m.content }}{% endfor %}",
            &[" s\n", "q \"q\"", " a "],
        );
    }

    #[test]
    fn a_template_that_does_not_fit_is_an_error_that_names_it() {
        let messages = [message(Role::User, "a"), message(Role::Assistant, "b")];
        assert_eq!(error("{{ messages[1].content }}", &messages), "template: it leaves out message 1");
        let twice = "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}";
        assert_eq!(error(twice, &messages), "template: it gives message 2 twice");
        let branching = "{% for m in messages %}{{ m.content if m.content == 'a' else 'c' }}{% endfor %}";
        assert!(error(branching, &messages).starts_with("template: "));
        let cut = "{% for m in messages %}{{ m.content.split('b')[-1] }}{% endfor %}";
        assert_eq!(error(cut, &messages), "template: it gives the content of message 2 another form by what it holds");
        assert!(error("{{ raise_exception('no system') }}", &messages).contains("no system"));
        assert!(error("{{ strftime_now('%d %b %Y') }}", &messages).contains("strftime_now"));
        assert_eq!(contents(&of("{% if strftime_now is defined %}x{% endif %}"), &[]).unwrap(), [""; 0]);
        assert!(
            error("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", &messages)
                .contains("fuel")
        );
        let refused = |source| ChatTemplate::new("t".to_owned(), source, trained_names()).err().unwrap().to_string();
        assert!(refused("{% if %}").starts_with("t: "));
        assert!(refused("\u{100000}").starts_with("t: it holds U+100000"));
    }
}
