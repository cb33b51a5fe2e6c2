//! Which stages may start, and in which order: pure bookkeeping over the plan's graph, without I/O.
//!
//! A stage is ready when all its producers are done. The chain behind it that is expected to take longest decides who goes first,
//! so that the critical path is never kept waiting; declaration order decides among equals.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::graph::DiGraph;

use crate::plan::StageId;

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Producers still to be done.
    Waiting(usize),
    /// In the queue.
    Ready,
    /// Taken from the queue.
    Started,
    /// Its outputs exist.
    Done,
    /// It, or something it needs, failed.
    Dead,
}

/// A place in the order of stages: less goes first.
pub type Rank = (Reverse<u64>, StageId);

/// The stages that are not done yet.
#[derive(Debug)]
pub struct ReadyQueue<'a, N> {
    graph: &'a DiGraph<N, ()>,
    standing: Vec<Standing>,
    /// Microseconds from the start of a stage to the end of the longest chain behind it.
    height: Vec<u64>,
    queue: BTreeSet<Rank>,
}

impl<'a, N> ReadyQueue<'a, N> {
    /// All stages of `graph`; `order` is a topological order of it. Until they are weighed, each counts the same.
    pub fn new(graph: &'a DiGraph<N, ()>, order: &[StageId]) -> ReadyQueue<'a, N> {
        let height = heights(graph, order, |_| 1.0);
        let producers = |stage| graph.neighbors_directed(stage, Direction::Incoming).count();
        let standing = graph.node_indices().map(|stage| Standing::Waiting(producers(stage))).collect();
        let mut queue = ReadyQueue { graph, standing, height, queue: BTreeSet::new() };
        for stage in graph.node_indices() {
            queue.queue_if_ready(stage);
        }
        queue
    }

    /// The ready stage with the longest chain behind it, without taking it.
    pub fn peek(&self) -> Option<StageId> {
        self.queue.first().map(|(_, stage)| *stage)
    }

    /// The place of `stage` in the order: less goes first.
    pub fn rank(&self, stage: StageId) -> Rank {
        (Reverse(self.height[stage.index()]), stage)
    }

    /// Puts a stage that was taken back into the queue.
    pub fn put_back(&mut self, stage: StageId) {
        if self.standing[stage.index()] == Standing::Started {
            self.standing[stage.index()] = Standing::Waiting(0);
            self.queue_if_ready(stage);
        }
    }

    /// Takes a ready stage from the queue.
    pub fn start(&mut self, stage: StageId) {
        self.queue.remove(&self.rank(stage));
        self.standing[stage.index()] = Standing::Started;
    }

    /// Notes that `stage` gave its outputs; its consumers may become ready.
    pub fn done(&mut self, stage: StageId) {
        self.start(stage);
        self.standing[stage.index()] = Standing::Done;
        for next in self.graph.neighbors(stage).collect::<Vec<_>>() {
            if let Standing::Waiting(producers) = &mut self.standing[next.index()] {
                *producers -= 1;
                self.queue_if_ready(next);
            }
        }
    }

    /// Notes that `stage` gave nothing. Returns everything that can never start now, without `stage` itself.
    pub fn failed(&mut self, stage: StageId) -> Vec<StageId> {
        self.start(stage);
        self.standing[stage.index()] = Standing::Dead;
        let mut blocked = Vec::new();
        let mut pending = vec![stage];
        while let Some(dead) = pending.pop() {
            for next in self.graph.neighbors(dead) {
                // Done, or on its way with what it needs, is what was so before `stage` had to be done again.
                if matches!(self.standing[next.index()], Standing::Waiting(_) | Standing::Ready) {
                    self.queue.remove(&self.rank(next));
                    self.standing[next.index()] = Standing::Dead;
                    blocked.push(next);
                    pending.push(next);
                }
            }
        }
        blocked.sort_unstable();
        blocked
    }

    /// Puts a stage that is done or was started back among those to be done. Returns whether it will be ready once more: not where
    /// something that it needs failed.
    pub fn reopen(&mut self, stage: StageId) -> bool {
        match self.standing[stage.index()] {
            Standing::Waiting(_) | Standing::Ready => return true,
            Standing::Dead => return false,
            Standing::Started => {}
            Standing::Done => {
                for next in self.graph.neighbors(stage).collect::<Vec<_>>() {
                    self.wait_for_one_more(next);
                }
            }
        }
        let producers = || self.graph.neighbors_directed(stage, Direction::Incoming);
        let dead = producers().any(|producer| self.standing[producer.index()] == Standing::Dead);
        let open = producers().filter(|producer| self.standing[producer.index()] != Standing::Done).count();
        self.standing[stage.index()] = Standing::Waiting(open);
        self.queue_if_ready(stage);
        !dead
    }

    fn wait_for_one_more(&mut self, stage: StageId) {
        let producers = match self.standing[stage.index()] {
            Standing::Waiting(producers) => producers,
            Standing::Ready => 0,
            Standing::Started | Standing::Done | Standing::Dead => return,
        };
        self.queue.remove(&self.rank(stage));
        self.standing[stage.index()] = Standing::Waiting(producers + 1);
    }

    /// Whether `stage` gave its outputs.
    pub fn is_done(&self, stage: StageId) -> bool {
        self.standing[stage.index()] == Standing::Done
    }

    /// How many stages are ready.
    pub fn ready(&self) -> usize {
        self.queue.len()
    }

    /// Orders the stages by what each is expected to take, in seconds. Every rank that was given out is void.
    pub fn weigh(&mut self, order: &[StageId], seconds: impl Fn(StageId) -> f64) {
        self.height = heights(self.graph, order, seconds);
        self.queue = self.queue.iter().map(|(_, stage)| (Reverse(self.height[stage.index()]), *stage)).collect();
    }

    /// Whether `stage` is neither done nor dead.
    pub fn is_open(&self, stage: StageId) -> bool {
        !matches!(self.standing[stage.index()], Standing::Done | Standing::Dead)
    }

    /// Stages that are open, started ones included.
    pub fn unfinished(&self) -> impl Iterator<Item = StageId> + '_ {
        self.graph.node_indices().filter(|stage| self.is_open(*stage))
    }

