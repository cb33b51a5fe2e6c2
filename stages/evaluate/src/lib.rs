//! Stage `evaluate`: measures the quantized model beside the original, and holds it to quality gates.
//!
//! - [`samples`]: the test examples. [`likelihood`]: perplexity and divergence. [`generation`]: what the models answer;
//!   [`answer`], [`confusion`]: how that is judged.
//! - [`metrics`]: the document of figures. [`gates`]: limits on them. [`report`]: the page.
//! - [`params`], [`stage`]: what may be set, the run.

pub mod answer;
pub mod confusion;
pub mod gates;
pub mod generation;
pub mod likelihood;
pub mod metrics;
pub mod params;
pub mod report;
pub mod samples;
pub mod stage;

pub use metrics::Metrics;
pub use params::EvaluateParams;
pub use stage::Evaluate;
