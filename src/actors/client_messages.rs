//! The way of what a client says, from its connection to its session.

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

/// Control frames (pings, pongs, close) that a client may send. Clients ping every few seconds at most.
pub(crate) const CONTROL_FRAMES: Rate = Rate { per_second: 10, burst: 100 };
/// Frames of any kind that it may send: short ones cost more to look at than their bytes. Above that it is read more slowly.
pub(crate) const FRAMES: Rate = Rate { per_second: 1000, burst: 2000 };

/// What was read from a connection and not passed on yet: put in by the [`Connection`](super::connection::Connection),
/// taken out by its session, which is polled right after that. So nobody is to be woken.
#[derive(Debug, Default, Clone)]
pub struct ReadBuffer(Rc<RefCell<Read>>);

#[derive(Debug, Default)]
struct Read {
    bytes: Bytes,
    ended: bool,
    violation: Option<Violation>,
    /// How long to wait before more is read.
    pause: Duration,
}

impl ReadBuffer {
    /// Whether more can be put in: what was put in before is taken, and the client has not ended.
    pub fn has_room(&self) -> bool {
        let read = self.0.borrow();
        read.bytes.is_empty() && !read.ended
    }

    /// The client said this.
    pub fn put(&self, bytes: Bytes) {
        self.0.borrow_mut().bytes = bytes;
    }

    /// The client will say nothing more.
    pub fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    /// How long to wait before more is read, asked for once.
    pub fn take_pause(&self) -> Duration {
        mem::take(&mut self.0.borrow_mut().pause)
    }

    /// How the client broke the protocol, if it did.
    pub fn violation(&self) -> Option<Violation> {
        self.0.borrow().violation
    }
}

/// The control frames of a client, of which those that need no answer are left out: no more than one ping and a close
/// frame come at once.
#[derive(Debug)]
pub struct ClientMessages {
    heard: ReadBuffer,
    frames: ClientFrames,
    control_budget: TokenBucket,
    budget: TokenBucket,
}

impl ClientMessages {
    /// Among what is put into `heard`; with `deflate`, messages may be compressed.
    pub fn new(heard: ReadBuffer, deflate: bool) -> Self {
        let now = Instant::now();
        ClientMessages {
            heard,
            frames: ClientFrames::new(deflate),
            control_budget: TokenBucket::new(CONTROL_FRAMES, now),
            budget: TokenBucket::new(FRAMES, now),
        }
    }

    /// Notes that so many frames came. The client is not read on for a while if that is too many; too many control frames
    /// break off the connection.
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
