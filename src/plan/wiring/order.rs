//! Producers before consumers: a topological order that depends on declaration order only, or the cycles that forbid one.
//! petgraph's own order follows its traversal, so it would move when an unrelated stage is added.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Orders nodes `0..count` so that each edge (producer, consumer) points forward; among ready nodes the lowest goes first.
/// The error holds cycles that share no node, each from producer to consumer.
pub(crate) fn order(count: usize, edges: &[(usize, usize)]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut producers = vec![Vec::new(); count];
    let mut consumers = vec![Vec::new(); count];
    for &(from, to) in edges {
        producers[to].push(from);
        consumers[from].push(to);
    }
    let mut waiting: Vec<usize> = producers.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|n| waiting[*n] == 0).map(Reverse).collect();
    let mut done = vec![false; count];
    let mut order = Vec::with_capacity(count);
    let mut cycles = Vec::new();
    let mut next_stuck = 0;
    loop {
        while let Some(Reverse(node)) = ready.pop() {
            done[node] = true;
            order.push(node);
            release(node, &consumers, &done, &mut waiting, &mut ready);
        }
        while next_stuck < count && done[next_stuck] {
            next_stuck += 1;
        }
        if next_stuck == count {
            return if cycles.is_empty() { Ok(order) } else { Err(cycles) };
        }
        // Everything left waits for something that is left, so walking back must meet itself. Taking the cycle out lets the
        // search go on for others.
        let cycle = walk_back(next_stuck, &producers, &done);
        for &node in &cycle {
            done[node] = true;
        }
        for &node in &cycle {
            release(node, &consumers, &done, &mut waiting, &mut ready);
        }
        cycles.push(cycle);
    }
}

fn release(
    node: usize,
    consumers: &[Vec<usize>],
    done: &[bool],
    waiting: &mut [usize],
    ready: &mut BinaryHeap<Reverse<usize>>,
) {
    for &consumer in &consumers[node] {
        waiting[consumer] -= 1;
        if waiting[consumer] == 0 && !done[consumer] {
            ready.push(Reverse(consumer));
        }
    }
}

fn walk_back(start: usize, producers: &[Vec<usize>], done: &[bool]) -> Vec<usize> {
    let mut position = vec![None; producers.len()];
    let mut path = Vec::new();
    let mut node = start;
    while position[node].is_none() {
        position[node] = Some(path.len());
        path.push(node);
        let stuck = producers[node].iter().copied().filter(|p| !done[*p]).min();
        node = stuck.expect("a stuck node waits for a stuck producer");
    }
    let mut cycle = path.split_off(position[node].unwrap_or(0));
    cycle.reverse();
    let lowest = cycle.iter().enumerate().min_by_key(|(_, n)| **n).map_or(0, |(at, _)| at);
    cycle.rotate_left(lowest);
    cycle
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn declaration_order_decides_among_the_ready() {
        assert_eq!(order(4, &[(3, 0), (3, 1)]), Ok(vec![2, 3, 0, 1]));
        assert_eq!(order(3, &[]), Ok(vec![0, 1, 2]));
        assert_eq!(order(2, &[(1, 0), (1, 0)]), Ok(vec![1, 0]));
    }

    #[test]
    fn each_cycle_is_named_once_from_its_first_stage() {
        assert_eq!(order(1, &[(0, 0)]), Err(vec![vec![0]]));
        let edges = [(2, 1), (1, 0), (0, 2), (3, 4), (4, 3), (0, 3)];
        assert_eq!(order(5, &edges), Err(vec![vec![0, 2, 1], vec![3, 4]]));
    }

    proptest! {
        #[test]
        fn an_order_puts_every_producer_first_and_a_cycle_is_one(
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..24)
        ) {
            match order(12, &edges) {
                Ok(order) => {
                    let mut place = [usize::MAX; 12];
                    for (at, node) in order.iter().enumerate() {
                        place[*node] = at;
                    }
                    prop_assert_eq!(order.len(), 12);
                    prop_assert!(edges.iter().all(|(from, to)| place[*from] < place[*to]));
                }
                Err(cycles) => {
                    for cycle in cycles {
                        for (at, node) in cycle.iter().enumerate() {
                            let next = cycle[(at + 1) % cycle.len()];
                            prop_assert!(edges.contains(&(*node, next)));
                        }
                    }
                }
            }
        }
    }
}
