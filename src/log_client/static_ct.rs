//! The client of a static-ct-api log: checkpoints, data tiles and issuers, on awc.

use super::http::{Answer, Ask, Http};
use super::issuers::{Issuers, hex};
use super::{FetchError, FetchSettings, Fetched, Head, Range};
use crate::ct::checkpoint::Checkpoint;
use crate::ct::entry::FramingFault;
use crate::ct::tile::{self, Fingerprint, TileLeaf};
use crate::ct::tile_path::{TILE_WIDTH, data_tile};
use bytes::Bytes;
use openssl::pkey::{PKey, Public};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A checkpoint is some 300 bytes; the rest is room for witnesses' signatures.
const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;
/// A full tile of the web's certificates has some 700 KB; ten times as much is still an honest, if odd, log.
const MAX_TILE_BYTES: usize = 16 * 1024 * 1024;
/// As much as a chain certificate can have at all in an RFC 6962 log would be 16 MiB; none comes near.
const MAX_ISSUER_BYTES: usize = 256 * 1024;

/// What is known of a static-ct log.
#[derive(Debug, Clone)]
pub struct StaticCtLog {
    /// The monitoring prefix.
    pub url: String,
    /// The name in its checkpoints.
    pub origin: String,
    /// Its key; without one, checkpoints are believed unsigned.
    pub key: Option<PKey<Public>>,
    /// SHA-256 of the key.
    pub log_id: Option<[u8; 32]>,
}

/// Asks one log.
pub struct StaticCtClient {
    http: Http,
    log: StaticCtLog,
    issuers: Arc<Issuers>,
    /// The validator of the last checkpoint.
    etag: RefCell<Option<String>>,
    /// Held while issuers are fetched: tiles in flight together mostly lack the same ones.
    fetching_issuers: Mutex<()>,
    /// Tiles whose issuers could not all be had, so that they need not be fetched again; by path.
    kept: RefCell<HashMap<String, Bytes>>,
}

impl StaticCtClient {
    /// A client of `log`, which shares `issuers` with others.
    pub fn new(log: StaticCtLog, issuers: Arc<Issuers>, settings: &FetchSettings) -> Self {
        let http = Http::new(settings);
        StaticCtClient {
            http,
            log,
            issuers,
            etag: RefCell::default(),
            fetching_issuers: Mutex::new(()),
            kept: RefCell::default(),
        }
    }

    /// The checkpoint, verified when the log's key is known; `None` when it has not changed.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn head(&self) -> Result<Option<Head>, FetchError> {
        let etag = self.etag.borrow().clone();
        let ask = Ask { limit: MAX_CHECKPOINT_BYTES, gzip: false, etag: etag.as_deref() };
        let (bytes, etag) = match self.http.get(&self.url("checkpoint"), ask).await? {
            Answer::NotModified => return Ok(None),
            Answer::Body { bytes, etag } => (bytes, etag),
        };
        let checkpoint = Checkpoint::parse(&bytes)?;
        let timestamp_ms = match (&self.log.key, &self.log.log_id) {
            (Some(key), Some(log_id)) => checkpoint.verify(&self.log.origin, log_id, key)?.timestamp_ms,
            _ => {
                checkpoint.check_origin(&self.log.origin)?;
                crate::clock::unix_us() / 1000
            }
        };
        // Only of a checkpoint that was believed: another one must be looked at again.
        *self.etag.borrow_mut() = etag;
        Ok(Some(Head { tree_size: checkpoint.tree_size, timestamp_ms }))
    }

    /// The entries of `range` that are in the tile of its first one.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn entries(&self, range: Range) -> Result<Vec<Fetched>, FetchError> {
        let tile_index = range.start / TILE_WIDTH;
        let first = tile_index * TILE_WIDTH;
        let end_exclusive = range.end_exclusive.min(first.saturating_add(TILE_WIDTH));
        let (path, bytes) = self.tile(tile_index, end_exclusive - first).await?;
        let leaves = read_tile(&path, &bytes)?;
        let wanted: Vec<_> =
            (first..).zip(leaves).filter(|(i, _)| (range.start..end_exclusive).contains(i)).collect();
        if let Err(error) = self.fetch_issuers(&wanted).await {
            self.kept.borrow_mut().insert(path, bytes);
            return Err(error);
        }
        wanted.into_iter().map(|(index, leaf)| self.entry(index, leaf).map(Ok)).collect()
    }

    /// The data tile with `width` entries, or the full one where the partial one is gone; its path and bytes.
    async fn tile(&self, index: u64, width: u64) -> Result<(String, Bytes), FetchError> {
        match self.tile_at(data_tile(index, width)).await {
            // A log may delete partial tiles once the full one is there.
            Err(FetchError::Status { status: 404 | 410, .. }) if width < TILE_WIDTH => {
                self.tile_at(data_tile(index, TILE_WIDTH)).await
            }
            result => result,
        }
    }

    async fn tile_at(&self, path: String) -> Result<(String, Bytes), FetchError> {
        if let Some(bytes) = self.kept.borrow_mut().remove(&path) {
            return Ok((path, bytes));
        }
        let ask = Ask { limit: MAX_TILE_BYTES, gzip: true, etag: None };
        match self.http.get(&self.url(&path), ask).await? {
            Answer::Body { bytes, .. } => Ok((path, bytes)),
            Answer::NotModified => Err(FetchError::unexpected(304)),
        }
    }

    /// Fetches the issuers of `leaves` that nobody has had yet.
    async fn fetch_issuers(&self, leaves: &[(u64, TileLeaf)]) -> Result<(), FetchError> {
        let all: BTreeSet<&Fingerprint> = leaves.iter().flat_map(|(_, leaf)| &leaf.chain).collect();
        if all.iter().all(|fingerprint| self.issuers.get(fingerprint).is_some()) {
            return Ok(());
        }
        let _turn = self.fetching_issuers.lock().await;
        for fingerprint in all {
            if self.issuers.get(fingerprint).is_some() {
                continue;
            }
            let name = hex(fingerprint);
            let der = self.http.body(&self.url(&format!("issuer/{name}")), MAX_ISSUER_BYTES).await?;
            if !self.issuers.insert(fingerprint, der) {
                return Err(FetchError::WrongIssuer { fingerprint: name });
            }
        }
        Ok(())
    }

    fn entry(&self, index: u64, leaf: TileLeaf) -> Result<crate::ct::entry::LogEntry, FetchError> {
        let issuer =
            |fp| self.issuers.get(fp).ok_or_else(|| FetchError::WrongIssuer { fingerprint: hex(fp) });
        let chain = leaf.chain.iter().map(issuer).collect::<Result<_, _>>()?;
        let leaf_index = leaf.leaf_index;
        let mut entry = leaf.into_entry(chain);
        if leaf_index != index {
            entry.fault = Some(FramingFault::LeafIndex { leaf_index, index });
        }
        Ok(entry)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.log.url.trim_end_matches('/'))
    }
}

/// The entries of a tile, as many as its name says.
fn read_tile(path: &str, bytes: &Bytes) -> Result<Vec<TileLeaf>, FetchError> {
    let leaves = tile::leaves(bytes).collect::<Result<Vec<_>, _>>()?;
    let expected = path.rsplit_once(".p/").and_then(|(_, width)| width.parse().ok()).unwrap_or(TILE_WIDTH);
    if leaves.len() as u64 == expected {
        Ok(leaves)
    } else {
        Err(FetchError::TileWidth { path: path.into(), expected, found: leaves.len() })
    }
}
