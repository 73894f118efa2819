//! What a connection takes from its reader at once.

use super::shared::SharedFrames;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Size from which pages are passed to the kernel. Copying fewer bytes costs less than tracking their pages.
const BY_PAGES: usize = 16 * 1024;

/// The next item for the connection to send.
#[derive(Debug)]
pub(crate) enum Next {
    /// Complete frames.
    Frames(Chunk),
    /// A close frame, which the client has to answer in time.
    Close(Bytes),
    /// The last bytes, which may be none.
    Last(Bytes),
    /// The last bytes were taken: the connection lingers.
    Linger,
}

/// The bytes of frames, which the chunk keeps in memory.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    memory: Memory,
    /// The bytes in `memory` that remain to be sent.
    rest: Range<usize>,
}

#[derive(Debug)]
enum Memory {
    Own(Bytes),
    Shared(Arc<SharedFrames>),
}

impl Default for Memory {
    fn default() -> Self {
        Memory::Own(Bytes::new())
    }
}

impl Chunk {
    /// The frames of messages `from..to`.
    pub(super) fn of(shared: &Arc<SharedFrames>, from: usize, to: usize) -> Self {
        Chunk { memory: Memory::Shared(shared.clone()), rest: shared.frames().range(from, to) }
    }

    /// The bytes that remain to be sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        let all = match &self.memory {
            Memory::Own(bytes) => bytes,
            Memory::Shared(shared) => shared.frames().bytes(),
        };
        all.get(self.rest.clone()).unwrap_or_default()
    }

    /// The same bytes, if they lie in immutable pages that the kernel may reference, and if they are large enough for
    /// that to be worthwhile.
    pub(crate) fn in_own_pages(&self) -> Option<&[u8]> {
        let pays = self.rest.len() >= BY_PAGES;
        let own = matches!(&self.memory, Memory::Shared(shared) if shared.is_in_own_pages());
        (pays && own).then_some(self.bytes())
    }

    /// Removes the first `sent` bytes.
    pub(crate) fn advance(&mut self, sent: usize) {
        self.rest.start = self.rest.end.min(self.rest.start + sent);
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Chunk { rest: 0..bytes.len(), memory: Memory::Own(bytes) }
    }
}
