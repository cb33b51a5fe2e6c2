//! Stage `evaluate`: measures the quantized model beside the original and beside baselines, and holds it to what a pipeline requires.
//!
//! - [`samples`]: the test examples and the questions. [`likelihood`]: perplexity and divergence; [`out_of_domain`]: on a plain text.
//! - [`generation`]: what the models answer. [`baselines`]: what is answered without one. [`judge`]: what an answer is worth;
//!   [`answered`], [`confusion`]: what all are worth. [`reports`]: real scanner reports.
//! - [`gates`]: from which confidence on answers are taken; [`trained`]: the tasks that the model was trained for.
//! - [`measure`]: the figures of answers. [`scores`]: their sums by host, and intervals. [`comparisons`]: differences.
//! - [`metrics`]: the document of figures. [`requirements`]: what a pipeline requires of them. [`report`]: the page; [`model_card`].
//! - [`params`], [`stage`]: what may be set, the run; [`evaluation`]: its parts; `asker`: both models asked.

pub mod answered;
mod asker;
pub mod baselines;
pub mod comparisons;
pub mod confusion;
pub mod evaluation;
pub mod gates;
pub mod generation;
pub mod judge;
pub mod likelihood;
pub mod measure;
pub mod metrics;
pub mod model_card;
pub mod out_of_domain;
pub mod params;
pub mod report;
pub mod reports;
pub mod requirements;
pub mod samples;
pub mod scores;
pub mod stage;
pub mod trained;

pub use asker::Speed;
pub use metrics::Metrics;
pub use params::EvaluateParams;
pub use stage::Evaluate;
