//! Which stage may start, by lanes: pure. Each place where actions are carried out has one.
//!
//! A stage that waits for something of its own (a group, a GPU) is passed over. A lane without room keeps everything behind it in that
//! lane waiting, so that a large stage is not starved by small ones; other lanes go on.

use std::collections::BTreeSet;

use super::standing::{Candidate, Rank, Standings};
use crate::governor::Reason;
use crate::plan::StageId;

/// A lane, by its position among those of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(pub usize);

/// Why a held stage does not start.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// It waits for something that others may not need.
    Own(String),
    /// Its lane has no room.
    Lane(Reason),
    /// Its lane belongs to a place beyond this machine and has no room.
    Place(String),
}

/// One look at all stages that may start, in their order.
#[derive(Debug, Default)]
pub(super) struct Pass {
    passed: Option<Rank>,
    full: BTreeSet<LaneId>,
}

impl Pass {
    /// The first stage that was not passed over and whose lane is not full. `lane` tells the lane of a stage.
    pub(super) fn next<N, A, R>(
        &self,
        standings: &Standings<'_, N, A, R>,
        lane: impl Fn(StageId) -> LaneId,
    ) -> Option<Candidate> {
        standings.next(self.passed, |stage| !self.full.contains(&lane(stage)))
    }

    /// The stage of this rank waits for something of its own.
    pub(super) fn pass_over(&mut self, rank: Rank) {
        self.passed = self.passed.max(Some(rank));
    }

    /// Nothing more starts in this lane during this look.
    pub(super) fn close(&mut self, lane: LaneId) {
        self.full.insert(lane);
    }
}

#[cfg(test)]
mod tests {
    use contract::Digest;

    use crate::action::ActionKey;
    use petgraph::graph::DiGraph;

    use super::*;

    /// Admits stages in two lanes whose policy is a plain limit; even stages are in the first one. Returns those that start, and those that
    /// were looked at.
    fn admitted(stages: usize, limits: [usize; 2]) -> (Vec<usize>, Vec<usize>) {
        let mut graph = DiGraph::<(), ()>::new();
        let order: Vec<StageId> = (0..stages).map(|_| graph.add_node(())).collect();
        let mut standings: Standings<'_, (), (), ()> = Standings::new(&graph, &order);
        let lane = |stage: StageId| LaneId(stage.index() % 2);
        let (mut started, mut looked_at, mut pass) = (Vec::new(), Vec::new(), Pass::default());
        while let Some(candidate) = pass.next(&standings, lane) {
            match candidate {
                Candidate::Ready(stage) => {
                    looked_at.push(stage.index());
                    standings.claim(stage, ActionKey::new(Digest::of(&stage.index().to_le_bytes())), ()).unwrap();
                }
                Candidate::Held((_, stage)) => {
                    let in_lane = standings.running().filter(|(other, ())| lane(*other) == lane(stage)).count();
                    if in_lane < limits[lane(stage).0] {
                        standings.start(stage, ()).unwrap();
                        started.push(stage.index());
                    } else {
                        pass.close(lane(stage));
                    }
                }
            }
        }
        (started, looked_at)
    }

    #[test]
    fn a_full_lane_holds_nothing_of_another_one() {
        assert_eq!(admitted(6, [1, 3]).0, [0, 1, 3, 5]);
        assert_eq!(admitted(6, [0, 2]).0, [1, 3]);
        assert_eq!(admitted(6, [3, 3]).0, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn behind_the_first_that_finds_no_room_nothing_of_that_lane_is_looked_at() {
        assert_eq!(admitted(8, [1, 1]), (vec![0, 1], vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_stage_that_waits_for_something_of_its_own_is_passed_over() {
        let mut graph = DiGraph::<(), ()>::new();
        let order: Vec<StageId> = (0..2).map(|_| graph.add_node(())).collect();
        let mut standings: Standings<'_, (), (), ()> = Standings::new(&graph, &order);
        for stage in &order {
            standings.claim(*stage, ActionKey::new(Digest::of(&stage.index().to_le_bytes())), ()).unwrap();
        }
        let mut pass = Pass::default();
        let ranks: Vec<Rank> = order.iter().map(|stage| standings.rank(*stage)).collect();
        assert_eq!(pass.next(&standings, |_| LaneId(0)), Some(Candidate::Held(ranks[0])));
        pass.pass_over(ranks[0]);
        assert_eq!(pass.next(&standings, |_| LaneId(0)), Some(Candidate::Held(ranks[1])));
        pass.pass_over(ranks[1]);
        assert_eq!(pass.next(&standings, |_| LaneId(0)), None);
    }
}
