//! A tree head, independent of the protocol.

use super::merkle::Hash;
use bytes::Bytes;

/// A tree head as the log serves it: an STH (RFC 6962 section 3.5) or a checkpoint (static-ct-api).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub tree_size: u64,
    /// When it was signed, unix milliseconds.
    pub timestamp_ms: u64,
    /// Merkle Tree Hash of the entries.
    pub root_hash: Hash,
    /// Whether the signature was verified with the log's key. False if the key is unknown.
    pub signed: bool,
    /// The original bytes: the get-sth response or the checkpoint.
    pub bytes: Bytes,
}
