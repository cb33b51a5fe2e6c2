//! `secrets:` as it was typed: of a file, where each value is; of a stage, which variables hold which.

use contract::backend::Secret;
use serde::{Deserialize, Serialize};

use super::keys::{self, mapping};
use super::node::{Entry, Node, NodeValue};
use super::ports::check_variable;
use super::problem::Problem;
use super::read::{check_name, word};
use super::span::Spanned;
use super::suggest;

/// One entry of a file's `secrets:`.
#[derive(Clone, Debug)]
pub struct SecretSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Where its value is.
    pub place: SecretPlace,
}

/// Where a secret's value is.
#[derive(Clone, Debug)]
pub enum SecretPlace {
    /// In this variable of the environment in which `pipe` runs.
    Environment(String),
    /// In this file, relative to the project root.
    File(Spanned<String>),
    /// A service keeps it.
    Kept(Spanned<Secret>),
}

/// One entry of a stage's `secrets:`.
#[derive(Clone, Debug)]
pub struct SecretUse {
    /// The variable that the stage sees.
    pub variable: String,
    /// The secret.
    pub secret: Spanned<String>,
    /// Whether the variable holds the value or a path.
    pub form: SecretForm,
}

/// How a stage gets a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretForm {
    /// The variable holds it.
    #[default]
    Variable,
    /// The variable holds the path of a file in memory that holds it.
    File,
}

/// Reads `secrets:` of a file: `{NAME: {env: VARIABLE}}` and the like, as [`keys::SECRET`] has them.
pub fn declared(node: &Node, problems: &mut Vec<Problem>) -> Vec<SecretSpec> {
    mapping(node, "`secrets`", problems).iter().filter_map(|entry| declaration(entry, problems)).collect()
}

fn declaration(entry: &Entry, problems: &mut Vec<Problem>) -> Option<SecretSpec> {
    if !check_name(&entry.key, "secret", problems) {
        return None;
    }
    let what = format!("secret `{}`", entry.key.value);
    let help = "write {env: VARIABLE}, {file: path}, {ssm: /a/parameter} or {secrets_manager: ARN}; the value itself never stands in a \
                pipeline";
    if !matches!(entry.value.value, NodeValue::Map(_) | NodeValue::Broken) {
        // The text may be the secret: it is not repeated.
        let problem = Problem::at("misplaced-secret", entry.key.span, format!("{what} must say where its value is"));
        problems.push(problem.label("where?").help(help));
        return None;
    }
    let known = keys::known(&entry.value, keys::SECRET, &what, problems);
    let [(key, place)] = known.as_slice() else {
        if !entry.value.is_broken() {
            let message = format!("{what} needs one of `env`, `file`, `ssm` and `secrets_manager`");
            problems.push(Problem::at("missing-key", entry.key.span, message).help(help));
        }
        return None;
    };
    let value = word(&place.value, &format!("`{key}` of {what}"), problems)?;
    let kept = |secret: fn(String) -> Secret| {
        SecretPlace::Kept(Spanned { value: secret(value.value.clone()), span: value.span })
    };
    let place = match *key {
        "env" => SecretPlace::Environment(value.value),
        "file" => SecretPlace::File(value),
        "ssm" => kept(Secret::Ssm),
        _ => kept(Secret::SecretsManager),
    };
    Some(SecretSpec { name: entry.key.clone(), place })
}

/// Reads `secrets:` of a stage: `{VARIABLE: secret}` or `{VARIABLE: {use: secret, as: file}}`.
pub fn used(node: &Node, problems: &mut Vec<Problem>) -> Vec<SecretUse> {
    let entries = mapping(node, "`secrets` of a stage", problems);
    let mut used = Vec::new();
    for Entry { key, value } in entries {
        let secret = secret(&key.value, value, problems);
        if check_variable(key, problems)
            && let Some((secret, form)) = secret
        {
            used.push(SecretUse { variable: key.value.clone(), secret, form });
        }
    }
    used
}

fn secret(variable: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<(Spanned<String>, SecretForm)> {
    let what = format!("the secret of `{variable}`");
    let NodeValue::Map(_) = &node.value else {
        return Some((word(node, &what, problems)?, SecretForm::Variable));
    };
    let (mut secret, mut form) = (None, Some(SecretForm::Variable));
    for (key, entry) in keys::known(node, keys::SECRET_USE, &what, problems) {
        let text = word(&entry.value, &format!("`{key}` of {what}"), problems);
        if key == "use" {
            secret = Some(text);
        } else {
            form = text.and_then(|text| form_of(&text, problems));
        }
    }
    if secret.is_none() && !keys::misspelt(node, keys::SECRET_USE, "use") {
        let problem = Problem::at("missing-key", node.span, format!("{what} needs the key `use`"));
        problems.push(problem.label("which secret?").help("write {use: SECRET, as: file}"));
    }
    Some((secret??, form?))
}

fn form_of(text: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<SecretForm> {
    match text.value.as_str() {
        "variable" => Some(SecretForm::Variable),
        "file" => Some(SecretForm::File),
        word => {
            let message = format!("a secret is given as `variable` or as `file`, not as `{word}`");
            let problem = Problem::at("wrong-type", text.span, message).label("neither");
            problems.push(problem.maybe_help(suggest::help(word, ["variable", "file"])));
            None
        }
    }
}
