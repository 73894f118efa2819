//! What a connection takes from the queue at once.

use super::shared::Shared;
use bytes::{Buf, Bytes};
use std::fs::File;
use std::sync::Arc;

/// Bytes from which on they are sent from a file: for fewer, copying them costs less than to look after their pages.
const FROM_FILE: usize = 16 * 1024;

/// Bytes of frames, and what they are of, which lasts as long as the piece does.
#[derive(Debug, Default)]
pub struct Piece {
    bytes: Bytes,
    /// Where in it they begin.
    of: Option<(Arc<Shared>, u64)>,
}

impl Piece {
    /// The frames of messages `from..to`.
    pub(super) fn of(shared: &Arc<Shared>, from: usize, to: usize) -> Self {
        let frames = shared.frames();
        Piece { bytes: frames.slice(from, to), of: Some((shared.clone(), frames.offset(from) as u64)) }
    }

    /// What is to be sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A file to send them from, and where in it they begin, if that pays.
    pub fn file(&self) -> Option<(&File, u64)> {
        let (shared, offset) = self.of.as_ref().filter(|_| self.bytes.len() >= FROM_FILE)?;
        Some((shared.file()?, *offset))
    }

    /// So many bytes were sent.
    pub fn advance(&mut self, sent: usize) {
        self.bytes.advance(sent);
        if let Some((_, offset)) = &mut self.of {
            *offset += sent as u64;
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Piece { bytes, of: None }
    }
}
