//! The client of a static-ct-api log: its checkpoints and its [tiles](Tiles).

use super::hash_tiles::HashTiles;
use super::http::Http;
use super::issuers::Issuers;
use super::tiles::{LeafIndex, Tiles};
use super::{FetchError, FetchSettings, FetchedEntry, Range};
use crate::ct::checkpoint::{Checkpoint, CheckpointError};
use crate::ct::head::Head;
use crate::ct::merkle::Hash;
use crate::http_client::Validators;
use log::Level;
use openssl::pkey::{PKey, Public};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Maximum size of a checkpoint, in bytes. A checkpoint has about 300 bytes; the rest allows witnesses'
/// signatures.
pub(crate) const MAX_CHECKPOINT_BYTES: usize = 8 * 1024;

/// The configuration of a static-ct log.
#[derive(Debug, Clone)]
pub struct StaticCtLog {
    /// The monitoring prefix.
    pub url: String,
    /// The origin line of its checkpoints.
    pub origin: String,
    /// The log's key. Without a key, checkpoints are accepted without verifying their signature.
    pub key: Option<PKey<Public>>,
    /// SHA-256 of the key.
    pub log_id: Option<[u8; 32]>,
}

/// The client of one log.
pub(crate) struct StaticCtClient {
    http: Rc<Http>,
    log: StaticCtLog,
    tiles: Tiles,
    hashes: HashTiles,
    /// Whether names are sufficient and the log has not shown that it has no names tiles.
    names_tiles: Cell<bool>,
    /// Whether a missing names tile has been logged.
    told_of_names: Cell<bool>,
    /// The validators of the last checkpoint.
    validators: RefCell<Validators>,
}

impl StaticCtClient {
    /// Creates the client of `log`. `issuers` are shared with other clients.
    pub(crate) fn new(log: StaticCtLog, issuers: Arc<Issuers>, settings: &FetchSettings) -> Self {
        let http = Rc::new(Http::new(settings));
        let tiles = Tiles::new(http.clone(), settings, &log.url, LeafIndex::Required, issuers);
        let hashes = HashTiles::new(http.clone(), &log.url);
        let names_tiles = Cell::new(settings.names_tiles);
        let told_of_names = Cell::new(false);
        StaticCtClient {
            http,
            log,
            tiles,
            hashes,
            names_tiles,
            told_of_names,
            validators: RefCell::default(),
        }
    }

    /// Fetches the checkpoint and verifies it if the log's key is known. `None` if it has not changed.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn head(&self) -> Result<Option<Head>, FetchError> {
        let known = self.validators.borrow().clone();
        let url = format!("{}/checkpoint", self.log.url.trim_end_matches('/'));
        let body = self.http.changed_body(&url, MAX_CHECKPOINT_BYTES, &known).await?;
        let Some((bytes, validators)) = body else { return Ok(None) };
        let checkpoint = Checkpoint::parse(&bytes)?;
        let (timestamp_ms, signed) = match (&self.log.key, &self.log.log_id) {
            (Some(key), Some(log_id)) => {
                let head = checkpoint.verify(&self.log.origin, log_id, key);
                let not_signed = |error: CheckpointError| FetchError::NotSigned {
                    reason: error.to_string(),
                    bytes: bytes.clone(),
                };
                (head.map_err(not_signed)?.timestamp_ms, true)
            }
            _ => {
                checkpoint.check_origin(&self.log.origin)?;
                (crate::clock::unix_us() / 1000, false)
            }
        };
        // Only the validators of a valid checkpoint are kept. An invalid one must be fetched and checked again.
        *self.validators.borrow_mut() = validators;
        let Checkpoint { tree_size, root_hash, .. } = checkpoint;
        Ok(Some(Head { tree_size, timestamp_ms, root_hash, signed, bytes }))
    }

    /// Fetches the entries of `range` that are in the same tile as its first entry.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        if self.names_tiles.get()
            && let Some(names) = self.names(range).await
        {
            return names;
        }
        self.tiles.entries(range).await
    }

    /// The consistency proof from `first` to `second`, built from tiles, where 0 < `first` < `second`.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        self.hashes.consistency(first, second).await
    }

    /// The roots of the complete subtrees that extend a tree of `first` entries to one of `second` entries.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn between(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        self.hashes.between(first, second).await
    }

    /// Discards cached data, because something in it was wrong.
    pub(crate) fn forget(&self) {
        self.hashes.forget();
        *self.validators.borrow_mut() = Validators::default();
    }

    /// Fetches the names of the entries of `range`. `None` if the log has no names tiles, or not this one.
    async fn names(&self, range: Range) -> Option<Result<Vec<FetchedEntry>, FetchError>> {
        match self.tiles.names(range).await {
            Ok(names) => Some(Ok(names)),
            Err(error) if error.is_final() => {
                // An invalid names tile does not mean that the next one is invalid.
                if matches!(error, FetchError::Status { .. }) {
                    self.names_tiles.set(false);
                }
                // A log may lack only some of its names tiles.
                let level = if self.told_of_names.replace(true) { Level::Debug } else { Level::Info };
                log::log!(level, "{}: no names tile: {error}; reading data tiles", self.log.url);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}
