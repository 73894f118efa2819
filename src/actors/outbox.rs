//! A client's queue: filled by the Broker on its thread, emptied by the connection on another.
//!
//! It stands in place of the session's mailbox because a session does not run while its socket takes nothing:
//! its mailbox would grow without bound, and no message could end it.

use crate::message::{Frames, close_frame, gap};
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

/// A bounded queue of messages. When it is full, the messages that do not fit are dropped and counted; a client that
/// asked for notices is told in their place which ones those were.
#[derive(Debug)]
pub struct Outbox {
    capacity: usize,
    /// Whether the client asked for notices.
    pub notices: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    chunks: VecDeque<Chunk>,
    /// Messages in `chunks`.
    queued: usize,
    sent: u64,
    dropped: u64,
    /// What is missing behind all that is queued, for a client that is to be told.
    gap: Option<Gap>,
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
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Of the client's stream; the number there of the first of `frames`.
    Stream(u64),
    /// Of no stream, such as a heartbeat.
    Aside,
    /// The notice of a gap. It takes no room in the queue: between two of them there is a message.
    Notice(Gap),
}

/// Numbers of messages that were dropped, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from_seq: u64,
    to_seq: u64,
}

impl Outbox {
    /// A queue for at most `capacity` messages, with `notices` of gaps or without.
    pub fn new(capacity: usize, notices: bool) -> Self {
        Outbox { capacity, notices, inner: Mutex::default() }
    }

    /// Queues as many of `frames` as there is room for, the first ones first, and counts the others. In the client's
    /// stream the first of them has the number `first_seq`.
    pub fn push(&self, frames: &Arc<Frames>, first_seq: u64) {
        let mut inner = self.lock();
        let accepted = inner.accept(frames, self.capacity, Kind::Stream(first_seq));
        inner.dropped += (frames.len() - accepted) as u64;
        if self.notices && accepted < frames.len() && inner.close == Closing::No {
            inner.miss(first_seq + accepted as u64, first_seq + frames.len() as u64 - 1);
        }
        wake(inner);
    }

