//! CPU time of this process and its descendants, so that load by others can be told from our own.
//!
//! The sum only grows: a process that ends takes its time into the `cutime` of the one that reaps it, and all of them are
//! reaped within the tree, since the local backend makes this process adopt its orphans.

use std::fs;
use std::path::Path;

/// Ticks a second in `/proc/PID/stat`: USER_HZ, part of Linux's ABI on every architecture that Rust supports.
const TICKS: f64 = 100.0;

/// CPU seconds of the tree so far.
pub(super) fn cpu_seconds() -> f64 {
    let mut ticks = 0;
    let mut open = vec![std::process::id()];
    while let Some(process) = open.pop() {
        let directory = format!("/proc/{process}");
        // A process that has ended meanwhile is counted with its parent next time.
        let Ok(stat) = fs::read_to_string(format!("{directory}/stat")) else { continue };
        ticks += ticks_of(&stat).unwrap_or(0);
        open.extend(children(Path::new(&directory)));
    }
    ticks as f64 / TICKS
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

    #[test]
    fn times_are_found_behind_a_strange_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 81 0 0 0 11 22 300 4000 20 0 1 0 5 6 7";
        assert_eq!(ticks_of(stat), Some(11 + 22 + 300 + 4000));
        assert_eq!(ticks_of("7 (x) S 1"), Some(0));
        assert_eq!(ticks_of(""), None);
    }

    #[test]
    fn a_child_that_burns_cpu_counts_while_it_runs_and_after() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; read _";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let before = cpu_seconds();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let during = cpu_seconds();
        assert!(during > before, "{during} > {before}");
        child.wait().unwrap();
        assert!(cpu_seconds() >= during);
    }
}
