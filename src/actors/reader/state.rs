//! The state of a reader: where it reads, what it has, and what its connection takes next. Pure but for the clock; what the
//! [`Reader`](super::Reader) does with it, it does under its lock.

use super::chunk::{Chunk, Next};
use super::closing::Closing;
use super::feed::Feed;
use super::gathered::Gathered;
use super::shared::SharedFrames;
use super::tail::{Found, Unit};
use crate::config::WhenBehind;
use crate::counters::{Counters, Ending};
use crate::message::{Wire, close_frame, gap};
use bytes::Bytes;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// Largest chunk for a connection, in bytes. One large chunk costs the kernel two thirds of the same bytes in pieces of
/// 32 KiB.
const MAX_WRITE: usize = 256 * 1024;
/// Maximum number of units from the journal that wait for the connection.
pub(crate) const MAX_READY: usize = 2;
/// A ping without payload (RFC 6455 section 5.5.2).
pub(super) const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// Close code 1001, going away (RFC 6455 section 7.4.1): the only code after which every client library reconnects.
pub(crate) const GOING_AWAY: u16 = 1001;
/// Close code 1008, policy violation: new access rules do not admit the client.
pub(crate) const NOT_ALLOWED: u16 = 1008;
/// Close code 1000, normal closure: everything requested was sent.
pub(crate) const NORMAL: u16 = 1000;

/// What a reader reads from.
#[derive(Debug, Clone)]
pub(crate) struct Subscribed {
    /// What the reader gets.
    pub(crate) feed: Arc<Feed>,
    /// What happens when the reader's place is no longer in the tail.
    pub(crate) when_behind: WhenBehind,
    /// The counters over all clients.
    pub(crate) counters: Arc<Counters>,
    /// Whether it is told what it misses.
    pub(crate) tells_gaps: bool,
}

/// The state of a reader; see the module documentation.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of the first entry that the connection has not taken.
    pub(super) cursor: u64,
    /// The reader ends before the entry with this number.
    until: Option<u64>,
    pub(super) place: Place,
    /// Whether a unit from the journal is needed that the Replayer has not been asked for.
    pub(super) needs_unit: bool,
    /// Units from the journal, before what was gathered.
    pub(super) ready: VecDeque<Unit>,
    /// Units from the journal that wait for more, before what is at `place`.
    gathered: Gathered,
    /// The unit that is being taken, and its next message.
    current: Option<(Unit, usize)>,
    /// What belongs to no stream.
    pub(super) pushed: VecDeque<Arc<SharedFrames>>,
    pub(super) sent: u64,
    pub(super) dropped: u64,
    /// Whether a ping is sent before anything published.
    pub(super) ping: bool,
    /// The answer to the client's newest ping, which is sent before anything else.
    pub(super) pong: Option<Bytes>,
    pub(super) closing: Closing,
    /// Whether the connection must end immediately.
    pub(super) cut: bool,
    /// Since when there has been something to send and the connection has taken nothing.
    pub(super) waiting_since: Option<Instant>,
    pub(super) waker: Option<Waker>,
    pub(super) cut_waker: Option<Waker>,
}

/// Where a reader reads.
#[derive(Debug, Default)]
pub(super) enum Place {
    /// Nothing is published to it.
    #[default]
    Nowhere,
    /// At this place of the tail.
    Tail(u64),
    /// Behind the tail. The Replayer reads on at `next`.
    Journal { next: u64, is_requested: bool },
}

impl State {
    /// The state of a reader that ends before the entry `until`.
    pub(super) fn until(until: Option<u64>) -> Self {
        State { until, ..State::default() }
    }

    /// Discards everything that the connection has not taken.
    pub(super) fn forget(&mut self) {
        self.place = Place::Nowhere;
        self.current = None;
        self.ready = VecDeque::new();
        self.gathered = Gathered::default();
        self.pushed = VecDeque::new();
    }

    /// What the connection sends next.
    pub(super) fn take(&mut self, wire: Wire, subscribed: Option<&Subscribed>) -> Option<Next> {
        if let Some(pong) = self.pong.take() {
            return Some(Next::Frames(pong.into()));
        }
        if self.closing.is_past_queue() {
            return self.closing.take(wire.is_web_socket());
        }
        if mem::take(&mut self.ping) {
            return Some(Next::Frames(PING.into()));
        }
        loop {
            if let Some(chunk) = self.take_current() {
                return Some(Next::Frames(chunk));
            }
            if self.is_at_end() {
                self.forget();
                self.closing.ask(close_frame(NORMAL, ""));
            }
            let Some(unit) = self.next_unit(wire, subscribed) else {
                if !self.closing.is_open() {
                    self.forget();
                }
                return self.closing.take(wire.is_web_socket());
            };
            let next = unit.shared.frames().index_of(self.cursor);
            self.current = Some((unit, next));
        }
    }

    /// Whether everything before its end was taken, and it has not been closed yet.
    fn is_at_end(&self) -> bool {
        self.closing.is_open() && self.ends_before(self.cursor)
    }

    /// Whether the reader ends at `seq` at the latest.
    pub(super) fn ends_before(&self, seq: u64) -> bool {
        self.until.is_some_and(|until| until <= seq)
    }

