//! The names of objects below a remote's prefix.

use contract::Digest;

use crate::action::ActionKey;

/// The marker, which makes a prefix a store.
pub(super) const MARKER: &str = "pipe-store.json";

/// Objects that the probe writes and removes.
pub(super) const PROBE: &str = "probe/";

/// Files.
pub(super) const BLOBS: &str = "blobs/";

/// Manifests of directories.
pub(super) const TREES: &str = "trees/";

/// Records: the results of actions.
pub(super) const RECORDS: &str = "records/";

/// The state of stages that run elsewhere.
pub(super) const ACTIONS: &str = "actions/";

pub(super) fn blob(digest: &Digest) -> String {
    sharded(BLOBS, digest, "")
}

pub(super) fn tree(digest: &Digest) -> String {
    sharded(TREES, digest, "")
}

pub(super) fn record(key: &ActionKey) -> String {
    sharded(RECORDS, key.digest(), ".json")
}

/// The digest in the name of a blob or a tree. Any other name was put there by somebody else.
pub(super) fn digest_of(name: &str) -> Option<Digest> {
    let digest = name.rsplit('/').next()?.parse().ok()?;
    (blob(&digest) == name || tree(&digest) == name).then_some(digest)
}

/// The key in the name of a record.
pub(super) fn key_of(name: &str) -> Option<ActionKey> {
    let key = name.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
    (record(&key) == name).then_some(key)
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
        for name in [blob(&digest), tree(&digest)] {
            assert_eq!((digest_of(&name), key_of(&name)), (Some(digest), None), "{name}");
        }
        let key = ActionKey::new(digest);
        assert_eq!((digest_of(&record(&key)), key_of(&record(&key))), (None, Some(key)));
        let hex = digest.to_string();
        for other in ["pipe-store.json".to_owned(), format!("blobs/zz/{hex}"), format!("other/{}/{hex}", &hex[..2])] {
            assert_eq!((digest_of(&other), key_of(&other)), (None, None), "{other}");
        }
    }
}