    fn queue_if_ready(&mut self, stage: StageId) {
        if self.standing[stage.index()] == Standing::Waiting(0) {
            self.standing[stage.index()] = Standing::Ready;
            self.queue.insert(self.rank(stage));
        }
    }
}

/// By stage: microseconds from its start to the end of the longest chain behind it.
fn heights<N>(graph: &DiGraph<N, ()>, order: &[StageId], seconds: impl Fn(StageId) -> f64) -> Vec<u64> {
    let mut height = vec![0_u64; graph.node_count()];
    for &stage in order.iter().rev() {
        let below = graph.neighbors(stage).map(|next| height[next.index()]).max().unwrap_or(0);
        // Never nothing: of two chains that take no time, the one with more stages goes first.
        let own = (seconds(stage) * 1e6).max(1.0) as u64;
        height[stage.index()] = below.saturating_add(own);
    }
    height
}

#[cfg(test)]
mod tests {
    use super::*;
    use petgraph::graph::NodeIndex;
    use proptest::prelude::*;

    fn graph(nodes: u32, edges: &[(u32, u32)]) -> (DiGraph<(), ()>, Vec<StageId>) {
        let mut graph = DiGraph::new();
        let order: Vec<_> = (0..nodes).map(|_| graph.add_node(())).collect();
        for (from, to) in edges {
            graph.update_edge(NodeIndex::new(*from as usize), NodeIndex::new(*to as usize), ());
        }
        (graph, order)
    }

    #[test]
    fn the_longest_chain_goes_first() {
        let (graph, order) = graph(4, &[(1, 2), (2, 3)]);
        let queue = ReadyQueue::new(&graph, &order);
        assert_eq!(queue.peek(), Some(NodeIndex::new(1)));
    }

    #[test]
    fn a_short_chain_that_takes_longer_goes_first() {
        let (graph, order) = graph(4, &[(0, 1), (1, 2)]);
        let seconds = |stage: StageId| if stage.index() == 3 { 10.0 } else { 3.0 };
        let mut queue = ReadyQueue::new(&graph, &order);
        assert_eq!(queue.peek(), Some(NodeIndex::new(0)));
        queue.weigh(&order, seconds);
        assert_eq!(queue.peek(), Some(NodeIndex::new(3)));
        queue.start(NodeIndex::new(3));
        assert_eq!(queue.peek(), Some(NodeIndex::new(0)));
        queue.put_back(NodeIndex::new(3));
        assert_eq!(queue.peek(), Some(NodeIndex::new(3)));
    }

    #[test]
    fn a_failure_blocks_only_what_needs_it() {
        let (graph, order) = graph(5, &[(0, 1), (1, 2), (3, 4)]);
        let mut queue = ReadyQueue::new(&graph, &order);
        assert_eq!(queue.failed(NodeIndex::new(0)), vec![NodeIndex::new(1), NodeIndex::new(2)]);
        queue.done(NodeIndex::new(3));
        assert_eq!(queue.peek(), Some(NodeIndex::new(4)));
    }

    proptest! {
        /// Whatever the graph and the order of endings: no stage starts before its producers are done, and every stage ends.
        #[test]
        fn nothing_starts_early_and_nothing_is_forgotten(
            nodes in 1u32..40,
            raw in proptest::collection::vec((0u32..40, 0u32..40), 0..120),
            picks in proptest::collection::vec((0usize..8, proptest::bool::weighted(0.1)), 80),
            seconds in proptest::collection::vec(0.0f64..1000.0, 40),
        ) {
            let edges: Vec<_> = raw.iter().map(|(a, b)| (a % nodes, b % nodes)).filter(|(a, b)| a < b).collect();
            let (graph, order) = graph(nodes, &edges);
            let mut queue = ReadyQueue::new(&graph, &order);
            queue.weigh(&order, |stage| seconds[stage.index()]);
            let (mut done, mut dead, mut running) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
            for (pick, fails) in picks.iter().cycle() {
                let mut before = None;
                while let Some(stage) = queue.peek() {
                    let rank = queue.rank(stage);
                    prop_assert!(before.is_none_or(|before| before < rank), "the longest expected chain first");
                    before = Some(rank);
                    queue.start(stage);
                    for producer in graph.neighbors_directed(stage, Direction::Incoming) {
                        prop_assert!(done.contains(&producer));
                    }
                    running.push(stage);
                }
                if running.is_empty() {
                    break;
                }
                let stage = running.swap_remove(pick % running.len());
                if *fails {
                    dead.insert(stage);
                    dead.extend(queue.failed(stage));
                } else {
                    queue.done(stage);
                    done.insert(stage);
                }
            }
            prop_assert_eq!(queue.unfinished().count(), 0);
            prop_assert_eq!(done.len() + dead.len(), nodes as usize);
        }
    }
}
