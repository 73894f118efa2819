//! What a subscriber wants, and the filters of all subscribers matched at once.
//!
//! ```text
//! query string ─► Filter ─► FilterIndex (all subscribers) ─► Matchers (a state of it, shared)
//!                                                                │ matches
//! entry ─► Facts (what filters look at) ─────────────────────────┴─► the filters that want it
//! ```
//!
//! - `parameter` names the parameters; `parse` reads them from a query, `json` from lists; `value` checks one value, `error`
//!   says what is wrong with it, `limits` how many there may be; `format` writes a filter as JSON and as a query string;
//! - `model` is the filter, `texts` its values; `names` is the form in which names are compared;
//! - `facts` is what filters look at in one entry;
//! - `lookalike` compares names with domains that they are made to look like;
//! - `oracle` defines what a filter wants, and `reason` says why it wants an entry;
//! - `matcher` finds the same for many filters at once, and `index` keeps the matchers up to date while subscribers
//!   come and go.
//!
//! | crate | what for, and why this one |
//! |---|---|
//! | `aho-corasick` | many texts at once; the one that `regex` uses, by the same author |
//! | `regex`, `regex-syntax` | rust-lang's; linear time, and limits of the compiled size |
//! | `idna` | UTS 46; Servo's, with the tables of ICU; the HTTP client uses it too |
//! | `unicode-security` | the confusables of UTS 39; unicode-rs', rustc's own lints use it |
//! | `psl` | the Public Suffix List, compiled in; released with each change of the list |
//! | `hashbrown` | the table of the standard library, without a copy of the keys |
//! | `strsim` | the distance of misspelt names; clap suggests with it too |

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

mod error;
mod facts;
mod format;
mod index;
mod json;
mod limits;
mod lookalike;
mod matcher;
mod model;
mod names;
mod oracle;
mod parameter;
mod parse;
mod reason;
mod texts;
mod value;

#[cfg(test)]
mod tests;

pub use error::FilterError;
pub use facts::{Facts, SourceFacts};
pub use index::{FilterIndex, Matchers, Merge, Merged, TooLarge};
pub use limits::Limits;
pub use lookalike::Likeness;
#[cfg(feature = "nats")]
pub(crate) use lookalike::registrable;
pub use matcher::{FilterId, Scratch};
pub use model::Filter;
pub use parameter::{Parameter, is_parameter, suggestion};
pub use parse::FilterBuilder;
pub use reason::{How, Reason};
