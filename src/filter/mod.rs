//! What a subscriber wants, and the filters of all subscribers matched at once.
//!
//! ```text
//! query string ─► Filter ─► FilterIndex (all subscribers) ─► Matchers (a state of it, shared)
//!                                                                │ matches
//! entry ─► Facts (what filters look at) ─────────────────────────┴─► the filters that want it
//! ```
//!
//! - `parameter` names the parameters; `parse` reads them, `value` checks one value, `error` says what is wrong with it,
//!   `limits` how many there may be; `format` writes a filter as JSON and as a query string;
//! - `model` is the filter, `texts` its values; `names` is the form in which names are compared;
//! - `facts` is what filters look at in one entry;
//! - `oracle` defines what a filter wants; `matcher` finds the same for many filters at once; `index` keeps the matchers up
//!   to date while subscribers come and go.
//!
//! The crates: `aho-corasick` and `regex` (both rust-lang's, linear time) search for texts and expressions; `idna` (Servo's,
//! with ICU's tables) converts U-labels; `hashbrown` (the standard library's own table) keeps four bytes for a rule;
//! `strsim` suggests names.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

mod error;
mod facts;
mod format;
mod index;
mod limits;
mod matcher;
mod model;
mod names;
mod oracle;
mod parameter;
mod parse;
mod texts;
mod value;

#[cfg(test)]
mod tests;

pub use error::FilterError;
pub use facts::{Facts, SourceFacts};
pub use index::{FilterIndex, Matchers, Merge, Merged, TooLarge};
pub use limits::Limits;
pub use matcher::{FilterId, Scratch};
pub use model::Filter;
pub use parameter::{Parameter, is_parameter, suggestion};
pub use parse::FilterBuilder;
