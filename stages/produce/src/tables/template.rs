//! Templates of stories: attack chains and benign look-alikes, in one form, so that nothing but their content tells them apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::tables::choices::Choices;
use crate::tables::service::{Account, Bind, Protocol};

/// A sequence of steps, each with a trace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    pub name: String,
    /// Of a chain: relative, among those that fit the host.
    #[serde(default)]
    pub weight: u32,
    /// Of a look-alike: share of the fitting hosts, per mille.
    #[serde(default)]
    pub share: u32,
    /// Roles it fits; all, where empty.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Services of which the host must run one; the first of the host's becomes `service`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Names bound once a story.
    #[serde(rename = "let", default)]
    pub bindings: BTreeMap<String, Choices>,
    pub steps: Vec<Step>,
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
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub leaves: Trace,
}

fn always() -> u32 {
    1000
}

/// What a reboot does to a trace.
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

/// What a step leaves for the scanners to see.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trace {
    Process(ProcessTrace),
    Alter(AlterTrace),
    Socket(SocketTrace),
    Suid(SuidTrace),
    Writable(WritableTrace),
    Param(ParamTrace),
    Module(ModuleTrace),
    Mac(MacTrace),
}

/// New processes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessTrace {
    /// By which sockets of later steps name them.
    pub id: Option<String>,
    #[serde(rename = "as")]
    pub account: Account,
    pub exe: Choices,
    /// The executable, where absent.
    pub argv0: Option<Choices>,
    /// The rest of argv, joined.
    pub args: Option<Choices>,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub preload: bool,
    #[serde(default = "one")]
    pub count: [u32; 2],
}

fn one() -> [u32; 2] {
    [1, 1]
}

/// A change of the service's processes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlterTrace {
    pub of: Owner,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub preload: bool,
}

/// Whose a trace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The service that the template needs.
    Service,
    /// The processes of an earlier step.
    Process(String),
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Owner, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(if text == "service" { Owner::Service } else { Owner::Process(text) })
    }
}

/// A new socket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SocketTrace {
    pub of: Owner,
    pub state: SocketState,
    #[serde(default)]
    pub protocol: Protocol,
    #[serde(default)]
    pub bind: Bind,
    /// Local ports of a listener.
    #[serde(default)]
    pub port: Vec<u16>,
    #[serde(default)]
    pub remote: Remote,
    /// Remote ports of a connection.
    #[serde(default)]
    pub rport: Vec<u16>,
}

/// The state of a TCP socket, as the scanner writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SocketState {
    Listen,
    Established,
    TimeWait,
}

impl SocketState {
    /// As the scanner writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            SocketState::Listen => "LISTEN",
            SocketState::Established => "ESTABLISHED",
            SocketState::TimeWait => "TIME_WAIT",
        }
    }
}

/// Whom a connection goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Remote {
    #[default]
    Public,
    Lan,
}

/// A new program with the setuid bit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuidTrace {
    pub path: Choices,
}

/// A finding of the scanner `world_writable`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WritableTrace {
    pub check: WritableCheck,
    pub path: Choices,
}

/// Which of its checks; hardlinks are left out because the scanner, as configured, cannot see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WritableCheck {
    File,
    SetuidInterpreter,
    FileCapability,
    PathDirectory,
}

/// A changed kernel parameter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParamTrace {
    pub path: String,
    pub value: Choices,
}

/// A new kernel module.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleTrace {
    pub name: Option<Choices>,
    /// One of the vendors' modules in place of a name.
    #[serde(default)]
    pub vendor: bool,
    pub anomaly: Anomaly,
}

/// What is odd about a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Anomaly {
    Unsigned,
    OutOfTree,
    MissingFile,
    HiddenSysfs,
}

/// A change of mandatory access control.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MacTrace {
    pub selinux: SelinuxMode,
}

/// The mode that SELinux is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SelinuxMode {
    Permissive,
}
