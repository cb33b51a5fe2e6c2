//! Text of real hosts without who and where: user names, host names, IP and MAC addresses become pseudonyms, and pseudonyms what they
//! stand for.
//!
//! - [`Redactor`]: knows names of hosts, learns those of users, and replaces them. One key gives one value one pseudonym, in whatever order texts come,
//!   so that a training set keeps who is who. [`Pseudonyms`]: the map, with which an answer is undone.
//! - `permute`: addresses within their class, which stays what it was: private, link-local or public. `tokens`: where values are in a
//!   text.
//!
//! Loopback, unspecified, multicast and reserved addresses say nothing of a network and stay; so do accounts that systems have by
//! themselves (`root`, `www-data`). Names are found where paths and programs show them (`/home/NAME`, `sshd: NAME@`), then replaced wherever
//! they stand as a word. A name that nothing shows to be one stays: that is the limit.

mod class;
mod names;
mod permute;
mod pseudonyms;
mod redactor;
mod tokens;

pub use pseudonyms::Pseudonyms;
pub use redactor::Redactor;
