//! Templates of stories: attack chains and benign look-alikes, in one form, so that nothing but their content tells them apart.

use serde::Deserialize;

use crate::tables::choices::Bindings;
use crate::tables::trace::{Owner, SocketState, Trace};

/// A sequence of steps, each with a trace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    pub name: String,
    /// Of a chain.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "it is for readers of the tables"))]
    pub author: Author,
    /// Nobody who writes rules has read it.
    #[serde(default)]
    pub frozen: bool,
    /// Of a chain: relative, among those that fit the host.
    #[serde(default)]
    pub weight: u32,
    /// Of a look-alike: share of the fitting hosts, per mille.
    #[serde(default)]
    pub share: u32,
    /// Roles it fits; all, where empty.
    #[serde(default)]
    pub roles: Vec<String>,
    /// How many hosts of a network it spans: of a chain the fewest and the most, of a look-alike all where it is more than one.
    #[serde(default = "one")]
    pub hosts: [u32; 2],
    /// Services of which the host must run one; the first of the host's becomes `service`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Names bound once a story, in this order.
    #[serde(rename = "let", default)]
    pub bindings: Bindings,
    pub steps: Vec<Step>,
}

/// Who wrote a template. The blind authors knew neither the rules nor the chains of this project; `data/README.md` says who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Author {
    #[default]
    Project,
    #[serde(rename = "blind_1")]
    Blind1,
    #[serde(rename = "blind_2")]
    Blind2,
    #[serde(rename = "blind_3")]
    Blind3,
    #[serde(rename = "blind_4")]
    Blind4,
}

impl Template {
    /// Whether the processes of a step have a socket that listens, or one that does not.
    pub(crate) fn has_socket(&self, id: &str, listening: bool) -> bool {
        let owner = Owner::Process(id.to_owned());
        self.steps.iter().any(|step| match &step.leaves {
            Trace::Socket(socket) => socket.of == owner && (socket.state == SocketState::Listen) == listening,
            _ => false,
        })
    }
}

/// One step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The ATT&CK technique of a chain's step.
    pub technique: Option<String>,
    /// Per mille.
    #[serde(default = "always")]
    pub chance: u32,
    /// Scans after the beginning.
    #[serde(default)]
    pub from: u32,
    #[serde(default)]
    pub reboot: Reboot,
    #[serde(default)]
    pub on: On,
    pub leaves: Trace,
}

fn always() -> u32 {
    1000
}

fn one() -> [u32; 2] {
    [1, 1]
}

/// On which of the hosts that a template spans a step happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum On {
    #[default]
    All,
    /// The one where it begins.
    First,
    /// All others.
    Later,
}

impl On {
    /// Whether the host at that place is one of them.
    pub(crate) fn is_at(self, place: u32) -> bool {
        match self {
            On::All => true,
            On::First => place == 0,
            On::Later => place > 0,
        }
    }
}

/// The effect of a reboot on a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reboot {
    #[default]
    Stays,
    Gone,
}

impl Reboot {
    pub(crate) fn is_gone(self) -> bool {
        self == Reboot::Gone
    }
}
