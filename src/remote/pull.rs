//! Fetches records with all that they name, and believes nothing: a record is checked against its key and against the ports that the plan
//! expects, a manifest by its digest and form, every file by its size before and by its digest after it travelled.
//!
//! ```text
//!   records ──> manifests of the directories ──> which files are lacking here? ──> their sizes there, in batches ──> the files
//!                                                                                       ──> directories ──> records
//! ```
//! A faulty record stays a miss and is reported; the others go on. Files that arrived stay in the store, so that the next pull
//! continues one that was cut short.
//!
//! A run fetches records alone, and their content when somebody reads it ([`Extent`]). With a record it only asks whether the blobs and
//! manifests that the record names are there; a file that a manifest names is checked when it is fetched.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;

use contract::Digest;
use contract::types::Form;

use super::lanes;
use super::meter::Meter;
use super::names;
use super::open::Remote;
use super::{FailedClass, RemoteError, TransferError};
use crate::action::ActionKey;
use crate::store::{Artifact, Durability, Listing, Record, Shape, Store, read_record};

/// An action whose record is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its key.
    pub key: ActionKey,
    /// The outputs that it must give, and whether each is a file or a directory.
    pub ports: BTreeMap<String, Form>,
}

/// How much of a record comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The record. Its outputs stay on the remote, and the store notes that they are there.
    Record,
    /// The record with all its outputs.
    Content,
}

/// The outcome for one wanted action.
#[derive(Debug)]
pub enum Pulled {
    /// It is in the local store now.
    Here(Box<Record>),
    /// The remote does not have it.
    Absent,
    /// The remote has something under its name that cannot be used.
    Refused(Refused),
}

/// Why something from a remote is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The object.
    pub object: String,
    /// Why it cannot be used.
    pub why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.why)
    }
}

/// Bytes of the largest record that is read.
pub(super) const LARGEST_RECORD: u64 = 64 << 20;

/// Bytes of the largest manifest that is read: of two million files.
const LARGEST_MANIFEST: u64 = 256 << 20;

/// Artifacts that are being fetched: their manifests, and the refused ones.
#[derive(Default)]
struct Luggage {
    listings: HashMap<Digest, Listing>,
    /// Artifacts that cannot be fetched, and why.
    refused: HashMap<Digest, Refused>,
}

/// A file's content and mode, which make it one object of the store.
type FileId = (Digest, bool);

