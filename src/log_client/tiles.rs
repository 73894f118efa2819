//! Fetches a log's entries from its data tiles (static-ct-api "Log Entries"), with the issuers that they
//! reference.

use super::chain_issuers::ChainIssuers;
use super::http::Http;
use super::issuers::{Issuers, hex};
use super::memory::Part;
use super::{DecodeFailure, FetchError, FetchSettings, FetchedEntry, Range};
use crate::ct::entry::{Content, FramingFault, MAX_CHAIN_CERTIFICATES};
use crate::ct::names_tile;
use crate::ct::tile::{self, Fingerprint, TileLeaf};
use crate::ct::tile_path::{TILE_WIDTH, data_tile, names_tile};
use crate::http_client::HttpError;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Maximum size of a data tile or names tile in bytes, after decompression. A full tile of the web's
/// certificates has about 700 KB. The limit also allows unusual but valid logs with ten times as much.
pub(crate) const MAX_TILE_BYTES: usize = 16 * 1024 * 1024;
/// Maximum size of the chains of all entries that are read from one tile, in bytes. Each issuer counts as
/// often as an entry references it, since 32 bytes in a tile become a whole certificate in a message. The
/// chains of normal tiles have about 2 MB.
pub(crate) const MAX_CHAINS_BYTES: usize = 32 * 1024 * 1024;
/// Maximum size of one log's tiles that are kept until their issuers have been fetched, in bytes.
pub(crate) const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// The path of a tile by its index and width.
type PathOf = fn(u64, u64) -> String;

/// Whether the entries of a log's tiles must contain their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafIndex {
    /// Required, as in static-ct-api.
    Required,
    /// Optional. RFC 6962 logs sign their SCTs without the index, and a tile contains exactly the signed
    /// bytes.
    Optional,
}

/// The data tiles of one log.
pub(super) struct Tiles {
    http: Rc<Http>,
    /// Prefix of `tile/` and `issuer/`, with a trailing slash.
    prefix: String,
    leaf_index: LeafIndex,
    issuers: Arc<Issuers>,
    chain_issuers: Rc<ChainIssuers>,
    /// Tiles by path for which some issuers could not be fetched. They are kept so that they need not be
    /// fetched again.
    kept: RefCell<HashMap<String, (Bytes, Part)>>,
}

impl Tiles {
    /// Creates the tiles below `url`, which `http` requests with `settings`. Issuers are shared with other logs.
    pub(super) fn new(
        http: Rc<Http>,
        settings: &FetchSettings,
        url: &str,
        leaf_index: LeafIndex,
        issuers: Arc<Issuers>,
    ) -> Self {
        let prefix = format!("{}/", url.trim_end_matches('/'));
        // Not every RFC 6962 log serves issuers.
        let is_offered = leaf_index == LeafIndex::Required;
        let chain_issuers = ChainIssuers::new(http.clone(), &prefix, issuers.clone(), settings, is_offered);
        let chain_issuers = Rc::new(chain_issuers);
        Tiles { http, prefix, leaf_index, issuers, chain_issuers, kept: RefCell::default() }
    }

