//! Messages that come within one flush interval, joined: a client is woken once for them, and one write carries them.

use crate::message::{Frames, Stream, Wire};
use std::sync::Arc;

/// Bytes that are not waited with for more. Handed out by half as many, 500 full clients cost a tenth more.
const ENOUGH: usize = 2 * 1024 * 1024;

/// Frames of one stream, on one wire, that have not been handed out yet.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    parts: Vec<Arc<Frames>>,
    bytes: usize,
    first_seq: u64,
}

/// Those of all streams.
#[derive(Debug, Default)]
pub(super) struct Coalescers([[Coalescer; Wire::ALL.len()]; Stream::ALL.len()]);

impl Coalescer {
    fn add(&mut self, frames: Arc<Frames>, first_seq: u64) -> bool {
        if self.parts.is_empty() {
            self.first_seq = first_seq;
        }
        self.bytes += frames.length(0, frames.len());
        self.parts.push(frames);
        self.bytes >= ENOUGH
    }

    fn take(&mut self) -> Option<(Arc<Frames>, u64)> {
        self.bytes = 0;
        let parts = std::mem::take(&mut self.parts);
        (!parts.is_empty()).then(|| (Frames::joined(&parts), self.first_seq))
    }
}

impl Coalescers {
    /// Adds frames, the first of which has this number in its stream. Whether there is enough of them now.
    pub(super) fn add(&mut self, stream: Stream, wire: Wire, frames: Arc<Frames>, first_seq: u64) -> bool {
        let coalescer = self.0.get_mut(stream as usize).and_then(|wires| wires.get_mut(wire as usize));
        coalescer.is_some_and(|coalescer| coalescer.add(frames, first_seq))
    }

    /// All that was added, and the numbers of the first.
    pub(super) fn take(&mut self) -> Vec<(Stream, Wire, Arc<Frames>, u64)> {
        let mut taken = Vec::new();
        for (stream, wires) in Stream::ALL.into_iter().zip(&mut self.0) {
            for (wire, coalescer) in Wire::ALL.into_iter().zip(wires) {
                if let Some((frames, first_seq)) = coalescer.take() {
                    taken.push((stream, wire, frames, first_seq));
                }
            }
        }
        taken
    }
}
