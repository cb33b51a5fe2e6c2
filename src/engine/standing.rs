//! Where each stage of a run stands, and which may start next, in which order: pure bookkeeping over the plan's graph, without I/O.
//!
//! ```text
//!   Waiting ─ its producers are done ─> Ready ─ a hit ─────────────────────────────────────────────> Done
//!                                         │ └── another stage does the same ─> Twin ─ that one ended ─> Ready
//!                                         └── a miss ─> Held ─ admitted ─> Running ─ ended ─> Over ─> Done, Dead, or Ready again
//!                                                        ^                                     │
//!                                                        ├──────────── taken back ─────────────┤
//!                                                        └── the wait is over ── BackingOff <──┘
//! ```
//! The chain behind a stage that is expected to take longest decides who goes first, so that the critical path is never kept waiting;
//! declaration order decides among equals.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use petgraph::Direction;
use petgraph::graph::DiGraph;
use tokio::time::Instant;

use crate::action::ActionKey;
use crate::plan::StageId;

/// Where a stage stands. `A` is its action, `R` its execution.
#[derive(Debug)]
enum Standing<A, R> {
    /// Producers still to be done.
    Waiting(usize),
    /// It may be looked up.
    Ready,
    /// It must be executed and waits to be admitted.
    Held(Held<A>),
    /// It executes.
    Running(R),
    /// Between two attempts.
    BackingOff(A, Instant),
    /// This other stage does its action, retries and waits between them included.
    Twin(StageId),
    /// Its execution is over, and the next step is not decided; in a run that stops, there is none.
    Over,
    /// Its outputs exist.
    Done,
    /// It, or something it needs, failed or was not wanted.
    Dead,
}

#[derive(Debug)]
struct Held<A> {
    action: A,
    /// The reason to wait that was last said.
    said: Option<String>,
}

/// A place in the order of stages: less goes first.
pub(super) type Rank = (Reverse<u64>, StageId);

/// A stage that may start next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    /// It is ready: to be looked up first.
    Ready(StageId),
    /// It is held: to be admitted.
    Held(Rank),
}

/// The stages of a run. Everything but `standing` is an index of it, kept by [`Standings::set`].
#[derive(Debug)]
pub(super) struct Standings<'a, N, A, R> {
    graph: &'a DiGraph<N, ()>,
    standing: Vec<Standing<A, R>>,
    /// Microseconds from the start of a stage to the end of the longest chain behind it.
    height: Vec<u64>,
    ready: BTreeSet<Rank>,
    held: BTreeSet<Rank>,
    due: BTreeSet<(Instant, StageId)>,
    /// By action: the stage that does it.
    doing: HashMap<ActionKey, StageId>,
}

impl<'a, N, A, R> Standings<'a, N, A, R> {
    /// All stages of `graph`; `order` is a topological order of it. Until they are weighed, each counts the same.
    pub(super) fn new(graph: &'a DiGraph<N, ()>, order: &[StageId]) -> Self {
        let mut standings = Standings {
            graph,
            standing: graph.node_indices().map(|_| Standing::Over).collect(),
            height: heights(graph, order, |_| 1.0),
            ready: BTreeSet::new(),
            held: BTreeSet::new(),
            due: BTreeSet::new(),
            doing: HashMap::new(),
        };
        graph.node_indices().for_each(|stage| standings.wait_for_producers(stage));
        standings
    }

    /// The first of the ready stages, and of those held behind `passed`, that `may` lets through.
    pub(super) fn next(&self, passed: Option<Rank>, may: impl Fn(StageId) -> bool) -> Option<Candidate> {
        let after = passed.map_or(Bound::Unbounded, Bound::Excluded);
        let held = self.held.range((after, Bound::Unbounded)).find(|(_, stage)| may(*stage));
        let ready = self.ready.iter().find(|(_, stage)| may(*stage));
        match (ready, held) {
            (Some(ready), held) if held.is_none_or(|held| ready < held) => Some(Candidate::Ready(ready.1)),
            (_, held) => held.map(|held| Candidate::Held(*held)),
        }
    }

