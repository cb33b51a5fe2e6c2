//! What the store keeps beside the objects: small files that say something by themselves.
//!
//! - [`model`]: what is kept. [`record`]: what an action gave, looked up by its key. [`last`]: which action a stage came to last.
//! - [`plans`]: resolved plans. [`pins`]: what is never collected. [`places`]: what was published where.
//! - [`kept`]: the checksums of such files.

pub(super) mod kept;
pub(super) mod last;
pub(super) mod model;
pub(super) mod pins;
pub(super) mod places;
pub(super) mod plans;
pub(super) mod record;
