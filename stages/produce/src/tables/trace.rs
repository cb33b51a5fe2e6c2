//! Traces: the steps of templates leave them for the scanners to see.

use serde::{Deserialize, Deserializer};

use crate::tables::choices::Choices;
use crate::tables::service::{Account, Bind, Protocol};

/// A trace that a step leaves for the scanners to see.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trace {
    Process(ProcessTrace),
    Alter(AlterTrace),
    Socket(SocketTrace),
    Expose(ExposeTrace),
    Suid(SuidTrace),
    Writable(WritableTrace),
    Param(ParamTrace),
    Module(ModuleTrace),
    Firmware(FirmwareTrace),
    Mac(MacTrace),
    Unit(UnitTrace),
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
    #[serde(default)]
    pub place: Place,
}

/// Where a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    #[default]
    Host,
    /// In a container of the host, the same one in all steps of a story.
    Container,
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
    /// One of these; TCP, where there is none.
    #[serde(default)]
    pub protocol: Vec<Protocol>,
    #[serde(default)]
    pub bind: Bind,
    /// Local ports of a listener, or of a connection that comes in.
    #[serde(default)]
    pub port: Vec<u16>,
    #[serde(default)]
    pub direction: Direction,
    #[serde(default)]
    pub remote: Remote,
    /// Remote ports of a connection that goes out.
    #[serde(default)]
    pub rport: Vec<u16>,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    #[default]
    Out,
    /// The other side, to a port that is named or on which the owner listens; none, where there is neither.
    In,
}

/// The service's listeners take connections from anywhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExposeTrace {
    pub of: Owner,
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
    /// A neighbour or another address of a private network.
    Lan,
    /// Another host of the network.
    Neighbour,
    /// The host from which this one was reached; there is no such connection where it began.
    Previous,
    /// The host that is reached from this one; there is no such connection where it ends.
    Next,
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
    /// One of these.
    pub anomaly: Vec<Anomaly>,
}

/// An oddity of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Anomaly {
    Unsigned,
    OutOfTree,
    MissingFile,
    HiddenSysfs,
}

/// A fact about the firmware that the kernel no longer tells. Without effect in a container, which does not see it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirmwareTrace {
    pub change: FirmwareChange,
}

/// Which change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FirmwareChange {
    /// The kernel starts without Secure Boot, so that it does not lock itself down.
    LockdownOff,
    /// The TPM is switched off, or its driver is unloaded.
    TpmHidden,
}

/// A change of mandatory access control.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MacTrace {
    pub change: MacChange,
}

/// A new unit of systemd, without any of the settings that harden it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitTrace {
    /// `cache.service`
    pub name: Choices,
}

/// Its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MacChange {
    /// SELinux warns only.
    SelinuxPermissive,
    /// SELinux is off since the boot.
    SelinuxOff,
    /// AppArmor is off.
    ApparmorOff,
    /// Profiles of AppArmor only complain.
    ApparmorComplaining,
    /// Whichever of them weakens what the host has; SELinux is not switched off, which takes a reboot.
    Weakened,
}
