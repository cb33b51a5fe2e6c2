//! What is damaged in the store, in words: what and where, and what to do.

use std::path::Path;

use serde_json::{Value, json};

use crate::store::{Damage, DamagedThing};

/// In one line.
pub(super) fn line(damage: &Damage) -> String {
    let Damage { path, why, .. } = damage;
    format!("{}: {why}; {}", path.display(), advice(damage))
}

/// What becomes of it, or is to be done.
pub(super) fn advice(damage: &Damage) -> String {
    let path = damage.path.display();
    match (&damage.quarantined, damage.what) {
        (Some(place), _) => format!("moved to {}", place.display()),
        (None, DamagedThing::Pin) => {
            let name = name_of(&damage.path);
            format!("what it protects is not known: `pipe cache pin '{name}'` pins it anew, with --remove it goes")
        }
        (None, DamagedThing::Last) => format!("the next run of that pipeline writes it anew, or remove {path}"),
        (None, DamagedThing::Run) => {
            let run = damage.path.ancestors().find(|path| is_run(path)).unwrap_or(&damage.path);
            format!("remove {} when what that run came to is not needed", run.display())
        }
        (None, DamagedThing::Room) => "move it away; what lay there before is not known".to_owned(),
        (None, _) => "it could not be moved away; remove it".to_owned(),
    }
}

/// For programs.
pub(super) fn document(damage: &Damage) -> Value {
    let (what, digest) = match damage.what {
        DamagedThing::Artifact(digest) => ("artifact", Some(digest)),
        DamagedThing::Record(key) => ("record", Some(*key.digest())),
        DamagedThing::Plan => ("plan", None),
        DamagedThing::Memo => ("memo", None),
        DamagedThing::Last => ("last", None),
        DamagedThing::Pin => ("pin", None),
        DamagedThing::Run => ("run", None),
        DamagedThing::Room => ("room", None),
    };
    json!({
        "what": what,
        "digest": digest,
        "path": damage.path,
        "why": damage.why,
        "quarantined": damage.quarantined,
        "help": advice(damage),
    })
}

/// Whether this is the directory of a run.
fn is_run(path: &Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with("runs"))
}

/// The name of a pin, as it was typed: its file's name without escapes.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut name = Vec::new();
    let mut rest = stem.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                name.push(byte);
                rest = &after[2..];
            }
            None => {
                name.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_named_as_it_was_typed() {
        assert_eq!(name_of(Path::new("pins/base%2Ftrain[lr=1].json")), "base/train[lr=1]");
        assert_eq!(name_of(Path::new("pins/100%.json")), "100%");
    }
}
