//! A client's send queue. The Broker fills it on one thread; the connection drains it on another.
//!
//! It replaces the session's mailbox: a session is not polled while its socket accepts no bytes, so its mailbox would
//! grow without bound, and no message could end it.

mod chunk;
#[cfg(target_os = "linux")]
mod pages;
mod queue;
mod shared;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use chunk::Chunk;
pub(crate) use shared::SharedFrames;

use crate::config::{QueueLimits, WhenFull};
use crate::counters::{Counters, Ending};
use crate::message::{Stream, Wire, close_frame};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use queue::{Queue, Taken};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Largest chunk for a connection, in bytes. One large chunk costs the kernel two thirds of the same bytes in pieces of
/// 32 KiB.
const MAX_WRITE: usize = 256 * 1024;
/// Watchers do not wait for a client whose socket has accepted nothing for this long.
const RECENTLY: Duration = Duration::from_secs(1);
/// A client whose queue was empty within this time keeps up except for bursts; a slow client's queue never drains.
const KEEPS_UP: Duration = Duration::from_secs(2);
/// A ping without payload (RFC 6455 section 5.5.2).
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// The next item for the connection to send.
#[derive(Debug)]
pub enum Next {
    /// Complete frames.
    Frames(Chunk),
    /// A close frame; nothing follows it.
    Close(Bytes),
}

/// A bounded queue of messages. Dropped messages are counted. A client that asked for notices receives one in place of
/// the dropped messages, with their sequence numbers.
#[derive(Debug)]
pub struct SendQueue {
    /// The client's wire format.
    pub wire: Wire,
    /// Whether the client asked for notices.
    pub notices: bool,
    /// The counters over all clients that sent and dropped messages are added to.
    counters: Option<(Arc<Counters>, Stream)>,
    inner: Mutex<Inner>,
}

/// Fill level of the queue of a client that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// At most a quarter full.
    No,
    /// More than a quarter full; the queues of slower clients still have space at this point.
    Yes,
    /// More than half full, although the queue was empty a moment ago.
    Suddenly,
}

#[derive(Debug)]
struct Inner {
    limits: QueueLimits,
    queue: Queue,
    sent: u64,
    dropped: u64,
    /// Whether a ping is sent before the queued frames.
    ping: bool,
    close: Closing,
    /// Whether the connection must end immediately.
    cut: bool,
    /// Queueing time of the frames that the connection is writing.
    under_way: Option<Instant>,
    /// When the queue was last seen empty.
    empty_at: Option<Instant>,
    /// Since when there has been something to send and the connection has taken nothing.
    waiting_since: Option<Instant>,
    waker: Option<Waker>,
    cut_waker: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Closing {
    #[default]
    No,
    /// Sent once the queue is empty.
    Asked(Bytes),
    Sent,
}

impl Inner {
    fn new(limits: QueueLimits) -> Self {
        Inner {
            limits,
            queue: Queue::default(),
            sent: 0,
            dropped: 0,
            ping: false,
            close: Closing::No,
            cut: false,
            under_way: None,
            empty_at: None,
            waiting_since: None,
            waker: None,
            cut_waker: None,
        }
    }

    fn is_within_limits(&self, now: Instant) -> bool {
        let age = self.queue.oldest().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.queue.bytes() <= self.limits.bytes && age <= self.limits.age
    }
}

impl SendQueue {
    /// Creates a queue with `limits` for a client on `wire`. `notices` enables notices of gaps.
    pub fn new(limits: QueueLimits, wire: Wire, notices: bool) -> Self {
        SendQueue { wire, notices, counters: None, inner: Mutex::new(Inner::new(limits)) }
    }

    /// Also counts sent and dropped messages in `counters`, under `stream`.
    pub fn counted(self, counters: &Arc<Counters>, stream: Stream) -> Self {
        SendQueue { counters: Some((counters.clone(), stream)), ..self }
    }

    /// Replaces the limits; they apply from the next message on.
    pub fn set_limits(&self, limits: QueueLimits) {
        self.lock().limits = limits;
    }

    /// Queues frames whose first message has the sequence number `first_seq` in the client's stream. Returns `false` if
    /// they exceed the limits and the caller must [abandon](Self::abandon) the client.
    #[must_use]
    pub fn push(&self, shared: &Arc<SharedFrames>, first_seq: u64, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.close != Closing::No {
            self.dropped_of(&mut inner, shared.frames().len() as u64);
            return true;
        }
        inner.push(shared, Some(first_seq), now);
        let (fits, limits) = (inner.is_within_limits(now), inner.limits);
        if !fits && limits.when_full == WhenFull::Drop {
            self.shrink(&mut inner, limits.bytes, now.checked_sub(limits.age));
        }
        wake(inner);
        fits || limits.when_full == WhenFull::Drop
    }

    /// Queues frames that belong to no stream if they fit within the limit. A client with a full queue needs no
    /// heartbeat.
    pub fn push_if_room(&self, shared: &Arc<SharedFrames>, now: Instant) {
        let mut inner = self.lock();
        let bytes = inner.queue.bytes().saturating_add(shared.frames().length(0, shared.frames().len()));
        if inner.close == Closing::No && bytes <= inner.limits.bytes {
            inner.push(shared, None, now);
        }
        wake(inner);
    }

    /// Drops all queued messages, because the queues of all clients together exceed their limit.
    pub fn shed(&self) {
        self.shrink(&mut self.lock(), 0, None);
    }

