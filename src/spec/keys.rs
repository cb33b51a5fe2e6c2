//! The words of the pipeline language, once: what is read, what completes in an editor, what a later version will know.

use super::node::{Entry, Node, NodeValue};
use super::problem::Problem;
use super::suggest;

/// A key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// The word.
    pub name: &'static str,
    /// One line for the schema and messages.
    pub summary: &'static str,
    /// Whether this version reads it.
    pub support: Support,
}

/// Whether a key has a meaning in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is read.
    Now,
    /// It belongs to the language but this version refuses it.
    Later,
}

pub(crate) const fn now(name: &'static str, summary: &'static str) -> Key {
    Key { name, summary, support: Support::Now }
}

const fn later(name: &'static str, summary: &'static str) -> Key {
    Key { name, summary, support: Support::Later }
}

/// Keys of the file.
pub const PIPELINE: &[Key] = &[
    now("pipeline", "the pipeline's name; outputs lie under out/NAME/"),
    now("params", "values that stages read as ${params.NAME} and -S NAME=VALUE overrides"),
    now("stages", "the stages by name"),
    now("include", "stages of other files, by prefix: other.yaml, or {file: other.yaml, params: {seed: 1}}"),
    later("secrets", "values that are never written down"),
];

/// Keys of a stage.
pub const STAGE: &[Key] = &[
    now("uses", "the kind of stage: `command` for your own program, else a kind from `pipe stages`"),
    now("description", "a line for the reader"),
    now("in", "what it reads, by port: `stage.port`, `stage`, or {path: data/file}"),
    now("out", "what a command gives, by port: a workspace path, or {path: out/dir, type: dir}"),
    now("with", "the kind's params"),
    now("run", "what a command runs: text for sh -c, or a list of words"),
    now("env", "variables that a command sees, as a list of names or a mapping; part of the key"),
    now("resources", "what it wants of the machine; not part of the key"),
    now("backend", "where it runs: `local`, or a name from pipe.yaml"),
    later("when", "a condition"),
    now("matrix", "one instance for each combination of values: {lr: [1e-4, 1e-3]}, read as ${matrix.lr}"),
    later("group", "named limits on what runs at once"),
    later("timeout", "how long it may take"),
    later("retry", "how often it is tried"),
    later("secrets", "values that are never written down"),
    later("sandbox", "whether a command runs in a private directory"),
];

/// Keys of `resources`.
pub const RESOURCES: &[Key] = &[
    now("cpus", "cores"),
    now("memory", "memory: bytes, or a size such as 16GiB or 500MB"),
    now("gpus", "GPUs; `local` has none yet"),
];

/// Keys of an input given as a mapping.
pub const INPUT: &[Key] = &[now("path", "a file or directory of the workspace, relative to the project root")];

/// Keys of an include given as a mapping.
pub const INCLUDE: &[Key] =
    &[now("file", "a pipeline file, relative to this one"), now("params", "values for params that it declares")];

/// Keys of an output given as a mapping.
pub const OUTPUT: &[Key] = &[
    now("path", "where it appears in the workspace, relative to the project root"),
    now("type", "its artifact type: `file` unless given; `dir` for a directory"),
];

/// The entries of `node`, which `what` says must be a mapping; a problem and nothing when it is none.
pub fn mapping<'n>(node: &'n Node, what: &str, problems: &mut Vec<Problem>) -> &'n [Entry] {
    match &node.value {
        NodeValue::Map(entries) => entries,
        NodeValue::Broken => &[],
        _ => {
            let message = format!("{what} must be a mapping, found {}", node.describe());
            problems.push(Problem::at("wrong-type", node.span, message).label("not a mapping"));
            &[]
        }
    }
}

/// The entries of the mapping `node` whose keys `table` knows; a problem for every other one.
pub fn known<'n>(
    node: &'n Node,
    table: &'static [Key],
    what: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(&'static str, &'n Entry)> {
    let mut known = Vec::new();
    for entry in mapping(node, what, problems) {
        let word = entry.key.value.as_str();
        match table.iter().find(|key| key.name == word) {
            Some(Key { name, support: Support::Now, .. }) => known.push((*name, entry)),
            Some(key) => {
                let message = format!("`{word}` ({}) is not supported by this version", key.summary);
                problems.push(Problem::at("unsupported-key", entry.key.span, message).label("not supported yet"));
            }
            None => {
                let names = table.iter().filter(|key| key.support == Support::Now).map(|key| key.name);
                let problem = Problem::at("unknown-key", entry.key.span, format!("{what} has no key `{word}`"));
                problems.push(problem.label("unknown key").maybe_help(suggest::help(word, names)));
            }
        }
    }
    known
}

/// Whether `node` has a key that was meant to be `key`: then its absence is said once, at the slip.
pub fn misspelt(node: &Node, table: &'static [Key], key: &str) -> bool {
    let NodeValue::Map(entries) = &node.value else { return false };
    let names = || table.iter().filter(|key| key.support == Support::Now).map(|key| key.name);
    let strange =
        entries.iter().map(|e| e.key.value.as_str()).filter(|word| !table.iter().any(|key| key.name == *word));
    strange.into_iter().any(|word| suggest::nearest(word, names()) == Some(key))
}