    /// Takes a unit from the journal. Returns whether the Replayer should go on with the next one at once: nobody is woken for
    /// a unit without messages, and small ones are gathered.
    pub(super) fn gather(&mut self, unit: Unit, now: Instant) -> bool {
        if !matches!(self.place, Place::Journal { .. }) {
            return false;
        }
        let (end_seq, is_last) = (unit.end_seq, self.ends_before(unit.end_seq));
        if unit.shared.frames().is_empty() && self.gathered.is_empty() && !is_last {
            self.pass(end_seq);
        } else {
            self.gathered.add(unit, now);
        }
        let goes_on = !is_last && !self.gathered.is_enough(now);
        if !goes_on {
            self.release();
        }
        self.place = Place::Journal { next: end_seq, is_requested: goes_on };
        goes_on
    }

    /// Makes ready what was gathered.
    pub(super) fn release(&mut self) {
        self.ready.extend(self.gathered.take());
    }

    /// Moves the cursor to `seq` as soon as what is ready has been taken, because nothing else is sent before it.
    fn pass(&mut self, seq: u64) {
        let last = self.ready.back_mut().or(self.current.as_mut().map(|(unit, _)| unit));
        match last {
            Some(unit) => unit.end_seq = seq,
            None => self.cursor = self.cursor.max(seq),
        }
    }

    /// The next frames of the current unit.
    fn take_current(&mut self) -> Option<Chunk> {
        let (unit, from) = self.current.as_mut()?;
        let (frames, from_before) = (unit.shared.frames(), *from);
        let end = match self.until {
            Some(until) if frames.seq(0).is_some() => frames.index_of(until),
            // What has no numbers is not part of the stream, and not limited by its end.
            _ => frames.len(),
        };
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

    fn next_unit(&mut self, wire: Wire, subscribed: Option<&Subscribed>) -> Option<Unit> {
        if let Some(shared) = self.pushed.pop_front() {
            return Some(Unit { shared, end_seq: self.cursor });
        }
        let subscribed = subscribed?;
        if !self.closing.is_open() && matches!(self.place, Place::Journal { .. }) {
            self.ready.clear();
            return None;
        }
        loop {
            if let Some(unit) = self.ready.pop_front() {
                self.request_unit();
                return Some(unit);
            }
            match self.place {
                Place::Nowhere => return None,
                Place::Journal { .. } => {
                    self.request_unit();
                    return None;
                }
                Place::Tail(place) => match subscribed.feed.tail.get(place) {
                    Found::Unit(unit) => {
                        self.place = Place::Tail(place + 1);
                        return Some(unit);
                    }
                    Found::End => return None,
                    Found::Evicted => self.fall_behind(wire, subscribed),
                },
            }
        }
    }

    /// Requests a unit from the journal unless enough are ready. The reader then asks the Replayer.
    pub(super) fn request_unit(&mut self) {
        if let Place::Journal { is_requested, .. } = &mut self.place
            && !*is_requested
            && self.ready.len() < MAX_READY
        {
            *is_requested = true;
            self.needs_unit = true;
        }
    }

    /// The place in the tail is no longer in memory.
    fn fall_behind(&mut self, wire: Wire, subscribed: &Subscribed) {
        match subscribed.when_behind {
            WhenBehind::Replay => {
                self.place = Place::Journal { next: self.cursor, is_requested: false };
            }
            WhenBehind::Skip => {
                let (place, end_seq) = subscribed.feed.tail.end();
                self.lose(end_seq, wire, subscribed);
                self.place = Place::Tail(place);
            }
            WhenBehind::Disconnect => {
                subscribed.counters.ended(Ending::TooFarBehind);
                self.forget();
                self.closing.ask(close_frame(GOING_AWAY, "too slow"));
            }
        }
    }

    /// Goes on at the entry `next` without those before it.
    pub(super) fn lose(&mut self, next: u64, wire: Wire, subscribed: &Subscribed) {
        let from = match self.place {
            Place::Journal { next, .. } => next,
            Place::Nowhere | Place::Tail(_) => self.cursor,
        };
        let end = self.until.map_or(next, |until| until.min(next));
        let count = end.saturating_sub(from);
        if count == 0 {
            return;
        }
        self.dropped += count;
        subscribed.counters.of(subscribed.feed.asked.stream).dropped(count);
        self.release();
        if subscribed.tells_gaps {
            let frames = wire.single(gap(from, end - 1).as_bytes());
            let shared = Arc::new(frames.into());
            self.ready.push_back(Unit { shared, end_seq: next });
        }
    }

    /// Whether there is something for the connection to take.
    pub(super) fn has_more(&self, subscribed: Option<&Subscribed>) -> bool {
        let is_control = self.ping || self.pong.is_some() || self.closing.has_next();
        let waits = self.current.is_some() || !self.pushed.is_empty() || !self.ready.is_empty();
        let is_published = match (&self.place, subscribed) {
            (Place::Tail(place), Some(subscribed)) => subscribed.feed.tail.has(*place),
            _ => false,
        };
        is_control || waits || is_published || self.is_at_end()
    }
}
