//! The results of requests to a log.

use super::error::FetchError;
use crate::ct::entry::Content;
use crate::ct::merkle::Hash;
use crate::evidence::Proof;
use bytes::Bytes;

/// The data that a log serves does not match the head that it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProofFailure {
    /// Description of the mismatch.
    pub reason: String,
    /// The proof that the log served.
    pub proof: Proof,
}

/// The result of verifying a proof, or the error of the request for it.
pub(crate) type Proven<T> = Result<Result<T, ProofFailure>, FetchError>;

/// An entry in which no certificate could be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeFailure {
    /// The error.
    pub reason: String,
    /// `leaf_input` as get-entries returned it: base64, or the text in its place.
    pub leaf_input: String,
    /// `extra_data` as get-entries returned it.
    pub extra_data: String,
}

/// One entry of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedEntry {
    /// The leaf hash, RFC 6962 section 2.1. `None` if only names were read, or if there are no bytes to hash.
    pub leaf_hash: Option<Hash>,
    /// The decoded entry, or why it could not be decoded.
    pub content: Result<Content, DecodeFailure>,
    /// The MerkleTreeLeaf, RFC 6962 section 3.4, if it shows a misbehaviour of the log.
    pub evidence: Option<Bytes>,
}
