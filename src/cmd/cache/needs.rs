//! What must stay in the store: what pipelines came to last, in every workspace that still exists, and what is pinned.

use crate::engine::{intact, traces};
use crate::store::{Damage, Keep, Limits, ROOTS, Store, StoreError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What was used within this time stays, unless something else is asked for: whoever tries variants comes back to earlier ones.
pub(super) const GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What must stay in `store`, and what does not say any more what must: while there is any of this, nothing may be removed.
pub(super) fn needs(store: &Store) -> Result<(Keep, Vec<Damage>), StoreError> {
    let mut damage = store.no_rooms(&ROOTS)?;
    damage.extend(intact::damaged_roots(store)?);
    let traces = traces::traces(store);
    let (last, damaged) = store.last_keys()?;
    damage.extend(damaged);
    let mut keep = Keep { roots: last.into_iter().collect(), ..Keep::default() };
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
    let (pins, damaged) = store.pins()?;
    damage.extend(damaged);
    for pin in pins {
        keep.pinned.extend(pin.keys);
        keep.artifacts.extend(pin.artifacts);
    }
    Ok((keep, damage))
}

/// Limits as of now.
pub(super) fn limits(grace: Duration, max_size: Option<u64>) -> Limits {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    Limits { grace, max_size, now }
}
