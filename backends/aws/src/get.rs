//! Reading an object: into a file by ranges, several at once, each taken up again where it broke off; or into a line.
//!
//! The engine hashes what was read, so nothing here vouches for the bytes. A range holds the ETag of the first answer
//! against the store's, so that all ranges are of one version.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use contract::backend::{Failed, FailedClass, Found, Get, TEXT_LIMIT};
use tokio::task::JoinSet;

use crate::answers::Progress;
use crate::failure::{Trouble, failed, innermost};
use crate::place::Bucket;
use crate::put::{BUFFER, etag, head, version};

/// Bytes of a range.
const RANGE: u64 = 16 << 20;

/// Times that a range is taken up again without a byte gained.
const TRIES: u32 = 5;

const ACTION: &str = "s3:GetObject";

/// Carries out a get.
pub(crate) async fn get(bucket: &Arc<Bucket>, request: Get, progress: &Arc<Progress>) -> Result<Found, Failed> {
    let key = bucket.key(&request.name)?;
    match request.file {
        None => text(bucket, &key).await,
        Some(path) if path.is_absolute() => file(bucket, &key, path, progress).await,
        Some(path) => Err(failed(FailedClass::Invalid, format!("the path {} is not absolute", path.display()))),
    }
}

fn absent() -> Found {
    Found { size: None, version: None, text: None }
}

async fn text(bucket: &Bucket, key: &str) -> Result<Found, Failed> {
    let target = bucket.target(ACTION, Some(key));
    let _turn = bucket.small.acquire().await;
    let mut tries = 0;
    loop {
        let request = bucket.client.get_object().bucket(&bucket.name).key(key);
        let found = match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(found) => found,
            Err(error) if Trouble::of(&error).is_absent() => return Ok(absent()),
            Err(error) => return Err(target.failed(&error)),
        };
        let size = found.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        if size > TEXT_LIMIT {
            let message = format!("{key} has {size} bytes, and a text at most {TEXT_LIMIT}");
            return Err(failed(FailedClass::Invalid, message));
        }
        let version = found.e_tag.map(version);
        match found.body.collect().await {
            Ok(bytes) => {
                let text = String::from_utf8(bytes.to_vec())
                    .map_err(|_| failed(FailedClass::Invalid, format!("{key} is no text: it is not UTF-8")))?;
                return Ok(Found { size: Some(text.len() as u64), version, text: Some(text) });
            }
            Err(error) => {
                tries += 1;
                pause(tries, key, &innermost(&error)).await?;
            }
        }
    }
}

/// Waits before another try, if there is one left.
async fn pause(tries: u32, key: &str, why: &str) -> Result<(), Failed> {
    if tries == TRIES {
        return Err(failed(FailedClass::Unavailable, format!("reading {key} breaks off again and again: {why}")));
    }
    tokio::time::sleep(Duration::from_millis(100 << tries)).await;
    Ok(())
}

async fn file(bucket: &Arc<Bucket>, key: &str, path: PathBuf, progress: &Arc<Progress>) -> Result<Found, Failed> {
    let target = bucket.target(ACTION, Some(key));
    let first = {
        let _turn = bucket.small.acquire().await;
        let request = bucket.client.get_object().bucket(&bucket.name).key(key);
        match request.range(format!("bytes=0-{}", RANGE - 1)).send().await {
            Ok(first) => first,
            Err(error) => {
                let trouble = Trouble::of(&error);
                return match trouble.status {
                    _ if trouble.is_absent() => Ok(absent()),
                    // An object of no bytes has no first one.
                    416 => empty(bucket, key, path).await,
                    _ => Err(target.failed(&error)),
                };
            }
        }
    };
    let size = total(&first).ok_or_else(|| failed(FailedClass::Broken, format!("the store tells no size of {key}")))?;
    let version = first.e_tag.clone().map(version);
    let mut partial = Partial::create(path)?;
    let source = Source {
        bucket: Arc::clone(bucket),
        key: key.into(),
        version: version.clone(),
        file: partial.file.clone(),
        progress: Arc::clone(progress),
    };
    let source = Arc::new(source);
    let mut ranges = JoinSet::new();
    let mut opened = Some(first);
    for start in (0..size.max(1)).step_by(RANGE as usize) {
        let (source, opened) = (Arc::clone(&source), opened.take());
        ranges.spawn(async move { source.range(start, size.min(start + RANGE), opened).await });
    }
    while let Some(range) = ranges.join_next().await {
        range.map_err(|_| failed(FailedClass::Broken, "a range met a fault of pipe-aws"))??;
    }
    partial.keep = true;
    Ok(Found { size: Some(size), version, text: None })
}

