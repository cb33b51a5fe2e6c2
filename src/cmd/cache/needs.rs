//! What must stay in the store: what pipelines came to last, in every workspace that still exists, and what is pinned.

use crate::engine::traces;
use crate::store::{Keep, Limits, Store, StoreError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What was used within this time stays, unless something else is asked for: whoever tries variants comes back to earlier ones.
pub const GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What must stay in `store`.
pub fn needs(store: &Store) -> Result<Keep, StoreError> {
    let traces = traces::traces(store);
    let mut keep = Keep { roots: store.last_keys()?.into_iter().collect(), ..Keep::default() };
    let keys = |trace: &traces::Trace| trace.report.stages.values().filter_map(|stage| stage.key).collect::<Vec<_>>();
    for trace in traces::newest(&traces) {
        keep.roots.extend(keys(trace));
    }
    for trace in &traces {
        for key in keys(trace) {
            let used = keep.used_at.entry(key).or_default();
            *used = (*used).max(trace.report.started_at);
        }
    }
    for pin in store.pins()? {
        keep.pinned.extend(pin.keys);
        keep.artifacts.extend(pin.artifacts);
    }
    Ok(keep)
}

/// Limits as of now.
pub fn limits(grace: Duration, max_size: Option<u64>) -> Limits {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    Limits { grace, max_size, now }
}
