//! CPU time of this process and its descendants: it tells load by others from our own, and working stages from waiting ones.
//!
//! The sum only grows: a process that ends takes its time into the `cutime` of the one that reaps it, and all of them are
//! reaped within the tree, since the local backend makes this process adopt its orphans.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Ticks a second in `/proc/PID/stat`: USER_HZ, part of Linux's ABI on every architecture that Rust supports.
const TICKS: f64 = 100.0;

/// CPU seconds so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    /// Of the whole tree.
    pub(super) all: f64,
    /// Of each child with its descendants, by the child's process group.
    pub(super) groups: BTreeMap<u32, f64>,
}

/// The CPU time that the tree has used.
pub(super) fn used() -> Used {
    let mut used = Used::default();
    let (own, mut ticks) = (std::process::id(), 0);
    let mut open = vec![(own, None)];
    while let Some((process, group)) = open.pop() {
        let directory = format!("/proc/{process}");
        // A process that has ended meanwhile is counted with its parent next time.
        let Ok(stat) = fs::read_to_string(format!("{directory}/stat")) else { continue };
        let now = ticks_of(&stat).unwrap_or(0);
        ticks += now;
        let group = group.or_else(|| if process == own { None } else { group_of(&stat) });
        if let Some(group) = group {
            *used.groups.entry(group).or_default() += now as f64 / TICKS;
        }
        open.extend(children(Path::new(&directory)).into_iter().map(|child| (child, group)));
    }
    used.all = ticks as f64 / TICKS;
    used
}

/// The process group: field 5.
fn group_of(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// User and system time, own and of reaped children: fields 14 to 17. The name in field 2 may hold anything, also `)`.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields = after_name.split_ascii_whitespace().skip(11).take(4);
    fields.map(|field| field.parse::<u64>().ok()).sum()
}

fn children(process: &Path) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(process.join("task")) else { return Vec::new() };
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;

    #[test]
    fn times_are_found_behind_a_strange_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 81 0 0 0 11 22 300 4000 20 0 1 0 5 6 7";
        assert_eq!((ticks_of(stat), group_of(stat)), (Some(11 + 22 + 300 + 4000), Some(7)));
        assert_eq!(ticks_of("7 (x) S 1"), Some(0));
        assert_eq!(ticks_of(""), None);
    }

    #[test]
    fn a_child_that_burns_cpu_counts_while_it_runs_and_after() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; read _";
        let mut child = std::process::Command::new("sh")
            .process_group(0)
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let before = used().all;
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let during = used();
        assert!(during.all > before, "{during:?} > {before}");
        assert!(during.groups[&child.id()] > 0.0, "{during:?}");
        child.wait().unwrap();
        assert!(used().all >= during.all);
    }
}
