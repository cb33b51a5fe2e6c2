//! A bundle: the programs that travel to an instance, as a directory artifact.
//!
//! ```text
//!   bin/pipe, bin/<worker>, bin/<program of the objects>     lib/<library>..     bundle.json: version, architecture and glibc of each
//! ```
//! - [`mod@pack`] makes one from the files of this machine. [`libraries`] finds the libraries of a program, as the loader does.
//!   [`gpus`] says whether a worker can compute on GPUs.
//! - [`elf`] reads the requirements of a file. [`machine`] describes a machine and tells whether a bundle suits it.
//! - [`manifest`] is `bundle.json`. [`mod@boot`] starts an instance of this machine from one; [`mod@unpacked`] is a bundle on the
//!   instance.
//!
//! Programs are built for the machine they run on and have paths of this one in them (RUNPATH). The instance starts workers with
//! `LD_LIBRARY_PATH`, which the loader heeds before those paths; nothing is rewritten, so that a file keeps its digest.

mod boot;
mod elf;
mod gpus;
mod libraries;
mod machine;
mod manifest;
mod pack;
mod unpacked;

pub(super) use boot::{boot, run_new};
pub use elf::Glibc;
pub use gpus::computes_on_processors;
pub(super) use gpus::for_processors;
pub(super) use machine::Machine;
pub use manifest::{BundleManifest, BundledFile};
pub use pack::stays_here;
pub(super) use pack::{Bundle, Packed, pack};
pub(super) use unpacked::{own_program, unpacked};

/// Where programs lie in a bundle.
const PROGRAMS: &str = "bin";

/// Where libraries lie in a bundle.
const LIBRARIES: &str = "lib";

/// The name of the manifest in a bundle.
const MANIFEST: &str = "bundle.json";

/// The engine.
const ENGINE: &str = "pipe";
