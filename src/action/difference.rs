//! How two actions differ, field by field: the answer to "why does this run again?".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Action, ActionInput, ActionScript, ActionWork};

/// One field that differs. `None` = the field is absent on that side.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Where, as in the pipeline file: `with.optimizer.lion.lr`, `in.tokens`, `run`, `env.LANG`.
    pub field: String,
    /// Before.
    pub before: Option<String>,
    /// Now.
    pub now: Option<String>,
}

/// Every field in which `now` differs from `before`, sorted by field.
pub fn differences(before: &Action, now: &Action) -> Vec<Difference> {
    let (before, now) = (fields(before), fields(now));
    let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    differing
        .map(|name| Difference { field: name.clone(), before: before.get(name).cloned(), now: now.get(name).cloned() })
        .collect()
}

/// Every field of an action that takes part in its key, as text.
fn fields(action: &Action) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::from([("engine key format".to_owned(), action.format.to_string())]);
    match &action.work {
        ActionWork::Card { kind, version, params, program } => {
            fields.insert("uses".to_owned(), kind.clone());
            fields.insert("card version".to_owned(), version.to_string());
            leaves(params, &mut fields);
            fields.extend(program.map(|digest| ("files of the worker".to_owned(), digest.short().to_string())));
        }
        ActionWork::Command { script, environment, outputs, in_workspace, tools } => {
            let (script, shell) = match script {
                ActionScript::Shell(text) => (text.clone(), Some("/bin/sh -c".to_owned())),
                ActionScript::Text { text, shell } => (text.clone(), Some(shell.to_string())),
                ActionScript::Argv(words) => (serde_json::to_string(words).expect("strings are JSON"), None),
            };
            fields.insert("uses".to_owned(), "command".to_owned());
            fields.insert("run".to_owned(), script);
            fields.extend(shell.map(|shell| ("shell".to_owned(), shell)));
            if *in_workspace {
                fields.insert("sandbox".to_owned(), "false".to_owned());
            }
            for (name, value) in environment {
                fields.insert(format!("env.{name}"), value.clone().unwrap_or_else(|| "(unset)".to_owned()));
            }
            for (port, (path, artifact)) in outputs {
                fields.insert(format!("out.{port}"), format!("{path} ({artifact})"));
            }
            for (path, digest) in tools {
                fields.insert(format!("tools {path}"), format!("keyed by {}", digest.short()));
            }
        }
    }
    for (port, inputs) in &action.inputs {
        for input in inputs {
            fields.insert(field_of(port, input.label.as_deref()), describe(input));
        }
    }
    fields
}

/// The field of an input: `in.tokens`, and of one of several `in.models[lr=0.1]`.
pub fn field_of(port: &str, label: Option<&str>) -> String {
    let label = label.map_or_else(String::new, |label| format!("[{label}]"));
    format!("in.{port}{label}")
}

fn describe(input: &ActionInput) -> String {
    let mut text = format!("{} {}", input.artifact, input.digest.short());
    if !input.mount.is_empty() {
        text = format!("{text} at {}", input.mount);
    }
    if input.executable { text + " (executable)" } else { text }
}

/// Flattens params to `with.a.b.c` without recursion: a list index is a step of the path too.
fn leaves(params: &Value, fields: &mut BTreeMap<String, String>) {
    let mut pending = vec![("with".to_owned(), params)];
    while let Some((path, value)) = pending.pop() {
        match value {
            Value::Object(map) if !map.is_empty() => {
                pending.extend(map.iter().map(|(name, item)| (format!("{path}.{name}"), item)));
            }
            Value::Array(items) if !items.is_empty() => {
                pending.extend(items.iter().enumerate().map(|(i, item)| (format!("{path}.{i}"), item)));
            }
            leaf => {
                fields.insert(path, leaf.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Digest, Type};
    use serde_json::json;

    fn action(params: Value, tokens: &[u8]) -> Action {
        let input = ActionInput {
            label: None,
            artifact: Type::TOKENS,
            digest: Digest::of(tokens),
            executable: false,
            mount: String::new(),
        };
        Action {
            format: 1,
            work: ActionWork::Card { kind: "train".into(), version: 1, params, program: None },
            inputs: BTreeMap::from([("tokens".to_owned(), vec![input])]),
        }
    }

    #[test]
    fn names_the_leaf_that_changed_and_nothing_else() {
        let before = action(json!({"optimizer": {"lion": {"lr": 2e-4}}, "seed": 1}), b"a");
        let now = action(json!({"optimizer": {"lion": {"lr": 1e-4}}, "seed": 1}), b"a");
        let found = differences(&before, &now);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "with.optimizer.lion.lr");
        assert_eq!((found[0].before.as_deref(), found[0].now.as_deref()), (Some("0.0002"), Some("0.0001")));
    }

    #[test]
    fn equal_keys_have_no_difference_and_different_keys_have_one() {
        let a = action(json!({"seed": 1}), b"a");
        let b = action(json!({"seed": 1}), b"b");
        assert_eq!(a.key(), action(json!({"seed": 1}), b"a").key());
        assert!(differences(&a, &a.clone()).is_empty());
        assert_ne!(a.key(), b.key());
        assert_eq!(differences(&a, &b)[0].field, "in.tokens");
    }
}
