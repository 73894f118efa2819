//! What a log answers.

use super::error::FetchError;
use crate::ct::entry::Content;
use crate::ct::merkle::Hash;
use crate::evidence::Proof;
use bytes::Bytes;

/// What a log serves does not fit the head that it has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFailure {
    /// What does not fit.
    pub reason: String,
    /// What it served to prove that it does.
    pub proof: Proof,
}

/// Whether something is so, as soon as the log has been asked.
pub type Proven<T> = Result<Result<T, ProofFailure>, FetchError>;

/// An entry in which no certificate could be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeFailure {
    /// Why.
    pub reason: String,
    /// As get-entries gave it: base64, or what stood in its place.
    pub leaf_input: String,
    /// Likewise.
    pub extra_data: String,
}

/// One entry of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedEntry {
    /// Its place in the tree, RFC 6962 section 2.1. Unknown where only names were read, or where there are no bytes
    /// that could be hashed.
    pub leaf_hash: Option<Hash>,
    /// What stands there.
    pub content: Result<Content, DecodeFailure>,
    /// Its MerkleTreeLeaf, RFC 6962 section 3.4, where that shows a misbehaviour of the log.
    pub evidence: Option<Bytes>,
}
