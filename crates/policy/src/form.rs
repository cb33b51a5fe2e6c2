//! Which fields of an answer are text, and so the model's to write; all others are the rule's.

use serde_json::Value;

/// The form of a task's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An object with these texts.
    Object(&'static [&'static str]),
    /// A list of objects with these texts, each about what its `key` names.
    List {
        /// The field by which two answers speak of the same.
        key: &'static str,
        /// The texts.
        texts: &'static [&'static str],
    },
}

impl Form {
    /// That of a task; none where nothing of an answer is taken.
    pub fn of(task: &str) -> Option<Form> {
        Some(match task {
            "finding" => Form::Object(&["rationale"]),
            "summary" => Form::Object(&["EXECUTIVE_SUMMARY", "KEY_FINDINGS", "RECOMMENDATIONS"]),
            "triage" => Form::Object(&["TOP_FINDINGS", "RESPONSE_ACTIONS"]),
            "correlation" => Form::List { key: "related_finding_ids", texts: &["title"] },
            "actions" => Form::List { key: "finding_ids", texts: &["title"] },
            "refine" => Form::List { key: "id", texts: &["conditions", "logic", "rationale"] },
            _ => return None,
        })
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Form::Object(texts) | Form::List { texts, .. } => texts,
        }
    }

    /// The objects of an answer.
    fn objects(self, answer: &Value) -> &[Value] {
        match self {
            Form::Object(_) => std::slice::from_ref(answer),
            Form::List { .. } => answer.as_array().map_or(&[], Vec::as_slice),
        }
    }

    /// The texts of an answer, each with the name of its field, those of lists one by one.
    pub fn texts(self, answer: &Value) -> Vec<(&'static str, &str)> {
        let mut found = Vec::new();
        for object in self.objects(answer) {
            for name in self.names() {
                object.get(name).into_iter().for_each(|field| strings(name, field, &mut found));
            }
        }
        found
    }

    /// An answer without its texts: what the rule decides.
    pub fn decided(self, answer: &Value) -> Value {
        let without = |object: &Value| {
            let fields = object.as_object().into_iter().flatten();
            fields
                .filter(|(name, _)| !self.names().contains(&name.as_str()))
                .map(|(n, f)| (n.clone(), f.clone()))
                .collect()
        };
        match self {
            Form::Object(_) => Value::Object(without(answer)),
            Form::List { .. } => self.objects(answer).iter().map(|object| Value::Object(without(object))).collect(),
        }
    }
}

fn strings<'a>(name: &'static str, value: &'a Value, found: &mut Vec<(&'static str, &'a str)>) {
    match value {
        Value::String(text) => found.push((name, text)),
        Value::Array(items) => items.iter().for_each(|item| strings(name, item, found)),
        Value::Object(fields) => fields.values().for_each(|field| strings(name, field, found)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// All strings of a value, one a line.
pub(crate) fn all_text(value: &Value) -> String {
    let mut found = Vec::new();
    strings("", value, &mut found);
    found.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}
