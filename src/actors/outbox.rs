//! A client's queue: filled by the Broker on its thread, emptied by the connection on another.
//!
//! It stands in place of the session's mailbox because a session does not run while its socket takes nothing:
//! its mailbox would grow without bound, and no message could end it.

use crate::message::{Frames, close_frame};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes handed to a connection at once. More would only lie in its write buffer, beyond our counting.
const MAX_WRITE: usize = 32 * 1024;
/// A ping without payload (RFC 6455 section 5.5.2).
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// What the connection is to send next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Whole frames.
    Frames(Bytes),
    /// A close frame, the last thing to be sent.
    Close(Bytes),
}

/// A bounded queue of messages. When it is full, the messages that do not fit are dropped and counted.
#[derive(Debug)]
pub struct Outbox {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    chunks: VecDeque<Chunk>,
    /// Messages in `chunks`.
    queued: usize,
    sent: u64,
    dropped: u64,
    /// A ping is to be sent, before what is queued.
    ping: bool,
    close: Closing,
    /// Since when there was something to take and nobody took anything.
    waiting_since: Option<Instant>,
    waker: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Closing {
    #[default]
    No,
    /// To be sent when the queue is empty.
    Asked(Bytes),
    Sent,
}

/// Messages `from..to` of shared frames.
#[derive(Debug)]
struct Chunk {
    frames: Arc<Frames>,
    from: usize,
    to: usize,
}

impl Outbox {
    /// A queue for at most `capacity` messages.
    pub fn new(capacity: usize) -> Self {
        Outbox { capacity, inner: Mutex::default() }
    }

    /// Queues as many of `frames` as there is room for, the first ones first, and counts the others.
    pub fn push(&self, frames: &Arc<Frames>) {
        let mut inner = self.lock();
        let accepted = inner.accept(frames, self.capacity);
        inner.dropped += (frames.len() - accepted) as u64;
        wake(inner);
    }

    /// Queues `frames` if they all fit. A client with a full queue needs no heartbeat.
    pub fn push_if_room(&self, frames: &Arc<Frames>) {
        let mut inner = self.lock();
        if inner.queued + frames.len() <= self.capacity {
            inner.accept(frames, self.capacity);
        }
        wake(inner);
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
        let mut inner = self.lock();
        inner.dropped += inner.queued as u64;
        inner.queued = 0;
        inner.chunks = VecDeque::new();
        drop(inner);
        self.close(code, reason);
    }

