//! Frames that are stored once and shared by many clients.

use crate::message::Frames;
use std::sync::Arc;

/// Number of clients from which dedicated pages for frames are worthwhile: the kernel then does not copy the bytes that
/// it sends to them.
#[cfg(target_os = "linux")]
const MANY: usize = 8;
/// Bytes of frames from which dedicated pages are worthwhile.
#[cfg(target_os = "linux")]
const MUCH: usize = 64 * 1024;

/// Shared frames. If many clients receive them, they lie in dedicated pages. These are never written again, so the
/// kernel sends them directly to all clients; other memory would be copied for each client.
#[derive(Debug)]
pub(crate) struct SharedFrames {
    frames: Arc<Frames>,
    in_own_pages: bool,
}

impl SharedFrames {
    /// Creates frames that `clients` clients will receive.
    pub(crate) fn new(frames: Arc<Frames>, clients: usize) -> Arc<Self> {
        #[cfg(target_os = "linux")]
        if clients >= MANY
            && frames.bytes().len() >= MUCH
            && let Some(copy) = super::pages::copied(frames.bytes())
        {
            return Arc::new(SharedFrames { frames: Arc::new(frames.with_bytes(copy)), in_own_pages: true });
        }
        #[cfg(not(target_os = "linux"))]
        let _ = clients;
        Arc::new(frames.into())
    }

    /// The frames.
    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Whether the memory of the frames is never written, even after they are dropped.
    pub(crate) fn is_in_own_pages(&self) -> bool {
        self.in_own_pages
    }

    /// Memory of the frames, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.bytes().len()
    }
}

impl From<Arc<Frames>> for SharedFrames {
    fn from(frames: Arc<Frames>) -> Self {
        SharedFrames { frames, in_own_pages: false }
    }
}
