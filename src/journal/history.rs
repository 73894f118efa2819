//! Reads blocks from the journal as batches, whose messages readers near each other share.

use super::block::{self, BlockError};
use super::error::FileError;
use super::interface::{PlacedBlock, SharedJournal};
use crate::certificate::Issuer;
use crate::ct::tile::Fingerprint;
use crate::message::{CertEntry, EntryBatch};
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use std::sync::Arc;

/// Memory of the batches that are kept for other readers, in bytes.
pub(crate) const MAX_CACHED_BYTES: u64 = 16 * 1024 * 1024;
/// About the number of batches in that memory.
const EXPECTED: usize = 64;

/// Finds an issuer by its fingerprint.
type Find = dyn Fn(&Fingerprint) -> Option<Arc<Issuer>> + Send + Sync;
/// Returns the issuer with a certificate, which may be known already.
type Share = dyn Fn(&[u8]) -> Arc<Issuer> + Send + Sync;

/// The issuers of entries.
pub(crate) struct KnownIssuers {
    find: Box<Find>,
    share: Box<Share>,
}

impl KnownIssuers {
    /// `find` finds an issuer by its fingerprint; `share` returns the one with a certificate, which may be known already.
    pub(crate) fn new(
        find: impl Fn(&Fingerprint) -> Option<Arc<Issuer>> + Send + Sync + 'static,
        share: impl Fn(&[u8]) -> Arc<Issuer> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(KnownIssuers { find: Box::new(find), share: Box::new(share) })
    }
}

/// The entries of the encoded `block`, whose first one has the number `first_seq`.
///
/// # Errors
/// See [`BlockError`].
pub(crate) fn entries(
    block: &Bytes,
    first_seq: u64,
    issuers: &KnownIssuers,
) -> Result<Vec<CertEntry>, BlockError> {
    block::decode_sharing(block, first_seq, |hash| (issuers.find)(hash), |der| (issuers.share)(der))
}

/// A block with its entries.
#[derive(Debug, Clone)]
pub(crate) struct ReadBlock {
    /// The number of its first entry.
    pub(crate) first_seq: u64,
    /// The number that the next block begins with at least.
    pub(crate) end_seq: u64,
    /// All numbers from this one to `first_seq` were never given.
    pub(crate) after: u64,
    /// The entries; `None` if they cannot be decoded.
    pub(crate) batch: Option<Arc<EntryBatch>>,
}

/// Reads the journal; see the module documentation.
pub(crate) struct History {
    journal: SharedJournal,
    issuers: Arc<KnownIssuers>,
    cache: Cache<u64, ReadBlock, Size>,
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<u64, ReadBlock> for Size {
    /// Messages have about five times as many bytes as their certificates.
    fn weight(&self, _: &u64, block: &ReadBlock) -> u64 {
        let batch = block.batch.as_ref();
        1 + 6 * batch.map_or(0, |batch| batch.content_bytes() as u64)
    }
}

impl History {
    /// Reads `journal`. `issuers` has the issuers of entries.
    pub(crate) fn new(journal: SharedJournal, issuers: Arc<KnownIssuers>) -> Self {
        History { journal, issuers, cache: Cache::with_weighter(EXPECTED, MAX_CACHED_BYTES, Size) }
    }

    /// The number that the next entry gets at least.
    pub(crate) fn next_seq(&self) -> u64 {
        self.journal.next_seq()
    }

    /// The block that contains `seq`, or the first one behind it. `None` at the end of the journal.
    ///
    /// # Errors
    /// If the disk cannot be read. A block that cannot be decoded is logged, and has no entries.
    pub(crate) fn read(&mut self, seq: u64) -> Result<Option<ReadBlock>, FileError> {
        // Readers ask for the first number of the next block.
        if let Some(known) = self.cache.get(&seq) {
            return Ok(Some(known.clone()));
        }
        let Some(placed) = self.journal.read(seq)? else { return Ok(None) };
        let PlacedBlock { first_seq, end_seq, after, block } = placed;
        let (after, batch) = match entries(&block, first_seq, &self.issuers) {
            Ok(entries) => (after, Some(Arc::new(EntryBatch::new(entries)))),
            Err(error) => {
                log::error!("journal: the entries {first_seq} to {} cannot be read: {error}", end_seq - 1);
                (end_seq, None)
            }
        };
        let block = ReadBlock { first_seq, end_seq, after, batch };
        self.cache.insert(first_seq, block.clone());
        Ok(Some(block))
    }
}
