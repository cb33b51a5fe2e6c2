//! Limits of the cgroups (version 2) that this process lives in: the way a container says how little of the machine it is.
//!
//! Limits hold along the whole path to the root, so every directory of it is read. Where no cgroup v2 is mounted there is
//! nothing to read, and the machine's own figures stand.

use std::fs;
use std::path::{Path, PathBuf};

use super::policy::Memory;

/// The cgroups of this process, innermost first.
#[derive(Debug)]
pub(super) struct Cgroups(Vec<PathBuf>);

/// A limit on CPU time and what was used of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuQuota {
    /// Cores' worth of time.
    pub(super) cores: f64,
    /// CPU seconds used so far by everything in the cgroup.
    pub(super) used: f64,
}

impl Cgroups {
    /// The cgroups of this process.
    pub(super) fn own() -> Cgroups {
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Cgroups::under(Path::new("/sys/fs/cgroup"), &membership)
    }

    /// The cgroups under `mount` that `membership` (the text of `/proc/self/cgroup`) names.
    fn under(mount: &Path, membership: &str) -> Cgroups {
        let Some(own) = membership.lines().find_map(|line| line.strip_prefix("0::/")) else {
            return Cgroups(Vec::new());
        };
        let innermost = mount.join(own);
        let path = innermost.ancestors().take_while(|directory| directory.starts_with(mount));
        Cgroups(path.map(Path::to_owned).collect())
    }

    /// The fullest memory limit. Page cache that the kernel would give up first does not count as used.
    pub(super) fn memory(&self) -> Option<Memory> {
        let limits = self.0.iter().filter_map(|directory| {
            let total = number(directory, "memory.max")?;
            let current = number(directory, "memory.current")?;
            let reclaimable = keyed(directory, "memory.stat", "inactive_file").unwrap_or(0);
            Some(Memory { used: current.saturating_sub(reclaimable), total })
        });
        limits.max_by(|a, b| (a.used as f64 / a.total as f64).total_cmp(&(b.used as f64 / b.total as f64)))
    }

    /// The tightest limit on CPU time.
    pub(super) fn cpu(&self) -> Option<CpuQuota> {
        let quotas = self.0.iter().filter_map(|directory| {
            let text = fs::read_to_string(directory.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            let cores = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?;
            let used = keyed(directory, "cpu.stat", "usage_usec")? as f64 / 1e6;
            Some(CpuQuota { cores, used })
        });
        quotas.min_by(|a, b| a.cores.total_cmp(&b.cores))
    }
}

/// `max` is no number and so no limit.
fn number(directory: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}

fn keyed(directory: &Path, file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(directory.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_fullest_memory_and_the_tightest_quota_on_the_path_count() {
        let mount = tempfile::tempdir().unwrap();
        write(
            mount.path(),
            &[
                ("a/memory.max", "1000\n"),
                ("a/memory.current", "900\n"),
                ("a/memory.stat", "anon 100\ninactive_file_other 1\ninactive_file 200\n"),
                ("a/cpu.max", "150000 100000\n"),
                ("a/cpu.stat", "usage_usec 2500000\nuser_usec 1\n"),
                ("a/b/memory.max", "max\n"),
                ("a/b/memory.current", "800\n"),
                ("a/b/cpu.max", "max 100000\n"),
                ("a/b/cpu.stat", "usage_usec 1\n"),
                ("other/memory.max", "1\n"),
                ("other/memory.current", "1\n"),
            ],
        );
        let cgroups = Cgroups::under(mount.path(), "4:memory:/old\n0::/a/b\n");
        assert_eq!(cgroups.memory(), Some(Memory { used: 700, total: 1000 }));
        assert_eq!(cgroups.cpu(), Some(CpuQuota { cores: 1.5, used: 2.5 }));
    }

    #[test]
    fn without_cgroup_v2_there_is_no_limit() {
        let mount = tempfile::tempdir().unwrap();
        for membership in ["", "4:memory:/x\n", "0::/\n"] {
            let cgroups = Cgroups::under(mount.path(), membership);
            assert_eq!((cgroups.memory(), cgroups.cpu()), (None, None));
        }
    }
}
