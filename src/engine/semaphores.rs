//! `group:` of stages: how many of each named group may run at once. Pure; the run loop takes and gives back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The groups of a plan and how many of each run now.
#[derive(Debug)]
pub(super) struct Semaphores<'a> {
    capacities: &'a BTreeMap<String, u32>,
    taken: HashMap<&'a str, u32>,
}

/// A group of which as many run as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full<'a> {
    /// Its name.
    pub group: &'a str,
    /// How many may run.
    pub capacity: u32,
}

impl<'a> Semaphores<'a> {
    /// Everything is free.
    pub(super) fn new(capacities: &'a BTreeMap<String, u32>) -> Semaphores<'a> {
        Semaphores { capacities, taken: HashMap::new() }
    }

    /// Whether a stage of these groups may start: all of them have room, or it takes none.
    pub(super) fn obstacle(&self, groups: &'a [String]) -> Option<Full<'a>> {
        groups.iter().find_map(|group| {
            let capacity = self.capacity(group);
            let taken = self.taken.get(group.as_str()).copied().unwrap_or(0);
            (taken >= capacity).then_some(Full { group, capacity })
        })
    }

    /// A stage of these groups starts.
    pub(super) fn take(&mut self, groups: &'a [String]) {
        for group in distinct(groups) {
            *self.taken.entry(group).or_default() += 1;
        }
    }

    /// It has ended.
    pub(super) fn give_back(&mut self, groups: &'a [String]) {
        for group in distinct(groups) {
            if let Some(taken) = self.taken.get_mut(group) {
                *taken = taken.saturating_sub(1);
            }
        }
    }

    /// A capacity of 0 would keep its stages waiting for ever.
    fn capacity(&self, group: &str) -> u32 {
        self.capacities.get(group).copied().unwrap_or(1).max(1)
    }
}

/// A group that is written twice is held once; twice would be a stage that waits for itself.
fn distinct(groups: &[String]) -> BTreeSet<&str> {
    groups.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_holds_all_of_its_groups_or_none() {
        let capacities = BTreeMap::from([("db".to_owned(), 2)]);
        let (db, both) = (vec!["db".to_owned()], vec!["db".to_owned(), "gpu".to_owned(), "db".to_owned()]);
        let mut semaphores = Semaphores::new(&capacities);
        semaphores.take(&both);
        assert_eq!(semaphores.obstacle(&db), None);
        assert_eq!(semaphores.obstacle(&both), Some(Full { group: "gpu", capacity: 1 }));
        semaphores.take(&db);
        assert_eq!(semaphores.obstacle(&db), Some(Full { group: "db", capacity: 2 }));
        semaphores.give_back(&both);
        assert_eq!(semaphores.obstacle(&both), None);
        assert_eq!(semaphores.obstacle(&[]), None);
    }
}
