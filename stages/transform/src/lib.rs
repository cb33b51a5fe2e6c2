//! Stage `transform`: ground-truth documents and training sets out of correlated findings.
//!
//! - [`stage`]: params, card and run. [`pass`]: the one pass over the scans. [`view`]: one scan as documents and prompts show it.
//!   [`redaction`]: real hosts under pseudonyms.
//! - [`documents`]: ground-truth documents, one a scan. [`prompt`]: what a prompt shows of findings. [`tasks`]: examples, by task.
//! - [`selection`]: examples on disk, merged, split by hosts and balanced. [`writing`]: the files of a dataset.
//!
//! Every sentence is computed from facts in the findings; nothing is drawn at random but the order, which the seed fixes.

pub mod documents;
pub mod pass;
pub mod prompt;
pub mod redaction;
pub mod selection;
pub mod stage;
pub mod tasks;
pub mod view;
pub mod writing;

pub use stage::{Transform, TransformParams};
