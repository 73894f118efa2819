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

pub(crate) mod built_in;
mod client;
pub(crate) mod download;
mod error;
mod in_force;
pub(crate) mod saved;
pub(crate) mod source;

#[cfg(test)]
mod tests;

pub(crate) use client::LogListClient;
pub(crate) use error::ListError;
pub(crate) use in_force::{InForce, Origin};
pub(crate) use source::ListSource;
