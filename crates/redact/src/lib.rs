//! Text of real hosts without who and where: user names, host names, domains, IP and MAC addresses become pseudonyms, and pseudonyms what
//! they stand for.
//!
//! - [`Redactor`]: knows names of hosts, learns those of users, and replaces them. One key gives one value one pseudonym, in whatever order
//!   texts come, so that a training set keeps who is who. [`Pseudonyms`]: the map, with which an answer is undone.
//! - [`Vocabulary`]: words that are no names, whoever bears them. `places`: where a text shows a name.
//! - `permute`: addresses within their class, which stays what it was: private, link-local or public. `tokens`: where addresses are in
//!   a text.
//!
//! Names are learned where a user cannot choose them freely: home directories, the names of hosts, metadata whose key means a user or a
//! host. Those are replaced wherever they stand as a word, in any case. A name in a command line (`ssh eve@build`) is replaced at its
//! place only, and a word of the vocabulary nowhere but in a home directory: otherwise a process called `USER=LISTEN` would change what
//! the sockets of a scan say. Loopback, unspecified, multicast and reserved addresses say nothing of a network and stay; so do accounts that
//! systems have by themselves (`root`, `www-data`). A name that no such place shows stays: that is the limit.

mod class;
mod names;
mod permute;
mod places;
mod pseudonyms;
mod redactor;
mod tokens;
mod vocabulary;

pub use pseudonyms::Pseudonyms;
pub use redactor::Redactor;
pub use vocabulary::Vocabulary;
