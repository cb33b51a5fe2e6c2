//! The GPUs of this machine as slots: a stage holds whole ones while it runs and is shown no others. Pure; what there is comes from
//! the governor's probe.

use std::collections::{BTreeSet, HashMap};

use crate::plan::StageId;

/// The GPUs and who holds them.
#[derive(Debug)]
pub(super) struct Gpus {
    /// As CUDA names them: an index or a UUID, in their order.
    names: Vec<String>,
    free: BTreeSet<usize>,
    held: HashMap<StageId, Vec<usize>>,
}

impl Gpus {
    /// These GPUs, all of them free.
    pub fn new(names: Vec<String>) -> Gpus {
        Gpus { free: (0..names.len()).collect(), names, held: HashMap::new() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// How many nobody holds.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// `stage` starts and takes this many of those that are free.
    pub fn take(&mut self, stage: StageId, wanted: usize) {
        let taken: Vec<usize> = std::iter::from_fn(|| self.free.pop_first()).take(wanted).collect();
        if !taken.is_empty() {
            self.held.insert(stage, taken);
        }
    }

    /// The names of those that `stage` holds, separated by commas: none for a stage that holds none beside others that do.
    /// `None` where there are no GPUs to share out, and so nothing to hide.
    pub fn visible_to(&self, stage: StageId) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let held = self.held.get(&stage).into_iter().flatten();
        Some(held.map(|gpu| self.names[*gpu].as_str()).collect::<Vec<_>>().join(","))
    }

    /// `stage` has ended.
    pub fn give_back(&mut self, stage: StageId) {
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
}
