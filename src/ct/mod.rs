//! The structures of Certificate Transparency (RFC 6962 and static-ct-api): decodes and verifies the data
//! that logs send.
//!
//! Pure: no input or output, no clock, no actors. The module `log_client` fetches the data. Certificates are
//! opaque bytes here; the module `certificate` parses them, and compares a precertificate with the structure
//! that the log signed.

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
