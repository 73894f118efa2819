//! What waits for many clients at once, kept once for all of them.

use crate::message::Frames;
use std::sync::Arc;

/// Clients from which on pages of their own pay for frames: the kernel then need not copy what it sends to them.
#[cfg(target_os = "linux")]
const MANY: usize = 8;
/// Bytes from which on they do.
#[cfg(target_os = "linux")]
const MUCH: usize = 64 * 1024;

/// Frames. Where many clients hear them, they lie in pages of their own: what is never written again, the kernel sends
/// as it lies there, to all of them. From other memory it would be copied for each one.
#[derive(Debug)]
pub struct SharedFrames {
    frames: Arc<Frames>,
    in_own_pages: bool,
}

impl SharedFrames {
    /// To be heard by so many clients.
    pub fn new(frames: Arc<Frames>, clients: usize) -> Arc<Self> {
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
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Whether nobody will write the memory in which the frames lie, even when they are gone.
    pub fn is_in_own_pages(&self) -> bool {
        self.in_own_pages
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.frames.bytes().len()
    }
}

impl From<Arc<Frames>> for SharedFrames {
    fn from(frames: Arc<Frames>) -> Self {
        SharedFrames { frames, in_own_pages: false }
    }
}
