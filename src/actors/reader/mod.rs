//! A client as a reader: a cursor in the sequence of all entries, and a feed: a stream, a filter and a wire.
//!
//! ```text
//!              at the tail                          behind it
//! Broker ─► Tail (of a feed)     ─► Reader ◄─ units, at most 2 ─ Replayer ◄─ journal
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
mod feed;
mod filter_memory;
mod filtered_feeds;
mod gathered;
mod named_parts;
#[cfg(target_os = "linux")]
mod pages;
mod shared;
pub(crate) mod state;
mod tail;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use chunk::{Chunk, Next};
pub(crate) use closing::{ABANDONED_TIMEOUT, CLOSE_TIMEOUT};
pub(crate) use feed::{Asked, Feed, Feeds, TooManyFilters};
pub(crate) use filtered_feeds::FilteredFeeds;
pub(crate) use shared::SharedFrames;
pub(crate) use state::{GOING_AWAY, NORMAL, NOT_ALLOWED, Subscribed};
pub(crate) use tail::Unit;

use crate::counters::Ending;
use crate::message::{Stream, Wire, close_frame};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use state::{Place, State};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Maximum number of notices that wait for the connection. Further ones are not sent.
pub(crate) const MAX_NOTICES: usize = 64;

/// What a client reads.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Its wire format.
    pub(crate) wire: Wire,
    /// Whether it asked for notices.
    pub(crate) notices: bool,
    /// `None` for a client that only gets what is pushed to it.
    subscribed: Option<Subscribed>,
    /// Receives readers that need the journal. Each is in it at most once.
    replay: Option<Sender<Arc<Reader>>>,
    state: Mutex<State>,
}

impl Reader {
    /// Creates a reader that gets only what is pushed to it.
    pub(crate) fn of_pushed(wire: Wire) -> Arc<Self> {
        Arc::new(Reader { wire, notices: false, subscribed: None, replay: None, state: Mutex::default() })
    }

    /// Creates a reader that ends before the entry `until`. It reads nothing until it has [joined](Self::join_at). It sends
    /// itself to `replay` when it needs the journal.
    pub(crate) fn new(
        notices: bool,
        subscribed: Subscribed,
        replay: Sender<Arc<Reader>>,
        until: Option<u64>,
    ) -> Arc<Self> {
        let (wire, state) = (subscribed.feed.asked.wire, Mutex::new(State::until(until)));
        Arc::new(Reader { wire, notices, subscribed: Some(subscribed), replay: Some(replay), state })
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
        let mut state = self.lock();
        state.release();
        let next = match state.place {
            Place::Journal { next, .. } => next,
            Place::Tail(_) => return,
            Place::Nowhere => state.cursor,
        };
        match subscribed.feed.tail.place_of(next) {
            Some(place) => state.place = Place::Tail(place),
            None => {
                state.lose(end_seq, self.wire, subscribed);
                state.place = Place::Journal { next: next.max(end_seq), is_requested: false };
                state.request_unit();
            }
        }
        self.ask_replayer(&mut state);
        self.wake_after(state);
    }

    /// The number from which on the Replayer reads; `None` if the reader no longer needs it.
    pub(crate) fn reads_from(&self) -> Option<u64> {
        let state = self.lock();
        match &state.place {
            Place::Journal { next, .. } if state.closing.is_open() && !state.cut => Some(*next),
            _ => None,
        }
    }

    /// Takes a unit from the journal. Everything before its end was read. Returns whether the Replayer should go on with the
    /// next one at once.
    pub(crate) fn deliver(&self, unit: Unit, now: Instant) -> bool {
        let mut state = self.lock();
        let goes_on = state.gather(unit, now);
        self.wake_after(state);
        goes_on
    }

    /// Goes on at the entry `next`, because the journal does not have those before it.
    pub(crate) fn skip_to(&self, next: u64) {
        let Some(subscribed) = &self.subscribed else { return };
        let mut state = self.lock();
        state.lose(next, self.wire, subscribed);
        if let Place::Journal { next: reads_from, .. } = &mut state.place {
            *reads_from = next;
        }
        self.wake_after(state);
    }

    /// Goes on at the entry `next`, because the numbers before it were never given.
    pub(crate) fn advance_to(&self, next: u64) {
        if let Place::Journal { next: reads_from, .. } = &mut self.lock().place {
            *reads_from = next;
        }
    }

