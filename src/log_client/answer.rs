//! The results of requests to a log.

use super::error::FetchError;
use crate::ct::entry::Content;
use crate::ct::get_entries::PageEntry;
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

/// Maximum size of an undecodable entry whose texts are kept, in bytes of text.
pub(crate) const MAX_UNDECODABLE_TEXT: usize = 1024 * 1024;

/// An entry in which no certificate could be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeFailure {
    /// The error.
    pub reason: String,
    /// The entry as the log has sent it. `None` if it has more than [`MAX_UNDECODABLE_TEXT`], or unless the request was
    /// [`confirming`](super::Range::confirming), because the entry is requested again then.
    pub texts: Option<EntryTexts>,
}

/// An entry as get-entries returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryTexts {
    /// `leaf_input`: base64, or the text in its place.
    pub leaf_input: String,
    /// `extra_data`: base64, or the text in its place.
    pub extra_data: String,
}

impl EntryTexts {
    /// Encodes the bytes of an entry, or copies the texts of one that is not base64. `None` if it is larger than
    /// [`MAX_UNDECODABLE_TEXT`].
    pub(super) fn of(raw: &PageEntry<'_>) -> Option<Self> {
        let base64 = base64_simd::STANDARD;
        let bytes = match raw {
            Ok(raw) => {
                base64.encoded_length(raw.leaf_input.len()) + base64.encoded_length(raw.extra_data.len())
            }
            Err(broken) => broken.leaf_input.len() + broken.extra_data.len(),
        };
        let texts = || match raw {
            Ok(raw) => EntryTexts {
                leaf_input: base64.encode_to_string(raw.leaf_input),
                extra_data: base64.encode_to_string(raw.extra_data),
            },
            Err(broken) => {
                EntryTexts { leaf_input: broken.leaf_input.into(), extra_data: broken.extra_data.into() }
            }
        };
        (bytes <= MAX_UNDECODABLE_TEXT).then(texts)
    }

    /// The size of both texts, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.leaf_input.len() + self.extra_data.len()
    }
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
