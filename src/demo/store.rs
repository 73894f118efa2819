//! The log itself: its key, its tree, its signed head, and its newest entries.
//!
//! It knows the structs of Certificate Transparency but no protocol, so several protocols can serve the same
//! log. The tree and its hashes are kept forever, so any proof is available. Entries older than the newest
//! `retain` are discarded.

use super::entry::{
    CERTIFICATE_OFFSET, Chain, Content, Submission, TIMESTAMPED_ENTRY_OFFSET, merkle_tree_leaf,
};
use super::hash_tree::HashTree;
use super::keys::KeyPair;
use super::sct::push_vector;
use crate::clock;
use crate::ct::hash_tile::HashTile;
use crate::ct::merkle::{CompactTree, Hash, empty_root, leaf_hash};
use crate::ct::sth::{SignedTreeHead, SthError};
use crate::ct::tile_path::TILE_WIDTH;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A certificate (LogEntryType `x509_entry`).
    X509,
    /// A precert (LogEntryType `precert_entry`).
    Precert,
    /// Arbitrary bytes from a test; see [`publish_raw`](super::DemoLog::publish_raw).
    Raw,
}

/// An entry of the log, for comparison with a client's result.
#[derive(Clone, Debug)]
pub struct PublishedEntry {
    pub index: u64,
    /// The timestamp of the entry's TimestampedEntry, in milliseconds since 1970 UTC; 0 for a raw entry.
    pub timestamp_ms: u64,
    pub kind: EntryKind,
    /// DER: the certificate, or the precertificate with its poison. Empty for a raw entry.
    pub certificate: Bytes,
    /// DER, the issuer first, the root last. Empty for a raw entry.
    pub chain: Vec<Bytes>,
    /// The first dNSName of the certificate, if it has one.
    pub first_dns_name: Option<String>,
    /// The MerkleTreeLeaf.
    pub leaf_input: Bytes,
    /// The entry's extra_data in get-entries (RFC 6962 section 4.6). A static-ct log does not use it.
    pub extra_data: Bytes,
}

/// A stored entry: its own data, and references to shared data.
pub(super) struct StoredEntry {
    index: u64,
    timestamp_ms: u64,
    pub leaf_input: Bytes,
    extra: Extra,
    first_dns_name: Option<String>,
    /// How often the entry was served undamaged.
    served: AtomicU64,
}

enum Extra {
    /// The certificate is part of the leaf_input.
    X509 {
        certificate: Bytes,
        chain: Arc<Chain>,
    },
    Precert {
        precertificate: Bytes,
        chain: Arc<Chain>,
    },
    Raw(Bytes),
}

/// Why a range of entries is not available.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum RangeError {
    #[error("start {start} is beyond end {end}")]
    Reversed { start: u64, end: u64 },
    #[error("start {start} is not below the tree size {tree_size}")]
    BeyondTree { start: u64, tree_size: u64 },
    #[error("entry {start} is no longer kept, the oldest that is has index {oldest}")]
    Forgotten { start: u64, oldest: u64 },
}

/// Why there is no consistency proof.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum NoProof {
    #[error("first {first} is beyond second {second}")]
    Reversed { first: u64, second: u64 },
    #[error("second {second} is beyond the tree size {tree_size}")]
    BeyondTree { second: u64, tree_size: u64 },
}

pub(super) struct Store {
    key: KeyPair,
    retain: usize,
    /// Whether leaves have the leaf_index extension.
    leaf_index: bool,
    state: Mutex<State>,
}

struct State {
    tree: CompactTree,
    /// The hashes of all entries, including discarded ones.
    hashes: HashTree,
    /// The newest entries of the tree.
    entries: VecDeque<Arc<StoredEntry>>,
    head: SignedTreeHead,
    previous_head: SignedTreeHead,
}

impl State {
    /// Index of the oldest entry that is stored.
    fn oldest(&self) -> u64 {
        self.tree.size() - self.entries.len() as u64
    }
}

impl Store {
    /// Creates an empty log with a signed head. `retain` is the number of entries that it stores, and
    /// `leaf_index` whether its leaves contain their index.
    pub(super) fn new(key: KeyPair, retain: usize, leaf_index: bool) -> Result<Self, SthError> {
        let tree = CompactTree::new();
        let head = SignedTreeHead::sign(clock::unix_ms(), 0, tree.root(), key.private())?;
        let previous_head = head.clone();
        let (hashes, entries) = (HashTree::default(), VecDeque::new());
        let state = State { tree, hashes, entries, head, previous_head };
        Ok(Self { key, retain: retain.max(1), leaf_index, state: Mutex::new(state) })
    }

