//! Provides log lists from browsers' servers, from the folder in which the last ones are saved, and from the
//! snapshot that is built into the binary.
//!
//! ```text
//! start:       saved list ─ else ─► snapshot ──► in force, with its Origin
//! every hour:  request, conditional ─► signature ─► parse ─► follows the previous one? ─► saved ─► in force
//!                                          any step fails: an error; what was in force stays in force
//! ```
//!
//! The module `ct::log_list` interprets lists. The caller decides when to refresh a list and which of its
//! logs to watch.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod client;
pub(crate) mod download;
mod error;
mod fallback;
mod in_force;
pub(crate) mod saved;
pub(crate) mod source;

#[cfg(test)]
mod tests;

pub use client::{LogListClient, Refreshed};
pub use download::HttpSettings;
pub use error::ListError;
pub use fallback::{fallback, snapshot};
pub use in_force::{InForce, Origin};
pub use source::{ListSource, Signed, Unbelievable};
