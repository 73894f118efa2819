//! Decoded entries, which wait until the tree that they lead to is proven.

use super::log_cursor::LogCursor;
use super::report::Reporter;
use crate::clock;
use crate::ct::merkle::{CompactTree, Hash};
use crate::evidence::OldTree;
use crate::log_client::{DecodeFailure, EntryTexts, FetchedEntry, Range};
use crate::message::CertEntry;
use bytes::Bytes;

/// Largest number of entries published at once. It is small enough that a client that keeps up has queue space for the
/// next batch when it arrives.
const BATCH: usize = 100;
/// Certificates published at once, in bytes; a single entry may exceed it.
pub(crate) const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Approximate limit for the certificates of one log that wait for a proof, in bytes. Above it, the tree is proven at
/// the last entry. 2,048 entries have about 12 MB.
pub(crate) const MAX_UNVERIFIED_BYTES: usize = 16 * 1024 * 1024;
/// While catching up, the tree is proven at each multiple of this size. A larger step would keep more entries in
/// memory; a smaller one would send more requests to the log.
const PROVEN_AT: u64 = 2048;

/// The entry at one index of a log.
#[derive(Debug)]
pub(super) struct DecodedEntry {
    pub(super) index: u64,
    /// `None` if the entry has no bytes that could be hashed.
    pub(super) leaf_hash: Option<Hash>,
    pub(super) content: Result<CertEntry, DecodeFailure>,
    /// Its MerkleTreeLeaf, if it proves misbehaviour of the log.
    pub(super) evidence: Option<Bytes>,
}

impl DecodedEntry {
    /// Approximate memory in bytes: its certificates, counted as if none were shared, or the undecoded bytes.
    pub(super) fn bytes(&self) -> usize {
        let content = match &self.content {
            Ok(entry) => entry.content_bytes(),
            Err(DecodeFailure { reason, texts }) => {
                reason.len() + texts.as_ref().map_or(0, EntryTexts::bytes)
            }
        };
        size_of::<Self>() + content + self.evidence.as_ref().map_or(0, Bytes::len)
    }
}

/// Decodes a page. `None` stands for an entry that may have been damaged in transit, and is requested once more.
pub(super) fn decode(
    range: Range,
    page: Vec<FetchedEntry>,
    reporter: &Reporter,
) -> Vec<Option<DecodedEntry>> {
    let (source, seen_us) = (reporter.status().source(), clock::unix_us());
    let arrived = |(FetchedEntry { leaf_hash, content, evidence }, index): (FetchedEntry, u64)| match content
    {
        Err(broken) if !range.confirming => {
            reporter.status().retried(1);
            log::debug!("{}: entry {index}: {}; requesting it again", source.name(), broken.reason);
            None
        }
        content => {
            let entry = |content| CertEntry::new(source.clone(), index, seen_us, content);
            Some(DecodedEntry { index, leaf_hash, content: content.map(entry), evidence })
        }
    };
    page.into_iter().zip(range.start..).map(arrived).collect()
}

/// Entries that are published together.
#[derive(Debug, Default)]
pub(super) struct VerifiedBatch {
    pub(super) entries: Vec<DecodedEntry>,
    bytes: usize,
    /// The tree that ends with these entries; `None` without verification.
    pub(super) tree: Option<CompactTree>,
}

impl VerifiedBatch {
    fn is_full(&self) -> bool {
        self.entries.len() >= BATCH || self.bytes >= MAX_BATCH_BYTES
    }

    /// Whether it contains an entry so large that its messages may need much memory.
    pub(super) fn is_large(&self) -> bool {
        self.bytes >= 2 * MAX_BATCH_BYTES
    }
}

/// The entries that wait for a proof; see the module documentation.
#[derive(Debug)]
pub(super) struct UnverifiedEntries {
    /// The verified tree.
    base: Option<CompactTree>,
    /// The leaf hashes of the entries after it.
    leaf_hashes: Vec<Hash>,
    /// The tree that includes these entries.
    tree: Option<CompactTree>,
    /// Entries before this index are only hashed.
    publish_from: u64,
    batches: Vec<VerifiedBatch>,
    /// The bytes of all batches.
    bytes: usize,
}

impl UnverifiedEntries {
    /// Starts without entries at `cursor`. Entries are verified only if `verify` is set and `cursor` has a tree.
    pub(super) fn behind(cursor: &LogCursor, verify: bool) -> Self {
        Self::after(cursor.tree.clone().filter(|_| verify), cursor.next())
    }

