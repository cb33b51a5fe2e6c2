//! The order of stages by example, and every invariant of the standings under random events.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::Digest;
use petgraph::graph::NodeIndex;
use proptest::prelude::*;

use super::*;

type Plain<'a> = Standings<'a, (), (), ()>;

fn graph(nodes: u32, edges: &[(u32, u32)]) -> (DiGraph<(), ()>, Vec<StageId>) {
    let mut graph = DiGraph::new();
    let order: Vec<_> = (0..nodes).map(|_| graph.add_node(())).collect();
    for (from, to) in edges {
        graph.update_edge(NodeIndex::new(*from as usize), NodeIndex::new(*to as usize), ());
    }
    (graph, order)
}

fn stage(index: usize) -> StageId {
    NodeIndex::new(index)
}

fn first(standings: &Plain<'_>) -> Option<Candidate> {
    standings.next(None, |_| true)
}

#[test]
fn the_longest_chain_goes_first() {
    let (graph, order) = graph(4, &[(1, 2), (2, 3)]);
    assert_eq!(first(&Plain::new(&graph, &order)), Some(Candidate::Ready(stage(1))));
}

#[test]
fn a_short_chain_that_takes_longer_goes_first() {
    let (graph, order) = graph(4, &[(0, 1), (1, 2)]);
    let mut standings = Plain::new(&graph, &order);
    assert_eq!(first(&standings), Some(Candidate::Ready(stage(0))));
    standings.claim(stage(0), ActionKey::new(Digest::of(b"0")), ()).unwrap();
    standings.weigh(&order, |stage| if stage.index() == 3 { 10.0 } else { 3.0 });
    assert_eq!(first(&standings), Some(Candidate::Ready(stage(3))));
    standings.claim(stage(3), ActionKey::new(Digest::of(b"3")), ()).unwrap();
    assert_eq!(first(&standings), Some(Candidate::Held(standings.rank(stage(3)))));
    assert_eq!(
        standings.next(Some(standings.rank(stage(3))), |_| true),
        Some(Candidate::Held(standings.rank(stage(0))))
    );
}

#[test]
fn a_failure_blocks_only_what_needs_it() {
    let (graph, order) = graph(5, &[(0, 1), (1, 2), (3, 4)]);
    let mut standings = Plain::new(&graph, &order);
    assert_eq!(standings.failed(stage(0)), vec![stage(1), stage(2)]);
    standings.done(stage(3));
    assert_eq!(first(&standings), Some(Candidate::Ready(stage(4))));
}

#[test]
fn who_is_due_first_is_held_first() {
    let (graph, order) = graph(2, &[]);
    let mut standings = Plain::new(&graph, &order);
    let now = Instant::now();
    let later = now + Duration::from_secs(5);
    standings.back_off(stage(0), (), later);
    standings.back_off(stage(1), (), now);
    assert!(standings.wake(now) && !standings.wake(now));
    assert_eq!(first(&standings), Some(Candidate::Held(standings.rank(stage(1)))));
    assert_eq!(standings.next_due(), Some(later));
    assert_eq!(standings.give_up(), vec![stage(0)]);
    assert_eq!(standings.next_due(), None);
}

/// The next event.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// The first candidate moves on: by the number, a ready one is a hit, unwanted or a miss.
    Next(u8),
    /// A running stage, the one of this number, ends like that.
    Ends(usize, End),
    /// Time goes by.
    Passes(u64),
    /// The run is stopped.
    Cancel,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Ran { other: bool },
    Failed,
    Retried(u64),
    Requeued,
    Spoiled,
}

fn happening() -> impl Strategy<Value = Happening> {
    let end = prop_oneof![
        4 => any::<bool>().prop_map(|other| End::Ran { other }),
        1 => Just(End::Failed),
        1 => (0..9u64).prop_map(End::Retried),
        1 => Just(End::Requeued),
        1 => Just(End::Spoiled),
    ];
    prop_oneof![
        60 => any::<u8>().prop_map(Happening::Next),
        60 => (any::<usize>(), end).prop_map(|(pick, end)| Happening::Ends(pick, end)),
        20 => (0..9u64).prop_map(Happening::Passes),
        1 => Just(Happening::Cancel),
    ]
}

/// A run that is nothing but its standings.
struct Model<'a> {
    standings: Plain<'a>,
    graph: &'a DiGraph<(), ()>,
    /// Stages of one number do the same.
    actions: &'a [u8],
    now: Instant,
    cancelled: bool,
    /// Who ever gave its outputs.
    given: BTreeSet<StageId>,
}

