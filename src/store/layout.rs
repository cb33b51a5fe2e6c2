//! Where things lie below the store's directory. Everything is on one filesystem, so that a rename moves any of it.

use std::path::{Path, PathBuf};

use contract::Digest;

/// The paths of a store.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: PathBuf) -> Layout {
        Layout { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file's bytes. The executable one is an object of its own: links share their permissions.
    pub fn blob(&self, digest: &Digest, executable: bool) -> PathBuf {
        self.object("blobs", digest, if executable { ".x" } else { "" })
    }

    /// A directory as it is.
    pub fn tree(&self, digest: &Digest) -> PathBuf {
        self.object("trees", digest, "")
    }

    /// What must be in that directory.
    pub fn manifest(&self, digest: &Digest) -> PathBuf {
        self.object("trees", digest, ".manifest")
    }

    pub fn record(&self, key: &Digest) -> PathBuf {
        self.object("records", key, ".json")
    }

    pub fn checkpoints(&self, key: &Digest) -> PathBuf {
        self.root.join("checkpoints").join(key.to_string())
    }

    pub fn lock(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    pub fn memo(&self) -> PathBuf {
        self.root.join("memo")
    }

    pub fn last(&self, pipeline: &str) -> PathBuf {
        self.root.join("last").join(format!("{}.json", component(pipeline)))
    }

    pub fn pins(&self) -> PathBuf {
        self.root.join("pins")
    }

    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub fn run(&self, run: &str) -> PathBuf {
        self.root.join("runs").join(component(run))
    }

    pub fn displaced(&self, run: &str) -> PathBuf {
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
pub(super) fn component(name: &str) -> String {
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
}
