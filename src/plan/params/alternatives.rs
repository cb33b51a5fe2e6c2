//! `oneOf` and `anyOf`: a mapping whose one key is the tag (`optimizer: {lion: {..}}`), words beside it, and nullables.

use serde_json::{Map, Value};

use super::walk::Walk;
use super::{defaults, scalars};
use crate::spec::{Entry, Node, NodeValue, Problem, suggest};

/// The alternatives of a schema, nested ones in line.
pub(super) struct Alternatives<'s> {
    nullable: bool,
    /// Tag and the schema under it.
    tags: Vec<(&'s str, &'s Value)>,
    /// Values listed by `enum` or `const`.
    words: Vec<&'s Value>,
    others: Vec<&'s Value>,
}

/// The alternatives of `schema`, when it has any.
pub(super) fn of(schema: &Value) -> Option<Alternatives<'_>> {
    list(schema)?;
    let mut found = Alternatives { nullable: false, tags: Vec::new(), words: Vec::new(), others: Vec::new() };
    collect(schema, &mut found);
    Some(found)
}

fn list(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array)
}

fn collect<'s>(schema: &'s Value, found: &mut Alternatives<'s>) {
    for variant in list(schema).into_iter().flatten() {
        if list(variant).is_some() {
            collect(variant, found);
        } else if scalars::types(variant) == ["null"] {
            found.nullable = true;
        } else if let Some(tag) = tag(variant) {
            found.tags.push(tag);
        } else if scalars::is_choice(variant) {
            found.words.extend(scalars::choices(variant));
        } else {
            found.others.push(variant);
        }
    }
}

/// The tag of a variant such as `{"properties": {"lion": ..}, "required": ["lion"], "additionalProperties": false}`.
fn tag(variant: &Value) -> Option<(&str, &Value)> {
    let properties = variant.get("properties")?.as_object()?;
    let required = variant.get("required")?.as_array()?;
    let (name, schema) = properties.iter().next().filter(|_| properties.len() == 1)?;
    let closed = variant.get("additionalProperties") == Some(&Value::Bool(false));
    (closed && required.len() == 1 && required[0] == *name).then_some((name.as_str(), schema))
}

impl Walk<'_> {
    pub(super) fn alternatives(&mut self, node: &Node, variants: &Alternatives<'_>) -> Value {
        match &node.value {
            NodeValue::Null if variants.nullable => Value::Null,
            NodeValue::Map(entries) if !variants.tags.is_empty() => self.tagged(node, entries, variants),
            _ => {
                let given = node.to_json();
                if variants.words.contains(&&given) {
                    return given;
                }
                let fitting = variants.others.iter().find(|schema| scalars::accepts(schema, node));
                match (fitting, variants.others.as_slice(), variants.tags.is_empty() && variants.words.is_empty()) {
                    (Some(schema), ..) => self.check(node, schema),
                    // The only thing it can be: its own message is the most precise one.
                    (None, [only], true) => self.check(node, only),
                    _ => self.no_alternative(node, variants),
                }
            }
        }
    }

    fn tagged(&mut self, node: &Node, entries: &[Entry], variants: &Alternatives<'_>) -> Value {
        let names = || variants.tags.iter().map(|(name, _)| *name);
        let [Entry { key, value }] = entries else {
            let what = format!("takes exactly one of {}, has {} keys", suggest::list(names()), entries.len());
            self.report("param-value", node, what, None);
            return Value::Null;
        };
        let Some((name, schema)) = variants.tags.iter().find(|(name, _)| *name == key.value) else {
            let message = format!("{} has no alternative `{}`", self.subject(), key.value);
            let problem = Problem::at("param-value", key.span, message).label("unknown alternative");
            self.problems.push(problem.maybe_help(suggest::help(&key.value, names())));
            return Value::Null;
        };
        // `lion:` with nothing under it asks for all the defaults.
        let empty = Node { value: NodeValue::Map(Vec::new()), ..*value };
        let takes_mapping = matches!(value.value, NodeValue::Null) && !scalars::accepts(schema, value);
        let value = self.within((*name).to_owned(), if takes_mapping { &empty } else { value }, schema);
        Value::Object(Map::from_iter([((*name).to_owned(), value)]))
    }

    fn no_alternative(&mut self, node: &Node, variants: &Alternatives<'_>) -> Value {
        let words = variants.words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
        let tags = variants.tags.iter().map(|(name, _)| format!("{{{name}: ..}}"));
        let forms: Vec<String> =
            words.chain(tags).chain(variants.others.iter().map(|s| scalars::expected(s))).collect();
        let listed = suggest::list(forms.iter().map(String::as_str));
        let help = node.as_text().and_then(|text| {
            let names = variants.tags.iter().map(|(name, _)| *name);
            let tag = suggest::nearest(text, names).map(|name| format!("write {{{name}: {{}}}}"));
            let words = variants.words.iter().filter_map(|word| word.as_str());
            tag.or_else(|| suggest::nearest(text, words).map(|word| format!("did you mean `{word}`?")))
        });
        self.report("param-value", node, format!("must be one of {listed}, found {}", node.describe()), help);
        Value::Null
    }
}

/// A default completed by the defaults within the alternative it chooses.
pub(super) fn complete(value: &Value, variants: &Alternatives<'_>) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 => {
            let (name, inner) = map.iter().next().expect("it has one entry");
            if let Some((_, schema)) = variants.tags.iter().find(|(tag, _)| tag == name) {
                return Value::Object(Map::from_iter([(name.clone(), defaults::complete(inner, schema))]));
            }
            variants.others.first().map_or_else(|| value.clone(), |schema| defaults::complete(value, schema))
        }
        Value::Null => Value::Null,
        _ => variants.others.first().map_or_else(|| value.clone(), |schema| defaults::complete(value, schema)),
    }
}

impl Alternatives<'_> {
    /// Whether null is one of them.
    pub(super) fn nullable(&self) -> bool {
        self.nullable
    }
}