async fn empty(bucket: &Bucket, key: &str, path: PathBuf) -> Result<Found, Failed> {
    match head(bucket, key).await? {
        None => Ok(absent()),
        Some(found) if found.size == 0 => {
            Partial::create(path)?.keep = true;
            Ok(Found { size: Some(0), version: found.version, text: None })
        }
        Some(_) => Err(failed(FailedClass::Unavailable, format!("{key} changed while it was read"))),
    }
}

/// The size of the whole object.
fn total(first: &GetObjectOutput) -> Option<u64> {
    match &first.content_range {
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
        None => u64::try_from(first.content_length?).ok(),
    }
}

/// A file that goes away unless it is kept.
struct Partial {
    file: Arc<File>,
    path: PathBuf,
    keep: bool,
}

impl Partial {
    fn create(path: PathBuf) -> Result<Self, Failed> {
        match File::options().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { file: Arc::new(file), path, keep: false }),
            Err(error) => Err(unwritable(&path, &error)),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failed {
    failed(FailedClass::Invalid, format!("{} cannot be written: {error}", path.display()))
}

/// What ranges are read from and written to.
struct Source {
    bucket: Arc<Bucket>,
    key: String,
    version: Option<String>,
    file: Arc<File>,
    progress: Arc<Progress>,
}

impl Source {
    /// Reads the bytes from `start` to `end`, first from the answer that is open already.
    async fn range(&self, start: u64, end: u64, mut opened: Option<GetObjectOutput>) -> Result<(), Failed> {
        let _turn = self.bucket.bodies.acquire().await;
        let mut at = start;
        let mut tries = 0;
        while at < end {
            let output = match opened.take() {
                Some(output) => output,
                None => self.open(at, end).await?,
            };
            let before = at;
            let broken = self.copy(output, &mut at, end).await?;
            tries = if at > before { 0 } else { tries + 1 };
            if at < end {
                pause(tries, &self.key, broken.as_deref().unwrap_or("it ends too soon")).await?;
            }
        }
        Ok(())
    }

    async fn open(&self, at: u64, end: u64) -> Result<GetObjectOutput, Failed> {
        let Self { bucket, key, .. } = self;
        let request = bucket.client.get_object().bucket(&bucket.name).key(key).range(format!("bytes={at}-{}", end - 1));
        let output = match request.set_if_match(self.version.as_deref().map(etag)).send().await {
            Ok(output) => output,
            Err(error) if Trouble::of(&error).is_refused() => return Err(self.changed()),
            Err(error) => return Err(bucket.target(ACTION, Some(key)).failed(&error)),
        };
        if output.e_tag.clone().map(version) != self.version {
            return Err(self.changed());
        }
        if !output.content_range.as_ref().is_some_and(|range| range.starts_with(&format!("bytes {at}-"))) {
            return Err(failed(FailedClass::Unsupported, "the store does not give parts of an object"));
        }
        Ok(output)
    }

    fn changed(&self) -> Failed {
        failed(FailedClass::Unavailable, format!("{} changed while it was read", self.key))
    }

    /// Copies what comes, up to `end`; returns what broke it off.
    async fn copy(&self, output: GetObjectOutput, at: &mut u64, end: u64) -> Result<Option<String>, Failed> {
        let mut body = output.body;
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut broken = None;
        loop {
            match body.next().await {
                Some(Ok(bytes)) => buffer.extend_from_slice(&bytes),
                Some(Err(error)) => broken = Some(innermost(&error)),
                None if buffer.is_empty() => return Ok(broken),
                None => {}
            }
            let last = broken.is_some() || *at + buffer.len() as u64 >= end;
            if last || buffer.len() >= BUFFER {
                buffer.truncate((end - *at) as usize);
                self.write(&buffer, *at)?;
                *at += buffer.len() as u64;
                self.progress.add(buffer.len() as u64);
                buffer.clear();
            }
            if last {
                return Ok(broken);
            }
        }
    }

    /// The page cache takes most writes at once; another thread takes over where it does not.
    fn write(&self, bytes: &[u8], at: u64) -> Result<(), Failed> {
        tokio::task::block_in_place(|| self.file.write_all_at(bytes, at)).map_err(|error| {
            failed(FailedClass::Invalid, format!("what was read of {} cannot be written: {error}", self.key))
        })
    }
}
