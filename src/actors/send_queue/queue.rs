//! The queue of one client. The bytes are shared between clients; only the positions in them belong to the client.
//! Pure: the time is an argument.

use super::chunk::Chunk;
use super::shared::SharedFrames;
use crate::message::{Wire, gap};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Messages of shared frames, in order of arrival. The oldest messages, at the front, are dropped first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    segments: VecDeque<Segment>,
    bytes: usize,
    messages: usize,
    /// The gap before the first queued message.
    gap: Option<Gap>,
}

/// Messages `from..to` of shared frames.
#[derive(Debug)]
struct Segment {
    shared: Arc<SharedFrames>,
    from: usize,
    to: usize,
    /// Sequence number of the first message of `shared` in the client's stream; `None` for frames outside the stream,
    /// such as heartbeats.
    first_seq: Option<u64>,
    since: Instant,
}

/// The sequence numbers of dropped messages, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from_seq: u64,
    to_seq: u64,
}

/// Frames taken from the queue.
pub(super) struct Taken {
    pub(super) chunk: Chunk,
    /// Number of messages, not counting notices.
    pub(super) messages: usize,
    /// When they were queued; `None` for a notice.
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

    /// Bytes of the queued frames.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of queued messages.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// When the oldest message was queued.
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

    /// Drops the oldest messages until at most `bytes` remain and none was queued before `since`. Returns the number of
    /// dropped messages.
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

    /// Takes the notice that is due, if any.
    pub(super) fn take_notice(&mut self, wire: Wire) -> Option<Taken> {
        let Gap { from_seq, to_seq } = self.gap.take()?;
        let frames = wire.single(gap(from_seq, to_seq).as_bytes());
        Some(Taken { chunk: frames.slice(0, 1).into(), messages: 0, since: None })
    }

    /// Discards the gap, for a client that did not ask for notices.
    pub(super) fn forget_gap(&mut self) {
        self.gap = None;
    }

    /// Takes the oldest frames, of at most `most` bytes, but at least one.
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

/// Spare capacity from which the queue's memory is released, so that a client that once lagged does not keep it.
const MOST_SPARE: usize = 64;
