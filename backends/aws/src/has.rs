//! Which objects are there: a HEAD for each name, many at once, or a listing where names lie close together.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::backend::{Failed, FailedClass, Has, NAMES_LIMIT, Sizes};
use tokio::task::JoinSet;

use crate::failure::failed;
use crate::listing::page;
use crate::place::Bucket;
use crate::put::head;

/// Names that a listing must answer to be worth it: a listing costs what a dozen HEADs cost.
const WORTH: usize = 12;

/// Carries out a has.
pub(crate) async fn has(bucket: &Arc<Bucket>, request: Has) -> Result<Sizes, Failed> {
    if request.names.len() > NAMES_LIMIT {
        let message = format!("{} names are more than {NAMES_LIMIT}", request.names.len());
        return Err(failed(FailedClass::Invalid, message));
    }
    // Sorted, and each once; names of one directory are neighbours.
    let mut directories: BTreeMap<&str, BTreeMap<&str, Option<u64>>> = BTreeMap::new();
    for name in &request.names {
        bucket.key(name)?;
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        directories.entry(directory).or_default().insert(name, None);
    }
    let mut tasks = JoinSet::new();
    for names in directories.into_values() {
        let names: Vec<String> = names.into_keys().map(Into::into).collect();
        let bucket = Arc::clone(bucket);
        tasks.spawn(async move { neighbours(&bucket, names).await });
    }
    let mut found = BTreeMap::new();
    while let Some(sizes) = tasks.join_next().await {
        found.extend(sizes.map_err(|_| fault())??);
    }
    Ok(Sizes { sizes: request.names.iter().map(|name| found.get(name).copied().flatten()).collect() })
}

/// The sizes of names of one directory, which are sorted.
async fn neighbours(bucket: &Arc<Bucket>, names: Vec<String>) -> Result<Vec<(String, Option<u64>)>, Failed> {
    let mut sizes = Vec::with_capacity(names.len());
    let mut rest = &names[..];
    while rest.len() >= WORTH {
        let prefix = rest[0].rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
        // A name without its last character comes before the name, and next to nothing lies between the two.
        let mut after = rest[0].clone();
        after.pop();
        let page = page(bucket, &prefix, Some(&after).filter(|after| after.len() > prefix.len()), 1000).await?;
        let end = page.objects.last().map(|last| last.name.clone());
        let known: BTreeMap<_, _> = page.objects.into_iter().map(|object| (object.name, object.size)).collect();
        let answered = match end {
            Some(end) if page.more => rest.partition_point(|name| *name <= end),
            _ => rest.len(),
        };
        sizes.extend(rest[..answered].iter().map(|name| (name.clone(), known.get(name).copied())));
        rest = &rest[answered..];
        // A full directory with few of the names in it.
        if answered < WORTH {
            break;
        }
    }
    sizes.extend(each(bucket, rest).await?);
    Ok(sizes)
}

async fn each(bucket: &Arc<Bucket>, names: &[String]) -> Result<Vec<(String, Option<u64>)>, Failed> {
    let mut tasks = JoinSet::new();
    for name in names {
        let (bucket, name) = (Arc::clone(bucket), name.clone());
        tasks.spawn(async move {
            let key = bucket.key(&name)?;
            Ok((name, head(&bucket, &key).await?.map(|found| found.size)))
        });
    }
    let mut sizes = Vec::with_capacity(names.len());
    while let Some(size) = tasks.join_next().await {
        sizes.push(size.map_err(|_| fault())??);
    }
    Ok(sizes)
}

fn fault() -> Failed {
    failed(FailedClass::Broken, "a look at an object met a fault of pipe-aws")
}
