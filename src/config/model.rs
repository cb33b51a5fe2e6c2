//! The settings and their defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::executor::remote::{Launches, RemotePlace};
use crate::plan::BackendName;
use crate::remote::{Place, Vault};
use crate::spec::Location;

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from; each of these goes before those above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// It stands in `pipe.yaml`.
    File(Location),
    /// This variable of the environment.
    Environment(&'static str),
    /// This flag.
    Flag(&'static str),
}

/// Every setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The directory of the store. Absolute.
    pub store: Setting<PathBuf>,
    /// The store beyond this machine.
    pub remote: RemoteConfig,
    /// Directories with cards of others. Absolute.
    pub cards: Setting<Vec<PathBuf>>,
    /// The backends that `pipe.yaml` names, besides `local`.
    pub backends: BTreeMap<String, Setting<BackendType>>,
    /// Backends whose stages run on another one for this once.
    pub redirects: BTreeMap<String, String>,
    /// How much may run.
    pub governor: GovernorConfig,
    /// How hard the store checks its objects.
    pub verify: Setting<Verify>,
    /// How much is kept of past runs.
    pub runs: RunsConfig,
}

/// The store beyond this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteConfig {
    /// Where it is; `None` where there is none.
    pub place: Setting<Option<Place>>,
    /// Whether each run uses it.
    pub share: Setting<Share>,
}

/// Whether runs use the remote by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// They look up misses there, and push their results.
    Always,
    /// Only verbs that name it do.
    OnRequest,
}

/// How much may run.
#[derive(Clone, Debug, PartialEq)]
pub struct GovernorConfig {
    /// Workers at once; `None` leaves it to the governor.
    pub jobs: Setting<Option<u16>>,
    /// The share of the processors from which on it holds back.
    pub cpu: Setting<f64>,
    /// The share of the memory from which on it holds back.
    pub memory: Setting<f64>,
    /// Whether it holds back at all.
    pub throttle: Setting<Throttle>,
}

/// Whether the governor holds back when the machine is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// It does.
    On,
    /// Only the number of jobs limits the running stages.
    Off,
}

/// How hard the store checks an object before it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// An object whose seal (size and time) holds is believed.
    #[default]
    Seal,
    /// Everything is hashed again.
    Always,
}

/// How much is kept of past runs.
#[derive(Clone, Debug, PartialEq)]
pub struct RunsConfig {
    /// How many run directories are kept.
    pub keep: Setting<u32>,
}

/// The type of a backend.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendType {
    /// A child process on this machine.
    Local,
    /// The backend of this other name in `pipe.yaml`.
    Other(String),
    /// A place beyond this machine, or a process of it that is used as if it were another one.
    Remote(Box<RemotePlace>),
}

/// The share of processors or memory from which on the governor holds back, unless set.
const THRESHOLD: f64 = 0.8;

/// Run directories that are kept, unless set.
const KEPT_RUNS: u32 = 100;

impl Config {
    /// The defaults for the project at `root`.
    pub fn new(root: &Path) -> Config {
        Config {
            store: Setting::default_of(root.join("cache")),
            remote: RemoteConfig { place: Setting::default_of(None), share: Setting::default_of(Share::OnRequest) },
            cards: Setting::default_of(Vec::new()),
            backends: BTreeMap::new(),
            redirects: BTreeMap::new(),
            governor: GovernorConfig {
                jobs: Setting::default_of(None),
                cpu: Setting::default_of(THRESHOLD),
                memory: Setting::default_of(THRESHOLD),
                throttle: Setting::default_of(Throttle::On),
            },
            verify: Setting::default_of(Verify::Seal),
            runs: RunsConfig { keep: Setting::default_of(KEPT_RUNS) },
        }
    }

    /// The remote, where every run is to use it.
    pub fn shared(&self) -> Option<&Place> {
        self.remote.place.value.as_ref().filter(|_| self.remote.share.value == Share::Always)
    }

    /// What reads secrets that a service keeps, for stages of this machine: the program that serves the remote.
    pub fn vault(&self) -> Vault {
        let place = self.remote.place.value.as_ref().filter(|place| place.program().is_some());
        place.cloned().map_or(Vault::Closed, Vault::At)
    }

    /// The backends on which a program reads such secrets, by name.
    pub fn readers(&self) -> Vec<String> {
        let here = matches!(self.vault(), Vault::At(_)).then(|| "local".to_owned());
        let there = self.elsewhere().into_iter().filter(|(_, place)| place.objects.program().is_some());
        here.into_iter().chain(there.map(|(name, _)| name)).collect()
    }