impl Remote {
    /// Fetches the records of `wanted` that the remote has, with all outputs, and answers in that order. `watch` is called meanwhile on
    /// this thread, and may stop it by the meter.
    pub fn pull(
        &self,
        store: &Store,
        wanted: &[Wanted],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Vec<Pulled>, TransferError> {
        self.bring(store, (wanted, Extent::Content), meter, watch)
    }

    /// As [`Remote::pull`], with `extent` of each.
    pub fn bring(
        &self,
        store: &Store,
        (wanted, extent): (&[Wanted], Extent),
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Vec<Pulled>, TransferError> {
        if self.is_new() {
            return Ok(wanted.iter().map(|_| Pulled::Absent).collect());
        }
        let mut answers = self.records(store, wanted, meter, watch)?;
        let outputs = answers.iter().flat_map(|answer| match answer {
            Pulled::Here(record) => record.outputs.values().cloned().collect(),
            Pulled::Absent | Pulled::Refused(_) => Vec::new(),
        });
        let outputs = outputs.collect::<Vec<_>>();
        let refused = match extent {
            Extent::Content => self.fetch(store, &outputs, meter, watch)?,
            Extent::Record => self.missing(store, &outputs, meter, watch)?,
        };
        for answer in &mut answers {
            let Pulled::Here(record) = answer else { continue };
            match record.outputs.values().find_map(|output| refused.get(&output.digest)) {
                Some(why) => *answer = Pulled::Refused(why.clone()),
                None => {
                    if extent == Extent::Record {
                        store.note_elsewhere(&record.key, &self.place().identity())?;
                    }
                    store.put_record(record, Durability::Relaxed)?;
                }
            }
        }
        Ok(answers)
    }

    /// The records of `wanted`, checked; nothing is in the store yet.
    pub(crate) fn records(
        &self,
        store: &Store,
        wanted: &[Wanted],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Vec<Pulled>, TransferError> {
        lanes::each(self.objects.lanes(), wanted, meter, watch, |wanted| {
            let name = names::record(&wanted.key);
            let bytes = match self.bytes(store, &name, LARGEST_RECORD, meter)? {
                None => return Ok(Pulled::Absent),
                Some(Err(refused)) => return Ok(Pulled::Refused(refused)),
                Some(Ok(bytes)) => bytes,
            };
            let read = read_record(&bytes, &wanted.key).and_then(|record| {
                require_ports(&record, &wanted.ports)?;
                Ok(record)
            });
            Ok(match read {
                Ok(record) => Pulled::Here(Box::new(record)),
                Err(why) => {
                    self.note_wrong(&name);
                    Pulled::Refused(Refused { object: name, why })
                }
            })
        })
    }

    /// Brings `artifacts` into the store that it lacks. Returns those that cannot come, by their digest.
    pub fn fetch(
        &self,
        store: &Store,
        artifacts: &[Artifact],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<HashMap<Digest, Refused>, TransferError> {
        let mut seen = HashSet::new();
        let mut lacking = Vec::new();
        for artifact in artifacts {
            if seen.insert(id(artifact)) && !store.holds(artifact)? {
                lacking.push(artifact.clone());
            }
        }
        let (directories, mut files): (Vec<_>, Vec<_>) =
            lacking.into_iter().partition(|artifact| matches!(artifact.shape, Shape::Dir { .. }));
        let mut luggage = self.listings(store, &directories, meter, watch)?;
        let mut wanted: HashSet<FileId> = files.iter().map(id).collect();
        for file in luggage.listings.values().flat_map(Listing::files) {
            if wanted.insert(id(&file)) && !store.holds(&file)? {
                files.push(file);
            }
        }
        self.files(store, files, &mut luggage.refused, meter, watch)?;
        for (digest, listing) in &luggage.listings {
            match listing.files().iter().find_map(|file| luggage.refused.get(&file.digest)) {
                Some(why) => {
                    let why = why.clone();
                    luggage.refused.insert(*digest, why);
                }
                None => store.assemble(listing)?,
            }
        }
        Ok(luggage.refused)
    }

    /// Those of `artifacts` that neither the store nor the remote has. Fetches nothing: the remote is judged by the sizes of its objects.
    fn missing(
        &self,
        store: &Store,
        artifacts: &[Artifact],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<HashMap<Digest, Refused>, TransferError> {
        let mut seen = HashSet::new();
        let mut lacking = Vec::new();
        for artifact in artifacts {
            if seen.insert(artifact.digest) && store.lacks(artifact)? {
                lacking.push(artifact);
            }
        }
        let name = |artifact: &&Artifact| match artifact.shape {
            Shape::File { .. } => names::blob(&artifact.digest),
            Shape::Dir { .. } => names::tree(&artifact.digest),
        };
        let sizes = self.sizes(lacking.iter().map(name), meter, watch)?;
        let wrong = lacking.iter().zip(sizes).filter_map(|(artifact, size)| {
            let why = match (size, artifact.shape) {
                (None, _) => "it is missing".to_owned(),
                (Some(size), Shape::File { .. }) if size != artifact.size => other_size(size, artifact.size),
                (Some(size), Shape::Dir { .. }) if size > LARGEST_MANIFEST => {
                    format!("it is larger than {LARGEST_MANIFEST} bytes")
                }
                (Some(_), _) => return None,
            };
            Some((artifact.digest, Refused { object: name(artifact), why }))
        });
        Ok(wrong.collect())
    }

    fn listings(
        &self,
        store: &Store,
        directories: &[Artifact],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Luggage, TransferError> {
        let read = lanes::each(self.objects.lanes(), directories, meter, watch, |artifact| {
            let name = names::tree(&artifact.digest);
            let refused = |why: String| Refused { object: name.clone(), why };
            Ok(match self.bytes(store, &name, LARGEST_MANIFEST, meter)? {
                None => Err(refused("it is missing".to_owned())),
                Some(bytes) => {
                    let read = bytes.and_then(|bytes| Listing::read(&bytes, artifact).map_err(refused));
                    read.inspect_err(|_| self.note_wrong(&name))
                }
            })
        })?;
        let mut luggage = Luggage::default();
        for (artifact, read) in directories.iter().zip(read) {
            match read {
                Ok(listing) => drop(luggage.listings.insert(artifact.digest, listing)),
                Err(why) => drop(luggage.refused.insert(artifact.digest, why)),
            }
        }
        Ok(luggage)
    }

    /// The digests of the files of a directory that lies there. An unreadable manifest is an error: the collection would remove its files.
    pub(super) fn files_of(
        &self,
        store: &Store,
        directory: &Artifact,
        meter: &Meter,
    ) -> Result<Vec<Digest>, TransferError> {
        let name = names::tree(&directory.digest);
        // A record without its manifest is a miss, whatever stays.
        let Some(bytes) = self.bytes(store, &name, LARGEST_MANIFEST, meter)? else { return Ok(Vec::new()) };
        let listing = bytes.map_err(|refused| refused.why).and_then(|bytes| Listing::read(&bytes, directory));
        let listing = listing.map_err(|why| {
            let message = format!("{name} cannot be read, so it is not known what is needed: {why}");
            RemoteError::new(FailedClass::Broken, message).help("push its stage again")
        })?;
        Ok(listing.files().iter().map(|file| file.digest).collect())
    }

    /// The digests of the files of the directory of this digest; nothing where no directory has it.
    pub(super) fn files_below(
        &self,
        store: &Store,
        digest: &Digest,
        meter: &Meter,
    ) -> Result<Vec<Digest>, TransferError> {
        let name = names::tree(digest);
        let Some(bytes) = self.bytes(store, &name, LARGEST_MANIFEST, meter)? else { return Ok(Vec::new()) };
        let files = bytes.map_err(|refused| refused.why).and_then(|bytes| Listing::digests(&bytes, digest));
        files.map_err(|why| {
            let message = format!("{name} cannot be read, so it is not known what is needed: {why}");
            RemoteError::new(FailedClass::Broken, message).help("remove it").into()
        })
    }

    fn files(
        &self,
        store: &Store,
        files: Vec<Artifact>,
        refused: &mut HashMap<Digest, Refused>,
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<(), TransferError> {
        let sizes = self.sizes(files.iter().map(|file| names::blob(&file.digest)), meter, watch)?;
        let mut coming = Vec::new();
        for (file, size) in files.into_iter().zip(sizes) {
            let why = match size {
                Some(size) if size == file.size => {
                    coming.push(file);
                    continue;
                }
                Some(size) => other_size(size, file.size),
                None => "it is missing".to_owned(),
            };
            refused.insert(file.digest, Refused { object: names::blob(&file.digest), why });
        }
        meter.expect(coming.iter().map(|file| file.size).sum());
        let taken = lanes::each(self.objects.lanes(), &coming, meter, watch, |file| {
            let (name, path) = (names::blob(&file.digest), store.arriving()?);
            let why = match self.objects.get(&name, &path, file.size, meter) {
                Ok(None) => "it is missing".to_owned(),
                Ok(Some(size)) if size > file.size => format!("it has more than {} bytes", file.size),
                Ok(Some(_)) if !path.is_file() => "it did not arrive".to_owned(),
                Ok(Some(_)) if store.take_in(&path, file)? => return Ok(None),
                Ok(Some(_)) => "its content has another digest".to_owned(),
                Err(error) => {
                    // The partial file is of no use.
                    let _ = fs::remove_file(&path);
                    let why = self.denied_alone(error, meter)?;
                    return Ok(Some(Refused { object: name, why }));
                }
            };
            let _ = fs::remove_file(&path);
            self.note_wrong(&name);
            Ok(Some(Refused { object: name, why }))
        })?;
        refused.extend(coming.iter().zip(taken).filter_map(|(file, why)| Some((file.digest, why?))));
        Ok(())
    }

    /// The bytes of a document of at most `most` bytes.
    pub(super) fn bytes(
        &self,
        store: &Store,
        name: &str,
        most: u64,
        meter: &Meter,
    ) -> Result<Option<Result<Vec<u8>, Refused>>, TransferError> {
        let path = store.arriving()?;
        let got = self.objects.get(name, &path, most, meter);
        if let Ok(Some(size)) = got {
            // Its size was not known before.
            meter.expect(size.min(most));
        }
        let bytes = match got {
            Ok(None) => Ok(None),
            Ok(Some(size)) if size > most => {
                let why = format!("it is larger than {most} bytes");
                Ok(Some(Err(Refused { object: name.to_owned(), why })))
            }
            Ok(Some(_)) => read(&path).map(|bytes| Some(Ok(bytes))),
            Err(error) => {
                let why = self.denied_alone(error, meter);
                why.map(|why| Some(Err(Refused { object: name.to_owned(), why }))).map_err(Into::into)
            }
        };
        // It is read, or of no use.
        let _ = fs::remove_file(&path);
        bytes
    }
}

impl Remote {
    /// Why one object is not used, where the place denies that one and not all of them: another user may have written it for herself.
    fn denied_alone(&self, error: RemoteError, meter: &Meter) -> Result<String, RemoteError> {
        let is_alone =
            error.class == FailedClass::Denied && matches!(self.objects.read(names::MARKER, meter), Ok(Some(_)));
        if !is_alone {
            return Err(error);
        }
        let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
        Ok(format!("it cannot be read: {}{help}", error.message))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TransferError> {
    fs::read(path).map_err(|error| RemoteError::io(path, &error).into())
}

fn other_size(found: u64, expected: u64) -> String {
    format!("it has {found} bytes and not {expected}")
}

fn id(artifact: &Artifact) -> FileId {
    (artifact.digest, artifact.shape == Shape::File { executable: true })
}

/// Whether a record gives the outputs that the plan expects, and nothing else.
fn require_ports(record: &Record, ports: &BTreeMap<String, Form>) -> Result<(), String> {
    if !record.outputs.keys().eq(ports.keys()) {
        let names = |names: &mut dyn Iterator<Item = &String>| names.map(String::as_str).collect::<Vec<_>>().join(", ");
        let (found, expected) = (names(&mut record.outputs.keys()), names(&mut ports.keys()));
        return Err(format!("it has the outputs {found} and not {expected}"));
    }
    for (port, artifact) in &record.outputs {
        let form = match artifact.shape {
            Shape::File { .. } => Form::File,
            Shape::Dir { .. } => Form::Dir,
        };
        if ports.get(port) != Some(&form) {
            return Err(format!("its output {port} is a {}", if form == Form::Dir { "directory" } else { "file" }));
        }
    }
    Ok(())
}