    /// The place of `stage` in the order: less goes first.
    pub(super) fn rank(&self, stage: StageId) -> Rank {
        (Reverse(self.height[stage.index()]), stage)
    }

    /// Orders the stages by the expected time of each, in seconds. Every rank that was given out is void.
    pub(super) fn weigh(&mut self, order: &[StageId], seconds: impl Fn(StageId) -> f64) {
        self.height = heights(self.graph, order, seconds);
        let again = |ranks: &BTreeSet<Rank>| ranks.iter().map(|(_, stage)| self.rank(*stage)).collect();
        (self.ready, self.held) = (again(&self.ready), again(&self.held));
    }

    /// The stage, which was ready, must be executed: it is held, unless another one does `key` already. Then it waits for that one.
    pub(super) fn claim(&mut self, stage: StageId, key: ActionKey, action: A) -> Result<(), StageId> {
        let first = *self.doing.entry(key).or_insert(stage);
        if first == stage {
            self.hold(stage, action);
            return Ok(());
        }
        self.set(stage, Standing::Twin(first));
        Err(first)
    }

    /// The action has ended, well or not: its twins are ready again.
    pub(super) fn leave(&mut self, key: &ActionKey) {
        let Some(first) = self.doing.remove(key) else { return };
        for stage in self.graph.node_indices() {
            if matches!(self.standing[stage.index()], Standing::Twin(other) if other == first) {
                self.set(stage, Standing::Ready);
            }
        }
    }

    /// The stage waits to be admitted.
    pub(super) fn hold(&mut self, stage: StageId, action: A) {
        self.set(stage, Standing::Held(Held { action, said: None }));
    }

    /// Notes the reason for which a held stage waits. Returns whether it is a new one.
    pub(super) fn say(&mut self, stage: StageId, reason: &str) -> bool {
        match &mut self.standing[stage.index()] {
            Standing::Held(held) if held.said.as_deref() != Some(reason) => {
                held.said = Some(reason.to_owned());
                true
            }
            _ => false,
        }
    }

    /// A held stage is admitted. Returns its action.
    pub(super) fn start(&mut self, stage: StageId, execution: R) -> Option<A> {
        if !matches!(self.standing[stage.index()], Standing::Held(_)) {
            return None;
        }
        match self.set(stage, Standing::Running(execution)) {
            Standing::Held(held) => Some(held.action),
            _ => None,
        }
    }

    /// The execution of the stage is over. Returns it.
    pub(super) fn ended(&mut self, stage: StageId) -> Option<R> {
        match self.set(stage, Standing::Over) {
            Standing::Running(execution) => Some(execution),
            _ => None,
        }
    }

    /// The stage waits until `due` to be tried again.
    pub(super) fn back_off(&mut self, stage: StageId, action: A, due: Instant) {
        self.set(stage, Standing::BackingOff(action, due));
    }

