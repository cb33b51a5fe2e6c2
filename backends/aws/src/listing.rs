//! Listing objects page by page, and removing them a thousand at a time.

use std::sync::Arc;

use aws_sdk_s3::types::{Delete as DeleteList, ObjectIdentifier};
use contract::backend::{Delete, Failed, FailedClass, List, Listed, Listing, NAMES_LIMIT};

use crate::failure::{failed, helped};
use crate::place::Bucket;
use crate::put::version;

/// Keys of a page, and of a removal, at most.
const PAGE: u32 = 1000;

/// Carries out a list.
pub(crate) async fn list(bucket: &Arc<Bucket>, request: List) -> Result<Listing, Failed> {
    if request.most == 0 {
        return Err(failed(FailedClass::Invalid, "a list of at most 0 objects says nothing"));
    }
    let mut objects: Vec<Listed> = Vec::new();
    let mut after = request.after;
    loop {
        let most = (request.most - objects.len() as u32).min(PAGE);
        let listing = page(bucket, &request.prefix, after.as_ref(), most).await?;
        let gained = !listing.objects.is_empty();
        objects.extend(listing.objects);
        after = objects.last().map(|last| last.name.clone());
        if !listing.more || !gained || objects.len() as u32 >= request.most {
            return Ok(Listing { objects, more: listing.more });
        }
    }
}

/// One page: objects below `prefix` behind `after`.
pub(crate) async fn page(bucket: &Bucket, prefix: &str, after: Option<&String>, most: u32) -> Result<Listing, Failed> {
    let target = bucket.target("s3:ListBucket", None);
    let request = bucket
        .client
        .list_objects_v2()
        .bucket(&bucket.name)
        .prefix(bucket.key_prefix(prefix))
        .set_start_after(after.map(|after| bucket.key_prefix(after)))
        .max_keys(most as i32);
    let _turn = bucket.small.acquire().await;
    let page = request.send().await.map_err(|error| target.failed(&error))?;
    let listed = |object: aws_sdk_s3::types::Object| {
        let name = bucket.name_of(object.key.as_deref()?)?.to_string();
        Some(Listed {
            name,
            size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            version: object.e_tag.map(version).unwrap_or_default(),
            modified: object.last_modified.and_then(|time| u64::try_from(time.secs()).ok()).unwrap_or_default(),
        })
    };
    let objects = page.contents.unwrap_or_default().into_iter().filter_map(listed).collect();
    Ok(Listing { objects, more: page.is_truncated.unwrap_or_default() })
}

/// Carries out a delete.
pub(crate) async fn delete(bucket: &Arc<Bucket>, request: Delete) -> Result<(), Failed> {
    if request.names.len() > NAMES_LIMIT {
        let message = format!("{} names are more than {NAMES_LIMIT}", request.names.len());
        return Err(failed(FailedClass::Invalid, message));
    }
    let keys = request.names.iter().map(|name| bucket.key(name)).collect::<Result<Vec<_>, _>>()?;
    for keys in keys.chunks(PAGE as usize) {
        delete_some(bucket, keys).await?;
    }
    Ok(())
}

async fn delete_some(bucket: &Bucket, keys: &[String]) -> Result<(), Failed> {
    let target = bucket.target("s3:DeleteObject", None);
    let objects = keys.iter().filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
    let list = DeleteList::builder().set_objects(Some(objects)).quiet(true).build();
    let list = list.map_err(|error| failed(FailedClass::Broken, format!("the removal cannot be sent: {error}")))?;
    let _turn = bucket.small.acquire().await;
    let request = bucket.client.delete_objects().bucket(&bucket.name).delete(list);
    let done = request.send().await.map_err(|error| target.failed(&error))?;
    let kept = done.errors.unwrap_or_default();
    let Some(first) = kept.iter().find(|error| error.code.as_deref() != Some("NoSuchKey")) else { return Ok(()) };
    let (key, code) = (first.key.as_deref().unwrap_or_default(), first.code.as_deref().unwrap_or_default());
    let message = format!("{} of {} objects could not be removed: {key} ({code})", kept.len(), keys.len());
    Err(match code {
        "AccessDenied" => helped(FailedClass::Denied, message, "ask the bucket's owner for s3:DeleteObject"),
        _ => helped(FailedClass::Unavailable, message, "try again later"),
    })
}
