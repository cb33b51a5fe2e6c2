//! Arguments that several verbs share. A verb's own stand beside the verb.

use std::path::PathBuf;

use clap::Args;

use super::complete::names;

/// Params set from outside.
#[derive(Debug, Args, Default)]
pub(super) struct ParamArguments {
    /// Override a param that the pipeline declares: -S seed=7, -S data.hosts=3 for an included file (may be repeated).
    #[arg(short = 'S', long = "set", value_name = "PARAM=VALUE", add = names::params())]
    pub overrides: Vec<String>,
    /// A YAML file that sets params which the pipeline declares (may be repeated); -S has the last word.
    #[arg(long = "params", value_name = "FILE", add = names::files())]
    pub param_files: Vec<PathBuf>,
}

/// A pipeline, the stages that are wanted, and the params to override.
#[derive(Debug, Args)]
pub(super) struct PipelineArguments {
    /// The pipeline, a YAML file.
    #[arg(value_name = "FILE", add = names::pipelines())]
    pub file: PathBuf,
    /// Stages that are wanted, with all that they need; the default is every stage.
    #[arg(value_name = "STAGE", add = names::stages())]
    pub stages: Vec<String>,
    #[command(flatten)]
    pub params: ParamArguments,
}
