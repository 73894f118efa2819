//! The structures of Certificate Transparency, RFC 6962 first: what a log sends, decoded and checked.
//!
//! Pure: no input or output, no clock, no actors. Fetching is `log_client`'s work, certificates themselves
//! are `certificate`'s; here a certificate is bytes of a known length, and what a log signed in place of one is
//! handed to `certificate` for comparison.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod checkpoint;
pub mod consistency;
pub mod entry;
pub mod get_entries;
pub mod hash_tile;
pub mod head;
mod json_kind;
pub mod log_list;
pub mod merkle;
pub mod names_tile;
pub mod proof_json;
pub mod reader;
#[cfg(test)]
pub mod slow_tree;
pub mod source;
pub mod sth;
pub mod tile;
pub mod tile_path;
