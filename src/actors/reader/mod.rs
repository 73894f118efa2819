//! A client as a reader: a cursor in the sequence of all entries, a stream and a wire.
//!
//! ```text
//!              at the tail                          behind it
//! Broker ─► Tail (shared by all) ─► Reader ◄─ units, at most 2 ─ Replayer ◄─ journal
//!                                     │ ▲                            │
//!                                     ▼ └── Join: at the tail again ◄┘
//!                                 Connection
//! ```
//!
//! The Broker appends to the tail and wakes the readers; the connection takes what its cursor has not reached, on another
//! thread. A reader whose place in the tail is no longer in memory reads the journal, at its own pace.
//!
//! It replaces a mailbox: that of a client whose socket accepts no bytes would grow without bound, and no message could
//! end it. The answers to what the client says, and the end of its connection, go through the reader as well.

mod chunk;
mod closing;
#[cfg(target_os = "linux")]
mod pages;
mod shared;
mod tail;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use chunk::{Chunk, Next};
pub(crate) use closing::{ABANDONED_TIMEOUT, CLOSE_TIMEOUT};
pub(crate) use shared::SharedFrames;
pub(crate) use tail::{Tail, Unit};

use crate::config::WhenBehind;
use crate::counters::{Counters, Ending};
use crate::message::{Stream, Wire, close_frame, gap};
use bytes::Bytes;
use closing::Closing;
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tail::Found;

/// Largest chunk for a connection, in bytes. One large chunk costs the kernel two thirds of the same bytes in pieces of
/// 32 KiB.
const MAX_WRITE: usize = 256 * 1024;
/// Maximum number of units from the journal that wait for the connection.
pub(crate) const MAX_READY: usize = 2;
/// Maximum number of notices that wait for the connection. Further ones are not sent.
pub(crate) const MAX_NOTICES: usize = 64;
/// A ping without payload (RFC 6455 section 5.5.2).
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// Close code 1001, going away (RFC 6455 section 7.4.1): the only code after which every client library reconnects.
pub(crate) const GOING_AWAY: u16 = 1001;
/// Close code 1008, policy violation: new access rules do not admit the client.
pub(crate) const NOT_ALLOWED: u16 = 1008;
/// Close code 1000, normal closure: everything requested was sent.
pub(crate) const NORMAL: u16 = 1000;

/// What a client reads.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Its wire format.
    pub(crate) wire: Wire,
    /// Whether it asked for notices.
    pub(crate) notices: bool,
    /// `None` for a client that only gets what is pushed to it.
    subscribed: Option<Subscribed>,
    inner: Mutex<Inner>,
}

/// What a reader reads from.
#[derive(Debug, Clone)]
pub(crate) struct Subscribed {
    /// The stream.
    pub(crate) stream: Stream,
    /// The newest messages of that stream on the reader's wire.
    pub(crate) tail: Arc<Tail>,
    /// Receives readers that need the journal. Each is in it at most once.
    pub(crate) replay: Sender<Arc<Reader>>,
    /// What happens when the reader's place is no longer in the tail.
    pub(crate) when_behind: WhenBehind,
    /// The counters over all clients.
    pub(crate) counters: Arc<Counters>,
    /// Whether it is told what it misses.
    pub(crate) tells_gaps: bool,
}

#[derive(Debug)]
struct Inner {
    /// The number of the first entry that the connection has not taken.
    cursor: u64,
    /// The reader ends before the entry with this number.
    until: Option<u64>,
    place: Place,
    /// Units from the journal, before what is at `place`.
    ready: VecDeque<Unit>,
    /// The unit that is being taken, and its next message.
    current: Option<(Unit, usize)>,
    /// What belongs to no stream.
    pushed: VecDeque<Arc<SharedFrames>>,
    sent: u64,
    dropped: u64,
    /// Whether a ping is sent before anything published.
    ping: bool,
    /// The answer to the client's newest ping, which is sent before anything else.
    pong: Option<Bytes>,
    closing: Closing,
    /// Whether the connection must end immediately.
    cut: bool,
    /// Since when there has been something to send and the connection has taken nothing.
    waiting_since: Option<Instant>,
    waker: Option<Waker>,
    cut_waker: Option<Waker>,
}

/// Where a reader reads.
#[derive(Debug)]
enum Place {
    /// Nothing is published to it.
    Nowhere,
    /// At this place of the tail.
    Tail(u64),
    /// Behind the tail. The Replayer reads on at `next`.
    Journal { next: u64, is_requested: bool },
}

impl Reader {
    /// Creates a reader that gets only what is pushed to it.
    pub(crate) fn of_pushed(wire: Wire) -> Arc<Self> {
        Arc::new(Reader { wire, notices: false, subscribed: None, inner: Mutex::new(Inner::new()) })
    }

