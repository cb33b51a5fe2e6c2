//! `shell:` of a file or a stage: the program that runs the text of a `run`.

use serde::{Deserialize, Serialize};

use super::keys;
use super::node::{Node, NodeValue};
use super::problem::Problem;
use super::read::word;
use super::suggest;

/// The program that runs the text of a `run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shell {
    /// `bash -euo pipefail`, which names the command that ended the script.
    #[default]
    Bash,
    /// `/bin/sh -eu`.
    Sh,
    /// A program and its arguments; the script is the last one.
    Words(Vec<String>),
}

/// Reads `shell:`.
pub fn shell(node: &Node, problems: &mut Vec<Problem>) -> Option<Shell> {
    let items = match &node.value {
        NodeValue::List(items) => items,
        _ => return named(node, problems),
    };
    let words: Vec<_> = items.iter().filter_map(|item| word(item, "a word of `shell`", problems)).collect();
    if items.is_empty() || words.first().is_some_and(|word| word.value.is_empty()) {
        let problem = Problem::at("wrong-type", node.span, "`shell` names no program").label("nothing to run");
        problems.push(problem.help(HELP));
        return None;
    }
    // A word that is no text has its problem already.
    (words.len() == items.len()).then(|| Shell::Words(words.into_iter().map(|word| word.value).collect()))
}

const HELP: &str = "write `bash`, `sh`, or a list of words that gets the script as its last one, such as [python3]";

fn named(node: &Node, problems: &mut Vec<Problem>) -> Option<Shell> {
    let name = word(node, "`shell`", problems)?;
    match name.value.as_str() {
        "bash" => Some(Shell::Bash),
        "sh" => Some(Shell::Sh),
        other => {
            let problem = Problem::at("unknown-shell", name.span, format!("there is no shell `{other}`"));
            let near = suggest::nearest(other, keys::SHELLS.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`? A program of your own is a list: `shell: [{other}]`"),
                None if other.is_empty() => HELP.to_owned(),
                None => {
                    let words: Vec<&str> = other.split_whitespace().collect();
                    format!("a program of your own is a list of words: `shell: [{}]`", words.join(", "))
                }
            };
            problems.push(problem.label("`bash` and `sh` have names").help(help));
            None
        }
    }
}
