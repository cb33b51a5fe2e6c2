//! Writing a large file in parts, several at once. The object appears when the last request, which carries the condition,
//! succeeds; until then only the upload is there, and it is taken back when the put fails or stops.

use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use contract::backend::{Condition, FailedClass};
use tokio::task::JoinSet;

use crate::answers::Progress;
use crate::failure::{Trouble, failed};
use crate::place::Bucket;
use crate::put::{MARK, Refused, Writing, head, if_match, if_none_match, range, version};
use crate::serve::{Stop, unless_stopped};

/// Files from this size go in parts.
pub(crate) const THRESHOLD: u64 = 16 << 20;

/// Bytes of a part; more where a file would have too many.
const PART: u64 = 8 << 20;

/// Parts of a file at most. S3 permits 10,000.
const PARTS: u64 = 9_000;

/// Writes the file; returns the version.
pub(crate) async fn write(
    writing: &Writing<'_>,
    file: &Path,
    size: u64,
    stop: &Stop,
    progress: &Arc<Progress>,
) -> Result<Option<String>, Refused> {
    unless_stopped(stop, async { Ok(in_vain(writing).await) }).await.map_err(Refused::Failed)??;
    let Writing { bucket, key, .. } = writing;
    let upload = begin(writing).await?;
    let sent = unless_stopped(stop, async { Ok(send_parts(writing, file, size, &upload, progress).await) });
    let result = match sent.await.map_err(Refused::Failed) {
        Ok(Ok(parts)) => complete(writing, &upload, parts).await,
        Ok(Err(refused)) | Err(refused) => Err(refused),
    };
    if result.is_err() {
        // What cannot be taken back now is left to the bucket's lifecycle rule; the failure itself is what matters.
        let _ = bucket.client.abort_multipart_upload().bucket(&bucket.name).key(*key).upload_id(&upload).send().await;
    }
    result
}

/// Refuses before anything is sent where the condition does not hold already.
async fn in_vain(writing: &Writing<'_>) -> Result<(), Refused> {
    if *writing.condition == Condition::Any {
        return Ok(());
    }
    let found = head(writing.bucket, writing.key).await.map_err(Refused::Failed)?;
    let holds = match writing.condition {
        Condition::Any => true,
        Condition::Absent => found.is_none(),
        Condition::Version(expected) => found.and_then(|found| found.version).as_ref() == Some(expected),
    };
    if holds { Ok(()) } else { Err(Refused::Condition) }
}

async fn begin(writing: &Writing<'_>) -> Result<String, Refused> {
    let Writing { bucket, key, condition, mark, .. } = writing;
    let target = bucket.target("s3:PutObject", Some(key));
    let request = bucket
        .client
        .create_multipart_upload()
        .bucket(&bucket.name)
        .key(*key)
        .metadata(MARK, mark)
        .set_checksum_algorithm(bucket.checksum.clone());
    let _turn = bucket.small.acquire().await;
    let begun = request.send().await.map_err(|error| Refused::of(&target, condition, &error))?;
    begun.upload_id.ok_or_else(|| Refused::Failed(failed(FailedClass::Broken, "the store gave an upload no id")))
}

/// Sends all parts; returns them in order.
async fn send_parts(
    writing: &Writing<'_>,
    file: &Path,
    size: u64,
    upload: &str,
    progress: &Arc<Progress>,
) -> Result<Vec<CompletedPart>, Refused> {
    let part = part_size(size);
    let mut tasks = JoinSet::new();
    for (index, offset) in (0..size).step_by(part as usize).enumerate() {
        let part = Part {
            bucket: Arc::clone(writing.bucket),
            key: writing.key.into(),
            upload: upload.into(),
            number: index as i32 + 1,
            offset,
            length: part.min(size - offset),
        };
        let (file, progress) = (file.to_path_buf(), Arc::clone(progress));
        tasks.spawn(async move {
            let sent = part.send(&file).await?;
            progress.add(part.length);
            Ok(sent)
        });
    }
    let mut parts = Vec::new();
    while let Some(part) = tasks.join_next().await {
        match part {
            Ok(Ok(part)) => parts.push(part),
            // The others end before the upload is taken back, or they would leave parts behind.
            Ok(Err(refused)) => {
                tasks.shutdown().await;
                return Err(refused);
            }
            Err(_) => return Err(Refused::Failed(failed(FailedClass::Broken, "a part met a fault of pipe-aws"))),
        }
    }
    parts.sort_by_key(|part: &CompletedPart| part.part_number);
    Ok(parts)
}

/// Bytes of each part but the last.
fn part_size(size: u64) -> u64 {
    size.div_ceil(PARTS).next_multiple_of(1 << 20).max(PART)
}

struct Part {
    bucket: Arc<Bucket>,
    key: String,
    upload: String,
    number: i32,
    offset: u64,
    length: u64,
}

impl Part {
    async fn send(&self, file: &Path) -> Result<CompletedPart, Refused> {
        let target = self.bucket.target("s3:PutObject", Some(&self.key));
        let _turn = self.bucket.bodies.acquire().await;
        let request = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .upload_id(&self.upload)
            .part_number(self.number)
            .set_checksum_algorithm(self.bucket.checksum.clone())
            .body(range(file, self.offset, self.length).await.map_err(Refused::Failed)?);
        let sent = request.send().await.map_err(|error| Refused::of(&target, &Condition::Any, &error))?;
        let part = CompletedPart::builder().part_number(self.number).set_e_tag(sent.e_tag);
        Ok(part.set_checksum_crc32(sent.checksum_crc32).build())
    }
}

/// Makes the object of the parts. Not stopped in the middle: whether it was made would then be unknown.
async fn complete(writing: &Writing<'_>, upload: &str, parts: Vec<CompletedPart>) -> Result<Option<String>, Refused> {
    let Writing { bucket, key, condition, mark, .. } = writing;
    let target = bucket.target("s3:PutObject", Some(key));
    let request = bucket
        .client
        .complete_multipart_upload()
        .bucket(&bucket.name)
        .key(*key)
        .upload_id(upload)
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
        .set_if_none_match(if_none_match(condition))
        .set_if_match(if_match(condition));
    let _turn = bucket.small.acquire().await;
    match request.send().await {
        Ok(done) => Ok(done.e_tag.map(version)),
        // The upload is used up when a first answer got lost; the mark tells.
        Err(error) if Trouble::of(&error).code == "NoSuchUpload" => {
            match head(bucket, key).await.map_err(Refused::Failed)? {
                Some(found) if found.mark.as_ref() == Some(mark) => Ok(found.version),
                _ => Err(Refused::Conflict(target.failed(&error))),
            }
        }
        Err(error) => Err(Refused::of(&target, condition, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_few_enough_and_large_enough() {
        for size in [THRESHOLD, 1 << 30, 80 << 30, 1 << 40, 5 << 40] {
            let part = part_size(size);
            assert!(part >= 5 << 20 && size.div_ceil(part) <= PARTS, "{size}: {part}");
        }
    }
}