    /// Creates a reader on `wire`, which ends before the entry `until`. It reads nothing until it has
    /// [joined](Self::join_at).
    pub(crate) fn new(wire: Wire, notices: bool, subscribed: Subscribed, until: Option<u64>) -> Arc<Self> {
        let inner = Mutex::new(Inner { until, ..Inner::new() });
        Arc::new(Reader { wire, notices, subscribed: Some(subscribed), inner })
    }

    /// Begins at the entry `seq`: in the tail if it is there, in the journal otherwise.
    pub(crate) fn join_at(self: &Arc<Self>, seq: u64) {
        self.lock().cursor = seq;
        self.join_before(0);
    }

    /// Goes on in the tail if it reaches back far enough, in the journal otherwise. Entries before `end_seq` that are in
    /// neither are lost.
    pub(crate) fn join_before(self: &Arc<Self>, end_seq: u64) {
        let Some(subscribed) = &self.subscribed else { return };
        let mut inner = self.lock();
        let next = match inner.place {
            Place::Journal { next, .. } => next,
            Place::Tail(_) => return,
            Place::Nowhere => inner.cursor,
        };
        match subscribed.tail.place_of(next) {
            Some(place) => inner.place = Place::Tail(place),
            None => {
                inner.lose(end_seq, self, subscribed);
                inner.place = Place::Journal { next: next.max(end_seq), is_requested: false };
                inner.request_unit(self, subscribed);
            }
        }
        self.wake_after(inner);
    }

    /// The number from which on the Replayer reads; `None` if the reader no longer needs it.
    pub(crate) fn reads_from(&self) -> Option<u64> {
        let inner = self.lock();
        match &inner.place {
            Place::Journal { next, .. } if inner.closing.is_open() && !inner.cut => Some(*next),
            _ => None,
        }
    }

    /// Takes a unit from the journal. Everything before its end was read.
    pub(crate) fn deliver(&self, unit: Unit) {
        let mut inner = self.lock();
        if let Place::Journal { next, is_requested } = &mut inner.place {
            (*next, *is_requested) = (unit.end_seq, false);
            inner.ready.push_back(unit);
        }
        self.wake_after(inner);
    }

    /// Goes on at the entry `next`, because the journal does not have those before it.
    pub(crate) fn skip_to(&self, next: u64) {
        let Some(subscribed) = &self.subscribed else { return };
        let mut inner = self.lock();
        inner.lose(next, self, subscribed);
        if let Place::Journal { next: reads_from, .. } = &mut inner.place {
            *reads_from = next;
        }
        self.wake_after(inner);
    }

    /// Goes on at the entry `next`, because the numbers before it were never given.
    pub(crate) fn advance_to(&self, next: u64) {
        if let Place::Journal { next: reads_from, .. } = &mut self.lock().place {
            *reads_from = next;
        }
    }

    /// Asks the Replayer once more for the same block.
    pub(crate) fn retry(self: &Arc<Self>) {
        let Some(subscribed) = &self.subscribed else { return };
        let mut inner = self.lock();
        if let Place::Journal { is_requested, .. } = &mut inner.place {
            *is_requested = false;
        }
        inner.request_unit(self, subscribed);
    }

    /// Wakes the connection after the tail has grown.
    pub(crate) fn wake(&self) {
        let inner = self.lock();
        if matches!(inner.place, Place::Tail(_)) {
            self.wake_after(inner);
        }
    }

    /// Queues frames that belong to no stream. They are discarded if too many wait already.
    pub(crate) fn push(&self, shared: &Arc<SharedFrames>) {
        let mut inner = self.lock();
        if inner.closing.is_open() && inner.pushed.len() < MAX_NOTICES {
            inner.pushed.push_back(shared.clone());
        }
        self.wake_after(inner);
    }

    /// The stream that it reads.
    pub(crate) fn stream(&self) -> Option<Stream> {
        self.subscribed.as_ref().map(|subscribed| subscribed.stream)
    }

    /// Requests a ping, which is sent before anything published.
    pub(crate) fn ping(&self) {
        let mut inner = self.lock();
        inner.ping |= inner.closing.is_open();
        self.wake_after(inner);
    }

    /// Queues the answer to the client's newest ping, which replaces an older one that was not sent.
    pub(crate) fn pong(&self, frame: Bytes) {
        let mut inner = self.lock();
        if inner.closing.is_heard() {
            inner.pong = Some(frame);
        }
        self.wake_after(inner);
    }