    /// DER SubjectPublicKeyInfo of the log's key.
    pub(super) fn public_key(&self) -> &[u8] {
        &self.key.spki
    }

    /// Appends an entry. It becomes available with the next [`sign_head`](Self::sign_head).
    pub(super) fn append(&self, submission: Submission, timestamp_ms: u64) {
        let mut state = self.state.lock();
        let index = state.tree.size();
        let leaf_index = self.leaf_index.then_some(index);
        let leaf = Bytes::from(merkle_tree_leaf(&submission.content, timestamp_ms, leaf_index));
        let chain = submission.chain;
        let extra = match submission.content {
            Content::X509 { certificate } => {
                let end = CERTIFICATE_OFFSET + certificate.len();
                Extra::X509 { certificate: leaf.slice(CERTIFICATE_OFFSET..end), chain }
            }
            Content::Precert { precertificate, .. } => {
                Extra::Precert { precertificate: precertificate.into(), chain }
            }
        };
        self.push(
            &mut state,
            StoredEntry {
                timestamp_ms,
                first_dns_name: submission.first_dns_name,
                ..StoredEntry::new(index, leaf, extra)
            },
        );
    }

    /// Appends an entry with arbitrary bytes.
    pub(super) fn append_raw(&self, leaf_input: Bytes, extra_data: Bytes) {
        let mut state = self.state.lock();
        let entry = StoredEntry::new(state.tree.size(), leaf_input, Extra::Raw(extra_data));
        self.push(&mut state, entry);
    }

    fn push(&self, state: &mut State, entry: StoredEntry) {
        let leaf_hash = leaf_hash(&entry.leaf_input);
        state.tree.push(leaf_hash);
        state.hashes.push(leaf_hash);
        state.entries.push_back(Arc::new(entry));
        if state.entries.len() > self.retain {
            state.entries.pop_front();
            let oldest = state.oldest();
            state.hashes.forget_before(oldest);
        }
    }

    /// Signs a head over all entries so far. Returns its tree size.
    pub(super) fn sign_head(&self) -> Result<u64, SthError> {
        let mut state = self.state.lock();
        // RFC 6962 section 4.3: a later head has a later timestamp.
        let timestamp_ms = clock::unix_ms().max(state.head.timestamp_ms + 1);
        let (size, root) = (state.tree.size(), state.tree.root());
        let head = SignedTreeHead::sign(timestamp_ms, size, root, self.key.private())?;
        state.previous_head = std::mem::replace(&mut state.head, head);
        Ok(size)
    }

    /// The newest signed head.
    pub(super) fn head(&self) -> SignedTreeHead {
        self.state.lock().head.clone()
    }

    /// The signed head before the newest one.
    pub(super) fn previous_head(&self) -> SignedTreeHead {
        self.state.lock().previous_head.clone()
    }

    /// A head with the newest head's timestamp over `by` entries fewer.
    pub(super) fn shrunken_head(&self, by: u64) -> Result<SignedTreeHead, SthError> {
        let state = self.state.lock();
        let size = state.head.tree_size.saturating_sub(by);
        let root = state.hashes.root(size).unwrap_or_else(empty_root);
        self.sign(state.head.timestamp_ms, size, root)
    }

    /// The consistency proof between two sizes of the tree that the newest head covers. Empty for the empty
    /// tree.
    pub(super) fn consistency_proof(&self, first: u64, second: u64) -> Result<Vec<Hash>, NoProof> {
        let state = self.state.lock();
        let tree_size = state.head.tree_size;
        if second > tree_size {
            return Err(NoProof::BeyondTree { second, tree_size });
        }
        state.hashes.consistency_proof(first, second).ok_or(NoProof::Reversed { first, second })
    }

    /// The hashes of a tile, if the newest head covers all of them.
    pub(super) fn hash_tile(&self, tile: HashTile) -> Option<Vec<Hash>> {
        let state = self.state.lock();
        let hashes = state.hashes.tile(tile)?;
        let leaves_each = TILE_WIDTH.checked_pow(tile.level.into())?;
        let end = tile.index.checked_mul(TILE_WIDTH)?.checked_add(tile.width.into())?;
        let covered = end.checked_mul(leaves_each)? <= state.head.tree_size;
        covered.then(|| hashes.to_vec())
    }

