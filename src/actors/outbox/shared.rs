//! What waits for many clients at once, kept once for all of them.

use super::pages::Pages;
use crate::message::Frames;
use std::sync::Arc;

/// Clients from which on pages of their own pay for frames: the kernel then need not copy what it sends to them.
const MANY: usize = 8;
/// Bytes from which on they do.
const MUCH: usize = 64 * 1024;

/// Frames. Where many clients hear them, they lie in pages of their own: what is never written again, the kernel sends
/// as it lies there, to all of them. From other memory it would be copied for each one.
#[derive(Debug)]
pub struct Shared {
    frames: Arc<Frames>,
    /// Bytes of the pages, if they are the frames' own.
    pages: Option<usize>,
}

impl Shared {
    /// To be heard by so many clients.
    pub fn new(frames: Arc<Frames>, clients: usize) -> Arc<Self> {
        let much = clients >= MANY && frames.length(0, frames.len()) >= MUCH;
        let pages = if cfg!(target_os = "linux") && much { Pages::of(frames.bytes()) } else { None };
        Arc::new(match pages {
            Some(Pages { bytes, taken }) => {
                Shared { frames: Arc::new(frames.lying_in(bytes)), pages: Some(taken) }
            }
            None => Shared { frames, pages: None },
        })
    }

    /// The frames.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Whether they lie in pages that nobody writes, even when they themselves are gone.
    pub fn in_pages(&self) -> bool {
        self.pages.is_some()
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.pages.unwrap_or(self.frames.length(0, self.frames.len()))
    }
}

impl From<Arc<Frames>> for Shared {
    fn from(frames: Arc<Frames>) -> Self {
        Shared { frames, pages: None }
    }
}
