//! The form of findings and the shares of severities in real reports: the reference that simulated ones are held against.
//!
//! The data is under `profile/`, with a README. [`Profile::departures`] says how one finding differs from it, [`Bands::outside`] how
//! severities do on the average of many. It knows no finding that the scanner could not have written, and no host.

mod bands;
mod format;
mod kind;
mod pattern;
mod reference;
mod scanner;

pub use bands::{Bands, Outside, SeverityCounts};
pub use kind::{Aspect, Departure};
pub use reference::{HostProfile, Profile};
pub use scanner::ScannerProfile;
