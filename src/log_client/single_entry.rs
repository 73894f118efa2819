//! Fetches one entry of a log of which only the URL is known.

use super::http::Http;
use super::issuers::Issuers;
use super::static_ct::MAX_CHECKPOINT_BYTES;
use super::tiles::{LeafIndex, Tiles};
use super::{FetchError, FetchSettings, FetchedEntry, Range, Rfc6962Client};
use crate::ct::checkpoint::Checkpoint;
use crate::ct::source::Protocol;
use crate::ct::tile_path::TILE_WIDTH;
use std::rc::Rc;
use std::sync::Arc;

/// Fetches entry `index` of the log at `url` by get-entries, or by tiles if the log has no get-entries. Also
/// returns the protocol. Nothing is verified.
///
/// # Errors
/// The error of get-entries, if tiles are not available either; see [`FetchError`].
pub(crate) async fn single_entry(
    url: &str,
    index: u64,
    settings: &FetchSettings,
) -> Result<(Protocol, FetchedEntry), FetchError> {
    let issuers = Arc::new(Issuers::in_memory());
    let range = Range { start: index, end_exclusive: index.saturating_add(1), confirming: true };
    let page = Rfc6962Client::new(url, None, issuers.clone(), settings).entries(range).await;
    let (protocol, entries) = match page {
        Err(error) if error.is_final() => {
            let entries = by_tile(url, index, issuers, settings).await;
            let entries = entries.map_err(|other| if other.is_final() { error } else { other })?;
            (Protocol::StaticCt, entries)
        }
        page => (Protocol::Rfc6962, page?),
    };
    entries.into_iter().next().map(|entry| (protocol, entry)).ok_or(FetchError::EmptyPage)
}

/// Fetches the entry from the full tile. For one of the newest entries, fetches the partial tile according to
/// the checkpoint.
async fn by_tile(
    url: &str,
    index: u64,
    issuers: Arc<Issuers>,
    settings: &FetchSettings,
) -> Result<Vec<FetchedEntry>, FetchError> {
    let http = Rc::new(Http::new(settings));
    let tiles = Tiles::new(http.clone(), settings, url, LeafIndex::Required, issuers);
    let tile_end = (index / TILE_WIDTH).saturating_add(1).saturating_mul(TILE_WIDTH);
    let range = |end_exclusive| Range { start: index, end_exclusive, confirming: true };
    match tiles.entries(range(tile_end)).await {
        Err(error) if error.is_final() => {
            let checkpoint = http.body(&format!("{url}/checkpoint"), MAX_CHECKPOINT_BYTES).await?;
            let tree_size = Checkpoint::parse(&checkpoint)?.tree_size;
            if tree_size <= index {
                return Err(error);
            }
            tiles.entries(range(tree_size.min(tile_end))).await
        }
        result => result,
    }
}
