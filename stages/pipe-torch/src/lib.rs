//! The worker of the stages that link libtorch: one line a stage.

use contract::Kind;

/// Every kind this worker serves.
pub const KINDS: &[Kind] = &[
    Kind::of::<tokenize::Tokenize>(),
    Kind::of::<train::Train>(),
    Kind::of::<quantize::Quantize>(),
    Kind::of::<quantize::Export>(),
    Kind::of::<evaluate::Evaluate>(),
    Kind::of::<quantize::Analyst>(),
    Kind::of::<analyze::Analyze>(),
];
