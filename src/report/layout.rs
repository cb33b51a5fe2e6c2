//! Where the boxes of a directed acyclic graph go: layers from left to right, few crossings, short wires (the method of Sugiyama,
//! Tagawa and Toda, 1981). Pure; [`super::svg`] draws it.

use std::collections::HashMap;

/// Between two layers: room for wires to bend.
const LAYER_GAP: f64 = 56.0;
/// Between two boxes of a layer.
const BOX_GAP: f64 = 18.0;
/// What a wire takes of a layer that it only passes.
const WIRE_HEIGHT: f64 = 10.0;
/// Each goes once from left to right and once back.
const SWEEPS: usize = 6;
/// A graph with more bends than this is drawn with straight wires: nobody could follow them anyway.
const MOST_BENDS: usize = 20_000;

/// A laid out graph.
#[derive(Debug)]
pub struct Layout {
    /// The upper left corner of each box.
    pub corners: Vec<(f64, f64)>,
    /// The points that each wire passes, from the right side of one box to the left side of another.
    pub routes: Vec<Vec<(f64, f64)>>,
    /// The size of the whole.
    pub size: (f64, f64),
}

/// Lays out boxes of these sizes. `edges` must not form a cycle.
pub fn layout(sizes: &[(f64, f64)], edges: &[(usize, usize)]) -> Layout {
    let levels = levels(sizes.len(), edges);
    let mut drawing = Drawing::new(sizes, edges, &levels);
    drawing.order();
    drawing.place();
    drawing.finish(sizes, edges)
}

/// The layer of each box: behind everything that it needs. What needs nothing stands directly before what needs it.
fn levels(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut after = vec![Vec::new(); count];
    let mut open = vec![0_usize; count];
    for &(from, to) in edges {
        after[from].push(to);
        open[to] += 1;
    }
    let sources: Vec<usize> = (0..count).filter(|node| open[*node] == 0).collect();
    let mut levels = vec![0; count];
    let mut ready = sources.clone();
    while let Some(node) = ready.pop() {
        for &next in &after[node] {
            levels[next] = levels[next].max(levels[node] + 1);
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(next);
            }
        }
    }
    for source in sources {
        if let Some(nearest) = after[source].iter().map(|next| levels[*next]).min() {
            levels[source] = nearest - 1;
        }
    }
    levels
}

/// Boxes, and after them the places where wires pass a layer.
struct Drawing {
    layers: Vec<Vec<usize>>,
    heights: Vec<f64>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    /// The nodes that each edge passes, its ends included.
    paths: Vec<Vec<usize>>,
    level: Vec<usize>,
    /// The middle of each.
    y: Vec<f64>,
}

impl Drawing {
    fn new(sizes: &[(f64, f64)], edges: &[(usize, usize)], levels: &[usize]) -> Drawing {
        let mut level = levels.to_vec();
        let mut heights: Vec<f64> = sizes.iter().map(|(_, height)| *height).collect();
        let bends: usize = edges.iter().map(|(from, to)| levels[*to] - levels[*from] - 1).sum();
        let mut paths = Vec::with_capacity(edges.len());
        for &(from, to) in edges {
            let mut path = vec![from];
            let passed = if bends > MOST_BENDS { 0..0 } else { levels[from] + 1..levels[to] };
            for at in passed {
                path.push(level.len());
                level.push(at);
                heights.push(WIRE_HEIGHT);
            }
            path.push(to);
            paths.push(path);
        }
        let mut layers = vec![Vec::new(); level.iter().max().map_or(0, |last| last + 1)];
        for (node, at) in level.iter().enumerate() {
            layers[*at].push(node);
        }
        let (mut before, mut after) = (vec![Vec::new(); level.len()], vec![Vec::new(); level.len()]);
        for pair in paths.iter().flat_map(|path| path.windows(2)) {
            after[pair[0]].push(pair[1]);
            before[pair[1]].push(pair[0]);
        }
        let y = vec![0.0; level.len()];
        Drawing { layers, heights, before, after, paths, level, y }
    }

    /// Orders every layer by where its neighbours stand, to and fro.
    fn order(&mut self) {
        let mut rank = vec![0.0; self.level.len()];
        let number = |layer: &[usize], rank: &mut Vec<f64>| {
            layer.iter().enumerate().for_each(|(at, node)| rank[*node] = at as f64);
        };
        self.layers.iter().for_each(|layer| number(layer, &mut rank));
        for _ in 0..SWEEPS {
            for (forward, neighbours) in [(true, &self.before), (false, &self.after)] {
                let count = self.layers.len();
                for step in 0..count {
                    let layer = &mut self.layers[if forward { step } else { count - 1 - step }];
                    let keys: HashMap<usize, f64> = layer
                        .iter()
                        .map(|node| (*node, mean(&neighbours[*node], &rank).unwrap_or(rank[*node])))
                        .collect();
                    layer.sort_by(|a, b| keys[a].total_cmp(&keys[b]));
                    number(layer, &mut rank);
                }
            }
        }
    }

    /// Moves every node as near to its neighbours as order and gaps allow.
    fn place(&mut self) {
        for layer in &self.layers {
            let mut y = 0.0;
            for &node in layer {
                self.y[node] = y + self.heights[node] / 2.0;
                y += self.heights[node] + BOX_GAP;
            }
        }
        for _ in 0..SWEEPS {
            for (forward, neighbours) in [(true, &self.before), (false, &self.after)] {
                let count = self.layers.len();
                for step in 0..count {
                    let layer = &self.layers[if forward { step } else { count - 1 - step }];
                    let wished: Vec<f64> =
                        layer.iter().map(|node| mean(&neighbours[*node], &self.y).unwrap_or(self.y[*node])).collect();
                    let heights: Vec<f64> = layer.iter().map(|node| self.heights[*node]).collect();
                    for (node, y) in layer.iter().zip(settle(&wished, &heights)) {
                        self.y[*node] = y;
                    }
                }
            }
        }
    }

