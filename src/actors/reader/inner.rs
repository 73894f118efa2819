//! The state of a reader: where it reads, and what it takes next.

use super::chunk::Chunk;
use super::shared::SharedFrames;
use super::tail::{Found, Unit};
use super::{GOING_AWAY, MAX_READY, MAX_WRITE, NORMAL, Next, PING, Reader, Subscribed};
use crate::config::WhenBehind;
use crate::counters::Ending;
use crate::message::{close_frame, gap};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Inner {
    /// The number of the first entry that the connection has not taken.
    pub(super) cursor: u64,
    /// The reader ends before the entry with this number.
    pub(super) until: Option<u64>,
    pub(super) place: Place,
    /// Units from the journal, before what is at `place`.
    pub(super) ready: VecDeque<Unit>,
    /// The unit that is being taken, and its next message.
    pub(super) current: Option<(Unit, usize)>,
    /// What belongs to no stream.
    pub(super) pushed: VecDeque<Arc<SharedFrames>>,
    pub(super) sent: u64,
    pub(super) dropped: u64,
    /// Whether a ping is sent before anything else.
    pub(super) ping: bool,
    pub(super) close: Closing,
    /// Whether the connection must end immediately.
    pub(super) cut: bool,
    /// Since when there has been something to send and the connection has taken nothing.
    pub(super) waiting_since: Option<Instant>,
    pub(super) waker: Option<Waker>,
    pub(super) cut_waker: Option<Waker>,
}

/// Where a reader reads.
#[derive(Debug)]
pub(super) enum Place {
    /// Nothing is published to it.
    Nowhere,
    /// At this place of the tail.
    Tail(u64),
    /// Behind the tail. The Replayer reads on at `next`.
    Journal { next: u64, is_requested: bool },
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Closing {
    #[default]
    No,
    /// Sent once everything published has been taken.
    Asked(Bytes),
    Sent,
}

impl Inner {
    pub(super) fn new() -> Self {
        Inner {
            cursor: 0,
            until: None,
            place: Place::Nowhere,
            ready: VecDeque::new(),
            current: None,
            pushed: VecDeque::new(),
            sent: 0,
            dropped: 0,
            ping: false,
            close: Closing::No,
            cut: false,
            waiting_since: None,
            waker: None,
            cut_waker: None,
        }
    }

    /// Discards everything that the connection has not taken.
    pub(super) fn forget(&mut self) {
        self.place = Place::Nowhere;
        self.current = None;
        self.ready = VecDeque::new();
        self.pushed = VecDeque::new();
    }

    pub(super) fn take(&mut self, reader: &Arc<Reader>) -> Option<Next> {
        if std::mem::take(&mut self.ping) {
            return Some(Next::Frames(PING.into()));
        }
        loop {
            if let Some(chunk) = self.take_current() {
                return Some(Next::Frames(chunk));
            }
            if self.close == Closing::No && self.until.is_some_and(|until| self.cursor >= until) {
                self.forget();
                self.close = Closing::Asked(close_frame(NORMAL, ""));
            }
            let Some(unit) = self.next_unit(reader) else { return self.take_close() };
            let next = unit.shared.frames().index_of(self.cursor);
            self.current = Some((unit, next));
        }
    }

    /// The next frames of the current unit.
    fn take_current(&mut self) -> Option<Chunk> {
        let (unit, from) = self.current.as_mut()?;
        let (frames, from_before) = (unit.shared.frames(), *from);
        let end = self.until.map_or(frames.len(), |until| frames.index_of(until));
        let to = end.min(from_before + frames.fitting(from_before, MAX_WRITE));
        *from = to;
        let is_numbered = frames.seq(from_before).is_some();
        self.sent += if is_numbered { to.saturating_sub(from_before) as u64 } else { 0 };
        let cursor = frames.seq(to).unwrap_or(unit.end_seq);
        self.cursor = self.cursor.max(self.until.map_or(cursor, |until| until.min(cursor)));
        if from_before >= end {
            self.current = None;
            return None;
        }
        let chunk = Chunk::of(&unit.shared, from_before, to);
        if to >= end {
            self.current = None;
        }
        Some(chunk)
    }

