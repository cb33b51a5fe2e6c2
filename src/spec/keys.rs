//! The words of the pipeline language, once: for the reader, and for completion in an editor.

use super::node::{Entry, Node, NodeValue};
use super::problem::Problem;
use super::{elsewhere, suggest};

/// A key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// The word.
    pub name: &'static str,
    /// One line for the schema and messages.
    pub summary: &'static str,
}

pub(crate) const fn key(name: &'static str, summary: &'static str) -> Key {
    Key { name, summary }
}

/// Keys of the file.
pub const PIPELINE: &[Key] = &[
    key("pipeline", "the pipeline's name; outputs lie under out/NAME/"),
    key("params", "values that stages read as ${params.NAME} and -S NAME=VALUE overrides"),
    key("stages", "the stages by name"),
    key("include", "stages of other files, by prefix: other.yaml, or {file: other.yaml, params: {seed: 1}}"),
    key("groups", "how many stages of a group may run at once: {db: 2}; 1 for a group that is not listed"),
    key("secrets", "where values are that are never written down: {hf: {env: HF_TOKEN}}, {key: {file: path}}"),
    key("shell", "what runs the texts of `run` where a stage does not say: bash unless given"),
    key(
        "tools",
        "directories of the project that all commands may use: [.venv, {path: node_modules, key: package-lock.json}]",
    ),
];

/// Keys of a stage.
pub const STAGE: &[Key] = &[
    key("uses", "the kind of stage: `command` for your own program, else a kind from `pipe stages`"),
    key("description", "a line for the reader"),
    key("in", "what it reads, by port: `stage.port`, `stage`, or {path: data/file}"),
    key("out", "what a command gives, by port: a workspace path, or {path: out/dir, type: dir}"),
    key("with", "the kind's params"),
    key("run", "what a command runs: text for its `shell`, or a list of words"),
    key(
        "shell",
        "what runs the text: bash (-euo pipefail), sh (-eu), or words that get the script as the last one: [python3]",
    ),
    key("env", "variables that a command sees, as a list of names or a mapping; part of the key"),
    key("resources", "what it wants of the machine; not part of the key"),
    key("backend", "where it runs: `local`, or a name from pipe.yaml"),
    key("when", "whether it is wanted at all: \"${stages.model.metrics.loss < 2.0}\""),
    key("matrix", "one instance for each combination of values: {lr: [1e-4, 1e-3]}, read as ${matrix.lr}"),
    key("group", "groups of which only so many run at once: a name or a list"),
    key("timeout", "how long it may take: 90s, 30m, 6h"),
    key("retry", "how often it is tried: 3, or {attempts: 3, backoff: 30s, jitter: 0.2}"),
    key(
        "secrets",
        "variables that hold secrets of this file: {HF_TOKEN: hf}, {KEY: {use: key, as: file}}; never part of the key",
    ),
    key("sandbox", "false runs a command at the project root instead of a directory of its own"),
    key("tools", "directories of the project that a command may use besides those of the file: .venv, node_modules"),
];

/// The shells that have a name.
pub const SHELLS: [&str; 2] = ["bash", "sh"];

/// Keys of `resources`.
pub const RESOURCES: &[Key] = &[
    key("cpus", "cores"),
    key("memory", "memory: bytes, or a size such as 16GiB or 500MB"),
    key("gpus", "GPUs"),
    key(
        "gpu_memory",
        "memory of each of the GPUs, such as 16GiB; checked where a backend names the machines that it may get",
    ),
];

/// Keys of `retry`.
pub const RETRY: &[Key] = &[
    key("attempts", "executions in all"),
    key("backoff", "the wait before the second one; it doubles each time"),
    key("jitter", "the share of a wait that is random, 0 to 1"),
];

/// Keys of a secret.
pub const SECRET: &[Key] = &[
    key("env", "the variable that holds it, where pipe runs"),
    key("file", "the file that holds it, relative to the project root"),
    key("ssm", "the parameter of AWS Systems Manager that holds it: a name or an ARN"),
    key("secrets_manager", "the ARN of the secret of AWS Secrets Manager"),
];

/// Keys of a secret that a stage uses, given as a mapping.
pub const SECRET_USE: &[Key] = &[
    key("use", "the secret"),
    key("as", "`variable`, or `file`: then the variable holds the path of a file in memory"),
];

/// Keys of tools given as a mapping.
pub const TOOL: &[Key] = &[
    key("path", "a directory of the project, relative to its root"),
    key("key", "a file whose content says what is in the directory, such as uv.lock: part of the key"),
];

/// Keys of an input given as a mapping.
pub const INPUT: &[Key] = &[
    key("path", "a file or directory of the workspace, relative to the project root"),
    key("follow", "true reads what symbolic links in the directory point at, in place of the links"),
];

/// Keys of an include given as a mapping.
pub const INCLUDE: &[Key] =
    &[key("file", "a pipeline file, relative to this one"), key("params", "values for params that it declares")];

/// Keys of an output given as a mapping.
pub const OUTPUT: &[Key] = &[
    key("path", "where it appears in the workspace, relative to the project root"),
    key("type", "its artifact type: `file` unless given; `dir` for a directory"),
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
            Some(Key { name, .. }) => known.push((*name, entry)),
            None => {
                let names = table.iter().map(|key| key.name);
                let problem = Problem::at("unknown-key", entry.key.span, format!("{what} has no key `{word}`"));
                let help = elsewhere::ours(word, table).or_else(|| suggest::help(word, names));
                problems.push(problem.label("unknown key").maybe_help(help));
            }
        }
    }
    known
}

/// Whether `node` has a key that was meant to be `key`: then its absence is said once, at the slip.
pub fn misspelt(node: &Node, table: &'static [Key], key: &str) -> bool {
    let NodeValue::Map(entries) = &node.value else { return false };
    let names = || table.iter().map(|key| key.name);
    let strange =
        entries.iter().map(|e| e.key.value.as_str()).filter(|word| !table.iter().any(|key| key.name == *word));
    strange.into_iter().any(|word| suggest::nearest(word, names()) == Some(key))
}
