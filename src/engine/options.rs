//! The options of a run besides its plan.

use std::collections::{BTreeMap, BTreeSet};

pub use crate::executor::local::FailedWork;
use crate::executor::remote::RemotePlace;
use crate::governor::Limits;
use crate::remote::{Place, Vault};
use crate::spec::StageName;

/// The options of a run besides its plan.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The run's id: a path component, unique in the store.
    pub run: String,
    /// The runs of whose stages this run is a part, the innermost first.
    pub around: Vec<String>,
    /// Workers at once; `None` leaves it to the governor's conservative default.
    pub jobs: Option<usize>,
    /// The shares of the machine from which on the governor holds back.
    pub limits: Limits,
    /// The effect of a failed stage on the others.
    pub on_failure: OnFailure,
    /// Whether a failed stage's private directory is kept.
    pub failed_work: FailedWork,
    /// Stages that are executed although they have a record.
    pub refresh: BTreeSet<StageName>,
    /// Stages whose outputs come from the remote also where nobody reads them.
    pub materialize: BTreeSet<StageName>,
    /// Whether outputs are put into the workspace.
    pub publishing: Publishing,
    /// How much of the pipeline the plan is.
    pub extent: Extent,
    /// Whether published outputs that are not of this run stay or are removed.
    pub earlier: Earlier,
    /// The remote that it looks into and pushes to.
    pub remote: Option<Place>,
    /// The backends that are not this machine, by name.
    pub elsewhere: BTreeMap<String, RemotePlace>,
    /// US dollars beyond which no further attempt is launched there.
    pub max_cost: Option<f64>,
    /// What reads secrets that a service keeps, for stages of this machine.
    pub vault: Vault,
}

/// Whether outputs are put into the workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publishing {
    /// Each when its stage is done.
    #[default]
    Yes,
    /// None; all that is made stays in the store.
    No,
}

/// How much of a pipeline a plan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// Some stages, with the stages that they need.
    Part,
}

/// Whether published outputs that are not of this run stay or are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Earlier {
    /// They stay and are named.
    #[default]
    Keep,
    /// Those that nobody touched are removed.
    Prune,
}

/// The effect of a failed stage on the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Independent branches go on.
    #[default]
    KeepGoing,
    /// Nothing more is started, and running stages are asked to stop.
    Stop,
}