    /// Fetches the entries of `range` that are in the same tile as its first entry.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        let (path, bytes) = self.tile(data_tile, range).await?;
        let mut waits = self.http.counted();
        waits.set(bytes.len());
        // One entry more than allowed, to detect that there are too many.
        let leaves = tile::leaves(&bytes).take(TILE_WIDTH as usize + 1).collect::<Result<Vec<_>, _>>()?;
        let wanted = in_range(range, &path, leaves)?;
        if wanted.iter().any(|(_, leaf)| leaf.chain.len() > MAX_CHAIN_CERTIFICATES) {
            return Err(
                HttpError::TooLarge { limit: MAX_CHAIN_CERTIFICATES * size_of::<Fingerprint>() }.into()
            );
        }
        let issuers = wanted.iter().flat_map(|(_, leaf)| leaf.chain.iter().copied()).collect();
        if let Err(error) = self.chain_issuers.fetch(issuers).await {
            self.keep(path, bytes, waits);
            return Err(error);
        }
        self.bound_chains(&wanted)?;
        wanted.into_iter().map(|(index, leaf)| self.entry(index, leaf)).collect()
    }

    /// Fetches the names of those entries from the names tile that belongs to their data tile.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn names(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        let (path, bytes) = self.tile(names_tile, range).await?;
        let wanted = in_range(range, &path, names_tile::entries(&bytes)?)?;
        let fetched =
            |(_, entry)| FetchedEntry { leaf_hash: None, content: Ok(Content::Names(entry)), evidence: None };
        Ok(wanted.into_iter().map(fetched).collect())
    }

    /// Fetches the tile of `range`'s first entry, wide enough for all entries of the range that are in it. If
    /// that partial tile no longer exists, fetches the full one. Returns the path, which `path_of` builds,
    /// and the bytes.
    async fn tile(&self, path_of: PathOf, range: Range) -> Result<(String, Bytes), FetchError> {
        let index = range.start / TILE_WIDTH;
        let width = (range.end_exclusive - index * TILE_WIDTH).min(TILE_WIDTH);
        match self.tile_at(path_of(index, width)).await {
            // A log may delete partial tiles once the full one exists.
            Err(FetchError::Status { status: 404 | 410, .. }) if width < TILE_WIDTH => {
                self.tile_at(path_of(index, TILE_WIDTH)).await
            }
            result => result,
        }
    }

    async fn tile_at(&self, path: String) -> Result<(String, Bytes), FetchError> {
        if let Some((bytes, _)) = self.kept.borrow_mut().remove(&path) {
            return Ok((path, bytes));
        }
        let bytes = self.http.compressed_body(&format!("{}{path}", self.prefix), MAX_TILE_BYTES).await?;
        Ok((path, bytes))
    }

    /// Keeps a tile. If a log has too many tiles to keep, it has to serve them again.
    fn keep(&self, path: String, bytes: Bytes, counted: Part) {
        let mut kept = self.kept.borrow_mut();
        let all: usize = kept.values().map(|(bytes, _)| bytes.len()).sum();
        if all + bytes.len() > MAX_KEPT_BYTES {
            kept.clear();
        }
        kept.insert(path, (bytes, counted));
    }

    /// Checks the sum of all chains. Stops at the limit, because issuers that are not in memory are read from disk.
    fn bound_chains(&self, leaves: &[(u64, TileLeaf<'_>)]) -> Result<(), FetchError> {
        let mut bytes = 0;
        for fingerprint in leaves.iter().flat_map(|(_, leaf)| &leaf.chain) {
            bytes += self.issuers.get(fingerprint).map_or(0, |issuer| issuer.der().len());
            if bytes > MAX_CHAINS_BYTES {
                return Err(HttpError::TooLarge { limit: MAX_CHAINS_BYTES }.into());
            }
        }
        Ok(())
    }

    fn entry(&self, index: u64, leaf: TileLeaf<'_>) -> Result<FetchedEntry, FetchError> {
        let leaf_hash = leaf.leaf_hash();
        let timestamped_entry = leaf.timestamped_entry;
        let (mut chain, mut missing) = (Vec::with_capacity(leaf.chain.len()), None);
        for fingerprint in &leaf.chain {
            match self.issuers.get(fingerprint) {
                Some(issuer) => chain.push(issuer),
                // A chain with a hole would name the wrong issuer for the certificate before it.
                None if self.chain_issuers.is_given_up(fingerprint) => {
                    missing = Some(*fingerprint);
                    break;
                }
                None => return Err(FetchError::WrongIssuer { fingerprint: hex(fingerprint) }),
            }
        }
        let leaf_index = leaf.leaf_index;
        let mut entry = leaf.into_entry(chain, missing);
        let misplaced = match leaf_index {
            Some(leaf_index) if leaf_index != index => Some(FramingFault::LeafIndex { leaf_index, index }),
            None if self.leaf_index == LeafIndex::Required => Some(FramingFault::NoLeafIndex),
            _ => None,
        };
        entry.fault = misplaced.or(entry.fault);
        let merkle_tree_leaf = || tile::merkle_tree_leaf(timestamped_entry);
        let evidence = entry.misbehaviour().map(|_| merkle_tree_leaf());
        // The only failure is that the entry is too large, so its texts would be too large as well.
        let content = entry
            .within_limits()
            .map(Content::Entry)
            .map_err(|error| DecodeFailure { reason: error.to_string(), texts: None });
        Ok(FetchedEntry { leaf_hash: Some(leaf_hash), content, evidence })
    }
}

/// The items of a tile whose index is in `range`. Fails if the number of `items` differs from the width in
/// the path.
fn in_range<T>(range: Range, path: &str, items: Vec<T>) -> Result<Vec<(u64, T)>, FetchError> {
    let expected = path.rsplit_once(".p/").and_then(|(_, width)| width.parse().ok()).unwrap_or(TILE_WIDTH);
    if items.len() as u64 != expected {
        return Err(FetchError::TileWidth { path: path.into(), expected, found: items.len() });
    }
    let first = range.start / TILE_WIDTH * TILE_WIDTH;
    let wanted = |(index, _): &(u64, T)| (range.start..range.end_exclusive).contains(index);
    Ok((first..).zip(items).filter(wanted).collect())
}

#[cfg(test)]
mod tests;
