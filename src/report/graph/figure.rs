//! A drawing of the plan: boxes and wires. The instances of a matrix are one box with a count, and the common part of their wires
//! is said in words, so that five hundred of them fit a page.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use indexmap::IndexMap;
use petgraph::visit::EdgeRef;

use super::text::kind;
use crate::plan::instances::family as parts;
use crate::plan::{InputSource, Plan, StageId};

/// Whether the instances of a matrix are one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// They are.
    Folded,
    /// Each is a box of its own.
    Expanded,
}

/// A drawing before anything has a place.
#[derive(Debug)]
pub struct Figure {
    /// Stages in declaration order, and behind them the paths that they read.
    pub boxes: Vec<Block>,
    /// The wires between them, without a circle.
    pub wires: Vec<Wire>,
}

/// A box.
#[derive(Debug)]
pub enum Block {
    /// A stage, or all instances of one.
    Stage(StageBox),
    /// Files or directories of the workspace.
    Path(PathBox),
}

/// A stage, or all instances of one.
#[derive(Debug)]
pub struct StageBox {
    /// The stage's name, without the label of an instance when it stands for several.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Those that it stands for.
    pub members: Vec<StageId>,
    /// The axes of the matrix, each with its values in their order; empty unless it stands for several.
    pub axes: Vec<(String, Vec<String>)>,
}

/// Paths of the workspace.
#[derive(Debug)]
pub struct PathBox {
    /// The path, or the pattern of several: `hosts/*.json`.
    pub text: String,
    /// How many it stands for.
    pub count: usize,
}

/// A wire from one box to another.
#[derive(Debug)]
pub struct Wire {
    /// Where it begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// Its content.
    pub carries: Carries,
    /// How the instances pair; `None` between two single boxes.
    pub pairing: Option<Pairing>,
}

/// The content of a wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Carries {
    /// An output port, into an input port.
    Output(String, String),
    /// A path, into an input port.
    Path(String),
    /// Metrics, into a condition: no input, but it orders the stages all the same.
    Condition,
}

/// How the instances of two boxes pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Each of the one feeds one of the other; both the same number.
    OneToOne,
    /// Each of these feeds each of those.
    Complete(Share, Share),
    /// Each of those is fed by one.
    OneToMany,
    /// Each of these feeds one.
    ManyToOne,
    /// Anything else.
    ManyToMany,
}

/// How many instances of a box take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The box is a single one.
    One,
    /// All.
    All,
    /// Some of them: this many of that many.
    Some(usize, usize),
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pairing::OneToOne => f.write_str("one to one"),
            Pairing::Complete(from, to) => write!(f, "{from} to {to}"),
            Pairing::OneToMany => f.write_str("one to many"),
            Pairing::ManyToOne => f.write_str("many to one"),
            Pairing::ManyToMany => f.write_str("many to many"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::One => f.write_str("one"),
            Share::All => f.write_str("all"),
            Share::Some(some, all) => write!(f, "{some} of {all}"),
        }
    }
}

impl StageBox {
    /// How many it stands for, where those are several.
    pub fn count(&self) -> Option<usize> {
        (!self.axes.is_empty()).then_some(self.members.len())
    }

    /// The axes in words, one a line: `lr: 1e-4, 1e-3`, `seed: 1 .. 500 (500)`.
    pub fn axis_lines(&self, widest: usize) -> Vec<String> {
        let line = |(axis, values): &(String, Vec<String>)| {
            let all = format!("{axis}: {}", values.join(", "));
            match &values[..] {
                [first, .., last] if all.len() > widest => format!("{axis}: {first} .. {last} ({})", values.len()),
                _ => all,
            }
        };
        self.axes.iter().map(line).collect()
    }
}

/// Paths of one port that are drawn each for itself; more are one box.
const PATHS: usize = 8;

