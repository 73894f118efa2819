//! Evidence that a log misbehaved. It contains the complete data that the log served, so that anyone who has
//! the log's key can verify it. Pure.
//!
//! A piece of evidence is a JSON file. Its statements need not be trusted: [`Evidence::check`] parses the
//! log's own bytes again, verifies the signatures and repeats the computations.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod check;
#[cfg(test)]
mod tests;

pub use check::Unconfirmed;

use crate::ct::merkle::{CompactTree, Hash};
use crate::ct::source::Protocol;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The only version of the format so far.
const VERSION: u32 = 1;

/// Evidence of one misbehaviour of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    version: u32,
    /// When it was detected, unix milliseconds.
    pub detected_ms: u64,
    /// The log, as it was configured.
    pub log: LogIdentity,
    /// Description of the misbehaviour, for people.
    pub problem: String,
    /// The misbehaviour with its data, for verification.
    #[serde(flatten)]
    pub misbehaviour: Misbehaviour,
}

/// The identity of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdentity {
    /// The log's URL, with its scheme.
    pub url: String,
    /// The log's description.
    pub name: String,
    /// The log's protocol. It determines the format of the heads.
    pub protocol: Protocol,
    /// The log's public key, DER. Without it, no signature can be verified, so the evidence proves little.
    pub key: Option<Base64>,
    /// The origin of its checkpoints, static-ct-api.
    pub origin: Option<String>,
}

/// The kinds of misbehaviour. Heads are in the form in which the log served them: the get-sth response or a
/// checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Misbehaviour {
    /// A head whose signature is missing or does not match.
    BadSignature {
        /// The head.
        head: Base64,
    },
    /// A head with fewer entries that was not signed before a head with more entries.
    Rollback {
        /// The head with fewer entries.
        smaller: Base64,
        /// The head with more entries.
        larger: Base64,
    },
    /// Two different trees of the same size.
    Fork {
        /// The head that was seen first.
        first: Base64,
        /// The other head.
        second: Base64,
    },
    /// A tree that does not begin with an earlier tree, or with the entries that the log served.
    Inconsistent {
        /// The tree that should be its prefix.
        beginning: OldTree,
        /// The proof that the log served.
        proof: Proof,
        /// The head.
        head: Base64,
    },
    /// An entry whose content contradicts its index or its precertificate.
    WrongEntry {
        /// The entry's index in the log.
        index: u64,
        /// Its MerkleTreeLeaf, RFC 6962 section 3.4.
        leaf_input: Base64,
        /// The precertificate of a precert entry, otherwise `None`.
        precertificate: Option<Base64>,
        /// The certificates of its chain.
        chain: Vec<Base64>,
    },
}

/// A tree that should be a prefix of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldTree {
    /// The tree of an earlier head.
    Head {
        /// The head.
        head: Base64,
    },
    /// The tree of `size` entries with the root hash `root`, from an earlier head.
    Root {
        /// Number of entries.
        size: u64,
        /// Merkle Tree Hash. `None` if no earlier head contained it.
        root: Option<Base64>,
    },
    /// A verified tree, and the entries that the log then served after it.
    Entries {
        /// Number of entries in the verified tree.
        size: u64,
        /// The roots of its complete subtrees, from left to right.
        frontier: Vec<Base64>,
        /// The leaf hashes of the entries after the tree.
        leaf_hashes: Vec<Base64>,
    },
}

/// The data that should prove that a larger tree begins with a smaller one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A consistency proof, RFC 6962 section 2.1.2. It is empty from a tree to itself.
    Consistency(Vec<Base64>),
    /// The roots of the complete subtrees that extend the smaller tree, from the log's hash tiles.
    Subtrees(Vec<Base64>),
}

impl Misbehaviour {
    /// All kinds of misbehaviour.
    pub const KINDS: [&str; 5] = ["bad_signature", "rollback", "fork", "inconsistent", "wrong_entry"];

    /// The kind's name in files, metrics and alerts.
    pub fn kind(&self) -> &'static str {
        match self {
            Misbehaviour::BadSignature { .. } => "bad_signature",
            Misbehaviour::Rollback { .. } => "rollback",
            Misbehaviour::Fork { .. } => "fork",
            Misbehaviour::Inconsistent { .. } => "inconsistent",
            Misbehaviour::WrongEntry { .. } => "wrong_entry",
        }
    }

    /// The index of the entry, if the misbehaviour concerns one.
    pub fn index(&self) -> Option<u64> {
        match self {
            Misbehaviour::WrongEntry { index, .. } => Some(*index),
            _ => None,
        }
    }
}

impl Evidence {
    /// Creates evidence of a misbehaviour of `log`.
    pub fn new(detected_ms: u64, log: LogIdentity, problem: String, misbehaviour: Misbehaviour) -> Self {
        Evidence { version: VERSION, detected_ms, log, problem, misbehaviour }
    }
}

impl OldTree {
    /// Describes a verified tree and the entries that were served after it.
    pub fn entries(tree: &CompactTree, leaf_hashes: &[Hash]) -> Self {
        OldTree::Entries {
            size: tree.size(),
            frontier: base64s(tree.frontier()),
            leaf_hashes: base64s(leaf_hashes),
        }
    }
}

/// Converts each hash.
pub fn base64s(hashes: &[Hash]) -> Vec<Base64> {
    hashes.iter().map(|hash| Base64(hash.to_vec())).collect()
}

/// Bytes that are base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl From<&[u8]> for Base64 {
    fn from(bytes: &[u8]) -> Self {
        Base64(bytes.to_vec())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base64_simd::STANDARD.decode_to_vec(text).map(Base64).map_err(|_| de::Error::custom("no base64"))
    }
}