    /// Requests a close frame. A reader at the tail gets everything published before.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let mut inner = self.lock();
        inner.closing.ask(close_frame(code, reason));
        self.wake_after(inner);
    }

    /// Ends the connection, because the client has nothing more to say: it has closed, or it violated the protocol. What
    /// the connection has not taken is not sent; `answer` is, unless a close frame was. Returns whether the client was
    /// heard until now.
    pub(crate) fn end(&self, answer: Bytes) -> bool {
        let mut inner = self.lock();
        let was_heard = inner.closing.end(answer);
        if was_heard {
            inner.forget();
            inner.ping = false;
        }
        self.wake_after(inner);
        was_heard
    }

    /// Requests a close frame at once. What the connection has not taken is not sent.
    pub(crate) fn abandon(&self, code: u16, reason: &str) {
        self.lock().forget();
        self.close(code, reason);
    }

    /// Requests that the connection end immediately.
    pub(crate) fn cut(&self) {
        let mut inner = self.lock();
        inner.cut = true;
        inner.forget();
        let waker = inner.cut_waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when the connection must end immediately; registers the waker otherwise.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.cut {
            return Poll::Ready(());
        }
        register(&mut inner.cut_waker, cx);
        Poll::Pending
    }

    /// The next item to send; registers the waker if there is none.
    pub(crate) fn poll_next(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        let sent_before = inner.sent;
        let next = inner.take(self);
        if let (Some(subscribed), Some(Next::Frames(chunk))) = (&self.subscribed, &next) {
            let messages = inner.sent - sent_before;
            subscribed.counters.of(subscribed.stream).sent(messages, chunk.bytes().len() as u64);
        }
        // The client has to accept a close frame and the last bytes, also if nothing follows.
        let is_closing = matches!(next, Some(Next::Close(_) | Next::Last(_)));
        inner.waiting_since = (is_closing || inner.has_more(self.subscribed.as_ref())).then(Instant::now);
        match next {
            Some(next) => Poll::Ready(next),
            None => {
                register(&mut inner.waker, cx);
                Poll::Pending
            }
        }
    }

    /// Counts why the server ended the client.
    pub(crate) fn ended(&self, why: Ending) {
        if let Some(subscribed) = &self.subscribed {
            subscribed.counters.ended(why);
        }
    }

    /// Whether something has been ready to send for `limit` and the connection took nothing.
    pub(crate) fn is_stalled(&self, now: Instant, limit: Duration) -> bool {
        self.waiting_since().is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }

    /// Since when something has been ready to send and the connection took nothing.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.lock().waiting_since
    }

    /// Whether it reads the journal.
    pub(crate) fn is_replaying(&self) -> bool {
        matches!(self.lock().place, Place::Journal { .. })
    }

    /// The number of the first entry that the connection has not taken.
    pub(crate) fn cursor(&self) -> u64 {
        self.lock().cursor
    }

    /// Number of messages that the connection has taken so far.
    pub(crate) fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// Number of messages that it did not get: it skipped them, or the journal no longer had them.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Wakes the connection if there is something for it, after releasing the lock.
    fn wake_after(&self, mut inner: MutexGuard<'_, Inner>) {
        if !inner.has_more(self.subscribed.as_ref()) {
            return;
        }
        inner.waiting_since.get_or_insert_with(Instant::now);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn new() -> Self {
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
            pong: None,
            closing: Closing::Open,
            cut: false,
            waiting_since: None,
            waker: None,
            cut_waker: None,
        }
    }

    /// Discards everything that the connection has not taken.
    fn forget(&mut self) {
        self.place = Place::Nowhere;
        self.current = None;
        self.ready = VecDeque::new();
        self.pushed = VecDeque::new();
    }

    fn take(&mut self, reader: &Arc<Reader>) -> Option<Next> {
        if let Some(pong) = self.pong.take() {
            return Some(Next::Frames(pong.into()));
        }
        if self.closing.is_past_queue() {
            return self.closing.take(reader.wire.is_web_socket());
        }
        if std::mem::take(&mut self.ping) {
            return Some(Next::Frames(PING.into()));
        }
        loop {
            if let Some(chunk) = self.take_current() {
                return Some(Next::Frames(chunk));
            }
            if self.closing.is_open() && self.until.is_some_and(|until| self.cursor >= until) {
                self.forget();
                self.closing.ask(close_frame(NORMAL, ""));
            }
            let Some(unit) = self.next_unit(reader) else {
                if !self.closing.is_open() {
                    self.forget();
                }
                return self.closing.take(reader.wire.is_web_socket());
            };
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
        if !self.closing.is_open() && matches!(self.place, Place::Journal { .. }) {
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
    fn request_unit(&mut self, reader: &Arc<Reader>, subscribed: &Subscribed) {
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
                self.closing.ask(close_frame(GOING_AWAY, "too slow"));
            }
        }
    }

    /// Goes on at the entry `next` without those before it.
    fn lose(&mut self, next: u64, reader: &Reader, subscribed: &Subscribed) {
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

    fn has_more(&self, subscribed: Option<&Subscribed>) -> bool {
        let is_control = self.ping || self.pong.is_some() || self.closing.has_next();
        let waits = self.current.is_some() || !self.pushed.is_empty() || !self.ready.is_empty();
        let is_published = match (&self.place, subscribed) {
            (Place::Tail(place), Some(subscribed)) => subscribed.tail.has(*place),
            _ => false,
        };
        is_control || waits || is_published
    }
}

/// Registers the waker of `cx`; avoids the clone if the same waker is registered already.
fn register(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}
