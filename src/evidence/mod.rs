//! Evidence that a log misbehaved: what it served, whole, so that whoever has the log's key can check it. Pure.
//!
//! A piece of evidence is a JSON file. Nothing in it has to be believed: [`Evidence::check`] reads the log's own bytes
//! again, verifies its signatures and does the sums anew.

mod check;
#[cfg(test)]
mod tests;

pub use check::Unconfirmed;

use crate::ct::merkle::{CompactTree, Hash};
use crate::ct::source::Protocol;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The only version of the form so far.
const VERSION: u32 = 1;

/// One misbehaviour of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    version: u32,
    /// When it was detected, unix milliseconds.
    pub detected_ms: u64,
    /// The log, as it was configured.
    pub log: LogIdentity,
    /// What is wrong, for people.
    pub problem: String,
    /// What is wrong, to be checked.
    #[serde(flatten)]
    pub misbehaviour: Misbehaviour,
}

/// What is known of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdentity {
    /// With its scheme.
    pub url: String,
    /// Its description.
    pub name: String,
    /// How it is read, which is the form of its heads.
    pub protocol: Protocol,
    /// Its public key, DER. Without one nothing that it says is signed, and evidence proves little.
    pub key: Option<Base64>,
    /// The name in its checkpoints, static-ct-api.
    pub origin: Option<String>,
}

/// What a log can do wrong. Heads are as the log served them: the answer to get-sth, or a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Misbehaviour {
    /// A head without the log's signature, or with one of something else.
    BadSignature {
        /// The head.
        head: Base64,
    },
    /// A tree that was signed no earlier than a larger one.
    Rollback {
        /// The head of fewer entries.
        smaller: Base64,
        /// The head of more.
        larger: Base64,
    },
    /// Two trees of one size.
    Fork {
        /// The head that was there first.
        first: Base64,
        /// The other.
        second: Base64,
    },
    /// A tree of which an earlier one, or the entries that the log served, are not the beginning.
    Inconsistent {
        /// What should be its beginning.
        beginning: OldTree,
        /// What the log served to prove it.
        proof: Proof,
        /// The head.
        head: Base64,
    },
    /// An entry that says that it is another one.
    WrongEntry {
        /// Where it stands in the log.
        index: u64,
        /// Its MerkleTreeLeaf, RFC 6962 section 3.4.
        leaf_input: Base64,
        /// For a precert, the precertificate; else nothing.
        precertificate: Option<Base64>,
        /// The certificates of its chain.
        chain: Vec<Base64>,
    },
}

/// A tree that should be the beginning of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldTree {
    /// The tree of `size` entries under `root`, which an earlier head said.
    Root {
        /// Number of entries.
        size: u64,
        /// Merkle Tree Hash; `None` where no head had said it yet.
        root: Option<Base64>,
    },
    /// A verified tree, and what the log then served as the entries behind it.
    Entries {
        /// Number of entries in the verified tree.
        size: u64,
        /// The roots of its complete subtrees, from the left.
        frontier: Vec<Base64>,
        /// The leaf hashes of the entries from there on.
        leaf_hashes: Vec<Base64>,
    },
}

/// What should lead from a tree to a larger one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A consistency proof, RFC 6962 section 2.1.2. From a tree to itself it is empty.
    Consistency(Vec<Base64>),
    /// The roots of the complete subtrees between the two, from the log's tiles of hashes.
    Subtrees(Vec<Base64>),
}

impl Misbehaviour {
    /// All kinds.
    pub const KINDS: [&str; 5] = ["bad_signature", "rollback", "fork", "inconsistent", "wrong_entry"];

    /// Its name in files, metrics and alerts.
    pub fn kind(&self) -> &'static str {
        match self {
            Misbehaviour::BadSignature { .. } => "bad_signature",
            Misbehaviour::Rollback { .. } => "rollback",
            Misbehaviour::Fork { .. } => "fork",
            Misbehaviour::Inconsistent { .. } => "inconsistent",
            Misbehaviour::WrongEntry { .. } => "wrong_entry",
        }
    }

    /// The entry that it is about, if it is about one.
    pub fn index(&self) -> Option<u64> {
        match self {
            Misbehaviour::WrongEntry { index, .. } => Some(*index),
            _ => None,
        }
    }
}

impl Evidence {
    /// Evidence of what `log` did.
    pub fn new(detected_ms: u64, log: LogIdentity, problem: String, misbehaviour: Misbehaviour) -> Self {
        Evidence { version: VERSION, detected_ms, log, problem, misbehaviour }
    }
}

impl OldTree {
    /// A verified tree, and the entries that came behind it.
    pub fn entries(tree: &CompactTree, leaf_hashes: &[Hash]) -> Self {
        OldTree::Entries {
            size: tree.size(),
            frontier: base64s(tree.frontier()),
            leaf_hashes: base64s(leaf_hashes),
        }
    }
}

/// Each hash by itself.
pub fn base64s(hashes: &[Hash]) -> Vec<Base64> {
    hashes.iter().map(|hash| Base64(hash.to_vec())).collect()
}

/// Bytes, which JSON holds as base64.
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