    fn next_unit(&mut self, reader: &Arc<Reader>) -> Option<Unit> {
        if let Some(shared) = self.pushed.pop_front() {
            return Some(Unit { shared, end_seq: self.cursor, since: Instant::now() });
        }
        let subscribed = reader.subscribed.as_ref()?;
        if self.close != Closing::No && matches!(self.place, Place::Journal { .. }) {
            self.ready.clear();
            return None;
        }
        loop {
            if let Some(unit) = self.ready.pop_front() {
                self.request_unit(reader, subscribed);
                return Some(unit);
            }
            match self.place {
                Place::Nowhere => return None,
                Place::Journal { .. } => {
                    self.request_unit(reader, subscribed);
                    return None;
                }
                Place::Tail(place) => match subscribed.tail.get(place) {
                    Found::Unit(unit) => {
                        self.place = Place::Tail(place + 1);
                        return Some(unit);
                    }
                    Found::End => return None,
                    Found::Evicted => self.fall_behind(reader, subscribed),
                },
            }
        }
    }

    /// Asks the Replayer for a unit unless enough are ready.
    pub(super) fn request_unit(&mut self, reader: &Arc<Reader>, subscribed: &Subscribed) {
        if let Place::Journal { is_requested, .. } = &mut self.place
            && !*is_requested
            && self.ready.len() < MAX_READY
        {
            // The Replayer ends only with the whole program.
            *is_requested = subscribed.replay.send(reader.clone()).is_ok();
        }
    }

    /// The place in the tail is no longer in memory.
    fn fall_behind(&mut self, reader: &Reader, subscribed: &Subscribed) {
        match subscribed.when_behind {
            WhenBehind::Replay => {
                self.place = Place::Journal { next: self.cursor, is_requested: false };
            }
            WhenBehind::Skip => {
                let (place, end_seq) = subscribed.tail.end();
                self.lose(end_seq, reader, subscribed);
                self.place = Place::Tail(place);
            }
            WhenBehind::Disconnect => {
                subscribed.counters.ended(Ending::TooFarBehind);
                self.forget();
                self.close = Closing::Asked(close_frame(GOING_AWAY, "too slow"));
            }
        }
    }

    /// Goes on at the entry `next` without those before it.
    pub(super) fn lose(&mut self, next: u64, reader: &Reader, subscribed: &Subscribed) {
        let from = match self.place {
            Place::Journal { next, .. } => next,
            Place::Nowhere | Place::Tail(_) => self.cursor,
        };
        let count = next.saturating_sub(from);
        if count == 0 {
            return;
        }
        self.dropped += count;
        subscribed.counters.of(subscribed.stream).dropped(count);
        if subscribed.tells_gaps {
            let frames = reader.wire.single(gap(from, next - 1).as_bytes());
            let shared = Arc::new(frames.into());
            self.ready.push_back(Unit { shared, end_seq: next, since: Instant::now() });
        }
    }

    fn take_close(&mut self) -> Option<Next> {
        match std::mem::take(&mut self.close) {
            Closing::No => None,
            Closing::Asked(frame) => {
                self.close = Closing::Sent;
                Some(Next::Close(frame))
            }
            Closing::Sent => {
                self.close = Closing::Sent;
                None
            }
        }
    }

    pub(super) fn has_more(&self, subscribed: Option<&Subscribed>) -> bool {
        let waits = self.ping || self.current.is_some() || !self.pushed.is_empty() || !self.ready.is_empty();
        let is_published = match (&self.place, subscribed) {
            (Place::Tail(place), Some(subscribed)) => subscribed.tail.has(*place),
            _ => false,
        };
        waits || is_published || matches!(self.close, Closing::Asked(_))
    }
}
