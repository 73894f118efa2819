//! Frames that are stored once and shared by many clients.

use crate::message::Frames;
use std::sync::Arc;

/// Frames of at least this many bytes are not joined with others: a connection takes no more at once.
const LONG: usize = 256 * 1024;
/// Number of clients from which dedicated pages for frames are worthwhile: the kernel then does not copy the bytes that
/// it sends to them.
#[cfg(target_os = "linux")]
const MANY: usize = 8;
/// Bytes of frames from which dedicated pages are worthwhile.
#[cfg(target_os = "linux")]
const MUCH: usize = 64 * 1024;

/// Shared frames. If many clients receive them, they lie in dedicated pages. These are never written again, so the
/// kernel sends them directly to all clients; other memory would be copied for each client.
#[derive(Debug, Default)]
pub(crate) struct SharedFrames {
    frames: Arc<Frames>,
    in_own_pages: bool,
}

impl SharedFrames {
    /// Joins the frames `parts`, which `clients` clients will receive, as far as that pays.
    pub(crate) fn joined(parts: &[Arc<Frames>], clients: usize) -> Vec<Arc<Self>> {
        #[cfg(target_os = "linux")]
        if clients >= MANY
            && parts.iter().map(|part| part.bytes().len()).sum::<usize>() >= MUCH
            && let Some(copy) = super::pages::copied(parts)
        {
            return vec![Arc::new(SharedFrames {
                frames: Frames::joined_in(parts, copy),
                in_own_pages: true,
            })];
        }
        #[cfg(not(target_os = "linux"))]
        let _ = clients;
        let is_long = |part: &Arc<Frames>| part.bytes().len() >= LONG;
        let groups = parts.chunk_by(|one, next| !is_long(one) && !is_long(next));
        groups.map(|group| Arc::new(Frames::joined(group).into())).collect()
    }

    /// The frames.
    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The frames, to be kept.
    pub(super) fn frames_shared(&self) -> Arc<Frames> {
        self.frames.clone()
    }

    /// Whether the memory of the frames is never written, even after they are dropped.
    pub(crate) fn is_in_own_pages(&self) -> bool {
        self.in_own_pages
    }
}

impl From<Arc<Frames>> for SharedFrames {
    fn from(frames: Arc<Frames>) -> Self {
        SharedFrames { frames, in_own_pages: false }
    }
}