    /// When the first stage that backs off is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Holds every stage that is due. Returns whether there was one.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(stage) = self.due.first().filter(|(due, _)| *due <= now).map(|(_, stage)| *stage) {
            if let Standing::BackingOff(action, _) = self.set(stage, Standing::Over) {
                self.hold(stage, action);
            }
            any = true;
        }
        any
    }

    /// No stage is tried again; returns those that were to be.
    pub(super) fn give_up(&mut self) -> Vec<StageId> {
        let waiting: Vec<StageId> = self.due.iter().map(|(_, stage)| *stage).collect();
        for stage in &waiting {
            self.set(*stage, Standing::Over);
        }
        waiting
    }

    /// The stage gave its outputs; its consumers may become ready.
    pub(super) fn done(&mut self, stage: StageId) {
        self.set(stage, Standing::Done);
        for next in self.graph.neighbors(stage).collect::<Vec<_>>() {
            if let Standing::Waiting(producers) = self.standing[next.index()] {
                self.wait(next, producers - 1);
            }
        }
    }

    /// The stage gave nothing. Returns everything that can never start now, without `stage` itself.
    pub(super) fn failed(&mut self, stage: StageId) -> Vec<StageId> {
        self.set(stage, Standing::Dead);
        let mut blocked = Vec::new();
        let mut pending = vec![stage];
        while let Some(dead) = pending.pop() {
            for next in self.graph.neighbors(dead) {
                // A consumer that is done, or on its way with its inputs, belongs to the time before `stage` had to be done again.
                if matches!(self.standing[next.index()], Standing::Waiting(_) | Standing::Ready) {
                    self.set(next, Standing::Dead);
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
    pub(super) fn reopen(&mut self, stage: StageId) -> bool {
        match self.standing[stage.index()] {
            Standing::Waiting(_) | Standing::Ready => return true,
            Standing::Dead => return false,
            _ => {}
        }
        self.wait_for_producers(stage);
        for next in self.graph.neighbors(stage).collect::<Vec<_>>() {
            if matches!(self.standing[next.index()], Standing::Waiting(_) | Standing::Ready) {
                self.wait_for_producers(next);
            }
        }
        !self.producers(stage).any(|producer| matches!(self.standing[producer.index()], Standing::Dead))
    }

    /// Whether `stage` gave its outputs.
    pub(super) fn is_done(&self, stage: StageId) -> bool {
        matches!(self.standing[stage.index()], Standing::Done)
    }

    /// Whether `stage` is neither done nor dead.
    pub(super) fn is_open(&self, stage: StageId) -> bool {
        !matches!(self.standing[stage.index()], Standing::Done | Standing::Dead)
    }

    /// Stages that are open, running ones included.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = StageId> + '_ {
        self.graph.node_indices().filter(|stage| self.is_open(*stage))
    }

    /// How many stages may start as far as the graph is concerned.
    pub(super) fn startable(&self) -> usize {
        self.ready.len() + self.held.len()
    }

    /// Whether a stage waits to be admitted.
    pub(super) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// The stages that execute.
    pub(super) fn running(&self) -> impl Iterator<Item = (StageId, &R)> {
        self.graph.node_indices().zip(&self.standing).filter_map(|(stage, standing)| match standing {
            Standing::Running(execution) => Some((stage, execution)),
            _ => None,
        })
    }

    /// The execution of a running stage.
    pub(super) fn running_mut(&mut self, stage: StageId) -> Option<&mut R> {
        match &mut self.standing[stage.index()] {
            Standing::Running(execution) => Some(execution),
            _ => None,
        }
    }

    fn producers(&self, stage: StageId) -> impl Iterator<Item = StageId> + use<'a, N, A, R> {
        self.graph.neighbors_directed(stage, Direction::Incoming)
    }

    fn wait_for_producers(&mut self, stage: StageId) {
        self.wait(stage, self.producers(stage).filter(|producer| !self.is_done(*producer)).count());
    }

    /// The stage waits for this many producers; for none, it is ready.
    fn wait(&mut self, stage: StageId, producers: usize) {
        self.set(stage, if producers == 0 { Standing::Ready } else { Standing::Waiting(producers) });
    }

    /// The one place where a standing changes.
    fn set(&mut self, stage: StageId, next: Standing<A, R>) -> Standing<A, R> {
        let rank = self.rank(stage);
        self.ready.remove(&rank);
        self.held.remove(&rank);
        if let Standing::BackingOff(_, due) = self.standing[stage.index()] {
            self.due.remove(&(due, stage));
        }
        match next {
            Standing::Ready => _ = self.ready.insert(rank),
            Standing::Held(_) => _ = self.held.insert(rank),
            Standing::BackingOff(_, due) => _ = self.due.insert((due, stage)),
            _ => {}
        }
        std::mem::replace(&mut self.standing[stage.index()], next)
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
mod tests;
