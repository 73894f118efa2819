//! The bytes that a connection takes from the queue at once.

use super::shared::SharedFrames;
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// Size from which pages are passed to the kernel. Copying fewer bytes costs less than tracking their pages.
const BY_PAGES: usize = 16 * 1024;

/// The bytes of frames. The chunk keeps the shared frames alive.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Bytes,
    of: Option<Arc<SharedFrames>>,
}

impl Chunk {
    /// The frames of messages `from..to`.
    pub(super) fn of(shared: &Arc<SharedFrames>, from: usize, to: usize) -> Self {
        Chunk { bytes: shared.frames().slice(from, to), of: Some(shared.clone()) }
    }

    /// The bytes that remain to be sent.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same bytes, if they lie in immutable pages that the kernel may reference, and if they are large enough for
    /// that to be worthwhile.
    pub(crate) fn in_own_pages(&self) -> Option<&Bytes> {
        let pays = self.bytes.len() >= BY_PAGES;
        let own = self.of.as_ref().is_some_and(|shared| shared.is_in_own_pages());
        (pays && own).then_some(&self.bytes)
    }

    /// Removes the first `sent` bytes.
    pub(crate) fn advance(&mut self, sent: usize) {
        self.bytes.advance(sent);
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Chunk { bytes, of: None }
    }
}