/// The drawing of a plan.
pub fn figure(plan: &Plan, detail: Detail) -> Figure {
    let (stages, box_of) = stage_boxes(plan, detail);
    // Which of those within its box a stage is does not matter, only that it is the same one.
    let mut bundles: IndexMap<(usize, usize, Carries), BTreeSet<(usize, usize)>> = IndexMap::new();
    let mut boxes: Vec<Block> = Vec::new();
    let sizes: Vec<usize> = stages.iter().map(|stage| stage.members.len()).collect();
    boxes.extend(stages.into_iter().map(Block::Stage));
    let mut paths: IndexMap<(usize, &str), BTreeSet<&Path>> = IndexMap::new();
    for id in plan.graph.node_indices() {
        let to = box_of[id.index()];
        for input in &plan.graph[id].inputs {
            match &input.source {
                InputSource::Stage { stage, port } => {
                    let carries = Carries::Output(port.to_string(), input.port.to_string());
                    let pairs = bundles.entry((box_of[stage.index()], to, carries)).or_default();
                    pairs.insert((stage.index(), id.index()));
                }
                InputSource::Path(path) => {
                    paths.entry((to, input.port.as_str())).or_default().insert(path);
                }
            }
        }
    }
    let fed: BTreeSet<(usize, usize)> = bundles.values().flatten().copied().collect();
    for edge in plan.graph.edge_references() {
        let (from, to) = (edge.source().index(), edge.target().index());
        if !fed.contains(&(from, to)) {
            bundles.entry((box_of[from], box_of[to], Carries::Condition)).or_default().insert((from, to));
        }
    }
    let mut wires: Vec<Wire> = bundles
        .into_iter()
        .map(|((from, to, carries), pairs)| Wire {
            from,
            to,
            carries,
            pairing: pairing(&pairs, sizes[from], sizes[to]),
        })
        .collect();
    add_paths(paths, detail, &mut boxes, &mut wires);
    Figure { boxes, wires }
}

/// The boxes of stages, and the box of each stage. Folding adds no circle: a reference names one instance, all of
/// them, or the one with the same label, so two families that fed each other would have two instances that do.
fn stage_boxes(plan: &Plan, detail: Detail) -> (Vec<StageBox>, Vec<usize>) {
    let mut families: IndexMap<&str, Vec<StageId>> = IndexMap::new();
    for id in plan.graph.node_indices() {
        let name = plan.graph[id].name.as_str();
        let family = if detail == Detail::Folded { parts(name).map(|(family, _)| family) } else { None };
        families.entry(family.unwrap_or(name)).or_default().push(id);
    }
    boxes_of(plan, &families)
}

fn boxes_of(plan: &Plan, families: &IndexMap<&str, Vec<StageId>>) -> (Vec<StageBox>, Vec<usize>) {
    let mut box_of = vec![0; plan.graph.node_count()];
    let mut boxes = Vec::with_capacity(families.len());
    for (at, (family, members)) in families.iter().enumerate() {
        members.iter().for_each(|id| box_of[id.index()] = at);
        let first = &plan.graph[members[0]];
        let several = members.len() > 1;
        let labels = members.iter().filter(|_| several).filter_map(|id| parts(plan.graph[*id].name.as_str()));
        boxes.push(StageBox {
            name: if several { (*family).to_owned() } else { first.name.to_string() },
            kind: kind(first).to_owned(),
            members: members.clone(),
            axes: axes(labels.map(|(_, label)| label)),
        });
    }
    (boxes, box_of)
}

/// The axes that labels like `lr=1e-4,seed=1` name, with their values.
fn axes<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<(String, Vec<String>)> {
    let mut axes: IndexMap<&str, IndexMap<&str, ()>> = IndexMap::new();
    for (axis, value) in labels.flat_map(|label| label.split(',')).filter_map(|part| part.split_once('=')) {
        axes.entry(axis).or_default().insert(value, ());
    }
    axes.into_iter().map(|(axis, values)| (axis.to_owned(), values.into_keys().map(str::to_owned).collect())).collect()
}

fn pairing(pairs: &BTreeSet<(usize, usize)>, of: usize, to: usize) -> Option<Pairing> {
    if of == 1 && to == 1 {
        return None;
    }
    let sources = pairs.iter().map(|pair| pair.0).collect::<BTreeSet<_>>().len();
    let targets = pairs.iter().map(|pair| pair.1).collect::<BTreeSet<_>>().len();
    let share = |some, all| match (some, all) {
        (_, 1) => Share::One,
        _ if some == all => Share::All,
        _ => Share::Some(some, all),
    };
    let single = of == 1 || to == 1;
    Some(match pairs.len() {
        all if all == sources && all == targets && all == of && all == to => Pairing::OneToOne,
        all if all == sources * targets && (single || all > 1) => {
            Pairing::Complete(share(sources, of), share(targets, to))
        }
        all if all == targets => {
            if all == sources {
                Pairing::OneToOne
            } else {
                Pairing::OneToMany
            }
        }
        all if all == sources => Pairing::ManyToOne,
        _ => Pairing::ManyToMany,
    })
}

