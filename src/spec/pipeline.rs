//! A pipeline as it was typed: every word with its place, no name resolved, no interpolation replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::Type;
use serde::{Deserialize, Serialize};

use super::conduct::RetrySpec;
use super::include::IncludeSpec;
use super::name::{PipelineName, PortName, StageName};
use super::node::Node;
use super::secrets::{SecretSpec, SecretUse};
use super::shell::Shell;
use super::span::{Span, Spanned};
use super::tools::ToolSpec;

/// A pipeline file.
#[derive(Debug)]
pub struct PipelineSpec {
    /// `pipeline:`; absent only when a problem says so.
    pub name: Option<Spanned<PipelineName>>,
    /// `params:`, a mapping; empty when not written.
    pub params: Node,
    /// `include:`.
    pub includes: Vec<IncludeSpec>,
    /// `groups:`.
    pub groups: BTreeMap<String, u32>,
    /// `secrets:`.
    pub secrets: Vec<SecretSpec>,
    /// `tools:`.
    pub tools: Vec<ToolSpec>,
    /// `stages:` in the order written.
    pub stages: Vec<StageSpec>,
}

/// One entry of `stages:`.
#[derive(Clone, Debug)]
pub struct StageSpec {
    /// Its name.
    pub name: Spanned<StageName>,
    /// `uses:`; absent only when a problem says so.
    pub uses: Option<Spanned<String>>,
    /// Where each key of the stage stands.
    pub keys: BTreeMap<String, Span>,
    /// `in:`.
    pub inputs: Vec<InputSpec>,
    /// `out:`.
    pub outputs: Vec<OutputSpec>,
    /// `matrix:`; its lists may hold interpolations.
    pub matrix: Option<Node>,
    /// `with:`.
    pub with: Option<Node>,
    /// `run:`.
    pub run: Option<Node>,
    /// `shell:`, else that of the file.
    pub shell: Shell,
    /// `env:`.
    pub environment: Vec<Variable>,
    /// `resources:`.
    pub resources: ResourcesSpec,
    /// `backend:`.
    pub backend: Option<Spanned<String>>,
    /// `timeout:`.
    pub timeout: Option<Duration>,
    /// `retry:`.
    pub retry: RetrySpec,
    /// `group:`.
    pub groups: Vec<Spanned<String>>,
    /// `when:`; not parsed yet.
    pub when: Option<Node>,
    /// `secrets:`.
    pub secrets: Vec<SecretUse>,
    /// `sandbox:`.
    pub sandbox: Option<bool>,
    /// `tools:`, besides those of the file.
    pub tools: Vec<ToolSpec>,
}

/// One entry of `in:`.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// The port.
    pub port: Spanned<PortName>,
    /// The source of its artifact.
    pub wire: Wire,
}

/// The source of an input.
#[derive(Clone, Debug)]
pub enum Wire {
    /// `stage` or `stage.port`.
    Reference(Spanned<String>),
    /// `{path: data/x.txt}`; may hold interpolations.
    Path(Node, LinkRule),
    /// Several, in their order.
    List(Vec<Wire>, Span),
    /// Something that a problem was reported for.
    Broken,
}

/// Whether symbolic links in an input directory are kept or followed. The rule changes which bytes are read, and so the digest of the
/// input, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkRule {
    /// They stay links, and one that leads out of the directory is refused.
    #[default]
    Keep,
    /// `follow: true`: links are read as the files they point at.
    Follow,
}

impl LinkRule {
    /// Whether links stay links: nearly always, so that a kept plan leaves it out.
    pub fn is_keep(&self) -> bool {
        *self == LinkRule::Keep
    }
}

/// One entry of `out:`.
#[derive(Clone, Debug)]
pub struct OutputSpec {
    /// The port.
    pub port: Spanned<PortName>,
    /// The declared workspace path; may hold interpolations. Absent only when a problem says so.
    pub path: Option<Node>,
    /// `type:`, else `file`.
    pub artifact: Type,
}

/// One entry of `env:`.
#[derive(Clone, Debug)]
pub struct Variable {
    /// The variable.
    pub name: Spanned<String>,
    /// Its value as given; `None` = the value it has when the plan is made.
    pub value: Option<Node>,
}

/// `resources:`; an absent key comes from the card.
#[derive(Clone, Debug, Default)]
pub struct ResourcesSpec {
    /// Cores.
    pub cpus: Option<Spanned<u32>>,
    /// Bytes.
    pub memory: Option<Spanned<u64>>,
    /// GPUs.
    pub gpus: Option<Spanned<u32>>,
    /// Bytes of memory of each GPU.
    pub gpu_memory: Option<Spanned<u64>>,
}