    /// The backends that a pipeline may name, each with the one that it leads to.
    pub fn routes(&self) -> BTreeMap<String, BackendName> {
        let named = std::iter::once("local").chain(self.backends.keys().map(String::as_str));
        let route = |name: &str| {
            let name = self.redirects.get(name).map_or(name, String::as_str);
            BackendName::new(self.meant(name).unwrap_or(name))
        };
        named.map(|name| (name.to_owned(), route(name))).collect()
    }

    /// The backend that `name` means by way of other names; `None` where they lead in a circle.
    pub(super) fn meant<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut meant = name;
        for _ in 0..=self.backends.len() {
            match self.backends.get(meant).map(|backend| &backend.value) {
                Some(BackendType::Other(other)) => meant = other,
                _ => return Some(meant),
            }
        }
        None
    }

    /// The backend that `name` stands for: itself, or the one that it names.
    pub fn backend_behind<'a>(&'a self, name: &'a str) -> &'a str {
        let mut meant = name;
        // The names may form a circle, which is a fault of its own.
        for _ in 0..self.backends.len() {
            match self.backends.get(meant).map(|backend| &backend.value) {
                Some(BackendType::Other(other)) => meant = other,
                _ => break,
            }
        }
        meant
    }

    /// The backends that are not this machine, by name.
    pub fn elsewhere(&self) -> BTreeMap<String, RemotePlace> {
        let elsewhere = self.backends.iter().filter_map(|(name, backend)| match &backend.value {
            BackendType::Remote(place) => Some((name.clone(), place.as_ref().clone())),
            BackendType::Local | BackendType::Other(_) => None,
        });
        elsewhere.collect()
    }

    /// The directories besides the store that `pipe` keeps, each with its description. What lies elsewhere, or what a program keeps, is
    /// none of them.
    pub fn kept(&self) -> BTreeMap<PathBuf, String> {
        let mut kept = BTreeMap::new();
        let mut add = |directory: Option<&Path>, what: String| {
            if let Some(directory) = directory {
                kept.entry(directory.to_owned()).or_insert(what);
            }
        };
        add(self.remote.place.value.as_ref().and_then(Place::directory), "the remote".to_owned());
        for (name, place) in self.elsewhere() {
            add(place.objects.directory(), format!("the state of backend `{name}`"));
            if let Launches::Processes(instances) = &place.launches {
                add(Some(instances), format!("the instances of backend `{name}`"));
            }
        }
        kept
    }

    /// What is known offline of the machines of the backends beyond this machine, by name.
    pub fn machines(&self) -> BTreeMap<String, places::Place> {
        let machines = self.elsewhere().into_iter().filter_map(|(name, place)| match place.launches {
            Launches::Program(machines) => Some((name, places::read(&machines.kind, &machines.settings)?.ok()?)),
            Launches::Processes(_) => None,
        });
        machines.collect()
    }
}

impl<T> Setting<T> {
    /// A value that nobody set.
    pub fn default_of(value: T) -> Setting<T> {
        Setting { value, origin: Origin::Default }
    }

    /// A value from somewhere.
    pub fn new(value: T, origin: Origin) -> Setting<T> {
        Setting { value, origin }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(at) => write!(f, "{}:{}", at.file.display(), at.line),
            Origin::Environment(name) => write!(f, "variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

impl Serialize for BackendType {
    /// As it is written in `pipe.yaml`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            BackendType::Local => serializer.serialize_str("local"),
            BackendType::Other(name) => serializer.serialize_str(name),
            BackendType::Remote(place) => match &place.launches {
                Launches::Processes(_) => {
                    let settings = serde_json::json!({
                        "state": place.objects.to_string(),
                        "jobs": place.at_once,
                        "lease": format!("{:?}", place.timing.lease),
                        "lifetime": format!("{:?}", place.timing.lifetime),
                    });
                    serde_json::json!({"loopback": settings}).serialize(serializer)
                }
                Launches::Program(machines) => machines.as_written().serialize(serializer),
            },
        }
    }
}

impl Serialize for Share {
    /// As it is written in `pipe.yaml`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self == Share::Always)
    }
}

impl Serialize for Throttle {
    /// As it is written in `pipe.yaml`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self == Throttle::On)
    }
}
