//! Whether a worker can compute on GPUs. libtorch has a part for processors, and one for GPUs which a program may be linked without.

use contract::FailureClass;

use super::elf;
use super::libraries::{self, Libraries};
use super::manifest::BundleManifest;
use crate::executor::FailureReport;
use crate::executor::programs::{self, Device};

/// The part for processors.
const FOR_PROCESSORS: &str = "libtorch_cpu.so";

/// The part for GPUs.
const FOR_GPUS: &str = "libtorch_cuda.so";

impl BundleManifest {
    /// Whether it holds the part for processors alone.
    pub(in crate::executor::remote) fn lacks_gpus(&self) -> bool {
        lacks_gpus(|name| self.libraries.contains_key(name))
    }
}

/// Why the worker `name`, judged by the copies on this machine, is of no use to a stage elsewhere that wants a GPU.
pub fn computes_on_processors(name: &str) -> Option<FailureReport> {
    // The run reports a program that is missing or cannot be read.
    let path = programs::find_for(name, Device::Gpu)?;
    let mut libraries = Libraries::default();
    libraries::collect(&path, elf::read(&path).ok()??, &mut libraries).ok()?;
    lacks_gpus(|name| libraries.found.contains_key(name)).then(|| for_processors(name))
}

/// The failure of a stage that wants a GPU and has this worker.
pub(in crate::executor::remote) fn for_processors(name: &str) -> FailureReport {
    let built = programs::for_gpus(name);
    FailureReport {
        class: FailureClass::NotBuilt,
        message: format!("its worker `{name}` is linked with the libtorch for CPUs, and it wants a GPU"),
        help: Some(format!(
            "run scripts/libtorch.sh --cuda in the checkout: ./pipe then builds `{built}`, which goes along to such stages \
             (docs/setup.md, \"With a GPU\"); or ask for no GPU"
        )),
    }
}

fn lacks_gpus(holds: impl Fn(&str) -> bool) -> bool {
    holds(FOR_PROCESSORS) && !holds(FOR_GPUS)
}
