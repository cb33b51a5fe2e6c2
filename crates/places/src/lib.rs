//! The settings of the places where `pipe-aws` runs instances: what may be written in `pipe.yaml`, what it means, and what is wrong with
//! it, all without asking anybody.
//!
//! - [`read`]: settings as JSON into [`Place`], with every problem at once ([`Finding`]). The engine adds file and line; the program
//!   reads the same settings again when it gets them.
//! - [`Ec2Spot`], [`SageMaker`]: the two places. [`catalog`]: types of machines with their memory, GPUs and prices.
//! - [`secret()`]: whether a secret's name can be one. [`Place::lacks`]: what a stage asks for and no machine of the place has.
//!
//! No SDK, no network, no file, no clock.

pub mod catalog;
mod reader;
mod sagemaker;
mod secret;
mod shapes;
mod spot;

use contract::card::Resources;
use serde_json::Value;

pub use reader::Finding;
pub use sagemaker::{Capacity, SageMaker};
pub use secret::{region_of, secret};
pub use spot::{Ami, Ec2Spot, Fallback};

/// The types of places, as `pipe.yaml` names them, each with its keys.
pub const TYPES: [(&str, &[Key]); 2] = [("ec2-spot", spot::KEYS), ("sagemaker", sagemaker::KEYS)];

/// A key of the settings, and what it is for.
pub type Key = (&'static str, &'static str);

/// A place.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Spot instances of EC2.
    Ec2Spot(Ec2Spot),
    /// Training jobs of SageMaker.
    SageMaker(SageMaker),
}

/// The place of the type `name` with these settings, or everything that is wrong with them. `None`: there is no such type.
pub fn read(name: &str, settings: &Value) -> Option<Result<Place, Vec<Finding>>> {
    match name {
        "ec2-spot" => Some(spot::read(settings).map(Place::Ec2Spot)),
        "sagemaker" => Some(sagemaker::read(settings).map(Place::SageMaker)),
        _ => None,
    }
}

impl Place {
    /// Whether any of its machines is known to have a GPU.
    pub fn has_gpus(&self) -> bool {
        let has = |name: &String| catalog::find(name).is_some_and(|machine| machine.gpus > 0);
        match self {
            Place::Ec2Spot(spot) => spot.instances.iter().any(has),
            Place::SageMaker(job) => has(&job.instance),
        }
    }

    /// Why no machine of the place can carry out a stage that asks for this; `None`: one of them can, or they are not known.
    pub fn lacks(&self, wanted: Resources) -> Option<String> {
        match self {
            Place::Ec2Spot(spot) => {
                let reasons: Vec<String> =
                    spot.instances.iter().map_while(|name| catalog::lacks(name, wanted)).collect();
                (reasons.len() == spot.instances.len()).then(|| reasons.join("; "))
            }
            Place::SageMaker(job) => catalog::lacks(&job.instance, wanted),
        }
    }
}
