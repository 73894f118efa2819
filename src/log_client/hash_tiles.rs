//! A static-ct log's hash tiles, from which proofs are built.

use super::FetchError;
use super::http::Http;
use crate::ct::consistency::{Node, complete_subtrees};
use crate::ct::hash_tile::{self, HashTile};
use crate::ct::merkle::Hash;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Maximum number of cached tiles, of at most 8 KB each. Catching up needs the same few tiles repeatedly.
const MAX_KEPT: usize = 16;

/// The hash tiles of one log.
pub(super) struct HashTiles {
    http: Rc<Http>,
    /// Prefix of `tile/`, with a trailing slash.
    prefix: String,
    kept: RefCell<HashMap<HashTile, Vec<Hash>>>,
}

impl HashTiles {
    pub(super) fn new(http: Rc<Http>, url: &str) -> Self {
        let prefix = format!("{}/", url.trim_end_matches('/'));
        HashTiles { http, prefix, kept: RefCell::default() }
    }

    /// The consistency proof from the tree of `first` entries to the tree of `second`, where 0 < `first` <
    /// `second`.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        let tiles = self.fetch(hash_tile::tiles_for_consistency(first, second)).await?;
        hash_tile::consistency_proof(first, second, &tiles).ok_or(FetchError::HashTiles)
    }

    /// The roots of the complete subtrees that extend a tree of `first` entries to one of `second` entries.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn between(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        let holding = |node: Node| HashTile::holding(node, second);
        let needed: BTreeSet<HashTile> = complete_subtrees(first..second).filter_map(holding).collect();
        let tiles = self.fetch(needed.into_iter().collect()).await?;
        let root = |node| hash_tile::node_root(node, tiles.get(&holding(node)?)?);
        complete_subtrees(first..second).map(root).collect::<Option<_>>().ok_or(FetchError::HashTiles)
    }

    async fn fetch(&self, tiles: Vec<HashTile>) -> Result<HashMap<HashTile, Vec<Hash>>, FetchError> {
        let mut fetched = HashMap::with_capacity(tiles.len());
        for tile in tiles {
            fetched.insert(tile, self.tile(tile).await?);
        }
        Ok(fetched)
    }

    /// The hashes of `tile`. If a partial tile no longer exists, they come from the full tile.
    async fn tile(&self, tile: HashTile) -> Result<Vec<Hash>, FetchError> {
        if let Some(hashes) = self.kept.borrow().get(&tile) {
            return Ok(hashes.clone());
        }
        let mut hashes = match self.tile_at(tile).await {
            Err(FetchError::Status { status: 404 | 410, .. }) if tile.is_partial() => {
                self.tile_at(tile.full()).await?
            }
            result => result?,
        };
        hashes.truncate(tile.width.into());
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(tile, hashes.clone());
        Ok(hashes)
    }

    /// Discards the cached tiles, because they turned out to be wrong.
    pub(super) fn forget(&self) {
        self.kept.borrow_mut().clear();
    }

    async fn tile_at(&self, tile: HashTile) -> Result<Vec<Hash>, FetchError> {
        let limit = usize::from(tile.width) * size_of::<Hash>();
        let url = format!("{}{}", self.prefix, tile.path());
        Ok(tile.parse(&self.http.body(&url, limit).await?)?)
    }
}
