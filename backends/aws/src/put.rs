//! Writing an object, whole or not at all.
//!
//! The store decides about a condition, in the moment of the write. An answer can get lost, and the request is then sent
//! again: the second time its own first write would look like somebody else's. So each put carries a mark of its own in the
//! object's metadata, and a refused put looks whose the object is.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, Length};
use contract::backend::{Body, Condition, Failed, FailedClass, Put, PutObject};

use crate::answers::Progress;
use crate::failure::{Target, Trouble, failed, helped};
use crate::multipart::{self, THRESHOLD};
use crate::place::Bucket;
use crate::serve::{Stop, unless_stopped};

/// Bytes that a body holds in memory at once.
pub(crate) const BUFFER: usize = 256 << 10;

/// Bodies up to this size count as small.
const SMALL: u64 = 1 << 20;

/// Where a put's mark lies in the metadata.
pub(crate) const MARK: &str = "pipe-put";

/// Times that a put is made anew after a conflict or damage.
const TRIES: u32 = 5;

/// Why a put was not made.
pub(crate) enum Refused {
    /// Its condition does not hold, or so it seems.
    Condition,
    /// Another write was under way: try again.
    Conflict(Failed),
    /// The bytes arrived changed: try again.
    Damaged(Failed),
    /// It failed.
    Failed(Failed),
}

impl Refused {
    pub(crate) fn of<E: ProvideErrorMetadata + std::error::Error + 'static>(
        target: &Target<'_>,
        condition: &Condition,
        error: &SdkError<E>,
    ) -> Self {
        let trouble = Trouble::of(error);
        if *condition != Condition::Any && trouble.is_refused() {
            Self::Condition
        } else if trouble.is_conflict() {
            Self::Conflict(target.failed(error))
        } else if trouble.is_damaged() {
            Self::Damaged(target.failed(error))
        } else {
            Self::Failed(target.failed(error))
        }
    }
}

/// One put.
pub(crate) struct Writing<'a> {
    pub(crate) bucket: &'a Arc<Bucket>,
    pub(crate) key: &'a str,
    pub(crate) body: &'a Body,
    pub(crate) condition: &'a Condition,
    /// Told from every other put's.
    pub(crate) mark: String,
}

/// Carries out a put.
pub(crate) async fn put(
    bucket: &Arc<Bucket>,
    request: PutObject,
    stop: &Stop,
    progress: &Arc<Progress>,
) -> Result<Put, Failed> {
    let key = bucket.key(&request.name)?;
    let condition = request.condition.clone();
    let body = request.body().map_err(|message| failed(FailedClass::Invalid, message))?;
    let size = match &body {
        Body::Text(text) => text.len() as u64,
        Body::File(file, size) => measured(file, *size).await?,
    };
    let writing = Writing { bucket, key: &key, body: &body, condition: &condition, mark: mark() };
    let mut tries = 0;
    loop {
        tries += 1;
        progress.restart();
        let outcome = match &body {
            Body::File(file, _) if size >= THRESHOLD => multipart::write(&writing, file, size, stop, progress).await,
            _ => match unless_stopped(stop, async { Ok(writing.at_once(size).await) }).await {
                Ok(outcome) => outcome,
                Err(stopped) => Err(Refused::Failed(stopped)),
            },
        };
        match outcome {
            Ok(version) => return Ok(Put { made: true, version }),
            Err(Refused::Condition) => return unless_stopped(stop, writing.whose()).await,
            Err(Refused::Failed(failed)) => return Err(failed),
            Err(Refused::Conflict(failed) | Refused::Damaged(failed)) if tries == TRIES => return Err(failed),
            Err(Refused::Conflict(_) | Refused::Damaged(_)) => {
                let pause = Duration::from_millis(u64::from(tries) * 100 + random() % 100);
                unless_stopped(stop, async {
                    tokio::time::sleep(pause).await;
                    Ok(())
                })
                .await?;
            }
        }
    }
}

