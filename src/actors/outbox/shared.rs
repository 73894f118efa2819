//! What waits for many clients at once, kept once for all of them.

use crate::message::Frames;
use std::fs::File;
use std::sync::Arc;

/// Clients from which on a file is worth making: for them the kernel then need not copy what they are sent.
const MANY: usize = 8;
/// Bytes from which on it is. Each file takes a descriptor for as long as somebody waits, so there must not be many.
const MUCH: usize = 64 * 1024;

/// Frames, and where many clients hear them a file in memory with the same bytes: what is sent from a file, the kernel
/// sends as it lies there, to all of them. Sent from our memory, it would be copied for each one.
#[derive(Debug)]
pub struct Shared {
    frames: Arc<Frames>,
    file: Option<File>,
}

impl Shared {
    /// To be heard by so many clients.
    pub fn new(frames: Arc<Frames>, clients: usize) -> Arc<Self> {
        let much = clients >= MANY && frames.length(0, frames.len()) >= MUCH;
        let file = if much { in_memory(&frames) } else { None };
        Arc::new(Shared { frames, file })
    }

    /// The frames.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// A file that begins with their bytes.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let copies = if self.file.is_some() { 2 } else { 1 };
        self.frames.length(0, self.frames.len()) * copies
    }
}

impl From<Arc<Frames>> for Shared {
    fn from(frames: Arc<Frames>) -> Self {
        Shared { frames, file: None }
    }
}

/// `None` where there is no such thing; everything can be sent without.
#[cfg(target_os = "linux")]
fn in_memory(frames: &Frames) -> Option<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::io::Write;

    let mut file = File::from(memfd_create("frames", MemfdFlags::CLOEXEC).ok()?);
    file.write_all(&frames.slice(0, frames.len())).ok()?;
    Some(file)
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &Frames) -> Option<File> {
    None
}