    /// What to send next; registers for a wake-up when there is nothing.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        let next = inner.take();
        inner.waiting_since = inner.has_more().then(Instant::now);
        match next {
            Some(next) => Poll::Ready(next),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
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

    /// Messages waiting now.
    pub fn queued(&self) -> usize {
        self.lock().queued
    }

    /// Messages handed to the connection so far.
    pub fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// Messages this client missed because its queue was full.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// The data stay consistent at every step, so a panic elsewhere does not make them unusable.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Queues what fits and returns how many messages did.
    fn accept(&mut self, frames: &Arc<Frames>, capacity: usize) -> usize {
        if self.close != Closing::No {
            return 0;
        }
        let room = capacity.saturating_sub(self.queued).min(frames.len());
        if room > 0 {
            self.chunks.push_back(Chunk { frames: frames.clone(), from: 0, to: room });
            self.queued += room;
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        room
    }

    fn take(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.ping) {
            return Some(Next::Frames(PING));
        }
        let Some(chunk) = self.chunks.front_mut() else {
            return match std::mem::take(&mut self.close) {
                Closing::No => None,
                Closing::Asked(frame) => {
                    self.close = Closing::Sent;
                    Some(Next::Close(frame))
                }
                Closing::Sent => {
                    self.close = Closing::Sent;
                    None
                }
            };
        };
        let to = chunk.to.min(chunk.from + chunk.frames.fitting(chunk.from, MAX_WRITE));
        let bytes = chunk.frames.slice(chunk.from, to);
        self.queued -= to - chunk.from;
        self.sent += (to - chunk.from) as u64;
        chunk.from = to;
        if chunk.from == chunk.to {
            self.chunks.pop_front();
        }
        Some(Next::Frames(bytes))
    }

    fn has_more(&self) -> bool {
        self.ping || !self.chunks.is_empty() || matches!(self.close, Closing::Asked(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FramesBuilder;

    fn frames(texts: &[&str]) -> Arc<Frames> {
        let mut builder = FramesBuilder::default();
        texts.iter().for_each(|t| builder.push(|out| out.extend_from_slice(t.as_bytes())));
        builder.build()
    }

    fn next(outbox: &Outbox) -> Option<Next> {
        match outbox.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => Some(next),
            Poll::Pending => None,
        }
    }

    #[test]
    fn messages_leave_in_the_order_in_which_they_came() {
        let outbox = Outbox::new(10);
        outbox.push(&frames(&["a", "b"]));
        outbox.push(&frames(&["c"]));
        assert_eq!(outbox.queued(), 3);
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01a\x81\x01b"))));
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01c"))));
        assert_eq!(next(&outbox), None);
        assert_eq!((outbox.queued(), outbox.sent(), outbox.dropped()), (0, 3, 0));
    }

    #[test]
    fn a_full_queue_drops_and_counts_what_does_not_fit() {
        let outbox = Outbox::new(2);
        outbox.push(&frames(&["a"]));
        outbox.push(&frames(&["b", "c", "d"]));
        outbox.push(&frames(&["e"]));
        assert_eq!((outbox.queued(), outbox.dropped()), (2, 3));
        next(&outbox);
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01b"))));
    }

    #[test]
    fn a_heartbeat_that_does_not_fit_is_no_loss() {
        let outbox = Outbox::new(1);
        outbox.push(&frames(&["a"]));
        outbox.push_if_room(&frames(&["heartbeat"]));
        assert_eq!((outbox.queued(), outbox.dropped()), (1, 0));
    }

    #[test]
    fn one_write_is_bounded_and_holds_whole_frames() {
        let text = "x".repeat(20_000);
        let outbox = Outbox::new(10);
        outbox.push(&frames(&[&text, &text, &text]));
        for _ in 0..3 {
            assert!(matches!(next(&outbox), Some(Next::Frames(b)) if b.len() == 20_004));
        }
        let long = "y".repeat(100_000);
        outbox.push(&frames(&[&long]));
        assert!(
            matches!(next(&outbox), Some(Next::Frames(b)) if b.len() == 100_010),
            "never less than a frame"
        );
    }

    #[test]
    fn closing_sends_what_is_queued_first_and_takes_nothing_more() {
        let outbox = Outbox::new(10);
        outbox.push(&frames(&["a"]));
        outbox.close(1001, "bye");
        outbox.push(&frames(&["b"]));
        assert!(!outbox.has_closed());
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01a"))));
        assert_eq!(next(&outbox), Some(Next::Close(Bytes::from_static(b"\x88\x05\x03\xe9bye"))));
        assert!(outbox.has_closed());
        outbox.close(1000, "again");
        assert_eq!(next(&outbox), None, "a second close frame would be a protocol error");
    }

    #[test]
    fn a_ping_goes_ahead_of_what_is_queued_and_never_after_a_close_frame() {
        let outbox = Outbox::new(10);
        outbox.push(&frames(&["a"]));
        outbox.ping();
        outbox.ping();
        assert_eq!(next(&outbox), Some(Next::Frames(PING)));
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01a"))));
        outbox.close(1001, "");
        outbox.ping();
        assert!(matches!(next(&outbox), Some(Next::Close(_))));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn abandoning_frees_the_queue_and_counts_it() {
        let outbox = Outbox::new(10);
        let shared = frames(&["a", "b"]);
        outbox.push(&shared);
        outbox.abandon(1001, "stalled");
        assert_eq!(Arc::strong_count(&shared), 1);
        assert_eq!((outbox.queued(), outbox.dropped()), (0, 2));
        assert!(matches!(next(&outbox), Some(Next::Close(_))));
    }

    #[test]
    fn a_queue_is_stalled_only_while_something_waits_and_nothing_is_taken() {
        let outbox = Outbox::new(10);
        let (limit, later) = (Duration::from_secs(60), Instant::now() + Duration::from_secs(61));
        assert!(!outbox.is_stalled(later, limit));
        outbox.push(&frames(&["a"]));
        assert!(!outbox.is_stalled(Instant::now(), limit));
        assert!(outbox.is_stalled(later, limit));
        next(&outbox);
        assert!(!outbox.is_stalled(later, limit));
    }
}