    /// Signs an arbitrary head with the log's key.
    pub(super) fn sign(
        &self,
        timestamp_ms: u64,
        tree_size: u64,
        root_hash: Hash,
    ) -> Result<SignedTreeHead, SthError> {
        SignedTreeHead::sign(timestamp_ms, tree_size, root_hash, self.key.private())
    }

    /// The entries from `start` through `end` (inclusive) that the newest head covers, at most `max`.
    pub(super) fn range(&self, start: u64, end: u64, max: u64) -> Result<Vec<Arc<StoredEntry>>, RangeError> {
        if start > end {
            return Err(RangeError::Reversed { start, end });
        }
        let state = self.state.lock();
        let tree_size = state.head.tree_size;
        if start >= tree_size {
            return Err(RangeError::BeyondTree { start, tree_size });
        }
        let oldest = state.oldest();
        let skip = start.checked_sub(oldest).ok_or(RangeError::Forgotten { start, oldest })?;
        let count = max.min(end - start + 1).min(tree_size - start);
        // Both numbers are below the number of stored entries, so they fit.
        let entries = state.entries.iter().skip(skip as usize).take(count as usize);
        Ok(entries.cloned().collect())
    }

    /// The `count` entries from `start` on, at least one. Fails unless the newest head covers all of them.
    pub(super) fn exactly(&self, start: u64, count: u64) -> Result<Vec<Arc<StoredEntry>>, RangeError> {
        let end = start.saturating_add(count.saturating_sub(1));
        // The tree never shrinks, so the newest head still covers `end` in the next line.
        self.range(end, end, 1)?;
        self.range(start, end, count)
    }

    /// The entry at `index`, if the newest head covers it and it is still stored.
    pub(super) fn entry(&self, index: u64) -> Option<Arc<StoredEntry>> {
        self.range(index, index, 1).ok()?.pop()
    }

    /// Index of the oldest entry that is stored.
    pub(super) fn oldest(&self) -> u64 {
        self.state.lock().oldest()
    }
}

impl StoredEntry {
    fn new(index: u64, leaf_input: Bytes, extra: Extra) -> Self {
        let served = AtomicU64::new(0);
        Self { index, timestamp_ms: 0, leaf_input, extra, first_dns_name: None, served }
    }

    /// The TimestampedEntry struct of RFC 6962 section 3.4. For a raw entry, the bytes in its place.
    pub(super) fn timestamped_entry(&self) -> &[u8] {
        self.leaf_input.get(TIMESTAMPED_ENTRY_OFFSET..).unwrap_or_default()
    }

    /// Appends the TileLeaf of static-ct-api, section "Log entries", to `out`.
    pub(super) fn write_tile_leaf(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.timestamped_entry());
        match &self.extra {
            Extra::X509 { chain, .. } => out.extend_from_slice(&chain.fingerprints),
            Extra::Precert { precertificate, chain } => {
                push_vector(out, 3, precertificate);
                out.extend_from_slice(&chain.fingerprints);
            }
            Extra::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Appends the extra_data of RFC 6962 section 4.6 to `out`.
    pub(super) fn write_extra_data(&self, out: &mut Vec<u8>) {
        match &self.extra {
            Extra::X509 { chain, .. } => out.extend_from_slice(&chain.encoded),
            Extra::Precert { precertificate, chain } => {
                push_vector(out, 3, precertificate);
                out.extend_from_slice(&chain.encoded);
            }
            Extra::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Counts that the entry was served. Returns the new count.
    pub(super) fn count_served(&self) -> u64 {
        self.served.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn published(&self) -> PublishedEntry {
        let (kind, certificate, chain) = match &self.extra {
            Extra::X509 { certificate, chain } => (EntryKind::X509, certificate.clone(), Some(chain)),
            Extra::Precert { precertificate, chain } => {
                (EntryKind::Precert, precertificate.clone(), Some(chain))
            }
            Extra::Raw(_) => (EntryKind::Raw, Bytes::new(), None),
        };
        let mut extra_data = Vec::new();
        self.write_extra_data(&mut extra_data);
        PublishedEntry {
            index: self.index,
            timestamp_ms: self.timestamp_ms,
            kind,
            certificate,
            chain: chain.map(|chain| chain.certificates.clone()).unwrap_or_default(),
            first_dns_name: self.first_dns_name.clone(),
            leaf_input: self.leaf_input.clone(),
            extra_data: extra_data.into(),
        }
    }
}
