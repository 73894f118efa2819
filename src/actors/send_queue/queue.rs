//! What waits for one client: the bytes are shared, only the places in them are its own. Pure: the time comes as an
//! argument.

use super::chunk::Chunk;
use super::shared::SharedFrames;
use crate::message::{Wire, gap};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Messages of shared frames, in the order in which they came. What is dropped is dropped at the front, where it is
/// oldest.
#[derive(Debug, Default)]
pub(super) struct Queue {
    segments: VecDeque<Segment>,
    bytes: usize,
    messages: usize,
    /// What is missing before all that is queued.
    gap: Option<Gap>,
}

/// Messages `from..to` of shared frames.
#[derive(Debug)]
struct Segment {
    shared: Arc<SharedFrames>,
    from: usize,
    to: usize,
    /// The number of the first of `frames` in the client's stream; none for what is of no stream, such as a heartbeat.
    first_seq: Option<u64>,
    since: Instant,
}

/// Numbers of messages that were dropped, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from_seq: u64,
    to_seq: u64,
}

/// Frames to be sent.
pub(super) struct Taken {
    pub(super) chunk: Chunk,
    /// Messages among them, notices not counted.
    pub(super) messages: usize,
    /// Since when they waited, if they did.
    pub(super) since: Option<Instant>,
}

impl Queue {
    pub(super) fn push(&mut self, shared: &Arc<SharedFrames>, first_seq: Option<u64>, since: Instant) {
        let to = shared.frames().len();
        if to > 0 {
            self.bytes += shared.frames().length(0, to);
            self.messages += to;
            self.segments.push_back(Segment { shared: shared.clone(), from: 0, to, first_seq, since });
        }
    }

    /// Bytes of the frames that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that wait.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// Since when the oldest message waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.segments.front().map(|segment| segment.since)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether a notice is due.
    pub(super) fn has_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// Drops the oldest messages until no more than `bytes` wait, and none since before `since`. Returns how many.
    pub(super) fn shrink(&mut self, bytes: usize, since: Option<Instant>) -> usize {
        let before = self.messages;
        while let Some(segment) = self.segments.front_mut() {
            if self.bytes <= bytes && since.is_none_or(|since| segment.since >= since) {
                break;
            }
            self.bytes -= segment.shared.frames().length(segment.from, segment.from + 1);
            self.messages -= 1;
            if let Some(first) = segment.first_seq {
                let seq = first + segment.from as u64;
                self.gap = Some(Gap { from_seq: self.gap.map_or(seq, |gap| gap.from_seq), to_seq: seq });
            }
            segment.from += 1;
            if segment.from == segment.to {
                self.segments.pop_front();
            }
        }
        before - self.messages
    }

    /// The notice that is due, if one is.
    pub(super) fn take_notice(&mut self, wire: Wire) -> Option<Taken> {
        let Gap { from_seq, to_seq } = self.gap.take()?;
        let frames = wire.single(gap(from_seq, to_seq).as_bytes());
        Some(Taken { chunk: frames.slice(0, 1).into(), messages: 0, since: None })
    }

    /// Nobody is to be told.
    pub(super) fn forget_gap(&mut self) {
        self.gap = None;
    }

    /// The oldest frames, of no more than `most` bytes, unless the first one alone has more.
    pub(super) fn take(&mut self, most: usize) -> Option<Taken> {
        let segment = self.segments.front_mut()?;
        let to = segment.to.min(segment.from + segment.shared.frames().fitting(segment.from, most));
        let (chunk, messages) = (Chunk::of(&segment.shared, segment.from, to), to - segment.from);
        let since = Some(segment.since);
        self.bytes -= chunk.bytes().len();
        self.messages -= messages;
        segment.from = to;
        if segment.from == segment.to {
            self.segments.pop_front();
        }
        if self.segments.is_empty() && self.segments.capacity() > MOST_SPARE {
            self.segments = VecDeque::new();
        }
        Some(Taken { chunk, messages, since })
    }
}

/// A client that was once far behind does not keep the room for it.
const MOST_SPARE: usize = 64;
