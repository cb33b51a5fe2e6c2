//! The GPUs of this machine as slots: a stage holds whole ones while it runs and is shown no others. Pure; the list comes from
//! the governor's probe.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::governor::{Limits, Memory};
use crate::plan::StageId;

/// The GPUs and who holds them.
#[derive(Debug)]
pub(super) struct Gpus {
    /// As CUDA names them: an index or a UUID, in their order.
    names: Vec<String>,
    free: BTreeSet<usize>,
    held: HashMap<StageId, Vec<usize>>,
    /// Those that others have filled, as last seen. While we hold one, its memory is ours to fill.
    full: BTreeMap<usize, Memory>,
}

impl Gpus {
    /// These GPUs, all of them free.
    pub(super) fn new(names: Vec<String>) -> Gpus {
        Gpus { free: (0..names.len()).collect(), names, held: HashMap::new(), full: BTreeMap::new() }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// As CUDA names them.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// How many nobody holds, we or others.
    pub(super) fn free(&self) -> usize {
        self.free.iter().filter(|gpu| !self.full.contains_key(gpu)).count()
    }

    /// How many none of our stages holds.
    pub(super) fn not_held(&self) -> usize {
        self.free.len()
    }

    /// The GPUs that other programs have filled, among those that none of our stages holds: names and memory.
    pub(super) fn filled_by_others(&self) -> impl Iterator<Item = (&str, Memory)> {
        let full = self.full.iter().filter(|(gpu, _)| self.free.contains(gpu));
        full.map(|(gpu, memory)| (self.names[*gpu].as_str(), *memory))
    }

    /// Takes a look at the GPUs' memory into account; returns whether another number may be had now.
    pub(super) fn observe(&mut self, memory: &BTreeMap<String, Memory>, limits: Limits) -> bool {
        let before = self.free();
        let seen = self.names.iter().enumerate().filter_map(|(gpu, name)| Some((gpu, *memory.get(name)?)));
        self.full = seen.filter(|(_, memory)| memory.is_short(limits)).collect();
        self.free() != before
    }

    /// `stage` starts and takes this many of those that are not held, those that others have filled last.
    pub(super) fn take(&mut self, stage: StageId, wanted: usize) {
        let mut taken: Vec<usize> = self.free.iter().copied().collect();
        taken.sort_by_key(|gpu| (self.full.contains_key(gpu), *gpu));
        taken.truncate(wanted);
        self.free.retain(|gpu| !taken.contains(gpu));
        if !taken.is_empty() {
            self.held.insert(stage, taken);
        }
    }

    /// The names of those that `stage` holds, separated by commas: none for a stage that holds none beside others that do.
    /// `None` where there are no GPUs to share out, and so nothing to hide.
    pub(super) fn visible_to(&self, stage: StageId) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let held = self.held.get(&stage).into_iter().flatten();
        Some(held.map(|gpu| self.names[*gpu].as_str()).collect::<Vec<_>>().join(","))
    }

    /// `stage` has ended.
    pub(super) fn give_back(&mut self, stage: StageId) {
        self.free.extend(self.held.remove(&stage).into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gpu_is_held_twice_and_each_comes_back() {
        let mut gpus = Gpus::new(["0", "1", "2"].map(str::to_owned).to_vec());
        let (one, two) = (StageId::new(1), StageId::new(2));
        gpus.take(one, 2);
        gpus.take(two, 1);
        assert_eq!(gpus.visible_to(one).as_deref(), Some("0,1"));
        assert_eq!((gpus.visible_to(two).as_deref(), gpus.free()), (Some("2"), 0));
        gpus.give_back(one);
        gpus.take(StageId::new(3), 0);
        assert_eq!((gpus.visible_to(StageId::new(3)).as_deref(), gpus.free(), gpus.count()), (Some(""), 2, 3));
        assert_eq!(Gpus::new(Vec::new()).visible_to(one), None);
    }

    #[test]
    fn what_others_have_filled_is_not_free_and_is_taken_last() {
        let mut gpus = Gpus::new(["0", "1"].map(str::to_owned).to_vec());
        let memory = |used| BTreeMap::from([("0".to_owned(), Memory { used, total: 100 })]);
        assert!(gpus.observe(&memory(93), Limits::default()));
        assert_eq!((gpus.free(), gpus.not_held(), gpus.filled_by_others().count()), (1, 2, 1));
        gpus.take(StageId::new(1), 1);
        assert_eq!(gpus.visible_to(StageId::new(1)).as_deref(), Some("1"));
        assert!(!gpus.observe(&memory(93), Limits::default()));
        assert!(gpus.observe(&memory(10), Limits::default()));
        assert_eq!(gpus.free(), 1);
    }
}