    fn finish(&self, sizes: &[(f64, f64)], edges: &[(usize, usize)]) -> Layout {
        let mut widths = vec![0.0_f64; self.layers.len()];
        for (node, (width, _)) in sizes.iter().enumerate() {
            widths[self.level[node]] = widths[self.level[node]].max(*width);
        }
        let mut lefts = Vec::with_capacity(widths.len());
        let mut right = 0.0;
        for width in &widths {
            lefts.push(right);
            right += width + LAYER_GAP;
        }
        let top = (0..self.y.len()).map(|node| self.y[node] - self.heights[node] / 2.0).fold(f64::INFINITY, f64::min);
        let bottom = (0..self.y.len()).map(|node| self.y[node] + self.heights[node] / 2.0).fold(top, f64::max);
        let middle = |node: usize| self.y[node] - top;
        // A box stands in the middle of its layer.
        let left = |node: usize| lefts[self.level[node]] + (widths[self.level[node]] - sizes[node].0) / 2.0;
        let route = |((from, to), path): (&(usize, usize), &Vec<usize>)| {
            let mut points = vec![(left(*from) + sizes[*from].0, middle(*from))];
            for &bend in &path[1..path.len() - 1] {
                let x = lefts[self.level[bend]];
                points.extend([(x, middle(bend)), (x + widths[self.level[bend]], middle(bend))]);
            }
            points.push((left(*to), middle(*to)));
            points
        };
        Layout {
            corners: (0..sizes.len()).map(|node| (left(node), middle(node) - sizes[node].1 / 2.0)).collect(),
            routes: edges.iter().zip(&self.paths).map(route).collect(),
            size: if sizes.is_empty() { (0.0, 0.0) } else { (right - LAYER_GAP, bottom - top) },
        }
    }
}

fn mean(nodes: &[usize], values: &[f64]) -> Option<f64> {
    let sum: f64 = nodes.iter().map(|node| values[*node]).sum();
    (!nodes.is_empty()).then(|| sum / nodes.len() as f64)
}

/// The positions nearest to `wished`, in the sense of least squares, that keep the order and the gaps: what is left of each
/// wish after the least distance to the first must not decrease, and runs that do are pooled at their mean.
fn settle(wished: &[f64], heights: &[f64]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(wished.len());
    let mut pools: Vec<(f64, usize)> = Vec::new();
    let mut offset = 0.0;
    for (at, wish) in wished.iter().enumerate() {
        if at > 0 {
            offset += (heights[at - 1] + heights[at]) / 2.0 + BOX_GAP;
        }
        offsets.push(offset);
        let mut pool = (wish - offset, 1);
        while let Some(&(value, count)) = pools.last().filter(|(value, _)| *value > pool.0) {
            pool = ((value * count as f64 + pool.0 * pool.1 as f64) / (count + pool.1) as f64, count + pool.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let values = pools.iter().flat_map(|(value, count)| std::iter::repeat_n(*value, *count));
    values.zip(offsets).map(|(value, offset)| value + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn boxes_never_overlap_and_wires_go_from_left_to_right(
            sizes in prop::collection::vec((20.0..200.0, 20.0..60.0), 1..30),
            pairs in prop::collection::vec((0_usize..30, 0_usize..30), 0..60),
        ) {
            let inside = |(a, b): &(usize, usize)| a < b && *b < sizes.len();
            let edges: Vec<_> = pairs.into_iter().filter(inside).collect();
            let layout = layout(&sizes, &edges);
            for (a, (ax, ay)) in layout.corners.iter().enumerate() {
                prop_assert!(*ax >= 0.0 && *ay >= -1e-6 && ax + sizes[a].0 <= layout.size.0 + 1e-6);
                prop_assert!(ay + sizes[a].1 <= layout.size.1 + 1e-6);
                for (b, (bx, by)) in layout.corners.iter().enumerate().skip(a + 1) {
                    let apart = ax + sizes[a].0 <= *bx || bx + sizes[b].0 <= *ax
                        || ay + sizes[a].1 <= by + 1e-6 || by + sizes[b].1 <= ay + 1e-6;
                    prop_assert!(apart, "{} and {} overlap", a, b);
                }
            }
            for route in &layout.routes {
                prop_assert!(route.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            }
        }
    }

    #[test]
    fn a_diamond_is_symmetric_and_a_chain_is_straight() {
        let square = [(10.0, 10.0); 4];
        let diamond = layout(&square, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(diamond.corners[0].1, diamond.corners[3].1);
        assert_eq!(diamond.corners[1].1 + diamond.corners[2].1, 2.0 * diamond.corners[0].1);
        let chain = layout(&square, &[(0, 1), (1, 2), (2, 3)]);
        assert!(chain.corners.iter().all(|corner| corner.1 == 0.0));
    }

    #[test]
    fn a_long_chain_with_wires_to_everything_ends() {
        let count = 1000;
        let edges: Vec<_> = (1..count).flat_map(|to| [(to - 1, to), (0, to)]).collect();
        assert_eq!(layout(&vec![(10.0, 10.0); count], &edges).corners.len(), count);
    }
}
