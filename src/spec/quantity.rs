//! `resources:` of a stage: counts and sizes, refused when no machine could give them.

use super::keys;
use super::node::{Node, NodeValue};
use super::pipeline::ResourcesSpec;
use super::problem::Problem;
use super::span::Spanned;

/// More cores or GPUs than any machine has.
const MAX_COUNT: u64 = 4096;
/// More memory than any machine has: 1 PiB.
const MAX_MEMORY: u64 = 1 << 50;

const UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads `resources:`.
pub fn resources(node: &Node, problems: &mut Vec<Problem>) -> ResourcesSpec {
    let mut resources = ResourcesSpec::default();
    for (key, entry) in keys::known(node, keys::RESOURCES, "`resources`", problems) {
        match key {
            "cpus" => resources.cpus = count(&entry.value, key, 1, problems),
            "gpus" => resources.gpus = count(&entry.value, key, 0, problems),
            "gpu_memory" => resources.gpu_memory = memory(&entry.value, key, problems),
            _ => resources.memory = memory(&entry.value, key, problems),
        }
    }
    resources
}

fn count(node: &Node, key: &str, least: u64, problems: &mut Vec<Problem>) -> Option<Spanned<u32>> {
    let given = match &node.value {
        NodeValue::Number(number) => number.as_u64().filter(|n| (least..=MAX_COUNT).contains(n)),
        _ => None,
    };
    if given.is_none() && !node.is_broken() {
        let message = format!("`{key}` must be a whole number from {least} to {MAX_COUNT}, found {}", node.describe());
        problems.push(Problem::at("impossible-resources", node.span, message).label("not possible"));
    }
    given.map(|n| Spanned { value: n as u32, span: node.span })
}

fn memory(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Spanned<u64>> {
    let given = match &node.value {
        NodeValue::Number(number) => number.as_u64(),
        NodeValue::Text(text) => size(text),
        _ => None,
    };
    let possible = given.filter(|bytes| (1..=MAX_MEMORY).contains(bytes));
    if possible.is_none() && !node.is_broken() {
        let message = format!("`{key}` must be a size from 1B to 1024TiB, found {}", node.describe());
        let problem = Problem::at("impossible-resources", node.span, message).label("not possible");
        problems.push(problem.help("write bytes, or a size such as 16GiB or 500MB"));
    }
    possible.map(|value| Spanned { value, span: node.span })
}

/// Bytes of a text such as `16GiB` or `1.5 GB`.
pub fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number: f64 = number.parse().ok()?;
    let bytes = number * *scale as f64;
    (bytes >= 0.0 && bytes <= MAX_MEMORY as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(size("16GiB"), Some(17_179_869_184));
        assert_eq!(size("500MB"), Some(500_000_000));
        assert_eq!(size("1.5 KiB"), Some(1536));
        assert_eq!(size("7B"), Some(7));
        for text in ["16", "GiB", "16G", "-1GiB", "1..5GB", "9999TiB", "16 gib"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
