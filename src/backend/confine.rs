//! Confines private commands by Landlock, where the kernel has it: neither the project nor a neighbour can be opened by a detour.
//!
//! Landlock grants and never denies, so "everything but the project" is written as grants beside the way to it: in each directory
//! above a closed one, all entries except the one that leads there. Inside, a command is granted its own directory and the tools of
//! its stage. A file that is made later directly in a directory on that way is not granted; a command has `TMPDIR` for such files.
//! System paths stay readable, and are not part of any key.
//!
//! Each launch has a domain of its own. A confined process reads `/proc/PID/environ`, and all else that a debugger could, of
//! processes of its own domain and of those below: in one domain for all, every command could read the secrets of the others.
//!
//! A restriction holds for the thread that takes it on and for the programs that thread starts. So each launch has a thread that is
//! confined, starts one program and ends: no code runs between fork and exec, and std keeps using posix_spawn, which is fast.
//! Landlock wants `no_new_privs`: `sudo` and other set-uid programs do not gain rights in a confined command.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use super::launch::Private;

/// The rights that are granted and withheld; an older kernel knows fewer and withholds those.
const RIGHTS: ABI = ABI::V5;

/// Entries beside the way that are kept open for the whole run, so that a launch opens nothing. Further entries, in a directory of
/// thousands, are opened for each launch: descriptors are few.
const KEPT_OPEN: usize = 256;

/// Directories of a system that stay open although the project is the root of the file system and holds them.
const SYSTEM: [&str; 22] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "nix", "opt", "proc",
    "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var",
];

/// The paths that no confined command may open unless they are granted to it.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// The project, and where stages have their directories. Absolute, without symbolic links.
    pub closed: Vec<PathBuf>,
}

/// Starts programs under a confinement.
#[derive(Debug)]
pub(super) struct Confiner {
    kept: Vec<PathFd>,
    beyond: Vec<PathBuf>,
}

impl Confiner {
    /// `None` where the kernel has no Landlock, or does not enforce it: then the private directory alone has to do.
    pub(super) fn new(confinement: &Confinement) -> Option<Confiner> {
        // Asked first, on a thread that ends: without it there is no need to list directories. It also says no in a process that
        // is confined as often as the kernel allows.
        if !std::thread::spawn(can_confine).join().is_ok_and(|can| can) {
            return None;
        }
        let mut beside = beside(&confinement.closed, &entries);
        let beyond = beside.split_off(beside.len().min(KEPT_OPEN));
        // Entries that have gone since they were listed, or may not be opened, are passed over.
        Some(Confiner { kept: beside.iter().filter_map(|path| PathFd::new(path).ok()).collect(), beyond })
    }

    /// Starts `command`, which is dropped before this returns, and its ends of pipes with it.
    pub(super) fn spawn(&self, mut command: Command, own: &Private) -> io::Result<Child> {
        std::thread::scope(|scope| {
            let confined = scope.spawn(move || {
                let status = self.restrict(own).map_err(io::Error::other)?;
                if status == RulesetStatus::NotEnforced {
                    return Err(io::Error::other("the kernel has stopped enforcing Landlock"));
                }
                command.spawn()
            });
            confined.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts the command has ended")))
        })
    }

    /// Confines this thread. An entry that was removed since it was listed cannot be granted and is passed over. One that goes between
    /// the look and the rule makes it look again.
    fn restrict(&self, own: &Private) -> Result<RulesetStatus, RulesetError> {
        for _ in 1..ATTEMPTS {
            if let Ok(status) = self.try_to_restrict(own) {
                return Ok(status);
            }
        }
        self.try_to_restrict(own)
    }

    fn try_to_restrict(&self, own: &Private) -> Result<RulesetStatus, RulesetError> {
        let all = AccessFs::from_all(RIGHTS);
        let used = AccessFs::from_read(RIGHTS);
        let beyond = self.beyond.iter().filter_map(|path| PathFd::new(path).ok());
        let own_directory = PathFd::new(&own.directory).ok();
        let tools = own.tools.iter().filter_map(|path| PathFd::new(path).ok());
        let ruleset = Ruleset::default().handle_access(all)?.create()?;
        let ruleset = ruleset
            .add_rules(self.kept.iter().filter(is_there).map(|entry| beneath(entry, all)))?
            .add_rules(beyond.chain(own_directory).map(|entry| beneath(entry, all)))?
            .add_rules(tools.map(|entry| beneath(entry, used)))?;
        Ok(ruleset.restrict_self()?.ruleset)
    }
}

/// How often it is tried while things beside the project come and go.
const ATTEMPTS: u32 = 5;

fn is_there(entry: &&PathFd) -> bool {
    rustix::fs::fstat(entry).is_ok_and(|stat| stat.st_nlink > 0)
}

/// Confines this thread by as much as nothing; whether that was possible.
fn can_confine() -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = ruleset.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create);
    let status = ruleset.and_then(|ruleset| ruleset.restrict_self());
    status.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

fn beneath<F: AsFd>(entry: F, rights: BitFlags<AccessFs>) -> Result<PathBeneath<F>, RulesetError> {
    Ok(PathBeneath::new(entry, rights))
}

