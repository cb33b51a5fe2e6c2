//! What objects are called below a remote's prefix.

use contract::Digest;

/// The marker: what makes a prefix a store.
pub(super) const MARKER: &str = "pipe-store.json";

/// Objects that the probe writes and removes.
pub(super) const PROBE: &str = "probe/";

/// Files.
pub(super) const BLOBS: &str = "blobs/";

/// Manifests of directories.
pub(super) const TREES: &str = "trees/";

/// What actions gave.
pub(super) const RECORDS: &str = "records/";

/// What remote stages that go on have there.
pub(super) const ACTIONS: &str = "actions/";

pub(super) fn blob(digest: &Digest) -> String {
    sharded(BLOBS, digest, "")
}

pub(super) fn tree(digest: &Digest) -> String {
    sharded(TREES, digest, "")
}

pub(super) fn record(key: &Digest) -> String {
    sharded(RECORDS, key, ".json")
}

/// The digest in the name of an object of one of these families.
pub(super) fn digest_of(name: &str) -> Option<Digest> {
    let digest = name.rsplit('/').next()?.trim_end_matches(".json").parse().ok()?;
    let known = [blob(&digest), tree(&digest), record(&digest)];
    // Anything else was put there by somebody else.
    known.iter().any(|known| known == name).then_some(digest)
}

fn sharded(family: &str, digest: &Digest, suffix: &str) -> String {
    let hex = digest.to_string();
    format!("{family}{}/{hex}{suffix}", &hex[..2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_digests() {
        let digest = Digest::of(b"x");
        for name in [blob(&digest), tree(&digest), record(&digest)] {
            assert_eq!(digest_of(&name), Some(digest), "{name}");
        }
        let hex = digest.to_string();
        for other in ["pipe-store.json".to_owned(), format!("blobs/zz/{hex}"), format!("other/{}/{hex}", &hex[..2])] {
            assert_eq!(digest_of(&other), None, "{other}");
        }
    }
}
