//! The path of a client's messages from its connection to its session.

use crate::message::{ClientFrames, FrameCount, Violation};
use crate::rate::{Rate, TokenBucket};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use std::cell::RefCell;
use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Rate limit for control frames (ping, pong, close) from a client. Clients ping every few seconds at most.
pub(crate) const CONTROL_FRAMES: Rate = Rate { per_second: 10, burst: 100 };
/// Rate limit for frames of any kind, since short frames cost more to process than their bytes suggest. Reading slows
/// down above it.
pub(crate) const FRAMES: Rate = Rate { per_second: 1000, burst: 2000 };

/// Bytes read from a connection and not yet processed by its session. The [`Connection`](super::connection::Connection)
/// fills it and polls the session right afterwards, so no waker is needed.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReadBuffer(Rc<RefCell<Read>>);

#[derive(Debug, Default)]
struct Read {
    bytes: Bytes,
    ended: bool,
    violation: Option<Violation>,
    /// Delay before the next read.
    pause: Duration,
}

impl ReadBuffer {
    /// Whether the buffer accepts more bytes: the session has taken the previous ones, and the client has not closed
    /// its side.
    pub(crate) fn has_room(&self) -> bool {
        let read = self.0.borrow();
        read.bytes.is_empty() && !read.ended
    }

    /// Stores bytes received from the client.
    pub(crate) fn put(&self, bytes: Bytes) {
        self.0.borrow_mut().bytes = bytes;
    }

    /// Records that the client has closed its side.
    pub(crate) fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    /// Delay before the next read. The call resets it to zero.
    pub(crate) fn take_pause(&self) -> Duration {
        mem::take(&mut self.0.borrow_mut().pause)
    }

    /// The protocol violation that the client committed, if any.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.0.borrow().violation
    }
}

/// A client's control frames, as a stream. It filters out those that need no answer: each poll returns at most one ping
/// and one close frame.
#[derive(Debug)]
pub(crate) struct ClientMessages {
    heard: ReadBuffer,
    frames: ClientFrames,
    control_budget: TokenBucket,
    budget: TokenBucket,
}

impl ClientMessages {
    /// Parses the bytes of `heard`. With `deflate`, messages may be compressed.
    pub(crate) fn new(heard: ReadBuffer, deflate: bool) -> Self {
        let now = Instant::now();
        ClientMessages {
            heard,
            frames: ClientFrames::new(deflate),
            control_budget: TokenBucket::new(CONTROL_FRAMES, now),
            budget: TokenBucket::new(FRAMES, now),
        }
    }

    /// Counts received frames against the rate limits. Too many frames delay the next read; too many control frames are
    /// a violation that ends the connection.
    fn note(&mut self, count: FrameCount, read: &mut Read) {
        let now = Instant::now();
        read.pause = self.budget.take(count.all, now);
        if !self.control_budget.take(count.control, now).is_zero() {
            read.violation = Some(Violation::Flood);
        }
    }
}

impl Stream for ClientMessages {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let client_messages = self.get_mut();
        let heard = client_messages.heard.clone();
        let mut read = heard.0.borrow_mut();
        let bytes = mem::take(&mut read.bytes);
        let mut control = Vec::new();
        if read.violation.is_none() {
            match client_messages.frames.push(&bytes, &mut control) {
                Ok(count) if count.all > 0 => client_messages.note(count, &mut read),
                Ok(_) => {}
                Err(violation) => read.violation = Some(violation),
            }
        }
        match (control.is_empty(), read.violation) {
            (false, _) => Poll::Ready(Some(Ok(control.into()))),
            (true, Some(violation)) => {
                read.ended = true;
                Poll::Ready(Some(Err(PayloadError::Io(io::Error::other(violation)))))
            }
            (true, None) if read.ended => Poll::Ready(None),
            (true, None) => Poll::Pending,
        }
    }
}
