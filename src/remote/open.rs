//! A remote: a place whose objects are those of a store.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::directory::Directory;
use super::lanes;
use super::marker::{self, Marker};
use super::meter::Meter;
use super::names;
use super::objects::{Condition, Objects, list_all};
use super::place::{Place, Scheme};
use super::program::Program;
use super::{FailedClass, RemoteError};

/// An opened remote.
pub struct Remote {
    pub(super) objects: Arc<dyn Objects>,
    place: Place,
    marker: Mutex<Option<Marker>>,
    /// Objects that were found to hold something else: a push writes them again, whatever their size.
    wrong: Mutex<HashSet<String>>,
}

/// Whether a place heeds the conditions of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// It does.
    Heeded,
    /// It writes all the same: good for artifacts, of no use for leases.
    Ignored,
}

/// The content of a remote, counted by family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Who made it; `None` where it is no store yet.
    pub made_by: Option<String>,
    /// Whether conditions are heeded; `None` where that was not tried yet.
    pub conditions: Option<Conditions>,
    /// Objects and their bytes, by family: `blobs`, `trees`, `records`.
    pub families: BTreeMap<&'static str, (u64, u64)>,
}

impl Remote {
    /// Opens the remote at `place`, which may be empty. A program is started where one serves it.
    pub fn open(place: &Place) -> Result<Remote, RemoteError> {
        Remote::open_watched(place, &Meter::default())
    }

    /// As [`Remote::open`]; `meter` calls it off.
    pub fn open_watched(place: &Place, meter: &Meter) -> Result<Remote, RemoteError> {
        let objects: Arc<dyn Objects> = match &place.scheme {
            Scheme::Directory(root) => Arc::new(Directory::new(root.clone())),
            Scheme::Program(_) => Arc::new(Program::start(place, None, meter)?),
        };
        Remote::over(objects, place.clone(), meter)
    }

    /// As [`Remote::open_watched`], while `watch` is called on this thread.
    pub fn open_aside(place: &Place, meter: &Meter, watch: &mut dyn FnMut(&Meter)) -> Result<Remote, RemoteError> {
        lanes::one(meter, watch, || Remote::open_watched(place, meter))
    }

    pub(super) fn over(objects: Arc<dyn Objects>, place: Place, meter: &Meter) -> Result<Remote, RemoteError> {
        let marker = Mutex::new(marker::read(objects.as_ref(), meter)?);
        Ok(Remote { objects, place, marker, wrong: Mutex::default() })
    }

    /// The shortest and the longest polling interval: right after news, and after a while without any.
    pub(crate) fn pace(&self) -> (Duration, Duration) {
        match &self.place.scheme {
            Scheme::Directory(_) => (Duration::from_millis(10), Duration::from_millis(200)),
            // Each look is a request over a network, which somebody pays for.
            Scheme::Program(_) => (Duration::from_millis(200), Duration::from_secs(4)),
        }
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether nothing was ever pushed to it.
    pub fn is_new(&self) -> bool {
        self.marker.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Notes that an object holds something else than its name says.
    pub(super) fn note_wrong(&self, name: &str) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Whether an object was found to hold something else.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// The condition of a write to a name under which only one content can lie.
    pub(super) fn where_nothing_lies(&self) -> Condition {
        let marker = self.marker.lock().unwrap_or_else(PoisonError::into_inner);
        marker.as_ref().map_or(Condition::Absent, Marker::where_nothing_lies)
    }

    /// Makes it a store unless it is one. Returns whether the place heeds conditions.
    pub fn establish(&self) -> Result<Conditions, RemoteError> {
        self.establish_watched(&Meter::default())
    }

    /// As [`Remote::establish`]; `meter` calls it off.
    pub(super) fn establish_watched(&self, meter: &Meter) -> Result<Conditions, RemoteError> {
        let mut marker = self.marker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(marker) = &*marker {
            return Ok(marker.conditions());
        }
        Ok(marker.insert(marker::establish(self.objects.as_ref(), meter)?).conditions())
    }

    /// Counts its objects and their bytes. Lists every name.
    pub fn survey(&self, meter: &Meter) -> Result<Survey, RemoteError> {
        let marker = self.marker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut survey = Survey {
            made_by: marker.as_ref().map(|marker| marker.made_by.clone()),
            conditions: marker.as_ref().map(Marker::conditions),
            families: BTreeMap::new(),
        };
        for (family, prefix) in [("blobs", names::BLOBS), ("trees", names::TREES), ("records", names::RECORDS)] {
            let (mut count, mut bytes) = (0, 0);
            list_all(self.objects.as_ref(), prefix, meter, |object| {
                count += 1;
                bytes += object.size;
            })?;
            survey.families.insert(family, (count, bytes));
        }
        Ok(survey)
    }

    /// Messages for people that the place wrote since the last call.
    pub fn said(&self) -> Vec<String> {
        self.objects.said()
    }

    /// Fails unless it is a store.
    pub(super) fn require(&self) -> Result<(), RemoteError> {
        if self.is_new() {
            let message = format!("nothing was pushed to {} yet", self.place);
            return Err(RemoteError::new(FailedClass::Missing, message).help("pipe cache push"));
        }
        Ok(())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("place", &self.place).finish_non_exhaustive()
    }
}
