//! The parts of Python that chat templates lean on: methods of texts and mappings, and the filters and tests in which Jinja for Python
//! differs from minijinja. White space is that of Python.

use dataset::trim::{is_space, trim};
use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Gives `environment` what templates expect of Python.
pub(crate) fn add_to(environment: &mut Environment) {
    environment.add_filter("trim", |text: &str, chars: Option<&str>| strip(text, chars, true, true));
    environment.add_filter("tojson", to_json);
    // A text is a sequence of its characters.
    environment.add_test("iterable", |value: &Value| value.kind() == ValueKind::String || value.try_iter().is_ok());
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map)
    });
    environment.set_unknown_method_callback(|_, value, name, arguments| method(value, name, arguments));
}

fn method(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), value.kind()) {
        (Some(text), _) => of_text(text, name, arguments),
        (None, ValueKind::Map) => of_mapping(value, name, arguments),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("the method `{name}` is not supported"))
}

fn of_text(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let none = || from_args::<()>(arguments);
    let one = || from_args::<(&str,)>(arguments).map(|(text,)| text);
    let chars = || from_args::<(Option<&str>,)>(arguments).map(|(chars,)| chars);
    Ok(match name {
        "strip" => strip(text, chars()?, true, true).into(),
        "lstrip" => strip(text, chars()?, true, false).into(),
        "rstrip" => strip(text, chars()?, false, true).into(),
        "startswith" => text.starts_with(one()?).into(),
        "endswith" => text.ends_with(one()?).into(),
        "removeprefix" => text.strip_prefix(one()?).unwrap_or(text).into(),
        "removesuffix" => text.strip_suffix(one()?).unwrap_or(text).into(),
        "find" => {
            let found = text.find(one()?).and_then(|at| text.get(..at)).map(|before| before.chars().count() as i64);
            found.unwrap_or(-1).into()
        }
        "count" => text.matches(one()?).count().into(),
        "replace" => {
            let (old, new): (&str, &str) = from_args(arguments)?;
            text.replace(old, new).into()
        }
        "split" => {
            let (separator, most): (Option<&str>, Option<i64>) = from_args(arguments)?;
            split(text, separator, most.and_then(|most| usize::try_from(most).ok()))?
        }
        "splitlines" => none().map(|()| text.lines().map(Value::from).collect())?,
        "upper" => none().map(|()| text.to_uppercase().into())?,
        "lower" => none().map(|()| text.to_lowercase().into())?,
        "title" => none().map(|()| words(text, true).into())?,
        "capitalize" => none().map(|()| words(text, false).into())?,
        "join" => {
            let (parts,): (Vec<String>,) = from_args(arguments)?;
            parts.join(text).into()
        }
        _ => return Err(unknown(name)),
    })
}

fn of_mapping(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let item = |key: &Value| value.get_item(key);
    Ok(match name {
        "get" => {
            let (key, other): (Value, Option<Value>) = from_args(arguments)?;
            let found = item(&key)?;
            if found.is_undefined() { other.unwrap_or_else(|| Value::from(())) } else { found }
        }
        "keys" => value.try_iter()?.collect(),
        "values" => value.try_iter()?.map(|key| item(&key)).collect::<Result<Vec<_>, _>>()?.into(),
        "items" => {
            let pairs = value.try_iter()?.map(|key| Ok(Value::from(vec![key.clone(), item(&key)?])));
            pairs.collect::<Result<Vec<_>, Error>>()?.into()
        }
        _ => return Err(unknown(name)),
    })
}

/// `text` without white space, or without any of `chars`, at its start and at its end.
fn strip(text: &str, chars: Option<&str>, start: bool, end: bool) -> String {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if start { text.trim_start_matches(goes) } else { text };
    let text = if end { text.trim_end_matches(goes) } else { text };
    text.to_owned()
}

fn split(text: &str, separator: Option<&str>, most: Option<usize>) -> Result<Value, Error> {
    let pieces = most.map_or(usize::MAX, |most| most.saturating_add(1));
    match separator {
        Some("") => Err(Error::new(ErrorKind::InvalidOperation, "split: the separator is empty")),
        Some(separator) => Ok(text.splitn(pieces, separator).map(Value::from).collect()),
        None if most.is_some() => {
            Err(Error::new(ErrorKind::InvalidOperation, "split: a limit without a separator is not supported"))
        }
        None => Ok(trim(text).split(is_space).filter(|word| !word.is_empty()).map(Value::from).collect()),
    }
}

/// `text` with a capital at the start of each word, or of the first one only, and small letters elsewhere.
fn words(text: &str, each: bool) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for (index, c) in text.chars().enumerate() {
        let begins = if each { c.is_alphabetic() && !inside } else { index == 0 };
        if begins {
            out.extend(c.to_uppercase())
        } else {
            out.extend(c.to_lowercase())
        }
        inside = c.is_alphabetic();
    }
    out
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

    fn check(expression: &str, expected: &str) {
        let mut environment = Environment::new();
        add_to(&mut environment);
        let rendered = environment.render_str(&format!("{{{{ {expression} }}}}"), ());
        assert_eq!(rendered.unwrap(), expected, "{expression}");
    }

    /// The expected texts are those of jinja2 3.1.6 on Python 3.11.
    #[test]
    fn methods_filters_and_tests_are_those_of_python() {
        check(r#""\u001c a\u0085"|trim"#, "a");
        check(r#""\u200b a\u001f".strip()"#, "\u{200b} a");
        check(r#""xxaxx".strip("x") ~ " b ".lstrip() ~ "|" ~ " c ".rstrip()"#, "ab | c");
        check(r#""<think>a</think>b".split("</think>")[-1]"#, "b");
        check(r#""a-b-c".split("-", 1)"#, r#"["a", "b-c"]"#.replace('"', "'").as_str());
        check(r#"" a  b ".split()|length"#, "2");
        check(r#""it's größe".title() ~ "|" ~ "aB cD".capitalize()"#, "It'S Größe|Ab cd");
        check(r#""äbc".find("c") ~ "" ~ "abc".find("x")"#, "2-1");
        check(r#""abcabc".replace("b", "").count("ac")"#, "2");
        check(r#"", ".join(["a", "b"])"#, "a, b");
        check(r#"{"a": 1}.get("b") is none and {"a": 1}.get("b", 2) == 2 and {"a": 1}.get("a") == 1"#, "True");
        check(r#"{"a": 1}.items()|length ~ {"a": 7}.values()[0] ~ {"k": 7}.keys()[0]"#, "17k");
        check(r#""text" is iterable and "text" is sequence and "text" is not mapping"#, "True");
        check(
            r#"{"name": "größe", "l": [1, 2.5, None, True], "e": {}, "h": "<a & 'b'>"}|tojson"#,
            r#"{"name": "größe", "l": [1, 2.5, null, true], "e": {}, "h": "<a & 'b'>"}"#,
        );
        check(r#"{"name": [1], "e": []}|tojson(indent=2)"#, "{\n  \"name\": [\n    1\n  ],\n  \"e\": []\n}");
    }
}
