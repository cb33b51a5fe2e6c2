//! Confines private commands by Landlock, where the kernel has it: the project cannot be opened by a detour either.
//!
//! Landlock grants and never denies, so "everything but the project" is written as everything beside the way to it: of each
//! directory above the project all entries but the one that leads there, and inside it only the private directories. What is
//! made later directly in a directory on that way is not granted; a command has `TMPDIR` for such things. System paths stay
//! readable, and are not part of any key.
//!
//! A restriction holds for the thread that takes it on and for what that thread starts. So one thread is confined and does
//! nothing but start programs: no code runs between fork and exec, and std keeps using posix_spawn, which is fast. Landlock
//! wants `no_new_privs`: `sudo` and other set-uid programs do not gain rights in a confined command.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

/// The rights that are granted and withheld; an older kernel knows fewer and withholds those.
const RIGHTS: ABI = ABI::V5;

/// What a confined command may not see, and what of it it may.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// The project. Absolute, without symbolic links.
    pub project: PathBuf,
    /// Directories in it that are granted all the same.
    pub granted: Vec<PathBuf>,
}

/// A thread that starts programs under a confinement.
#[derive(Debug)]
pub(super) struct Spawner(Sender<Start>);

struct Start {
    command: Command,
    started: Sender<io::Result<Child>>,
}

impl Spawner {
    /// `None` where the kernel has no Landlock, or does not enforce it: then the private directory alone has to do.
    pub(super) fn new(confinement: &Confinement) -> Option<Spawner> {
        // Asked first: without it there is no need to list directories.
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))
            .and_then(Ruleset::create)
            .ok()?;
        let granted = granted(confinement, &entries);
        let (sender, receiver) = channel();
        let (confined, is_confined) = channel();
        let thread = std::thread::Builder::new().name("spawner".to_owned());
        thread.spawn(move || serve(&granted, &confined, &receiver)).ok()?;
        is_confined.recv().is_ok_and(|confined| confined).then_some(Spawner(sender))
    }

    /// Starts `command`, which is dropped before this returns, and its ends of pipes with it.
    pub(super) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (started, answer) = channel();
        let gone = || io::Error::other("the thread that starts confined commands has ended");
        self.0.send(Start { command, started }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

fn serve(granted: &[PathBuf], confined: &Sender<bool>, starts: &Receiver<Start>) {
    let status = restrict(granted);
    // Both ends are dropped only with the backend itself, and then nobody waits for an answer.
    let _ = confined.send(status.is_ok_and(|status| status != RulesetStatus::NotEnforced));
    for Start { mut command, started } in starts {
        let child = command.spawn();
        drop(command);
        let _ = started.send(child);
    }
}

fn restrict(granted: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let rights = AccessFs::from_all(RIGHTS);
    let ruleset = Ruleset::default().handle_access(rights)?.create()?;
    // What has gone since it was listed is passed over.
    Ok(ruleset.add_rules(path_beneath_rules(granted, rights))?.restrict_self()?.ruleset)
}

/// Every path that is granted with all that lies below it.
fn granted(confinement: &Confinement, entries: &dyn Fn(&Path) -> Vec<PathBuf>) -> Vec<PathBuf> {
    let way: Vec<&Path> = confinement.project.ancestors().collect();
    let beside = way.windows(2).flat_map(|pair| {
        let (next, directory) = (pair[0], pair[1]);
        entries(directory).into_iter().filter(move |entry| entry != next)
    });
    beside.chain(confinement.granted.iter().cloned()).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    // What cannot be listed cannot be granted; the command then sees less of the system, never more of the project.
    std::fs::read_dir(directory).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_beside_the_way_is_granted_and_of_the_project_only_what_is_named() {
        let tree = |directory: &Path| -> Vec<PathBuf> {
            let names: &[&str] = match directory.to_str() {
                Some("/") => &["bin", "home", "tmp"],
                Some("/home") => &["me", "you"],
                Some("/home/me") => &[".bashrc", "project", "project2"],
                _ => panic!("{} is not on the way", directory.display()),
            };
            names.iter().map(|name| directory.join(name)).collect()
        };
        let confinement =
            Confinement { project: "/home/me/project".into(), granted: vec!["/home/me/project/cache/work".into()] };
        let mut all: Vec<_> = granted(&confinement, &tree).into_iter().map(|path| path.display().to_string()).collect();
        all.sort();
        let expect =
            ["/bin", "/home/me/.bashrc", "/home/me/project/cache/work", "/home/me/project2", "/home/you", "/tmp"];
        assert_eq!(all, expect);
    }

    /// On a kernel without Landlock there is nothing to see; with it, the project is closed and the rest is open.
    #[test]
    #[expect(clippy::print_stderr, reason = "a test that looked at nothing says so")]
    fn a_confined_command_cannot_open_the_project_by_its_absolute_path() {
        let outside = tempfile::tempdir().unwrap();
        let outside = outside.path().canonicalize().unwrap();
        let (project, work) = (outside.join("project"), outside.join("project/work"));
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(project.join("secret"), "s").unwrap();
        std::fs::write(work.join("input"), "i").unwrap();
        std::fs::write(outside.join("beside"), "b").unwrap();
        let Some(spawner) = Spawner::new(&Confinement { project: project.clone(), granted: vec![work.clone()] }) else {
            eprintln!("skipped: this kernel has no Landlock");
            return;
        };
        let reads = |path: PathBuf| {
            let mut command = Command::new("/bin/cat");
            command.arg(path).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            spawner.spawn(command).unwrap().wait().unwrap().success()
        };
        assert!(reads(work.join("input")) && reads(outside.join("beside")) && reads("/etc/passwd".into()));
        assert!(!reads(project.join("secret")));
    }
}
