//! What a connection takes from the queue at once.

use super::shared::SharedFrames;
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// Bytes from which on their pages are given to the kernel: for fewer, copying them costs less than to look after these.
const BY_PAGES: usize = 16 * 1024;

/// Bytes of frames, and what they are of, which lasts as long as the chunk does.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Bytes,
    of: Option<Arc<SharedFrames>>,
}

impl Chunk {
    /// The frames of messages `from..to`.
    pub(super) fn of(shared: &Arc<SharedFrames>, from: usize, to: usize) -> Self {
        Chunk { bytes: shared.frames().slice(from, to), of: Some(shared.clone()) }
    }

    /// What is to be sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, if nobody will write the pages in which it lies, so that the kernel may keep these, and if that pays.
    pub fn in_own_pages(&self) -> Option<&Bytes> {
        let pays = self.bytes.len() >= BY_PAGES;
        let own = self.of.as_ref().is_some_and(|shared| shared.is_in_own_pages());
        (pays && own).then_some(&self.bytes)
    }

    /// So many bytes were sent.
    pub fn advance(&mut self, sent: usize) {
        self.bytes.advance(sent);
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Chunk { bytes, of: None }
    }
}
