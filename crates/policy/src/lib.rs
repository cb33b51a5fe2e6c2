//! Rules decide, the model explains: which answers of a model are taken, and what of them.
//!
//! - [`settings`]: what a model knows of its own use, as `analyst.json`. [`mod@judge`]: one answer, taken or refused.
//! - Why an answer is refused: [`schema`], the schemas of tasks; [`facts`], the names and numbers in an answer; [`grounding`], whether
//!   the question shows them; [`complete`], whether it says what it must.
//! - [`agree`]: whether an answer states what the rule's does, by which gates are chosen.
//! - [`mod@settle`]: the rule's answer with the model's text in it. [`form`]: which fields of an answer are text.
//!
//! Severity, risk, counts, ids and techniques are never the model's. It knows no model, no tokenizer and no file of a model.

pub mod agree;
pub mod complete;
pub mod facts;
pub mod form;
pub mod grounding;
pub mod judge;
pub mod schema;
pub mod settings;
pub mod settle;

pub use agree::agrees;
pub use judge::{Question, Refusal, Reply, examine, judge};
pub use settings::{Settings, SettingsError, TaskSettings};
pub use settle::{opinion, settle};