    /// Requests a ping, which is sent before the queued frames.
    pub fn ping(&self) {
        let mut inner = self.lock();
        if inner.close == Closing::No {
            inner.ping = true;
            inner.waiting_since.get_or_insert_with(Instant::now);
        }
        wake(inner);
    }

    /// Requests a close frame after the queued frames. Nothing can be queued afterwards.
    pub fn close(&self, code: u16, reason: &str) {
        let mut inner = self.lock();
        if inner.close == Closing::No {
            inner.close = Closing::Asked(close_frame(code, reason));
            inner.waiting_since.get_or_insert_with(Instant::now);
        }
        wake(inner);
    }

    /// Drops all queued messages, counts them as dropped and requests a close frame.
    pub fn abandon(&self, code: u16, reason: &str) {
        self.shed();
        self.close(code, reason);
    }

    /// Requests that the connection end immediately.
    pub fn cut(&self) {
        let mut inner = self.lock();
        inner.cut = true;
        let waker = inner.cut_waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when the connection must end immediately; registers the waker otherwise.
    pub fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.cut {
            return Poll::Ready(());
        }
        register(&mut inner.cut_waker, cx);
        Poll::Pending
    }

    /// The next item to send; registers the waker if there is none.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        inner.under_way = None;
        let sent_before = inner.sent;
        let next = inner.take(self.wire);
        if let (Some((counters, stream)), Some(Next::Frames(chunk))) = (&self.counters, &next) {
            counters.of(*stream).sent(inner.sent - sent_before, chunk.bytes().len() as u64);
        }
        inner.waiting_since = inner.has_more().then(Instant::now);
        match next {
            Some(next) => Poll::Ready(next),
            None => {
                register(&mut inner.waker, cx);
                Poll::Pending
            }
        }
    }

    /// Counts why the server ended the client.
    pub fn ended(&self, why: Ending) {
        if let Some((counters, _)) = &self.counters {
            counters.ended(why);
        }
    }

    /// Whether the connection has taken the close frame.
    pub fn has_closed(&self) -> bool {
        self.lock().close == Closing::Sent
    }

    /// Whether something has been ready to send for `limit` and the connection took nothing.
    pub fn is_stalled(&self, now: Instant, limit: Duration) -> bool {
        self.lock().waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }

    /// Fill level of the queue; `None` if the client's socket has accepted nothing for a second. If the connection is
    /// not writing anything, the server itself is the cause of the delay, and the client counts as reading.
    pub fn filling(&self, now: Instant) -> Option<Filling> {
        let inner = self.lock();
        let within = |since: Instant, limit| now.saturating_duration_since(since) < limit;
        if inner.under_way.is_some() && inner.waiting_since.is_some_and(|since| !within(since, RECENTLY)) {
            return None;
        }
        let (bytes, most) = (inner.queue.bytes(), inner.limits.bytes);
        let kept_up = inner.empty_at.is_some_and(|at| within(at, KEEPS_UP));
        Some(match bytes {
            _ if bytes > most / 2 && kept_up => Filling::Suddenly,
            _ if bytes > most / 4 => Filling::Yes,
            _ => Filling::No,
        })
    }

    /// Number of queued messages.
    pub fn queued(&self) -> usize {
        self.lock().queue.messages()
    }

    /// Bytes of the queued frames.
    pub fn queued_bytes(&self) -> usize {
        self.lock().queue.bytes()
    }

    /// Queueing time of the oldest unsent message, whether it is in the queue or in the connection.
    pub fn oldest(&self) -> Option<Instant> {
        let inner = self.lock();
        inner.under_way.or(inner.queue.oldest())
    }

    /// Number of messages that the connection has taken so far.
    pub fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// Number of messages dropped because the client was too slow.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn shrink(&self, inner: &mut Inner, bytes: usize, since: Option<Instant>) {
        let dropped = inner.queue.shrink(bytes, since) as u64;
        self.dropped_of(inner, dropped);
        if !self.notices {
            inner.queue.forget_gap();
        }
    }

    fn dropped_of(&self, inner: &mut Inner, messages: u64) {
        inner.dropped += messages;
        if let Some((counters, stream)) = &self.counters {
            counters.of(*stream).dropped(messages);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Registers the waker of `cx`; avoids the clone if the same waker is registered already.
fn register(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

/// Wakes the connection after releasing the lock.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = if inner.has_more() { inner.waker.take() } else { None };
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Inner {
    fn push(&mut self, shared: &Arc<SharedFrames>, first_seq: Option<u64>, now: Instant) {
        if self.queue.is_empty() {
            self.empty_at = Some(now);
        }
        self.queue.push(shared, first_seq, now);
        self.waiting_since.get_or_insert(now);
    }

    fn take(&mut self, wire: Wire) -> Option<Next> {
        if std::mem::take(&mut self.ping) {
            return Some(Next::Frames(PING.into()));
        }
        let taken = self.queue.take_notice(wire).or_else(|| self.queue.take(MAX_WRITE));
        let Some(Taken { chunk, messages, since }) = taken else { return self.take_close() };
        self.sent += messages as u64;
        self.under_way = since;
        Some(Next::Frames(chunk))
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

    fn has_more(&self) -> bool {
        let frames = self.ping || self.queue.has_gap() || !self.queue.is_empty();
        frames || matches!(self.close, Closing::Asked(_))
    }
}
