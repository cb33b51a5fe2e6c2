//! `backends` of `pipe.yaml`: names, each with what it is.

use std::time::Duration;

use places::Finding;

use super::apart::Named;
use super::keys;
use super::model::{BackendType, Config};
use super::read::Reader;
use crate::executor::remote::{INSTANCES, Launches, RemotePlace, SETUP, Timing};
use crate::remote::{Machines, Place, Scheme};
use crate::spec::keys::{known, mapping};
use crate::spec::name::is_valid;
use crate::spec::{Entry, Node, NodeValue, Problem, conduct, suggest};

/// Types that the engine serves itself.
const OURS: [&str; 2] = ["local", "loopback"];

/// Stages at once at a place beyond this machine, unless set.
const AT_ONCE: usize = 4;

/// After so long without a sign of life a stage is tried again on a loopback, and elsewhere, unless set.
const LEASE: Duration = Duration::from_secs(15);
const FAR_LEASE: Duration = Duration::from_secs(60);

/// An instance ends after so long, unless set.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl Reader<'_> {
    pub(super) fn backends(&mut self, node: &Node, config: &mut Config) {
        for entry in mapping(node, "`backends`", self.problems) {
            let name = &entry.key;
            if name.value == "local" {
                let problem =
                    Problem::at("invalid-name", name.span, "`local` is always there and is always this machine");
                self.problems.push(problem.label("taken").help("choose another name for it"));
            } else if !is_valid(&name.value) {
                let problem = Problem::at("invalid-name", name.span, format!("{:?} cannot name a backend", name.value));
                self.problems
                    .push(problem.label("not a name").help("a letter, then letters, digits, `-` and `_`; at most 100"));
            }
            if let Some(backend) = self.backend(entry, config.remote.place.value.as_ref()) {
                let setting = self.setting(&entry.value, backend);
                config.backends.insert(name.value.clone(), setting);
            }
        }
        self.meant(node, config);
    }

    /// `local`, the name of another backend, or `{TYPE: {..}}`: the one key says what it is, its value how it is set up. A program
    /// serves a type that is not known here.
    fn backend(&mut self, entry: &Entry, remote: Option<&Place>) -> Option<BackendType> {
        let (name, node) = (&entry.key.value, &entry.value);
        if let NodeValue::Text(word) = &node.value {
            return Some(if word == "local" { BackendType::Local } else { BackendType::Other(word.clone()) });
        }
        let before = self.problems.len();
        let found = match &node.value {
            NodeValue::Map(entries) if entries.len() == 1 && !OURS.contains(&entries[0].key.value.as_str()) => {
                let [entry] = entries.as_slice() else { return None };
                return self.program(entry, remote).map(|place| BackendType::Remote(Box::new(place)));
            }
            _ => known(node, keys::BACKEND, &format!("backend `{name}`"), self.problems),
        };
        let [(key, found)] = found.as_slice() else {
            if self.problems.len() == before {
                let problem = Problem::at("missing-key", node.span, format!("backend `{name}` needs one type"));
                self.problems.push(problem.label("which type?").help("write `local`"));
            }
            return None;
        };
        if *key == "loopback" {
            return self.loopback(&found.value).map(|place| BackendType::Remote(Box::new(place)));
        }
        if !matches!(found.value.value, NodeValue::Null) {
            known(&found.value, keys::LOCAL, "a backend of type `local`", self.problems);
        }
        Some(BackendType::Local)
    }

    fn loopback(&mut self, node: &Node) -> Option<RemotePlace> {
        let found = known(node, keys::LOOPBACK, "a backend of type `loopback`", self.problems);
        if !found.iter().any(|(key, _)| *key == "state") && !node.is_broken() {
            let problem = Problem::at("missing-key", node.span, "`loopback` needs a `state`");
            self.problems.push(problem.label("where are its objects?").help("write {state: .pipe-loopback}"));
        }
        let timing = Timing { lease: LEASE, lifetime: LIFETIME };
        let shared = self.shared(found.into_iter().map(|(key, entry)| (key, &entry.value)), timing);
        let objects = shared.objects?;
        // Instances are processes of this machine, wherever the objects are.
        let beside = match &objects.scheme {
            Scheme::Directory(state) => state.clone(),
            Scheme::Program(_) => self.root.join(".pipe-loopback"),
        };
        let launches = Launches::Processes(beside.join(INSTANCES));
        Some(RemotePlace { objects, at_once: shared.at_once, timing: shared.timing, launches, has_gpus: false })
    }

    /// A backend that a program serves: it checks its settings itself when it gets them.
    fn program(&mut self, entry: &Entry, remote: Option<&Place>) -> Option<RemotePlace> {
        let (kind, node) = (&entry.key.value, &entry.value);
        let settings = match &node.value {
            NodeValue::Null => serde_json::json!({}),
            _ => node.to_json(),
        };
        let known = places::read(kind, &settings);
        let near = match known {
            Some(_) => None,
            None => suggest::nearest(kind, keys::BACKEND.iter().map(|key| key.name)),
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = kind.starts_with(|first: char| first.is_ascii_lowercase()) && kind.bytes().all(plain);
        if near.is_some() || !is_name {
            let message = format!("there is no type of backend `{kind}`");
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let help =
                help.unwrap_or_else(|| "lower-case letters, digits and `-` name a program: pipe-NAME".to_owned());
            let problem = Problem::at("unknown-backend-type", entry.key.span, message);
            self.problems.push(problem.label("unknown type").help(help));
            return None;
        }
        let entries: &[Entry] = match &node.value {
            NodeValue::Null => &[],
            _ => mapping(node, &format!("a backend of type `{kind}`"), self.problems),
        };
        let ours = entries.iter().filter_map(|entry| {
            let lifetime = keys::LIFETIMES.contains(&entry.key.value.as_str()).then_some("lifetime");
            let name = keys::PROGRAM.iter().map(|key| key.name).find(|name| *name == entry.key.value && *name != SETUP);
            let name = name.or(lifetime)?;
            Some((name, &entry.value))
        });
        let setup = entries.iter().find(|entry| entry.key.value == SETUP);
        if let Some(setup) = setup
            && let Some(path) = self.text(&setup.value, "`user_data`")
            && !self.root.join(path).is_file()
        {
            let problem = Problem::at("missing-path", setup.value.span, format!("there is no file `{path}`"));
            let help = format!("it is looked for in {}", self.root.display());
            self.problems.push(problem.label("no such file").help(help));
        }
        let shared = self.shared(ours, Timing { lease: FAR_LEASE, lifetime: LIFETIME });
        let is_given = entries.iter().any(|entry| entry.key.value == "state");
        let objects = if is_given { shared.objects } else { remote.cloned() };
        if objects.is_none() && !is_given && !node.is_broken() {
            let message = format!("a backend of type `{kind}` needs a place for its objects");
            let problem = Problem::at("missing-key", entry.key.span, message).label("where are its objects?");
            self.problems.push(problem.help("write `remote: {url: s3://BUCKET/PREFIX}`, or give it a `state`"));
        }
        let has_gpus = match known {
            Some(Err(findings)) => {
                findings.into_iter().for_each(|finding| self.found(entry, finding));
                return None;
            }
            Some(Ok(place)) => place.has_gpus(),
            None => false,
        };
        let launches = Launches::Program(Machines { kind: kind.clone(), settings });
        Some(RemotePlace { objects: objects?, at_once: shared.at_once, timing: shared.timing, launches, has_gpus })
    }

    /// Something that is wrong with the settings of a place, under its own key where it is about one.
    fn found(&mut self, entry: &Entry, finding: Finding) {
        let node = &entry.value;
        if node.is_broken() {
            return;
        }
        let span = finding.key.as_ref().and_then(|key| node.get(key)).map_or(entry.key.span, |value| value.span);
        self.problems.push(Problem::at("bad-place", span, finding.message).label("not possible").help(finding.help));
    }

    /// What the engine itself reads of every place.
    fn shared<'n>(&mut self, found: impl Iterator<Item = (&'static str, &'n Node)>, timing: Timing) -> SharedSettings {
        let mut shared = SharedSettings { objects: None, at_once: AT_ONCE, timing };
        for (key, value) in found {
            match key {
                "state" => shared.objects = self.state(value),
                "jobs" => {
                    if let Some(jobs) = self.count(value, "`jobs`", keys::MAX_JOBS) {
                        shared.at_once = jobs as usize;
                    }
                }
                "lease" => {
                    if let Some(lease) = conduct::time(value, "lease", self.problems) {
                        shared.timing.lease = lease;
                    }
                }
                _ => {
                    if let Some(lifetime) = conduct::time(value, "lifetime", self.problems) {
                        shared.timing.lifetime = lifetime;
                    }
                }
            }
        }
        shared
    }

    fn state(&mut self, node: &Node) -> Option<Place> {
        let text = self.text(node, "`state`")?;
        match Place::parse(text, self.root) {
            Ok(place) => {
                self.named.extend(place.directory().map(|directory| Named::new(node.span, "the state", directory)));
                Some(place)
            }
            Err(unusable) => {
                let problem = Problem::at("unknown-value", node.span, unusable.message);
                self.problems.push(problem.label("not possible").help(unusable.help));
                None
            }
        }
    }

    /// Refuses names that mean no backend, which is known when all were read.
    fn meant(&mut self, node: &Node, config: &Config) {
        let NodeValue::Map(entries) = &node.value else { return };
        for entry in entries {
            let NodeValue::Text(word) = &entry.value.value else { continue };
            let is_known = word == "local" || config.backends.contains_key(word);
            if !is_known && entries.iter().any(|other| other.key.value == *word) {
                // It could not be read, and has its own problem.
                continue;
            }
            if !is_known {
                let names = keys::BACKEND.iter().map(|key| key.name).chain(config.backends.keys().map(String::as_str));
                let message = format!("there is no type of backend `{word}`, and no backend of that name");
                let problem = Problem::at("unknown-backend-type", entry.value.span, message).label("unknown type");
                self.problems.push(match keys::BACKEND.iter().any(|key| key.name == word) {
                    true => problem.help(format!("a place has settings: {{{word}: {{..}}}}")),
                    false => problem.maybe_help(suggest::help(word, names)),
                });
            } else if config.meant(&entry.key.value).is_none() {
                let message = format!("backend `{}` means itself", entry.key.value);
                let problem = Problem::at("unknown-backend-type", entry.value.span, message);
                self.problems.push(problem.label("leads back to itself").help("let one of them be `local`"));
            }
        }
    }
}

/// What every place beyond this machine has.
struct SharedSettings {
    objects: Option<Place>,
    at_once: usize,
    timing: Timing,
}