/// A box for each path, or one for all of a port where they are many, and their wires.
fn add_paths(
    paths: IndexMap<(usize, &str), BTreeSet<&Path>>,
    detail: Detail,
    boxes: &mut Vec<Block>,
    wires: &mut Vec<Wire>,
) {
    let mut known: HashMap<BTreeSet<&Path>, usize> = HashMap::new();
    for ((to, port), all) in paths {
        let several = matches!(&boxes[to], Block::Stage(stage) if stage.members.len() > 1);
        let fold = detail == Detail::Folded && all.len() > if several { 1 } else { PATHS };
        let groups: Vec<BTreeSet<&Path>> =
            if fold { vec![all] } else { all.into_iter().map(|path| BTreeSet::from([path])).collect() };
        for group in groups {
            let (text, count) = (pattern(&group), group.len());
            let from = *known.entry(group).or_insert_with(|| {
                boxes.push(Block::Path(PathBox { text, count }));
                boxes.len() - 1
            });
            wires.push(Wire { from, to, carries: Carries::Path(port.to_owned()), pairing: None });
        }
    }
}

/// The common parts of paths, `*` for the rest.
fn pattern(paths: &BTreeSet<&Path>) -> String {
    let texts: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let [first, rest @ ..] = &texts[..] else { return String::new() };
    if rest.is_empty() {
        return first.clone();
    }
    let common = |one: &str, other: &str| one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let letters = first.chars().count();
    let head = rest.iter().map(|other| common(first, other)).min().unwrap_or(letters);
    let tail = rest.iter().map(|other| common(&reversed(first), &reversed(other))).min().unwrap_or(0);
    // Of two numbers that end alike the end is no ending.
    let tail: String = first.chars().skip(letters - tail.min(letters - head)).collect();
    let tail = tail.find(|c: char| !c.is_alphanumeric()).map_or("", |at| &tail[at..]);
    format!("{}*{tail}", first.chars().take(head).collect::<String>())
}

/// The titles of wires by the two boxes that they lie between: several between two boxes are one line.
pub fn lines(figure: &Figure) -> BTreeMap<(usize, usize), Vec<&Wire>> {
    let mut lines: BTreeMap<(usize, usize), Vec<&Wire>> = BTreeMap::new();
    for wire in &figure.wires {
        lines.entry((wire.from, wire.to)).or_default().push(wire);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pairing(pairs: &[(usize, usize)], of: usize, to: usize, expected: &str) {
        let found = pairing(&pairs.iter().copied().collect(), of, to);
        assert_eq!(found.map(|pairing| pairing.to_string()).unwrap_or_default(), expected, "{pairs:?}");
    }

    #[test]
    fn pairs_are_told_in_words() {
        check_pairing(&[(0, 1)], 1, 1, "");
        check_pairing(&[(0, 10), (1, 11)], 2, 2, "one to one");
        check_pairing(&[(0, 10), (1, 10)], 2, 1, "all to one");
        check_pairing(&[(0, 10), (0, 11)], 1, 2, "one to all");
        check_pairing(&[(0, 10)], 3, 1, "1 of 3 to one");
        check_pairing(&[(0, 10), (0, 11)], 1, 5, "one to 2 of 5");
        check_pairing(&[(0, 10), (0, 11), (1, 10), (1, 11)], 2, 2, "all to all");
        check_pairing(&[(0, 10), (0, 11), (1, 12), (1, 13)], 2, 4, "one to many");
        check_pairing(&[(0, 10), (1, 10), (2, 11), (3, 11)], 4, 2, "many to one");
        check_pairing(&[(0, 10), (1, 10), (1, 11)], 2, 2, "many to many");
        check_pairing(&[(0, 10), (1, 11)], 3, 3, "one to one");
    }

    #[test]
    fn paths_have_a_pattern() {
        let check = |texts: &[&str], expected: &str| {
            assert_eq!(pattern(&texts.iter().map(Path::new).collect()), expected);
        };
        check(&["a.txt"], "a.txt");
        check(&["in/1.txt", "in/2.txt"], "in/*.txt");
        check(&["in/10.txt", "in/20.txt"], "in/*.txt");
        check(&["a", "b"], "*");
        check(&["aa", "a"], "a*");
        check(&["in/é.txt", "in/è.txt"], "in/*.txt");
    }
}
