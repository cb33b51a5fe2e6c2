//! `secrets:` as it was typed: of a file, where each value is; of a stage, which variables hold which.

use super::keys::{self, mapping};
use super::node::{Entry, Node, NodeValue};
use super::ports::check_variable;
use super::problem::Problem;
use super::read::{check_name, word};
use super::span::Spanned;

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
}

/// One entry of a stage's `secrets:`.
#[derive(Clone, Debug)]
pub struct SecretUse {
    /// The variable that the stage sees.
    pub variable: String,
    /// The secret.
    pub secret: Spanned<String>,
}

/// Reads `secrets:` of a file: `{NAME: {env: VARIABLE}}` or `{NAME: {file: PATH}}`.
pub fn declared(node: &Node, problems: &mut Vec<Problem>) -> Vec<SecretSpec> {
    mapping(node, "`secrets`", problems).iter().filter_map(|entry| declaration(entry, problems)).collect()
}

fn declaration(entry: &Entry, problems: &mut Vec<Problem>) -> Option<SecretSpec> {
    if !check_name(&entry.key, "secret", problems) {
        return None;
    }
    let what = format!("secret `{}`", entry.key.value);
    let help = "write {env: VARIABLE} or {file: path}; the value itself never stands in a pipeline";
    if !matches!(entry.value.value, NodeValue::Map(_) | NodeValue::Broken) {
        // What was written may be the secret: it is not repeated.
        let problem = Problem::at("misplaced-secret", entry.key.span, format!("{what} must say where its value is"));
        problems.push(problem.label("where?").help(help));
        return None;
    }
    let known = keys::known(&entry.value, keys::SECRET, &what, problems);
    let [(key, place)] = known.as_slice() else {
        if !entry.value.is_broken() {
            let message = format!("{what} needs one of `env` and `file`");
            problems.push(Problem::at("missing-key", entry.key.span, message).help(help));
        }
        return None;
    };
    let value = word(&place.value, &format!("`{key}` of {what}"), problems)?;
    let place = if *key == "env" { SecretPlace::Environment(value.value) } else { SecretPlace::File(value) };
    Some(SecretSpec { name: entry.key.clone(), place })
}

/// Reads `secrets:` of a stage: `{VARIABLE: secret}`.
pub fn used(node: &Node, problems: &mut Vec<Problem>) -> Vec<SecretUse> {
    let entries = mapping(node, "`secrets` of a stage", problems);
    let mut used = Vec::new();
    for Entry { key, value } in entries {
        let secret = word(value, &format!("the secret of `{}`", key.value), problems);
        if check_variable(key, problems)
            && let Some(secret) = secret
        {
            used.push(SecretUse { variable: key.value.clone(), secret });
        }
    }
    used
}
