//! The small files that the store keeps beside the objects.
//!
//! - [`model`]: their types. [`record`]: the result of an action, looked up by its key. [`last`]: the last action of each stage.
//! - [`plans`]: resolved plans. [`pins`]: roots that are never collected. [`places`]: the published places.
//! - [`elsewhere`]: records whose content lies on a remote. [`sent`]: actions that another place carries out. [`kept`]: the checksums of small files.

pub(super) mod elsewhere;
pub(super) mod kept;
pub(super) mod last;
pub(super) mod model;
pub(super) mod pins;
pub(super) mod places;
pub(super) mod plans;
pub(super) mod record;
pub(super) mod sent;
