//! Where things lie below the store's directory. Everything is on one filesystem, so that a rename moves any of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use contract::Digest;

use crate::action::ActionKey;

/// The paths of a store.
#[derive(Debug)]
pub(in crate::store) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Layout {
        Layout { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file's bytes. The executable one is an object of its own: links share their permissions.
    pub(crate) fn blob(&self, digest: &Digest, executable: bool) -> PathBuf {
        self.object("blobs", digest, if executable { ".x" } else { "" })
    }

    /// A directory as it is.
    pub(crate) fn tree(&self, digest: &Digest) -> PathBuf {
        self.object("trees", digest, "")
    }

    /// The manifest of that directory: the names and digests that must be in it.
    pub(crate) fn manifest(&self, digest: &Digest) -> PathBuf {
        self.object("trees", digest, ".manifest")
    }

    pub(crate) fn record(&self, key: &ActionKey) -> PathBuf {
        self.object("records", key.digest(), ".json")
    }

    /// The note that a remote has what the action gave.
    pub(crate) fn elsewhere(&self, key: &ActionKey) -> PathBuf {
        self.object("elsewhere", key.digest(), ".json")
    }

    /// The note that a place beyond this machine carries out the action.
    pub(crate) fn sent(&self, key: &ActionKey) -> PathBuf {
        self.root.join("sent").join(key.to_string())
    }

    pub(crate) fn checkpoints(&self, key: &ActionKey) -> PathBuf {
        self.root.join("checkpoints").join(key.to_string())
    }

    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    pub(crate) fn memo(&self) -> PathBuf {
        self.root.join("memo")
    }

    pub(crate) fn last(&self, pipeline: &str) -> PathBuf {
        self.root.join("last").join(format!("{}.json", component(pipeline)))
    }

    pub(crate) fn pins(&self) -> PathBuf {
        self.root.join("pins")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(crate) fn run(&self, run: &str) -> PathBuf {
        self.root.join("runs").join(component(run))
    }

    pub(crate) fn displaced(&self, run: &str) -> PathBuf {
        self.root.join("displaced").join(component(run))
    }

    fn object(&self, family: &str, digest: &Digest, suffix: &str) -> PathBuf {
        let hex = blake3::Hash::from_bytes(*digest.as_bytes()).to_hex();
        let mut path = String::with_capacity(family.len() + 80);
        for part in [family, "/", &hex[..2], "/", &hex, suffix] {
            path.push_str(part);
        }
        self.root.join(path)
    }
}

/// A name as one path component: a stage of an included pipeline is called `prefix/name`, an instance of a matrix
/// `stage[lr=1e-4]`, and neither may land inside the directory of another.
pub(in crate::store) fn component(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if index == 0 => text.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'=' | b'[' | b']' | b',' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    // 255 bytes is the longest component that Linux allows; suffixes of ours follow.
    if text.len() > 200 {
        text.truncate(150);
        text.push_str(&format!("%-{}", Digest::of(name.as_bytes()).short()));
    }
    text
}

/// Whether this is a name that the engine gives a run: `20261123-140506-123-1a2b`.
pub fn is_run(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [day, time, thousandths, process] = parts.as_slice() else { return false };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(day, 8) && digits(time, 6) && digits(thousandths, 3) && is_hex(process)
}

/// Whether this is a name that a process gives its directory under `tmp/` or `work/`: `4711-18f3a2b-0`.
pub(super) fn is_scratch(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [process, moment, attempt] = parts.as_slice() else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(process) && is_hex(moment) && digits(attempt)
}

/// Whether the name of `path` is a digest with one of these suffixes and, where it was `numbered`, a number behind that.
pub(super) fn is_digest(path: &Path, suffixes: &[&str], numbered: bool) -> bool {
    let Some((hex, rest)) = path.file_name().and_then(OsStr::to_str).and_then(|name| name.split_at_checked(64)) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = |suffix: &&str| match rest.strip_prefix(suffix) {
        Some("") => true,
        Some(more) => numbered && more.strip_prefix('.').is_some_and(is_number),
        None => false,
    };
    is_hex(hex) && suffixes.iter().any(fits)
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_component_and_stay_apart() {
        assert_eq!(component("train"), "train");
        assert_eq!(component("base/train[lr=1e-4]"), "base%2Ftrain[lr=1e-4]");
        assert_eq!(component(".."), "%2E.");
        assert_eq!(component("a%2Fb"), "a%252Fb");
        let (one, two) = ("x".repeat(500), "x".repeat(501));
        assert_ne!(component(&one), component(&two));
        assert!(component(&one).len() < 220);
    }

    #[test]
    fn names_of_the_engine_are_told_from_all_others() {
        assert!(is_run("20261123-140506-123-1a2b"));
        for other in
            ["exp1", "20261123", "20261123-140506", "20261123-140506-123-", "20261123-140506-123-xyz", "a-b-c-d"]
        {
            assert!(!is_run(other), "{other}");
        }
        assert!(is_scratch("4711-18f3a2b-0"));
        for other in ["thesis", "flake", "1-2", "1-2-3-4", "a-1-1", "1--1", "kept", "1-zz-1"] {
            assert!(!is_scratch(other), "{other}");
        }
        let digest = "0123456789abcdef".repeat(4);
        let is = |name: String, suffixes: &[&str]| is_digest(Path::new(&name), suffixes, true);
        assert!(is(digest.clone(), &[""]) && is(format!("{digest}.manifest.12"), &["", ".manifest"]));
        assert!(is(format!("{digest}.3"), &["", ".x"]) && !is(format!("{digest}.x3"), &["", ".x"]));
        assert!(
            !is(format!("{digest}.json"), &[""]) && !is(digest[1..].to_owned(), &[""]) && !is("mine".into(), &[""])
        );
        assert!(!is_digest(Path::new(&format!("{digest}.3")), &[""], false));
    }
}
