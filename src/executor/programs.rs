//! Where the programs of kinds lie that a card names without files.
//!
//! A worker may have been built twice: `pipe-torch`, and with the libraries of CUDA `pipe-torch-cuda`, some gigabytes more. Only stages
//! that want a GPU start the second.

use std::ffi::OsString;
use std::path::PathBuf;

use contract::Resources;

use crate::backend::find_on_path;

/// What a worker is to compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Device {
    /// Processors.
    Cpu,
    /// GPUs too.
    Gpu,
}

impl Device {
    /// What a stage wants that asks for this.
    pub(crate) fn wanted(resources: &Resources) -> Device {
        if resources.gpus > 0 || resources.gpu_memory > 0 { Device::Gpu } else { Device::Cpu }
    }
}

/// The programs that an executor starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Programs {
    /// Those beside this one, else those on PATH.
    #[default]
    Beside,
    /// Those of a bundle, and nothing else.
    Bundle {
        /// The directory of programs.
        programs: PathBuf,
        /// The directory of what they are linked with.
        libraries: PathBuf,
    },
}

impl Programs {
    /// The file of a program for this device, or its bare name, which a backend looks for on PATH. A bundle has one for its stage.
    pub(super) fn path(&self, name: &str, device: Device) -> PathBuf {
        match self {
            Programs::Beside => find_for(name, device).unwrap_or_else(|| PathBuf::from(name)),
            Programs::Bundle { programs, .. } => programs.join(name),
        }
    }

    /// What the environment of these programs holds besides that of every other one. The paths in a program of a bundle are those of
    /// the machine that it was built on; this variable goes before them.
    pub(super) fn environment(&self) -> Option<(OsString, OsString)> {
        match self {
            Programs::Beside => None,
            Programs::Bundle { libraries, .. } => Some(("LD_LIBRARY_PATH".into(), libraries.into())),
        }
    }
}

/// The file of a worker for this device; where none was built for GPUs, the one for processors.
pub(crate) fn find_for(name: &str, device: Device) -> Option<PathBuf> {
    let for_gpus = (device == Device::Gpu).then(|| find(&for_gpus(name))).flatten();
    for_gpus.or_else(|| find(name))
}

/// The name of the worker `name` that was built for GPUs.
pub(crate) fn for_gpus(name: &str) -> String {
    format!("{name}-cuda")
}

/// The file of a program on this machine: beside this one, else on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    beside(name).or_else(|| find_on_path(name.as_ref(), &std::env::var_os("PATH")?))
}

fn beside(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.is_file().then_some(path)
}
