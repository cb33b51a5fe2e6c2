//! Limits of the cgroups that this process lives in: the way a container says how little of the machine it is.
//!
//! Version 2 gives memory and CPU time, version 1 memory; a machine may have both mounted. Limits hold along the whole path
//! to the root, so every directory of it is read. Where no cgroup is mounted there is nothing to read, and the machine's own
//! figures stand.

use std::fs;
use std::path::{Path, PathBuf};

use super::policy::Memory;
use super::psi;

/// The file of version 1 says "no limit" with the largest multiple of a page below 2^63, for any page size.
const NO_LIMIT: u64 = (1 << 63) - (1 << 20);

/// The cgroups of this process, innermost first.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// Of version 2.
    unified: Vec<PathBuf>,
    /// Of the memory controller of version 1.
    memory: Vec<PathBuf>,
}

/// A limit on CPU time and the time that was used of it.
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
        let unified = membership.lines().find_map(|line| line.strip_prefix("0::/"));
        let memory = membership.lines().find_map(|line| {
            let (_, controllers_and_path) = line.split_once(':')?;
            let (controllers, path) = controllers_and_path.split_once(":/")?;
            controllers.split(',').any(|controller| controller == "memory").then_some(path)
        });
        let path = |mount: &Path, own: Option<&str>| match own {
            Some(own) => directories(mount, own),
            None => Vec::new(),
        };
        Cgroups { unified: path(mount, unified), memory: path(&mount.join("memory"), memory) }
    }

    /// The fullest memory limit. Page cache that the kernel would give up first does not count as used.
    pub(super) fn memory(&self) -> Option<Memory> {
        let unified = self.unified.iter().filter_map(|directory| {
            let total = number(directory, "memory.max")?;
            let current = number(directory, "memory.current")?;
            let reclaimable = keyed(directory, "memory.stat", "inactive_file").unwrap_or(0);
            Some(Memory { used: current.saturating_sub(reclaimable), total })
        });
        let old = self.memory.iter().filter_map(|directory| {
            let total = number(directory, "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT)?;
            let current = number(directory, "memory.usage_in_bytes")?;
            let reclaimable = keyed(directory, "memory.stat", "total_inactive_file").unwrap_or(0);
            Some(Memory { used: current.saturating_sub(reclaimable), total })
        });
        unified.chain(old).max_by(|a, b| a.share().total_cmp(&b.share()))
    }

    /// The share of time in which everything in a cgroup of version 2 waited for memory: of the cgroup that waited most.
    pub(super) fn stalled(&self) -> Option<f64> {
        self.unified.iter().filter_map(|directory| psi::full(&directory.join("memory.pressure"))).max_by(f64::total_cmp)
    }

    /// The tightest limit on CPU time.
    pub(super) fn cpu(&self) -> Option<CpuQuota> {
        let quotas = self.unified.iter().filter_map(|directory| {
            let text = fs::read_to_string(directory.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            let cores = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?;
            let used = keyed(directory, "cpu.stat", "usage_usec")? as f64 / 1e6;
            Some(CpuQuota { cores, used })
        });
        quotas.min_by(|a, b| a.cores.total_cmp(&b.cores))
    }
}

/// The cgroup `own` and all around it, innermost first. Inside a container the path may be the host's and lead nowhere here;
/// its mount then shows the container itself.
fn directories(mount: &Path, own: &str) -> Vec<PathBuf> {
    let innermost = mount.join(own);
    innermost.ancestors().take_while(|directory| directory.starts_with(mount)).map(Path::to_owned).collect()
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
    fn limits_of_version_1_count_and_almost_2_to_the_63_is_none() {
        let mount = tempfile::tempdir().unwrap();
        write(
            mount.path(),
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/memory.usage_in_bytes", "5000\n"),
                ("memory/x/memory.limit_in_bytes", "1000\n"),
                ("memory/x/memory.usage_in_bytes", "900\n"),
                ("memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n"),
                ("memory/x/y/memory.limit_in_bytes", "9223372036854710272\n"),
                ("memory/x/y/memory.usage_in_bytes", "800\n"),
                ("memory/z/memory.limit_in_bytes", "1\n"),
                ("memory/z/memory.usage_in_bytes", "1\n"),
            ],
        );
        for membership in ["4:memory:/x/y\n0::/\n", "5:cpu:/z\n4:hugetlb,memory:/x\n", "4:memory:/x/gone\n"] {
            let memory = Cgroups::under(mount.path(), membership).memory();
            assert_eq!(memory, Some(Memory { used: 700, total: 1000 }), "{membership}");
        }
        for membership in ["4:memory:/\n", "4:name=memory:/z\n", "4:cpuset:/z\n"] {
            assert_eq!(Cgroups::under(mount.path(), membership).memory(), None, "{membership}");
        }
    }

    #[test]
    fn of_both_versions_the_fuller_limit_counts() {
        let mount = tempfile::tempdir().unwrap();
        write(
            mount.path(),
            &[
                ("memory/x/memory.limit_in_bytes", "1000\n"),
                ("memory/x/memory.usage_in_bytes", "500\n"),
                ("a/memory.max", "1000\n"),
                ("a/memory.current", "600\n"),
            ],
        );
        let cgroups = Cgroups::under(mount.path(), "4:memory:/x\n0::/a\n");
        assert_eq!(cgroups.memory(), Some(Memory { used: 600, total: 1000 }));
    }

    #[test]
    fn the_cgroup_on_the_path_that_waited_most_for_memory_counts() {
        let mount = tempfile::tempdir().unwrap();
        let text = |full| format!("some avg10=90.00 avg60=0.00 total=1\nfull avg10={full} avg60=0.00 total=1\n");
        write(
            mount.path(),
            &[
                ("a/memory.pressure", &text("25.00")),
                ("a/b/memory.pressure", &text("5.00")),
                ("other/memory.pressure", &text("99.00")),
            ],
        );
        assert_eq!(Cgroups::under(mount.path(), "0::/a/b\n").stalled(), Some(0.25));
        assert_eq!(Cgroups::under(mount.path(), "4:memory:/a\n").stalled(), None);
    }

    #[test]
    fn without_cgroups_there_is_no_limit() {
        let mount = tempfile::tempdir().unwrap();
        for membership in ["", "4:memory:/x\n", "0::/\n"] {
            let cgroups = Cgroups::under(mount.path(), membership);
            assert_eq!((cgroups.memory(), cgroups.cpu(), cgroups.stalled()), (None, None, None));
        }
    }
}