    /// Starts without entries behind `tree`; `None` without verification. Entries before `publish_from` are only hashed.
    pub(super) fn after(tree: Option<CompactTree>, publish_from: u64) -> Self {
        UnverifiedEntries {
            base: tree.clone(),
            leaf_hashes: Vec::new(),
            tree,
            publish_from,
            batches: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds the next entry. Returns it if it needs to be hashed and cannot be.
    pub(super) fn push(&mut self, arrived: DecodedEntry) -> Option<DecodedEntry> {
        if let Some(tree) = &mut self.tree {
            let Some(leaf_hash) = arrived.leaf_hash else { return Some(arrived) };
            tree.push(leaf_hash);
            self.leaf_hashes.push(leaf_hash);
        }
        if arrived.index < self.publish_from {
            return None;
        }
        if self.batches.last().is_none_or(VerifiedBatch::is_full) {
            self.batches.push(VerifiedBatch::default());
        }
        if let Some(batch) = self.batches.last_mut() {
            let bytes = arrived.bytes();
            (batch.bytes, self.bytes) = (batch.bytes + bytes, self.bytes + bytes);
            batch.entries.push(arrived);
            if batch.is_full() {
                batch.tree = self.tree.clone();
            }
        }
        None
    }

    /// Whether the entries should be proven and published now, given that the last one added is before `next`.
    pub(super) fn is_due_at(&self, next: u64) -> bool {
        next.is_multiple_of(PROVEN_AT) || self.bytes >= MAX_UNVERIFIED_BYTES
    }

    /// Approximate memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Goes on with `tree`, behind entries that are missing. All entries so far must have been taken.
    pub(super) fn go_on_with(&mut self, tree: CompactTree) {
        self.base = Some(tree.clone());
        self.tree = Some(tree);
        self.leaf_hashes.clear();
    }

    /// Whether no entry was added since the last proof.
    pub(super) fn is_empty(&self) -> bool {
        self.leaf_hashes.is_empty() && self.batches.is_empty()
    }

    /// The tree to be proven; `None` without verification.
    pub(super) fn tree(&self) -> Option<&CompactTree> {
        self.tree.as_ref()
    }

    /// The entries to be proven, in the form that evidence has.
    pub(super) fn beginning(&self) -> Option<OldTree> {
        self.base.as_ref().map(|base| OldTree::entries(base, &self.leaf_hashes))
    }

    /// Marks the tree as proven and returns the entries.
    pub(super) fn take_proven(&mut self) -> Vec<VerifiedBatch> {
        self.base.clone_from(&self.tree);
        self.leaf_hashes.clear();
        self.bytes = 0;
        if let Some(last) = self.batches.last_mut() {
            last.tree = self.tree.clone();
        }
        std::mem::take(&mut self.batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::head::Head;

    fn arrived(index: u64) -> DecodedEntry {
        let broken = DecodeFailure { reason: String::new(), texts: None };
        DecodedEntry { index, leaf_hash: Some([index as u8; 32]), content: Err(broken), evidence: None }
    }

    fn cursor(next: u64) -> LogCursor {
        let head = Head { tree_size: 9, timestamp_ms: 1, root_hash: [0; 32], signed: true, bytes: "".into() };
        LogCursor::starting(next, &head)
    }

    fn tree(size: u64) -> CompactTree {
        let mut tree = CompactTree::new();
        (0..size).for_each(|i| tree.push([i as u8; 32]));
        tree
    }

    #[test]
    fn batches_are_bounded_and_each_has_the_tree_behind_it() {
        let mut unverified = UnverifiedEntries::behind(&cursor(0), true);
        assert!((0..250).all(|i| unverified.push(arrived(i)).is_none()));
        assert_eq!(unverified.tree(), Some(&tree(250)));
        let batches = unverified.take_proven();
        let ends: Vec<_> = batches.iter().map(|b| b.entries.last().unwrap().index + 1).collect();
        assert_eq!(ends, [100, 200, 250]);
        for (batch, end) in batches.iter().zip(ends) {
            assert_eq!(batch.tree, Some(tree(end)));
        }
        assert!(unverified.take_proven().is_empty(), "each leaves once");
        assert!(unverified.push(arrived(250)).is_none());
        assert_eq!(unverified.take_proven()[0].tree, Some(tree(251)));
    }

    #[test]
    fn what_lies_before_the_position_is_hashed_and_not_handed_on() {
        let mut unverified = UnverifiedEntries::behind(&cursor(2), true);
        assert!((0..5).all(|i| unverified.push(arrived(i)).is_none()));
        let Some(OldTree::Entries { size: 0, leaf_hashes, .. }) = unverified.beginning() else { panic!() };
        assert_eq!(leaf_hashes.len(), 5);
        let indexes: Vec<_> = unverified.take_proven()[0].entries.iter().map(|a| a.index).collect();
        assert_eq!(indexes, [2, 3, 4]);
    }

    #[test]
    fn what_cannot_be_hashed_cannot_be_verified() {
        let nothing = || DecodedEntry { leaf_hash: None, ..arrived(0) };
        assert!(UnverifiedEntries::behind(&cursor(0), true).push(nothing()).is_some());
        let mut unverified = UnverifiedEntries::behind(&cursor(0), false);
        assert!(unverified.tree().is_none());
        assert!(unverified.push(nothing()).is_none());
        assert_eq!(unverified.take_proven().len(), 1);
    }

    #[test]
    fn catching_up_is_proven_at_round_indexes() {
        let unverified = UnverifiedEntries::behind(&cursor(0), true);
        assert!(unverified.is_due_at(4096) && !unverified.is_due_at(4095));
    }

    #[test]
    fn bytes_are_bounded_as_well_as_entries() {
        let large = |index: u64, bytes: usize| {
            let texts = EntryTexts { leaf_input: "A".repeat(bytes), extra_data: String::new() };
            let broken = DecodeFailure { reason: String::new(), texts: Some(texts) };
            DecodedEntry { content: Err(broken), ..arrived(index) }
        };
        let mut unverified = UnverifiedEntries::behind(&cursor(0), true);
        let mut next = 0;
        while next == 0 || !unverified.is_due_at(next) {
            assert!(unverified.push(large(next, MAX_BATCH_BYTES / 2)).is_none());
            next += 1;
        }
        assert_eq!(next as usize, MAX_UNVERIFIED_BYTES / (MAX_BATCH_BYTES / 2));
        let batches = unverified.take_proven();
        assert!(batches.iter().all(|batch| batch.entries.len() == 2));
        assert_eq!(batches[0].tree, Some(tree(2)), "each batch has the tree behind it");
        assert!(!unverified.is_due_at(next), "they are gone");
    }
}