/// Every path that is granted to all commands with all that lies below it. `entries` lists a directory; `None` where that is denied.
fn beside(closed: &[PathBuf], entries: &dyn Fn(&Path) -> Option<Vec<PathBuf>>) -> Vec<PathBuf> {
    let root = Path::new("/");
    let (mut beside, mut way) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = way.pop() {
        let listed = if closed.contains(&directory) {
            SYSTEM.iter().map(|name| directory.join(name)).collect()
        } else if let Some(listed) = entries(&directory) {
            listed
        } else if directory == root {
            // Where not even the root can be listed, this engine is a confined command itself. Its own restrictions stay,
            // and by name nothing could be granted that its commands need.
            return vec![directory];
        } else {
            // The command then sees less of the system, never more of the project.
            continue;
        };
        for entry in listed {
            if closed.contains(&entry) {
                continue;
            }
            let leads_on = closed.iter().any(|closed| closed.starts_with(&entry));
            if leads_on { &mut way } else { &mut beside }.push(entry);
        }
    }
    beside
}

/// The entries of a directory, without links: the target of a link is granted by itself or is closed, and a link to something on the way
/// would open the project. `/dev/stdin` leads to something that is no file at all.
fn entries(directory: &Path) -> Option<Vec<PathBuf>> {
    let listed = std::fs::read_dir(directory).ok()?.flatten();
    let real = listed.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    Some(real.map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(closed: &[&str], expect: &[&str]) {
        let tree = |directory: &Path| -> Option<Vec<PathBuf>> {
            let names: &[&str] = match directory.to_str() {
                Some("/") => &["bin", "data", "home", "tmp"],
                Some("/data") => &["store", "sets"],
                Some("/data/store") => &["objects", "work"],
                Some("/home") => &["me", "you"],
                Some("/home/me") => &[".bashrc", "project", "project2"],
                _ => panic!("{} is not on the way", directory.display()),
            };
            Some(names.iter().map(|name| directory.join(name)).collect())
        };
        let closed: Vec<PathBuf> = closed.iter().map(PathBuf::from).collect();
        let mut all: Vec<_> = beside(&closed, &tree).into_iter().map(|path| path.display().to_string()).collect();
        all.sort();
        assert_eq!(all, expect, "{closed:?}");
    }

    #[test]
    fn everything_beside_the_way_is_granted_and_nothing_in_what_is_closed() {
        let around = ["/bin", "/data", "/home/me/.bashrc", "/home/me/project2", "/home/you", "/tmp"];
        check(&["/home/me/project", "/home/me/project/cache/work"], &around);
        let around =
            ["/bin", "/data/sets", "/data/store/objects", "/home/me/.bashrc", "/home/me/project2", "/home/you", "/tmp"];
        check(&["/home/me/project", "/data/store/work"], &around);
        check(&["/home/me", "/home/me/cache/work"], &["/bin", "/data", "/home/you", "/tmp"]);
    }

    #[test]
    fn a_project_at_the_root_leaves_the_system_open() {
        let granted = beside(&["/".into(), "/cache/work".into()], &|directory| panic!("{}", directory.display()));
        assert!(granted.contains(&"/usr".into()) && !granted.contains(&"/".into()) && granted.len() == SYSTEM.len());
    }

    #[test]
    fn within_a_confined_command_that_one_keeps_the_project_closed() {
        assert_eq!(beside(&["/a/project".into()], &|_| None), [PathBuf::from("/")]);
    }

    /// On a kernel without Landlock there is nothing to see; with it, the project is closed, the neighbours are, the rest is open.
    #[test]
    #[expect(clippy::print_stderr, reason = "a test that looked at nothing says so")]
    fn a_confined_command_opens_its_own_directory_and_its_tools_and_nothing_else_of_the_project() {
        let outside = tempfile::tempdir().unwrap();
        let outside = outside.path().canonicalize().unwrap();
        let project = outside.join("project");
        for (directory, file) in [("own", "input"), ("neighbour", "input"), ("tools", "tool"), ("", "secret")] {
            std::fs::create_dir_all(project.join(directory)).unwrap();
            std::fs::write(project.join(directory).join(file), "x").unwrap();
        }
        std::fs::write(outside.join("beside"), "b").unwrap();
        let Some(confiner) = Confiner::new(&Confinement { closed: vec![project.clone()] }) else {
            eprintln!("skipped: this kernel has no Landlock");
            return;
        };
        let own = Private { directory: project.join("own"), tools: vec![project.join("tools")] };
        let does = |program: &str, path: PathBuf| {
            let mut command = Command::new(program);
            command.arg(path).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            confiner.spawn(command, &own).unwrap().wait().unwrap().success()
        };
        let reads = |path: PathBuf| does("/bin/cat", path);
        assert!(reads(project.join("own/input")) && reads(outside.join("beside")) && reads("/etc/passwd".into()));
        assert!(reads(project.join("tools/tool")));
        assert!(!reads(project.join("secret")) && !reads(project.join("neighbour/input")));
        assert!(does("/bin/rm", project.join("own/input")) && !does("/bin/rm", project.join("tools/tool")));
    }
}
