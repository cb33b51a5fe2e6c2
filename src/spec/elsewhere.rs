//! Words of other tools for our keys: Make, Snakemake, DVC, workflows of GitHub and GitLab. A user who writes one of them out of habit
//! is told our word.

use super::keys::Key;

/// Words of other tools, our key in the place where they are written, and the advice.
const WORDS: &[(&[&str], &str, &str)] = &[
    (&["cmd", "command", "commands", "script", "exec", "bash"], "run", "write `run: TEXT`, with `uses: command`"),
    (
        &["deps", "input", "inputs", "sources", "reads"],
        "in",
        "write `in: {NAME: {path: data/file}}`, or `in: {NAME: STAGE.PORT}`",
    ),
    (
        &["needs", "depends_on", "depends", "dependencies", "after", "requires"],
        "in",
        "a stage waits for what it reads: write `in: {NAME: STAGE.PORT}`",
    ),
    (&["outs", "output", "outputs", "artifacts", "targets"], "out", "write `out: {NAME: out/file}`"),
    (&["metrics", "plots"], "out", "write `out: {NAME: {path: out/metrics.json, type: metrics}}`"),
    (
        &["params", "args", "arguments"],
        "with",
        "the params of a kind are `with`; a command reads those of the file: `${params.NAME}` in its `run`",
    ),
    (
        &["directory", "dir", "wdir", "workdir", "cwd", "working-directory", "working_directory"],
        "sandbox",
        "a command runs in a directory of its own that holds its inputs, or with `sandbox: false` at the project root; `cd` in its `run` leads elsewhere",
    ),
    (&["foreach", "strategy", "wildcards"], "matrix", "write `matrix: {NAME: [1, 2]}`"),
    (&["threads", "cores", "mem", "gpu"], "resources", "write `resources: {cpus: 4, memory: 16GiB, gpus: 1}`"),
    (&["environment", "variables"], "env", "write `env: {NAME: value}`, or `env: [NAME]`"),
    (&["if", "only_if"], "when", "write `when: \"${params.NAME > 1}\"`"),
    (&["retries", "attempts"], "retry", "write `retry: 3`"),
    (&["timeout_minutes", "timeout-minutes"], "timeout", "write `timeout: 30m`"),
    (&["desc", "doc", "help", "comment"], "description", "write `description: TEXT`"),
    (&["name"], "uses", "a stage is named by its key under `stages`; a line for the reader is `description`"),
    (&["kind", "type"], "uses", "write `uses: KIND`; `pipe stages` lists the kinds"),
    (
        &["steps", "jobs", "rules", "tasks", "rule", "nodes"],
        "stages",
        "write `stages: {NAME: {uses: command, run: TEXT}}`",
    ),
    (&["vars", "variables", "config", "args"], "params", "write `params: {NAME: value}`, read as `${params.NAME}`"),
    (&["name"], "pipeline", "write `pipeline: NAME`"),
    (&["includes", "import", "imports"], "include", "write `include: {PREFIX: other.yaml}`"),
];

/// The right word for `word` in a mapping with the keys of `table`.
pub(super) fn ours(word: &str, table: &[Key]) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let fits = |key: &str| table.iter().any(|known| known.name == key);
    let found = WORDS.iter().find(|(words, key, _)| words.contains(&word.as_str()) && fits(key));
    found.map(|(.., help)| (*help).to_owned())
}
