//! A client's queue: filled by the Broker on its thread, emptied by the connection on another.
//!
//! It stands in place of the session's mailbox because a session does not run while its socket takes nothing:
//! its mailbox would grow without bound, and no message could end it.

mod chunk;
#[cfg(target_os = "linux")]
mod pages;
mod queue;
mod shared;
#[cfg(test)]
pub(super) mod tests;

pub use chunk::Chunk;
pub use shared::SharedFrames;

use crate::config::{QueueLimits, WhenFull};
use crate::counters::{Counters, Ending};
use crate::message::{Stream, Wire, close_frame};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use queue::{Queue, Taken};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes handed to a connection at once. The kernel takes a large chunk for two thirds of what the same bytes cost it in
/// pieces of 32 KiB.
const MAX_WRITE: usize = 256 * 1024;
/// A client whose socket has taken nothing for this long is not waited for.
const RECENTLY: Duration = Duration::from_secs(1);
/// Whoever had nothing queued within this time keeps up, but for a burst: a slow client's queue does not become empty
/// again.
const KEEPS_UP: Duration = Duration::from_secs(2);
/// A ping without payload (RFC 6455 section 5.5.2).
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// What the connection is to send next.
#[derive(Debug)]
pub enum Next {
    /// Whole frames.
    Frames(Chunk),
    /// A close frame, the last thing to be sent.
    Close(Bytes),
}

/// A bounded queue of messages. Those that are dropped are counted; a client that asked for notices is told in their
/// place which ones they were.
#[derive(Debug)]
pub struct SendQueue {
    /// How the client receives messages.
    pub wire: Wire,
    /// Whether the client asked for notices.
    pub notices: bool,
    /// Where what becomes of the messages is counted beside, over all clients.
    counters: Option<(Arc<Counters>, Stream)>,
    inner: Mutex<Inner>,
}

/// How full a queue is, of a client that takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// At most a quarter.
    No,
    /// More than that: slower clients still have room then.
    Yes,
    /// More than half, of a client for whom nothing was queued a moment ago.
    Suddenly,
}

#[derive(Debug)]
struct Inner {
    limits: QueueLimits,
    queue: Queue,
    sent: u64,
    dropped: u64,
    /// A ping is to be sent, before what is queued.
    ping: bool,
    close: Closing,
    /// The connection is to end at once.
    cut: bool,
    /// Since when the connection has had what it took last.
    under_way: Option<Instant>,
    /// When nothing was queued last, as far as was seen.
    empty_at: Option<Instant>,
    /// Since when there was something to take and nobody took anything.
    waiting_since: Option<Instant>,
    waker: Option<Waker>,
    cut_waker: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Closing {
    #[default]
    No,
    /// To be sent when the queue is empty.
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
    /// A queue within `limits` for a client on `wire`, with `notices` of gaps or without.
    pub fn new(limits: QueueLimits, wire: Wire, notices: bool) -> Self {
        SendQueue { wire, notices, counters: None, inner: Mutex::new(Inner::new(limits)) }
    }

    /// Counts what becomes of the messages in `counters` too, as those of `stream`.
    pub fn counted(self, counters: &Arc<Counters>, stream: Stream) -> Self {
        SendQueue { counters: Some((counters.clone(), stream)), ..self }
    }

    /// Other limits hold from the next message on.
    pub fn set_limits(&self, limits: QueueLimits) {
        self.lock().limits = limits;
    }

    /// Queues frames. In the client's stream the first of them has the number `first_seq`. `false` if that is too
    /// much for a client that is then to be [given up](Self::abandon).
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

    /// Queues frames that are of no stream, if nothing has to be dropped for them. A client with a full queue needs
    /// no heartbeat.
    pub fn push_if_room(&self, shared: &Arc<SharedFrames>, now: Instant) {
        let mut inner = self.lock();
        let bytes = inner.queue.bytes().saturating_add(shared.frames().length(0, shared.frames().len()));
        if inner.close == Closing::No && bytes <= inner.limits.bytes {
            inner.push(shared, None, now);
        }
        wake(inner);
    }

    /// Drops everything that waits, since all clients together are too far behind.
    pub fn shed(&self) {
        self.shrink(&mut self.lock(), 0, None);
    }

    /// Asks for a ping, ahead of what is queued.
    pub fn ping(&self) {
        let mut inner = self.lock();
        if inner.close == Closing::No {
            inner.ping = true;
            inner.waiting_since.get_or_insert_with(Instant::now);
        }
        wake(inner);
    }

    /// Asks for a close frame after what is queued. Nothing is queued from now on.
    pub fn close(&self, code: u16, reason: &str) {
        let mut inner = self.lock();
        if inner.close == Closing::No {
            inner.close = Closing::Asked(close_frame(code, reason));
            inner.waiting_since.get_or_insert_with(Instant::now);
        }
        wake(inner);
    }

    /// Gives up what is queued, counts it as dropped, and asks for a close frame.
    pub fn abandon(&self, code: u16, reason: &str) {
        self.shed();
        self.close(code, reason);
    }

    /// Asks for the end of the connection, whatever is under way.
    pub fn cut(&self) {
        let mut inner = self.lock();
        inner.cut = true;
        let waker = inner.cut_waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when the connection is to end at once; registers for a wake-up until then.
    pub fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.cut {
            return Poll::Ready(());
        }
        register(&mut inner.cut_waker, cx);
        Poll::Pending
    }

    /// What to send next; registers for a wake-up when there is nothing.
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

    /// Counts that the server has ended the client.
    pub fn ended(&self, why: Ending) {
        if let Some((counters, _)) = &self.counters {
            counters.ended(why);
        }
    }

    /// Whether the close frame has been handed to the connection.
    pub fn has_closed(&self) -> bool {
        self.lock().close == Closing::Sent
    }

    /// Whether there has been something to send for `limit` and the connection took nothing of it.
    pub fn is_stalled(&self, now: Instant, limit: Duration) -> bool {
        self.lock().waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }

    /// How much waits for a client; `None` for one whose socket has not taken any of it for a second. Where the
    /// connection has nothing under way, it is us who have not come to it yet.
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

    /// Messages waiting now.
    pub fn queued(&self) -> usize {
        self.lock().queue.messages()
    }

    /// Bytes of the frames waiting now.
    pub fn queued_bytes(&self) -> usize {
        self.lock().queue.bytes()
    }

    /// Since when the oldest message waits, if one does: here, or in the connection for the socket.
    pub fn oldest(&self) -> Option<Instant> {
        let inner = self.lock();
        inner.under_way.or(inner.queue.oldest())
    }

    /// Messages handed to the connection so far.
    pub fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// Messages this client missed because it was too slow.
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

/// Lets `waker` wake the task of `cx`, and spares the cost where it does so already.
fn register(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

/// Wakes the connection, after the lock is given back.
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
