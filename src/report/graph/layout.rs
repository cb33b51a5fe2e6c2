//! The places of the boxes of a directed acyclic graph: layers from left to right, few crossings, short wires (the method of Sugiyama,
//! Tagawa and Toda, 1981). A graph too wide for a page goes from the top down, a layer in as many rows as it takes.
//! Pure; [`super::svg`] draws it.

use std::collections::{BTreeSet, HashMap};

/// Between two layers, at least: room for wires to bend.
pub(super) const LAYER_GAP: f64 = 56.0;
/// The same from the top down, where words on wires lie beside them.
const ROW_GAP: f64 = 44.0;
/// Between two boxes of a layer.
const BOX_GAP: f64 = 18.0;
/// The height that a wire takes in a layer it only passes.
const WIRE_HEIGHT: f64 = 10.0;
/// Each goes once from left to right and once back.
const SWEEPS: usize = 6;
/// A graph with more bends than this is drawn with straight wires: nobody could follow them anyway.
const MOST_BENDS: usize = 20_000;

/// A laid out graph.
#[derive(Debug)]
pub(super) struct Layout {
    /// The upper left corner of each box.
    pub corners: Vec<(f64, f64)>,
    /// The points that each wire passes, from the side of one box to the opposite side of another.
    pub routes: Vec<Vec<(f64, f64)>>,
    /// The size of the whole.
    pub size: (f64, f64),
    /// Which way the wires go.
    pub direction: Direction,
}

/// Which way the wires go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From left to right.
    Right,
    /// From the top down.
    Down,
}

/// Lays out boxes of these sizes on a page of this width, with `gap` between two layers. `edges` must not form a cycle.
pub(super) fn layout(sizes: &[(f64, f64)], edges: &[(usize, usize)], gap: f64, page: f64) -> Layout {
    let right = to_the_right(sizes, edges, gap);
    if right.size.0 <= page && right.size.1 <= page {
        return right;
    }
    let down = downwards(sizes, edges, page);
    // Of two that fit the width the lower one, else the narrower one.
    let cost = |layout: &Layout| (layout.size.0.max(page), layout.size.1);
    if cost(&down) < cost(&right) { down } else { right }
}

fn to_the_right(sizes: &[(f64, f64)], edges: &[(usize, usize)], gap: f64) -> Layout {
    let levels = levels(sizes.len(), edges);
    let mut drawing = Drawing::new(sizes, edges, &levels);
    drawing.order();
    drawing.place();
    drawing.finish(sizes, edges, gap)
}

/// The same with the axes exchanged, and layers that are too wide in several rows.
fn downwards(sizes: &[(f64, f64)], edges: &[(usize, usize)], page: f64) -> Layout {
    let swap = |(a, b): (f64, f64)| (b, a);
    let turned: Vec<(f64, f64)> = sizes.iter().copied().map(swap).collect();
    let levels = levels(sizes.len(), edges);
    let mut drawing = Drawing::new(&turned, edges, &levels);
    drawing.order();
    if let Some(rows) = rows(&drawing, &levels, page) {
        drawing = Drawing::new(&turned, edges, &rows);
        drawing.order();
    }
    drawing.place();
    if drawing.extent() > page {
        drawing.pack();
    }
    let Layout { corners, routes, size, .. } = drawing.finish(&turned, edges, ROW_GAP);
    Layout {
        corners: corners.into_iter().map(swap).collect(),
        routes: routes.into_iter().map(|route| route.into_iter().map(swap).collect()).collect(),
        size: swap(size),
        direction: Direction::Down,
    }
}

/// The row of each box when no row is to be wider than `page`; `None` when no layer is.
fn rows(drawing: &Drawing, levels: &[usize], page: f64) -> Option<Vec<usize>> {
    let mut rows = vec![0; levels.len()];
    let mut row = 0;
    for layer in &drawing.layers {
        let mut taken = 0.0;
        for &node in layer.iter().filter(|node| **node < levels.len()) {
            if taken > 0.0 && taken + drawing.heights[node] > page - WIRE_HEIGHT - BOX_GAP {
                row += 1;
                taken = 0.0;
            }
            taken += drawing.heights[node] + BOX_GAP;
            rows[node] = row;
        }
        row += 1;
    }
    (row > drawing.layers.len()).then_some(rows)
}

/// The layer of each box: behind everything that it needs. A box that needs nothing stands directly before its first consumer.
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