    /// Queues `frames`, which are of no stream, if they all fit. A client with a full queue needs no heartbeat.
    pub fn push_if_room(&self, frames: &Arc<Frames>) {
        let mut inner = self.lock();
        if inner.queued + frames.len() <= self.capacity {
            inner.accept(frames, self.capacity, Kind::Aside);
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
        let missed = inner.all_numbers().filter(|_| self.notices);
        inner.chunks = VecDeque::new();
        inner.gap = missed;
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
    fn accept(&mut self, frames: &Arc<Frames>, capacity: usize, kind: Kind) -> usize {
        if self.close != Closing::No {
            return 0;
        }
        let room = capacity.saturating_sub(self.queued).min(frames.len());
        if room > 0 {
            if let Some(gap) = self.gap.take() {
                self.chunks.push_back(gap.into());
            }
            self.chunks.push_back(Chunk { frames: frames.clone(), from: 0, to: room, kind });
            self.queued += room;
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        room
    }

    /// The messages of these numbers are missing behind all that is queued.
    fn miss(&mut self, from_seq: u64, to_seq: u64) {
        let from_seq = self.gap.map_or(from_seq, |gap| gap.from_seq);
        self.gap = Some(Gap { from_seq, to_seq });
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// From the first number that is queued or missing to the last one.
    fn all_numbers(&self) -> Option<Gap> {
        let queued = self.chunks.iter().filter_map(Chunk::numbers);
        let mut all = queued.chain(self.gap);
        let first = all.next()?;
        Some(Gap { from_seq: first.from_seq, to_seq: all.last().unwrap_or(first).to_seq })
    }

    fn take(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.ping) {
            return Some(Next::Frames(PING));
        }
        if self.chunks.is_empty()
            && let Some(gap) = self.gap.take()
        {
            self.chunks.push_back(gap.into());
        }
        let Some(chunk) = self.chunks.front_mut() else { return self.take_close() };
        let to = chunk.to.min(chunk.from + chunk.frames.fitting(chunk.from, MAX_WRITE));
        let bytes = chunk.frames.slice(chunk.from, to);
        if !matches!(chunk.kind, Kind::Notice(_)) {
            self.queued -= to - chunk.from;
            self.sent += (to - chunk.from) as u64;
        }
        chunk.from = to;
        if chunk.from == chunk.to {
            self.chunks.pop_front();
        }
        Some(Next::Frames(bytes))
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
        self.ping || !self.chunks.is_empty() || self.gap.is_some() || matches!(self.close, Closing::Asked(_))
    }
}

impl Chunk {
    /// The numbers of the messages that are left in it, or that it tells of.
    fn numbers(&self) -> Option<Gap> {
        match self.kind {
            Kind::Stream(first) => {
                Some(Gap { from_seq: first + self.from as u64, to_seq: first + self.to as u64 - 1 })
            }
            Kind::Aside => None,
            Kind::Notice(gap) => Some(gap),
        }
    }
}

impl From<Gap> for Chunk {
    fn from(missing: Gap) -> Self {
        let frames = Frames::single(gap(missing.from_seq, missing.to_seq).as_bytes());
        Chunk { frames, from: 0, to: 1, kind: Kind::Notice(missing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FramesBuilder;
    use proptest::prelude::*;

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
        let outbox = Outbox::new(10, false);
        outbox.push(&frames(&["a", "b"]), 0);
        outbox.push(&frames(&["c"]), 0);
        assert_eq!(outbox.queued(), 3);
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01a\x81\x01b"))));
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01c"))));
        assert_eq!(next(&outbox), None);
        assert_eq!((outbox.queued(), outbox.sent(), outbox.dropped()), (0, 3, 0));
    }

    #[test]
    fn a_full_queue_drops_and_counts_what_does_not_fit() {
        let outbox = Outbox::new(2, false);
        outbox.push(&frames(&["a"]), 0);
        outbox.push(&frames(&["b", "c", "d"]), 0);
        outbox.push(&frames(&["e"]), 0);
        assert_eq!((outbox.queued(), outbox.dropped()), (2, 3));
        next(&outbox);
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01b"))));
    }

    #[test]
    fn a_heartbeat_that_does_not_fit_is_no_loss() {
        let outbox = Outbox::new(1, false);
        outbox.push(&frames(&["a"]), 0);
        outbox.push_if_room(&frames(&["heartbeat"]));
        assert_eq!((outbox.queued(), outbox.dropped()), (1, 0));
    }

    #[test]
    fn one_write_is_bounded_and_holds_whole_frames() {
        let text = "x".repeat(20_000);
        let outbox = Outbox::new(10, false);
        outbox.push(&frames(&[&text, &text, &text]), 0);
        for _ in 0..3 {
            assert!(matches!(next(&outbox), Some(Next::Frames(b)) if b.len() == 20_004));
        }
        let long = "y".repeat(100_000);
        outbox.push(&frames(&[&long]), 0);
        assert!(
            matches!(next(&outbox), Some(Next::Frames(b)) if b.len() == 100_010),
            "never less than a frame"
        );
    }

    #[test]
    fn closing_sends_what_is_queued_first_and_takes_nothing_more() {
        let outbox = Outbox::new(10, false);
        outbox.push(&frames(&["a"]), 0);
        outbox.close(1001, "bye");
        outbox.push(&frames(&["b"]), 0);
        assert!(!outbox.has_closed());
        assert_eq!(next(&outbox), Some(Next::Frames(Bytes::from_static(b"\x81\x01a"))));
        assert_eq!(next(&outbox), Some(Next::Close(Bytes::from_static(b"\x88\x05\x03\xe9bye"))));
        assert!(outbox.has_closed());
        outbox.close(1000, "again");
        assert_eq!(next(&outbox), None, "a second close frame would be a protocol error");
    }

    #[test]
    fn a_ping_goes_ahead_of_what_is_queued_and_never_after_a_close_frame() {
        let outbox = Outbox::new(10, false);
        outbox.push(&frames(&["a"]), 0);
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
        let outbox = Outbox::new(10, false);
        let shared = frames(&["a", "b"]);
        outbox.push(&shared, 0);
        outbox.abandon(1001, "stalled");
        assert_eq!(Arc::strong_count(&shared), 1);
        assert_eq!((outbox.queued(), outbox.dropped()), (0, 2));
        assert!(matches!(next(&outbox), Some(Next::Close(_))));
    }

    #[test]
    fn a_queue_is_stalled_only_while_something_waits_and_nothing_is_taken() {
        let outbox = Outbox::new(10, false);
        let (limit, later) = (Duration::from_secs(60), Instant::now() + Duration::from_secs(61));
        assert!(!outbox.is_stalled(later, limit));
        outbox.push(&frames(&["a"]), 0);
        assert!(!outbox.is_stalled(Instant::now(), limit));
        assert!(outbox.is_stalled(later, limit));
        next(&outbox);
        assert!(!outbox.is_stalled(later, limit));
    }

    /// What a client that asked for notices hears: the texts of messages, and of notices.
    fn heard(outbox: &Outbox) -> Vec<String> {
        let text = |next| match next {
            Next::Frames(bytes) => String::from_utf8_lossy(bytes.get(2..).unwrap_or_default()).into_owned(),
            Next::Close(_) => "close".into(),
        };
        std::iter::from_fn(|| next(outbox)).map(text).collect()
    }

    #[test]
    fn a_gap_is_told_of_in_its_place() {
        let outbox = Outbox::new(2, true);
        outbox.push(&frames(&["0"]), 0);
        outbox.push(&frames(&["1", "2", "3"]), 1);
        outbox.push(&frames(&["4"]), 4);
        next(&outbox);
        outbox.push(&frames(&["5"]), 5);
        assert_eq!((outbox.queued(), outbox.dropped()), (2, 3), "a notice takes no room");
        assert_eq!(heard(&outbox), ["1", &gap(2, 4), "5"]);
        assert_eq!(outbox.sent(), 3, "and is no message of the stream");
    }

    #[test]
    fn a_gap_is_told_of_at_the_end_too() {
        let outbox = Outbox::new(1, true);
        outbox.push(&frames(&["0"]), 0);
        outbox.push(&frames(&["1"]), 1);
        assert_eq!(heard(&outbox), ["0", &gap(1, 1)]);
        assert_eq!(heard(&outbox), [""; 0], "once");
        outbox.push(&frames(&["2", "3"]), 2);
        outbox.close(1001, "");
        assert_eq!(heard(&outbox), ["2", &gap(3, 3), "close"]);
    }

    #[test]
    fn who_is_given_up_is_told_of_everything_that_was_waiting() {
        let outbox = Outbox::new(3, true);
        outbox.push(&frames(&["0", "1", "2", "3"]), 0);
        next(&outbox);
        outbox.push_if_room(&frames(&["heartbeat"]));
        outbox.push(&frames(&["4"]), 4);
        outbox.push(&frames(&["5"]), 5);
        outbox.abandon(1001, "stalled");
        outbox.push(&frames(&["6"]), 6);
        assert_eq!(heard(&outbox), [&gap(3, 5), "close"]);
    }

    #[test]
    fn who_did_not_ask_is_told_nothing() {
        let outbox = Outbox::new(1, false);
        outbox.push(&frames(&["0", "1"]), 0);
        next(&outbox);
        outbox.push(&frames(&["2", "3"]), 2);
        outbox.abandon(1001, "");
        assert_eq!(heard(&outbox), ["close"]);
    }

    proptest! {
        /// However fast a client reads, what it hears and is told of is each number exactly once and in order.
        #[test]
        fn messages_and_gaps_account_for_each_number(
            capacity in 1usize..8, steps in prop::collection::vec((0u8..4, 1u64..6), 1..80), abandon: bool,
        ) {
            let outbox = Outbox::new(capacity, true);
            let (mut seq, mut numbers) = (0u64, Vec::new());
            let listen = |outbox: &Outbox, most: u64, numbers: &mut Vec<u64>| {
                for _ in 0..most {
                    let Some(Next::Frames(bytes)) = next(outbox) else { return };
                    let mut bytes = bytes.as_ref();
                    while let [0x81, length, rest @ ..] = bytes {
                        let (text, rest) = rest.split_at(usize::from(*length));
                        let json: serde_json::Value = serde_json::from_slice(text).expect("JSON");
                        match json["from_seq"].as_u64() {
                            Some(from) => numbers.extend(from..=json["to_seq"].as_u64().expect("a number")),
                            None => numbers.extend(json.as_u64()),
                        }
                        bytes = rest;
                    }
                }
            };
            for (what, n) in steps {
                match what {
                    0 | 1 => {
                        let texts: Vec<String> = (seq..seq + n).map(|i| i.to_string()).collect();
                        outbox.push(&frames(&texts.iter().map(String::as_str).collect::<Vec<_>>()), seq);
                        seq += n;
                    }
                    2 => listen(&outbox, n, &mut numbers),
                    _ => outbox.push_if_room(&frames(&["\"heartbeat\""])),
                }
            }
            if abandon {
                outbox.abandon(1001, "");
            }
            listen(&outbox, u64::MAX, &mut numbers);
            prop_assert_eq!(numbers, (0..seq).collect::<Vec<_>>());
        }
    }
}