impl Model<'_> {
    fn key(&self, stage: StageId) -> ActionKey {
        ActionKey::new(Digest::of(&[self.actions[stage.index()]]))
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Next(_) if self.cancelled => {}
            Happening::Next(kind) => match first(&self.standings) {
                Some(Candidate::Ready(stage)) => self.look_up(stage, kind),
                Some(Candidate::Held((_, stage))) => assert!(self.standings.start(stage, ()).is_some()),
                None => {}
            },
            Happening::Ends(pick, end) => {
                let running: Vec<StageId> = self.standings.running().map(|(stage, ())| stage).collect();
                if let Some(stage) = running.get(pick % running.len().max(1)) {
                    self.end(*stage, end);
                }
            }
            Happening::Passes(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.standings.wake(self.now);
            }
            Happening::Cancel => {
                self.cancelled = true;
                self.standings.give_up();
            }
        }
    }

    fn look_up(&mut self, stage: StageId, kind: u8) {
        for producer in self.graph.neighbors_directed(stage, Direction::Incoming) {
            assert!(self.given.contains(&producer), "{stage:?} is ready before {producer:?} gave anything");
        }
        match kind % 8 {
            0 => self.settle(stage, false),
            1 => drop(self.standings.failed(stage)),
            _ => {
                let key = self.key(stage);
                if let Err(first) = self.standings.claim(stage, key, ()) {
                    assert_eq!(self.key(first), key);
                }
            }
        }
    }

    fn settle(&mut self, stage: StageId, other: bool) {
        self.standings.done(stage);
        self.given.insert(stage);
        if other {
            let consumers: Vec<StageId> = self.graph.neighbors(stage).collect();
            consumers.into_iter().for_each(|consumer| self.redo(consumer));
        }
    }

    fn redo(&mut self, stage: StageId) {
        if self.standings.is_done(stage) && !self.standings.reopen(stage) {
            self.standings.failed(stage);
        }
    }

    fn end(&mut self, stage: StageId, end: End) {
        assert!(self.standings.ended(stage).is_some());
        let key = self.key(stage);
        match end {
            End::Requeued | End::Retried(_) if self.cancelled => self.standings.leave(&key),
            End::Requeued => self.standings.hold(stage, ()),
            End::Retried(seconds) => self.standings.back_off(stage, (), self.now + Duration::from_secs(seconds)),
            End::Ran { other } => {
                self.settle(stage, other);
                self.standings.leave(&key);
            }
            End::Failed => {
                self.standings.leave(&key);
                self.standings.failed(stage);
            }
            End::Spoiled => {
                self.standings.leave(&key);
                let producers: Vec<StageId> = self.graph.neighbors_directed(stage, Direction::Incoming).collect();
                producers.into_iter().for_each(|producer| self.redo(producer));
                if !self.standings.reopen(stage) {
                    self.standings.failed(stage);
                }
            }
        }
    }

    fn check(&self) {
        let standings = &self.standings;
        let those = |is: &dyn Fn(&Standing<(), ()>) -> bool| -> BTreeSet<StageId> {
            self.graph.node_indices().filter(|stage| is(&standings.standing[stage.index()])).collect()
        };
        let in_order = |ranks: &BTreeSet<Rank>| {
            assert!(ranks.iter().all(|rank| *rank == standings.rank(rank.1)));
            ranks.iter().map(|(_, stage)| *stage).collect::<BTreeSet<_>>()
        };
        assert_eq!(in_order(&standings.ready), those(&|it| matches!(it, Standing::Ready)));
        assert_eq!(in_order(&standings.held), those(&|it| matches!(it, Standing::Held(_))));
        let due: BTreeSet<_> = standings.due.iter().map(|(_, stage)| *stage).collect();
        assert_eq!(due, those(&|it| matches!(it, Standing::BackingOff(..))));

        // Who does an action is the only one who does it.
        let doing = those(&|it| matches!(it, Standing::Held(_) | Standing::Running(()) | Standing::BackingOff(..)));
        let owners: BTreeSet<StageId> = standings.doing.values().copied().collect();
        assert!(doing.iter().all(|stage| standings.doing.get(&self.key(*stage)) == Some(stage)));
        assert!(self.cancelled || doing == owners, "{doing:?} {owners:?}");
        for (at, standing) in standings.standing.iter().enumerate() {
            let undone = || standings.producers(stage(at)).filter(|producer| !standings.is_done(*producer)).count();
            match standing {
                Standing::Waiting(producers) => assert_eq!((*producers, undone() > 0), (undone(), true)),
                Standing::Twin(first) => assert!(owners.contains(first) && self.key(*first) == self.key(stage(at))),
                Standing::Over => assert!(self.cancelled, "{at} was forgotten"),
                _ => {}
            }
        }
    }
}

proptest! {
    /// Invariants for any events in any order: no stage is ready early, two never do one action, nobody is forgotten, and a run that
    /// is not stopped ends.
    #[test]
    fn nothing_starts_early_and_nothing_is_forgotten(
        nodes in 1u32..24,
        raw in proptest::collection::vec((0u32..24, 0u32..24), 0..60),
        actions in proptest::collection::vec(0u8..40, 24),
        seconds in proptest::collection::vec(0.0f64..1000.0, 24),
        happenings in proptest::collection::vec(happening(), 0..250),
        weighed in 0usize..250,
    ) {
        let edges: Vec<_> = raw.iter().map(|(a, b)| (a % nodes, b % nodes)).filter(|(a, b)| a < b).collect();
        let (graph, order) = graph(nodes, &edges);
        let (standings, given) = (Plain::new(&graph, &order), BTreeSet::new());
        let mut model =
            Model { standings, graph: &graph, actions: &actions, now: Instant::now(), cancelled: false, given };
        for (step, happening) in happenings.into_iter().enumerate() {
            if step == weighed {
                model.standings.weigh(&order, |stage| seconds[stage.index()]);
            }
            model.happen(happening);
            model.check();
        }
        // Left alone, everything that runs ends well.
        let mut steps = 0;
        while model.standings.unfinished().next().is_some() && !model.cancelled {
            for calm in [Happening::Next(7), Happening::Ends(0, End::Ran { other: false }), Happening::Passes(9)] {
                model.happen(calm);
                model.check();
            }
            steps += 1;
            prop_assert!(steps < 400, "{:?}", model.standings);
        }
    }
}
