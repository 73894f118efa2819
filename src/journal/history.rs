//! Reads blocks from the journal as batches, whose messages readers near each other share.

use super::block::{self, BlockError};
use super::error::FileError;
use super::link::Link;
use super::store::Store;
use crate::certificate::Issuer;
use crate::ct::tile::Fingerprint;
use crate::message::EntryBatch;
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use std::sync::Arc;

/// Memory of the batches that are kept for other readers, in bytes.
pub(crate) const MAX_CACHED_BYTES: u64 = 16 * 1024 * 1024;
/// About the number of batches in that memory.
const EXPECTED: usize = 64;

/// Finds an issuer by its fingerprint.
pub(crate) type FindIssuer = Box<dyn Fn(&Fingerprint) -> Option<Arc<Issuer>> + Send>;

/// A block with its entries.
#[derive(Debug, Clone)]
pub(crate) struct ReadBlock {
    /// The number of its first entry.
    pub(crate) first_seq: u64,
    /// The number behind its last entry.
    pub(crate) end_seq: u64,
    /// All numbers from this one to `first_seq` were never given.
    pub(crate) after: u64,
    /// The entries; `None` if they cannot be decoded.
    pub(crate) batch: Option<Arc<EntryBatch>>,
}

/// Reads the journal; see the module documentation.
pub(crate) struct History {
    store: Arc<Store>,
    issuer: FindIssuer,
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
    /// Reads `store`. `issuer` finds the issuers of entries.
    pub(crate) fn new(store: Arc<Store>, issuer: FindIssuer) -> Self {
        History { store, issuer, cache: Cache::with_weighter(EXPECTED, MAX_CACHED_BYTES, Size) }
    }

    /// The journal.
    pub(crate) fn store(&self) -> &Store {
        &self.store
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
        let Some(stored) = self.store.read(seq)? else { return Ok(None) };
        let (first_seq, end_seq) = (stored.first_seq, stored.end_seq());
        let (after, batch) = match self.decode(&stored.payload, first_seq) {
            Ok((after, batch)) => (after, Some(Arc::new(batch))),
            Err(error) => {
                log::error!("journal: the entries {first_seq} to {} cannot be read: {error}", end_seq - 1);
                (end_seq, None)
            }
        };
        let block = ReadBlock { first_seq, end_seq, after, batch };
        self.cache.insert(first_seq, block.clone());
        Ok(Some(block))
    }

    fn decode(&self, payload: &Bytes, first_seq: u64) -> Result<(u64, EntryBatch), BlockError> {
        let (link, block) = Link::split(payload)?;
        let entries = block::decode(&block, first_seq, |fingerprint| (self.issuer)(fingerprint))?;
        Ok((link.ungiven_from(first_seq), EntryBatch::new(entries)))
    }
}