    /// Asks the Replayer once more, for the block at which it is now.
    pub(crate) fn retry(self: &Arc<Self>) {
        let mut state = self.lock();
        state.release();
        if let Place::Journal { is_requested, .. } = &mut state.place {
            *is_requested = false;
        }
        state.request_unit();
        self.ask_replayer(&mut state);
        self.wake_after(state);
    }

    /// Wakes the connection after the tail has grown.
    pub(crate) fn wake(&self) {
        let state = self.lock();
        if matches!(state.place, Place::Tail(_)) {
            self.wake_after(state);
        }
    }

    /// Queues frames that belong to no stream. They are discarded if too many wait already.
    pub(crate) fn push(&self, shared: &Arc<SharedFrames>) {
        let mut state = self.lock();
        if state.closing.is_open() && state.pushed.len() < MAX_NOTICES {
            state.pushed.push_back(shared.clone());
        }
        self.wake_after(state);
    }

    /// What it reads. `None` if it only gets what is pushed to it.
    pub(crate) fn feed(&self) -> Option<&Arc<Feed>> {
        self.subscribed.as_ref().map(|subscribed| &subscribed.feed)
    }

    /// The stream that it reads.
    pub(crate) fn stream(&self) -> Option<Stream> {
        self.feed().map(|feed| feed.asked.stream)
    }

    /// Requests a ping, which is sent before anything published.
    pub(crate) fn ping(&self) {
        let mut state = self.lock();
        state.ping |= state.closing.is_open();
        self.wake_after(state);
    }

    /// Queues the answer to the client's newest ping, which replaces an older one that was not sent.
    pub(crate) fn pong(&self, frame: Bytes) {
        let mut state = self.lock();
        if state.closing.is_heard() {
            state.pong = Some(frame);
        }
        self.wake_after(state);
    }

    /// Requests a close frame. A reader at the tail gets everything published before.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let mut state = self.lock();
        state.closing.ask(close_frame(code, reason));
        self.wake_after(state);
    }

    /// Ends the connection, because the client has nothing more to say: it has closed, or it violated the protocol. What
    /// the connection has not taken is not sent; `answer` is, unless a close frame was. Returns whether the client was
    /// heard until now.
    pub(crate) fn end(&self, answer: Bytes) -> bool {
        let mut state = self.lock();
        let was_heard = state.closing.end(answer);
        if was_heard {
            state.forget();
            state.ping = false;
        }
        self.wake_after(state);
        was_heard
    }

    /// Requests a close frame at once. What the connection has not taken is not sent.
    pub(crate) fn abandon(&self, code: u16, reason: &str) {
        self.lock().forget();
        self.close(code, reason);
    }

    /// Requests that the connection end immediately.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        state.cut = true;
        state.forget();
        let waker = state.cut_waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when the connection must end immediately; registers the waker otherwise.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.cut {
            return Poll::Ready(());
        }
        register(&mut state.cut_waker, cx);
        Poll::Pending
    }

    /// The next item to send; registers the waker if there is none.
    pub(crate) fn poll_next(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        let sent_before = state.sent;
        let next = state.take(self.wire, self.subscribed.as_ref());
        self.ask_replayer(&mut state);
        if let (Some(subscribed), Some(Next::Frames(chunk))) = (&self.subscribed, &next) {
            let messages = state.sent - sent_before;
            subscribed.counters.of(subscribed.feed.asked.stream).sent(messages, chunk.bytes().len() as u64);
            subscribed.feed.count_sent(messages);
        }
        // The client has to accept a close frame and the last bytes, also if nothing follows.
        let is_closing = matches!(next, Some(Next::Close(_) | Next::Last(_)));
        state.waiting_since = (is_closing || state.has_more(self.subscribed.as_ref())).then(Instant::now);
        match next {
            Some(next) => Poll::Ready(next),
            None => {
                register(&mut state.waker, cx);
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

    /// Sends itself to the Replayer if it needs a unit from the journal.
    fn ask_replayer(self: &Arc<Self>, state: &mut State) {
        if mem::take(&mut state.needs_unit)
            && let Some(replay) = &self.replay
        {
            // The Replayer ends only with the whole program.
            let _ = replay.send(self.clone());
        }
    }

    /// Wakes the connection if there is something for it, after releasing the lock.
    fn wake_after(&self, mut state: MutexGuard<'_, State>) {
        if !state.has_more(self.subscribed.as_ref()) {
            return;
        }
        state.waiting_since.get_or_insert_with(Instant::now);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Registers the waker of `cx`; avoids the clone if the same waker is registered already.
fn register(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}
