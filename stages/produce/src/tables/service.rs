//! Tables of what runs: daemons with their workers and listeners, and short-lived processes.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A daemon.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub name: String,
    /// Where it runs without being asked for.
    pub on: Option<Site>,
    /// Share of those hosts, per mille.
    #[serde(default = "everywhere")]
    pub share: u32,
    pub exe: String,
    /// The executable, where absent.
    pub argv0: Option<String>,
    #[serde(default)]
    pub uid: u32,
    pub workers: Option<Workers>,
    #[serde(default)]
    pub listens: Vec<Listener>,
}

fn everywhere() -> u32 {
    1000
}

/// Hosts on which a service runs without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Site {
    /// That are no containers.
    Host,
    /// All.
    Everywhere,
    /// With a desktop.
    Desktop,
}

/// Forked children of a daemon.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workers {
    pub count: [u32; 2],
    /// The daemon's, where absent.
    pub exe: Option<String>,
    pub argv0: String,
    pub uid: u32,
}

/// A socket that waits for others.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    #[serde(default)]
    pub protocol: Protocol,
    pub port: u16,
    pub bind: Bind,
}

/// A socket's protocol, as in the ids of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    #[default]
    Tcp,
    Tcp6,
    Udp,
}

impl Protocol {
    /// As the scanner writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Tcp6 => "tcp6",
            Protocol::Udp => "udp",
        }
    }
}

/// Where it listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bind {
    #[default]
    Any,
    Lan,
    Loopback,
    /// 127.0.0.53
    Resolver,
}

/// A short-lived process.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Casual {
    pub exe: String,
    pub argv0: String,
    #[serde(rename = "as")]
    pub account: Account,
    pub weight: u32,
    #[serde(rename = "where", default)]
    pub place: Where,
}

/// Hosts on which short-lived processes appear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Where {
    #[default]
    Any,
    Desktop,
    Developer,
}

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    Root,
    /// The host's first user.
    User,
    /// As the service that the template needs.
    Service,
    Uid(u32),
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Account, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "root" => Ok(Account::Root),
            "user" => Ok(Account::User),
            "service" => Ok(Account::Service),
            number => number
                .parse()
                .map(Account::Uid)
                .map_err(|_| D::Error::custom(format!("{text:?} is not root, user, service or a number"))),
        }
    }
}
