//! `pipe.yaml` into settings. A setting that could not be read keeps its default and has its problem.

use std::path::Path;

use super::apart::Named;
use super::keys;
use super::model::{Config, Origin, Setting, Share, Throttle, Verify};
use crate::plan::request::CONFIG;
use crate::remote::{Checksums, Place, Scheme, wrong_endpoint};
use crate::spec::keys::known;
use crate::spec::{Node, NodeValue, Problem, Sources, file, suggest};

/// Reads the `pipe.yaml` at `root`, if there is one that says anything. Messages show it as seen from `here`.
/// Returns where it names directories that `pipe` keeps besides the store.
pub(super) fn file(
    root: &Path,
    here: &Path,
    config: &mut Config,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Vec<Named> {
    let path = root.join(CONFIG);
    if is_marker(&path) {
        return Vec::new();
    }
    let shown = path.strip_prefix(here).unwrap_or(&path).to_owned();
    let Some(tree) = file::read(&shown, sources, problems) else { return Vec::new() };
    let mut reader = Reader { root, sources, problems, named: Vec::new() };
    reader.config(&tree, config);
    reader.named
}

/// Whether nothing is there, or a file with nothing but comments: the common case, which needs no YAML.
fn is_marker(path: &Path) -> bool {
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')),
        // Other errors are reported by the reader of the file.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

pub(super) struct Reader<'a> {
    pub root: &'a Path,
    sources: &'a Sources,
    pub problems: &'a mut Vec<Problem>,
    /// Where directories that `pipe` keeps besides the store are named.
    pub named: Vec<Named>,
}

impl Reader<'_> {
    fn config(&mut self, tree: &Node, config: &mut Config) {
        let mut found = known(tree, keys::CONFIG, CONFIG, self.problems);
        // A backend may have its objects where the remote is.
        found.sort_by_key(|(key, _)| *key == "backends");
        for (key, entry) in found {
            let value = &entry.value;
            match key {
                "store" => {
                    if let Some(text) = self.text(value, "`store`") {
                        config.store = self.setting(value, self.root.join(text));
                    }
                }
                "remote" => self.remote(value, config),
                "cards" => config.cards = self.cards(value),
                "backends" => self.backends(value, config),
                "governor" => self.governor(value, config),
                "verify" => {
                    if let Some(verify) = self.verify(value) {
                        config.verify = self.setting(value, verify);
                    }
                }
                _ => self.runs(value, config),
            }
        }
    }

    fn cards(&mut self, node: &Node) -> Setting<Vec<std::path::PathBuf>> {
        let one = std::slice::from_ref(node);
        let items: &[Node] = match &node.value {
            NodeValue::List(items) => items,
            NodeValue::Text(_) => one,
            _ => {
                self.wrong(node, "`cards` must be a list of directories");
                &[]
            }
        };
        let mut directories = Vec::new();
        for item in items {
            let Some(text) = self.text(item, "a directory of `cards`") else { continue };
            let directory = self.root.join(text);
            if !directory.is_dir() {
                let problem = Problem::at("missing-path", item.span, format!("there is no directory `{text}`"));
                let help = format!("it is looked for in {}", self.root.display());
                self.problems.push(problem.label("no such directory").help(help));
            }
            directories.push(directory);
        }
        self.setting(node, directories)
    }

    fn remote(&mut self, node: &Node, config: &mut Config) {
        let found = known(node, keys::REMOTE, "`remote`", self.problems);
        let Some((_, url)) = found.iter().find(|(key, _)| *key == "url") else {
            if !node.is_broken() {
                let problem = Problem::at("missing-key", node.span, "`remote` needs a `url`");
                self.problems.push(problem.label("where is it?").help("write {url: s3://BUCKET/PREFIX}"));
            }
            return;
        };
        let Some(text) = self.text(&url.value, "`url`") else { return };
        let mut place = match Place::parse(text, self.root) {
            Ok(place) => place,
            Err(unusable) => {
                let problem = Problem::at("unknown-value", url.value.span, unusable.message);
                return self.problems.push(problem.label("not possible").help(unusable.help));
            }
        };
        self.named.extend(place.directory().map(|directory| Named::new(url.value.span, "the remote", directory)));
        for &(key, entry) in &found {
            let value = &entry.value;
            if keys::SERVICE.contains(&key) && matches!(place.scheme, Scheme::Directory(_)) {
                let problem = Problem::at("unknown-key", entry.key.span, format!("a directory has no `{key}`"));
                self.problems.push(problem.label("of no use here").help("leave it out, or name a service: s3://.."));
                continue;
            }
            match key {
                "url" => {}
                "share" => {
                    if let Some(flag) = self.flag(value, "`share`") {
                        let share = if flag { Share::Always } else { Share::OnRequest };
                        config.remote.share = self.setting(value, share);
                    }
                }
                "path_style" => place.path_style = self.flag(value, "`path_style`"),
                "checksums" => place.checksums = self.checksums(value),
                "endpoint" => place.endpoint = self.endpoint(value),
                "region" => place.region = self.text(value, "`region`").map(str::to_owned),
                _ => place.profile = self.text(value, "`profile`").map(str::to_owned),
            }
        }
        config.remote.place = self.setting(&url.value, Some(place));
    }

    fn endpoint(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "`endpoint`")?;
        if let Some(why) = wrong_endpoint(text) {
            let message = format!("`endpoint` cannot be `{text}`: {why}");
            let problem = Problem::at("unknown-value", node.span, message).label("not possible");
            self.problems.push(problem.help("write the address of the service: http://127.0.0.1:8333"));
        }
        Some(text.to_owned())
    }

    fn checksums(&mut self, node: &Node) -> Option<Checksums> {
        match self.text(node, "`checksums`")? {
            "always" => Some(Checksums::Always),
            "when-required" => Some(Checksums::WhenRequired),
            word => {
                let problem = Problem::at("unknown-value", node.span, format!("`checksums` cannot be `{word}`"));
                self.problems.push(problem.label("not possible").maybe_help(suggest::help(word, keys::CHECKSUMS)));
                None
            }
        }
    }

    fn governor(&mut self, node: &Node, config: &mut Config) {
        for (key, entry) in known(node, keys::GOVERNOR, "`governor`", self.problems) {
            let value = &entry.value;
            let governor = &mut config.governor;
            match key {
                "jobs" => {
                    if let Some(jobs) = self.count(value, "`jobs`", keys::MAX_JOBS) {
                        governor.jobs = self.setting(value, Some(jobs as u16));
                    }
                }
                "cpu" => {
                    if let Some(share) = self.share(value, "`cpu`") {
                        governor.cpu = self.setting(value, share);
                    }
                }
                "memory" => {
                    if let Some(share) = self.share(value, "`memory`") {
                        governor.memory = self.setting(value, share);
                    }
                }
                _ => {
                    if let Some(flag) = self.flag(value, "`throttle`") {
                        governor.throttle = self.setting(value, if flag { Throttle::On } else { Throttle::Off });
                    }
                }
            }
        }
    }

    fn runs(&mut self, node: &Node, config: &mut Config) {
        for (_, entry) in known(node, keys::RUNS, "`runs`", self.problems) {
            if let Some(keep) = self.count(&entry.value, "`keep`", u64::from(u32::MAX)) {
                config.runs.keep = self.setting(&entry.value, keep as u32);
            }
        }
    }

    fn verify(&mut self, node: &Node) -> Option<Verify> {
        let word = self.text(node, "`verify`")?;
        let verify = verify(word);
        if verify.is_none() {
            let problem = Problem::at("unknown-value", node.span, format!("`verify` cannot be `{word}`"));
            self.problems.push(problem.label("not possible").maybe_help(suggest::help(word, keys::VERIFY)));
        }
        verify
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.as_text().filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong(node, &format!("{what} must be text"));
        }
        text
    }

    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.value {
            NodeValue::Bool(flag) => Some(flag),
            _ => {
                self.wrong(node, &format!("{what} must be `true` or `false`"));
                None
            }
        }
    }

    pub(super) fn count(&mut self, node: &Node, what: &str, most: u64) -> Option<u64> {
        let count = match &node.value {
            NodeValue::Number(number) => number.as_u64().filter(|n| (1..=most).contains(n)),
            _ => None,
        };
        if count.is_none() {
            self.wrong(node, &format!("{what} must be a whole number from 1 to {most}"));
        }
        count
    }

    fn share(&mut self, node: &Node, what: &str) -> Option<f64> {
        let share = match &node.value {
            NodeValue::Number(number) => number.as_f64().filter(|share| *share > 0.0 && *share <= 1.0),
            _ => None,
        };
        if share.is_none() {
            self.wrong(node, &format!("{what} must be a share above 0 and up to 1, such as 0.8"));
        }
        share
    }

    pub(super) fn wrong(&mut self, node: &Node, message: &str) {
        if !node.is_broken() {
            let message = format!("{message}, found {}", node.describe());
            self.problems.push(Problem::at("wrong-type", node.span, message).label("not possible"));
        }
    }

    pub(super) fn setting<T>(&self, node: &Node, value: T) -> Setting<T> {
        Setting::new(value, Origin::File(self.sources.locate(node.span)))
    }
}

/// The value of a word of `verify`.
pub(super) fn verify(word: &str) -> Option<Verify> {
    match word {
        "seal" => Some(Verify::Seal),
        "always" => Some(Verify::Always),
        _ => None,
    }
}