/// The end that wires share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    From(usize),
    To(usize),
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
        let mut degrees = vec![(0_usize, 0_usize); levels.len()];
        for &(from, to) in edges {
            degrees[from].0 += 1;
            degrees[to].1 += 1;
        }
        let mut paths = Vec::with_capacity(edges.len());
        let mut shared: HashMap<(End, usize), usize> = HashMap::new();
        for &(from, to) in edges {
            // Wires that begin or end at one box run together, so that a hundred of them pass a layer as one.
            let end = if degrees[from].0 >= degrees[to].1 { End::From(from) } else { End::To(to) };
            let mut path = vec![from];
            let passed = if bends > MOST_BENDS { 0..0 } else { levels[from] + 1..levels[to] };
            for at in passed {
                path.push(*shared.entry((end, at)).or_insert_with(|| {
                    level.push(at);
                    heights.push(WIRE_HEIGHT);
                    level.len() - 1
                }));
            }
            path.push(to);
            paths.push(path);
        }
        let mut layers = vec![Vec::new(); level.iter().max().map_or(0, |last| last + 1)];
        for (node, at) in level.iter().enumerate() {
            layers[*at].push(node);
        }
        let (mut before, mut after) = (vec![Vec::new(); level.len()], vec![Vec::new(); level.len()]);
        let pairs: BTreeSet<(usize, usize)> =
            paths.iter().flat_map(|path| path.windows(2)).map(|pair| (pair[0], pair[1])).collect();
        for pair in pairs.into_iter().map(<[usize; 2]>::from) {
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

    /// How far it reaches across the layers.
    fn extent(&self) -> f64 {
        let ends = |side: f64| (0..self.y.len()).map(move |node| self.y[node] + side * self.heights[node] / 2.0);
        ends(1.0).fold(f64::NEG_INFINITY, f64::max) - ends(-1.0).fold(f64::INFINITY, f64::min)
    }

    /// Moves the nodes of every layer together, around one middle.
    fn pack(&mut self) {
        for layer in &self.layers {
            let all: f64 = layer.iter().map(|node| self.heights[*node] + BOX_GAP).sum();
            let mut y = (BOX_GAP - all) / 2.0;
            for &node in layer {
                self.y[node] = y + self.heights[node] / 2.0;
                y += self.heights[node] + BOX_GAP;
            }
        }
    }

    fn finish(&self, sizes: &[(f64, f64)], edges: &[(usize, usize)], gap: f64) -> Layout {
        let mut widths = vec![0.0_f64; self.layers.len()];
        for (node, (width, _)) in sizes.iter().enumerate() {
            widths[self.level[node]] = widths[self.level[node]].max(*width);
        }
        let mut lefts = Vec::with_capacity(widths.len());
        let mut right = 0.0;
        for width in &widths {
            lefts.push(right);
            right += width + gap;
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
            size: if sizes.is_empty() { (0.0, 0.0) } else { (right - gap, bottom - top) },
            direction: Direction::Right,
        }
    }
}

fn mean(nodes: &[usize], values: &[f64]) -> Option<f64> {
    let sum: f64 = nodes.iter().map(|node| values[*node]).sum();
    (!nodes.is_empty()).then(|| sum / nodes.len() as f64)
}

/// The positions nearest to `wished`, in the sense of least squares, that keep the order and the gaps: the rest of each
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
        fn boxes_never_overlap_and_wires_go_one_way(
            sizes in prop::collection::vec((20.0..200.0, 20.0..60.0), 1..30),
            pairs in prop::collection::vec((0_usize..30, 0_usize..30), 0..60),
        ) {
            let inside = |(a, b): &(usize, usize)| a < b && *b < sizes.len();
            let edges: Vec<_> = pairs.into_iter().filter(inside).collect();
            for layout in [to_the_right(&sizes, &edges, LAYER_GAP), downwards(&sizes, &edges, 300.0)] {
            for (a, (ax, ay)) in layout.corners.iter().enumerate() {
                prop_assert!(*ax >= -1e-6 && *ay >= -1e-6 && ax + sizes[a].0 <= layout.size.0 + 1e-6);
                prop_assert!(ay + sizes[a].1 <= layout.size.1 + 1e-6);
                for (b, (bx, by)) in layout.corners.iter().enumerate().skip(a + 1) {
                    let apart = ax + sizes[a].0 <= *bx || bx + sizes[b].0 <= *ax
                        || ay + sizes[a].1 <= by + 1e-6 || by + sizes[b].1 <= ay + 1e-6;
                    prop_assert!(apart, "{} and {} overlap", a, b);
                }
            }
            let along = |point: (f64, f64)| if layout.direction == Direction::Right { point.0 } else { point.1 };
            for route in &layout.routes {
                prop_assert!(route.windows(2).all(|pair| along(pair[0]) <= along(pair[1])));
            }
            }
        }
    }

    #[test]
    fn a_diamond_is_symmetric_and_a_chain_is_straight() {
        let square = [(10.0, 10.0); 4];
        let diamond = to_the_right(&square, &[(0, 1), (0, 2), (1, 3), (2, 3)], LAYER_GAP);
        assert_eq!(diamond.corners[0].1, diamond.corners[3].1);
        assert_eq!(diamond.corners[1].1 + diamond.corners[2].1, 2.0 * diamond.corners[0].1);
        let chain = to_the_right(&square, &[(0, 1), (1, 2), (2, 3)], LAYER_GAP);
        assert!(chain.corners.iter().all(|corner| corner.1 == 0.0));
    }

    #[test]
    fn a_long_chain_with_wires_to_everything_ends() {
        let count = 1000;
        let edges: Vec<_> = (1..count).flat_map(|to| [(to - 1, to), (0, to)]).collect();
        assert_eq!(layout(&vec![(10.0, 10.0); count], &edges, LAYER_GAP, 1000.0).corners.len(), count);
    }

    #[test]
    fn what_is_wider_than_a_page_goes_down_in_rows() {
        let check = |count: usize, edges: Vec<(usize, usize)>| {
            let layout = layout(&vec![(150.0, 40.0); count], &edges, LAYER_GAP, 1000.0);
            assert!(layout.size.0 <= 1000.0, "{:?}", layout.size);
            layout
        };
        let chain = check(40, (1..40).map(|at| (at - 1, at)).collect());
        assert!(chain.direction == Direction::Down && chain.corners.iter().all(|corner| corner.0 == 0.0));
        // A chain that fans out to thirty and comes together again.
        let (before, wide): (Vec<_>, Vec<_>) = ((1..10).map(|at| (at - 1, at)).collect(), (10..40).collect());
        let fan = wide.iter().flat_map(|at| [(9, *at), (*at, 40)]);
        check(41, before.into_iter().chain(fan).collect());
        let wide = check(300, (1..300).map(|at| (0, at)).collect());
        assert!(wide.size.1 < 5100.0, "{:?}", wide.size);
        assert_eq!(check(10, (1..10).map(|at| (0, at)).collect()).direction, Direction::Right);
    }
}
