//! A place as the settings describe it.

use std::path::PathBuf;
use std::sync::Arc;

use contract::Resources;
use contract::backend::Prices;

use super::Timing;
use super::backend::Backend;
use super::launcher::Launcher;
use super::loopback::Loopback;
use crate::remote::{Instances, Machines, Place, Remote, RemoteError};

/// The setting of a program's backend that names a script: it runs on each instance before the stage.
pub(crate) const SETUP: &str = "user_data";

/// A place beyond this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePlace {
    /// Where its objects are.
    pub objects: Place,
    /// How many stages run there at once.
    pub at_once: usize,
    /// How leases and instances end.
    pub timing: Timing,
    /// The launcher of its instances.
    pub launches: Launches,
    /// Whether any of its machines has a GPU, as far as its settings tell without asking anybody.
    pub has_gpus: bool,
}

/// The launcher of a place's instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launches {
    /// They are processes of this machine, which have their directories below this one. Absolute.
    Processes(PathBuf),
    /// A backend program launches them.
    Program(Machines),
}

impl RemotePlace {
    /// The programs that it needs.
    pub fn programs(&self) -> impl Iterator<Item = String> {
        let launcher = match &self.launches {
            Launches::Processes(_) => None,
            Launches::Program(machines) => Some(machines.program()),
        };
        self.objects.program().into_iter().chain(launcher)
    }

    /// What an instance would cost for stages that ask for each of these; `None` where instances are processes of this machine, which cost
    /// nothing. A program is started for that, and no object is touched.
    pub fn prices(&self, wanted: &[Resources]) -> Option<Result<Vec<Result<Prices, RemoteError>>, RemoteError>> {
        match &self.launches {
            Launches::Processes(_) => None,
            Launches::Program(machines) => Some(machines.prices(&self.objects, wanted)),
        }
    }

    /// Opens its objects and its launcher. A program is started where one serves it.
    pub(super) fn open(&self) -> Result<(Arc<Remote>, Box<dyn Launcher>), RemoteError> {
        match &self.launches {
            Launches::Processes(instances) => {
                Ok((Arc::new(Remote::open(&self.objects)?), Box::new(Loopback::new(instances.clone()))))
            }
            Launches::Program(machines) => {
                let (remote, instances) = Instances::open(&self.objects, machines)?;
                let setup = machines.settings.get(SETUP).and_then(|setup| setup.as_str()).map(PathBuf::from);
                Ok((Arc::new(remote), Box::new(Backend::new(instances, setup))))
            }
        }
    }
}
