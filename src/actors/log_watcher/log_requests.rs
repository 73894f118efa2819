//! The requests that the stages send to a log. Unit tests use a log of their own.

use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::log_client::{FetchError, FetchedEntry, LogClient, Proven, Range};

/// A log, as the stages see it. [`LogClient`] describes the methods.
pub(super) trait LogRequests {
    async fn head(&self) -> Result<Option<Head>, FetchError>;
    async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError>;
    async fn prove(&self, tree: &CompactTree, head: &Head) -> Proven<()>;
    async fn prove_head(&self, old: &Head, new: &Head) -> Proven<()>;
    async fn tree_at(&self, size: u64, root: Option<&Hash>, head: &Head) -> Proven<CompactTree>;
    fn forget(&self);
    fn alignment(&self) -> u64;
    fn prefers_full_tiles(&self) -> bool;
    fn serves_any_range(&self) -> bool;
}

impl LogRequests for LogClient {
    async fn head(&self) -> Result<Option<Head>, FetchError> {
        self.head().await
    }

    async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        self.entries(range).await
    }

    async fn prove(&self, tree: &CompactTree, head: &Head) -> Proven<()> {
        self.prove(tree, head).await
    }

    async fn prove_head(&self, old: &Head, new: &Head) -> Proven<()> {
        self.prove_head(old, new).await
    }

    async fn tree_at(&self, size: u64, root: Option<&Hash>, head: &Head) -> Proven<CompactTree> {
        self.tree_at(size, root, head).await
    }

    fn forget(&self) {
        self.forget();
    }

    fn alignment(&self) -> u64 {
        self.alignment()
    }

    fn prefers_full_tiles(&self) -> bool {
        self.prefers_full_tiles()
    }

    fn serves_any_range(&self) -> bool {
        self.serves_any_range()
    }
}
