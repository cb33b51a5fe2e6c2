//! The architecture and glibc of a machine, and whether programs can run on it.

use std::io;
use std::path::PathBuf;

use super::elf::{self, Glibc};
use super::manifest::BundleManifest;

/// A machine that is to execute a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::executor::remote) struct Machine {
    /// As `uname -m` calls it.
    pub architecture: String,
    /// Its glibc, where that is known.
    pub glibc: Option<Glibc>,
}

impl Machine {
    /// This one.
    pub(in crate::executor::remote) fn own() -> Machine {
        // An unknown glibc refuses nothing here; the loader still checks.
        let glibc = own_libc().ok().flatten().and_then(|path| elf::read(&path).ok()??.defines);
        Machine { architecture: std::env::consts::ARCH.to_owned(), glibc }
    }

    /// Why this bundle cannot run on it, in words that follow `place`'s name.
    pub(in crate::executor::remote) fn unfit(&self, bundle: &BundleManifest, place: &str) -> Option<String> {
        let mut files = bundle.programs.iter().chain(&bundle.libraries);
        if let Some((name, file)) = files.clone().find(|(_, file)| file.architecture != self.architecture) {
            let (wanted, has) = (&file.architecture, &self.architecture);
            return Some(format!("`{name}` is built for {wanted}, and `{place}` has {has}"));
        }
        let has = self.glibc.as_ref()?;
        let (name, wanted) = files.find_map(|(name, file)| {
            let wanted: Glibc = file.glibc.as_ref()?.parse().ok()?;
            (wanted > *has).then_some((name, wanted))
        })?;
        Some(format!("`{name}` needs glibc {wanted}, and `{place}` has {has}"))
    }
}

/// The file of the libc that this process runs on.
fn own_libc() -> io::Result<Option<PathBuf>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let is_libc =
        |path: &&str| path.rsplit('/').next().is_some_and(|name| name == "libc.so.6" || name.starts_with("libc-2."));
    Ok(paths.into_iter().find(is_libc).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::executor::remote::bundle::BundledFile;

    #[test]
    fn a_machine_is_unfit_for_what_is_newer_or_built_for_another() {
        let check = |architecture: &str, glibc: Option<&str>, words: Option<&str>| {
            let of = |architecture: &str, glibc: Option<&str>| BundledFile {
                version: None,
                architecture: architecture.to_owned(),
                glibc: glibc.map(str::to_owned),
            };
            let programs = BTreeMap::from([
                ("pipe".to_owned(), of("x86_64", Some("2.9"))),
                ("w".to_owned(), of(architecture, glibc)),
            ]);
            let bundle = BundleManifest { programs, ..BundleManifest::default() };
            let machine = Machine { architecture: "x86_64".to_owned(), glibc: "2.31".parse().ok() };
            assert_eq!(machine.unfit(&bundle, "gpu").as_deref(), words);
        };
        check("x86_64", Some("2.31"), None);
        check("x86_64", None, None);
        check("x86_64", Some("2.34"), Some("`w` needs glibc 2.34, and `gpu` has 2.31"));
        check("aarch64", Some("2.9"), Some("`w` is built for aarch64, and `gpu` has x86_64"));
    }

    #[test]
    fn this_machine_suits_what_runs_on_it() {
        let own = Machine::own();
        let program = elf::read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert!(own.glibc >= program.glibc, "{own:?} {program:?}");
        assert_eq!(own.architecture, program.architecture);
    }
}
