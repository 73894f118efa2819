//! A tree head, whichever protocol it came by.

use super::merkle::Hash;
use bytes::Bytes;

/// What a log says that its tree is: an STH (RFC 6962 section 3.5), or a checkpoint (static-ct-api).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub tree_size: u64,
    /// When it was signed, unix milliseconds.
    pub timestamp_ms: u64,
    /// Merkle Tree Hash of the entries.
    pub root_hash: Hash,
    /// Whether that is the log's word: its key is known, and the signature right.
    pub signed: bool,
    /// As it came: the answer to get-sth, or the checkpoint.
    pub bytes: Bytes,
}
