//! Statistics that are the same on every machine: plain sums and products in a fixed order, `libm`, and draws of the crate `draws`.
//!
//! - [`estimate`]: a figure with its interval. [`bootstrap`]: intervals by resampling, of single items or of clusters.
//! - [`auc`]: the area under the ROC curve, in strata. [`logistic`]: logistic regression on sparse features.
//! - [`binomial`]: how rare an error is that was seen so often.
//! - [`minhash`]: how similar two sets are. [`quantile`]: quantiles by nearest rank.

pub mod auc;
pub mod binomial;
pub mod bootstrap;
pub mod estimate;
pub mod logistic;
pub mod minhash;
pub mod quantile;

pub use bootstrap::Bootstrap;
pub use estimate::Estimate;
