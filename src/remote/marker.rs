//! The marker of a remote: the object that makes a prefix a store and records whether the place under it heeds conditional writes.
//!
//! A place that accepts a conditional write and ignores the condition loses nothing of ours as long as objects never change under their
//! names. A lease would be held by two. So each place is tried once, and the answer is kept in the marker.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::clean::bounded;
use serde::{Deserialize, Serialize};

use super::meter::Meter;
use super::names::{MARKER, PROBE};
use super::objects::{Condition, Objects, Put, Source, Version};
use super::open::Conditions;
use super::{FailedClass, RemoteError};

/// The format of the store below the prefix.
const FORMAT: u32 = 1;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub format: u32,
    pub made_by: String,
    pub probe: Probe,
}

/// The results of trying conditional writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probe {
    /// A second write with `absent` was refused.
    pub absent: bool,
    /// A write with the current version was made, and one with a former version was refused.
    pub version: bool,
}

impl Marker {
    /// The condition of a write to a name under which only one content can lie. A place that does not heed `absent` may refuse it, and
    /// needs none here.
    pub(super) fn where_nothing_lies(&self) -> Condition {
        if self.probe.absent { Condition::Absent } else { Condition::Any }
    }

    pub(super) fn conditions(&self) -> Conditions {
        if self.probe.absent && self.probe.version { Conditions::Heeded } else { Conditions::Ignored }
    }
}

/// The marker, if there is one.
pub(super) fn read(objects: &dyn Objects, meter: &Meter) -> Result<Option<Marker>, RemoteError> {
    let Some((bytes, _)) = objects.read(MARKER, meter)? else { return Ok(None) };
    let invalid = |message: String| RemoteError::new(FailedClass::Invalid, message);
    let mut marker: Marker = serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("its marker {MARKER} cannot be read: {error}")).help("name another prefix"))?;
    if marker.format > FORMAT {
        let message = format!("it has format {}, and this version of pipe knows formats up to {FORMAT}", marker.format);
        return Err(invalid(message).help("use the newer version, or another prefix"));
    }
    // Others may have written it.
    marker.made_by = bounded(&marker.made_by, 200).into_owned();
    Ok(Some(marker))
}

/// Makes the prefix a store, unless it holds other objects. Two concurrent calls get the same marker where the place heeds `absent`.
pub(super) fn establish(objects: &dyn Objects, meter: &Meter) -> Result<Marker, RemoteError> {
    if let Some(marker) = read(objects, meter)? {
        return Ok(marker);
    }
    let found = objects.list("", None, 10, meter)?;
    if let Some(other) = found.objects.iter().find(|object| !object.name.starts_with(PROBE)) {
        let message = format!("it holds `{}` and no marker {MARKER}, so it is no store of pipe", other.name);
        return Err(
            RemoteError::new(FailedClass::Invalid, message).help("name a prefix that is empty or not there yet")
        );
    }
    let marker = Marker {
        format: FORMAT,
        made_by: format!("pipe {}", env!("CARGO_PKG_VERSION")),
        probe: probe(objects, meter)?,
    };
    let text =
        serde_json::to_string_pretty(&marker).map_err(|e| RemoteError::new(FailedClass::Broken, e.to_string()))?;
    match objects.put(MARKER, Source::Text(&text), &marker.where_nothing_lies(), meter)? {
        Put::Made => Ok(marker),
        Put::Refused => Ok(read(objects, meter)?.unwrap_or(marker)),
    }
}

/// The time of the place, in Unix seconds: that of an object written now.
pub(super) fn clock(objects: &dyn Objects, meter: &Meter) -> Result<u64, RemoteError> {
    with_probe(objects, meter, |name| {
        objects.put(name, Source::Text("now"), &Condition::Any, meter)?;
        let listed = objects.list(name, None, 1, meter)?.objects.into_iter().find(|object| object.name == name);
        let unlisted = || RemoteError::new(FailedClass::Broken, "an object that was just written is not listed");
        listed.map(|object| object.modified).ok_or_else(unlisted)
    })
}

/// Tries conditional writes.
fn probe(objects: &dyn Objects, meter: &Meter) -> Result<Probe, RemoteError> {
    with_probe(objects, meter, |name| probe_at(objects, name, meter))
}

/// Does `work` with the name of an object that nobody else uses, and removes that.
fn with_probe<T>(
    objects: &dyn Objects,
    meter: &Meter,
    work: impl FnOnce(&str) -> Result<T, RemoteError>,
) -> Result<T, RemoteError> {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    let name = format!("{PROBE}{}-{moment:x}", std::process::id());
    let done = work(&name);
    // Best effort: every reader ignores a probe object that stays. A user who breaks it off does not wait for it.
    if !meter.is_stopped() {
        let _ = objects.delete(std::slice::from_ref(&name), meter);
    }
    done
}

fn probe_at(objects: &dyn Objects, name: &str, meter: &Meter) -> Result<Probe, RemoteError> {
    let put = |text: &str, condition: &Condition| objects.put(name, Source::Text(text), condition, meter);
    let version = || -> Result<Version, RemoteError> {
        let lost = || RemoteError::new(FailedClass::Broken, "an object that was just written is not there");
        objects.read(name, meter)?.map(|(_, version)| version).ok_or_else(lost)
    };
    // A place may also say that it cannot do so.
    let tried = |text: &str, condition: &Condition| match put(text, condition) {
        Ok(put) => Ok(Some(put)),
        Err(error) if error.class == FailedClass::Unsupported => Ok(None),
        Err(error) => Err(error),
    };
    put("one", &Condition::Any)?;
    let absent = tried("two", &Condition::Absent)? == Some(Put::Refused);
    let former = version()?;
    let moved = tried("three", &Condition::Version(former.clone()))? == Some(Put::Made);
    let stale = tried("four", &Condition::Version(former))? == Some(Put::Refused);
    Ok(Probe { absent, version: moved && stale })
}