impl Writing<'_> {
    /// In one request. Returns the version.
    async fn at_once(&self, size: u64) -> Result<Option<String>, Refused> {
        let Self { bucket, key, body, condition, mark } = self;
        let target = bucket.target("s3:PutObject", Some(key));
        let _turn = if size <= SMALL { bucket.small.acquire().await } else { bucket.bodies.acquire().await };
        let stream = match body {
            Body::Text(text) => ByteStream::from(text.clone().into_bytes()),
            Body::File(file, _) => range(file, 0, size).await.map_err(Refused::Failed)?,
        };
        let request = bucket
            .client
            .put_object()
            .bucket(&bucket.name)
            .key(*key)
            .body(stream)
            .metadata(MARK, mark)
            .set_checksum_algorithm(bucket.checksum.clone())
            .set_if_none_match(if_none_match(condition))
            .set_if_match(if_match(condition));
        let done = request.send().await.map_err(|error| Refused::of(&target, condition, &error))?;
        Ok(done.e_tag.map(version))
    }

    /// What is there now in the way of this put: perhaps what it wrote itself.
    async fn whose(&self) -> Result<Put, Failed> {
        let found = head(self.bucket, self.key).await?;
        Ok(match found {
            Some(found) if found.mark.as_ref() == Some(&self.mark) => Put { made: true, version: found.version },
            _ => Put { made: false, version: None },
        })
    }
}

/// An object as a HEAD shows it.
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) version: Option<String>,
    pub(crate) mark: Option<String>,
}

/// Looks at an object; `None` where there is none.
pub(crate) async fn head(bucket: &Bucket, key: &str) -> Result<Option<Head>, Failed> {
    let target = bucket.target("s3:GetObject", Some(key));
    let _turn = bucket.small.acquire().await;
    match bucket.client.head_object().bucket(&bucket.name).key(key).send().await {
        Ok(found) => {
            let mark = found.metadata.as_ref().and_then(|metadata| metadata.get(MARK)).cloned();
            let size = found.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            Ok(Some(Head { size, version: found.e_tag.map(version), mark }))
        }
        Err(error) if Trouble::of(&error).is_absent() => Ok(None),
        Err(error) => Err(target.failed(&error)),
    }
}

/// A part of a file, read while it is sent and again where it is sent again.
pub(crate) async fn range(file: &Path, offset: u64, length: u64) -> Result<ByteStream, Failed> {
    let builder = ByteStream::read_from().path(file).offset(offset).length(Length::Exact(length)).buffer_size(BUFFER);
    builder.build().await.map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &(dyn std::error::Error + 'static)) -> Failed {
    let why = crate::failure::innermost(error);
    failed(FailedClass::Missing, format!("{} cannot be read: {why}", file.display()))
}

/// The size, which must be the one announced.
async fn measured(file: &Path, announced: u64) -> Result<u64, Failed> {
    let found = tokio::fs::metadata(file).await.map_err(|error| unreadable(file, &error))?;
    if !found.is_file() {
        return Err(failed(FailedClass::Invalid, format!("{} is no file", file.display())));
    }
    if found.len() != announced {
        let message = format!("{} has {} bytes, and {announced} were announced", file.display(), found.len());
        return Err(helped(FailedClass::Invalid, message, "something changes the file while it is sent"));
    }
    Ok(announced)
}

/// An ETag without its quotes: a version as the engine sees it.
pub(crate) fn version(etag: String) -> String {
    match etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')) {
        Some(inner) => inner.into(),
        None => etag,
    }
}

/// The ETag of a version.
pub(crate) fn etag(version: &str) -> String {
    if version.contains('"') { version.into() } else { format!("\"{version}\"") }
}

pub(crate) fn if_none_match(condition: &Condition) -> Option<String> {
    (*condition == Condition::Absent).then(|| "*".into())
}

pub(crate) fn if_match(condition: &Condition) -> Option<String> {
    match condition {
        Condition::Version(version) => Some(etag(version)),
        Condition::Any | Condition::Absent => None,
    }
}

fn mark() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// The standard library's hashers start from the system's random numbers.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
