//! The connection of a WebSocket client after its handshake: what is queued for it goes to the socket by reference, and
//! what it says goes to its session.

use super::outbox::{Next, Piece};
use super::socket::Socket;
use super::websocket_session::Session;
use bytes::Bytes;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep};

/// How long a client has to answer our close frame before the connection is ended.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Bytes read at once, into a buffer that lasts no longer than the reading: a client that says nothing costs none.
const READ: usize = 4096;

/// Bytes from which on more than one segment is sent. The kernel takes them by 64 KiB, of which a small rest would be a
/// segment of its own, every time: with large segments, on the machine itself, that is two of five.
const SEGMENTS: usize = 64 * 1024;

/// Ends when the connection does; dropped, it ends it.
pub struct Connection<T> {
    socket: T,
    session: Session,
    /// What the socket has not taken yet.
    writing: Piece,
    /// Less than a whole segment is held back, since more comes.
    holding: bool,
    /// Set once our close frame is sent: when to stop waiting for the client's.
    closing: Option<Pin<Box<Sleep>>>,
    /// Nothing more is to be written.
    done: bool,
}

impl<T: Socket> Connection<T> {
    /// Connects `session` with `socket`, from which `read` was read already.
    pub fn new(socket: T, session: Session, read: Bytes) -> Self {
        session.heard.put(read);
        socket.bound_unsent();
        Connection { socket, session, writing: Piece::default(), holding: false, closing: None, done: false }
    }

    /// Carries what there is, until the connection ends.
    fn carry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.session.client.outbox.poll_cut(cx).is_ready() {
            self.socket.forget_unsent();
            return Poll::Ready(Ok(()));
        }
        loop {
            while !self.writing.bytes().is_empty() {
                match ready!(self.socket.poll_send(cx, &self.writing))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.writing.advance(written),
                }
            }
            if self.done {
                return Pin::new(&mut self.socket).poll_shutdown(cx);
            }
            // What was sent is kept for nobody while this one waits.
            self.writing = Piece::default();
            match self.poll_next(cx)? {
                Poll::Ready(Some(piece)) => {
                    self.writing = piece;
                    if self.writing.bytes().len() > SEGMENTS {
                        self.hold_rest(true);
                    }
                }
                Poll::Ready(None) => self.done = true,
                Poll::Pending => {
                    ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
                    self.hold_rest(false);
                    return Poll::Pending;
                }
            }
        }
    }

    fn hold_rest(&mut self, hold: bool) {
        if self.holding != hold {
            self.holding = hold;
            self.socket.hold_rest(hold);
        }
    }

    /// What to write next: the session's answers first, then the client's messages; `None` at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Piece>>> {
        loop {
            let read = self.poll_read(cx)?;
            if let Poll::Ready(answer) = self.session.poll_answer(cx) {
                return Poll::Ready(Ok(answer.map(Piece::from)));
            }
            if read.is_pending() {
                break;
            }
        }
        if self.closing.is_none() {
            match ready!(self.session.client.outbox.poll_next(cx)) {
                Next::Frames(frames) => return Poll::Ready(Ok(Some(frames))),
                Next::Close(frame) => {
                    self.closing = Some(Box::pin(sleep(CLOSE_GRACE)));
                    return Poll::Ready(Ok(Some(frame.into())));
                }
            }
        }
        if let Some(deadline) = &mut self.closing {
            ready!(deadline.as_mut().poll(cx));
        }
        Poll::Ready(Ok(None))
    }

    /// Reads for the session, if it has taken what was read before.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.session.heard.has_room() {
            return Poll::Pending;
        }
        let mut buffer = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut buffer);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        match buffer.filled() {
            [] => self.session.heard.end(),
            bytes => {
                // Nothing that clients say is asked for; that they say something shows that they are there.
                self.session.client.heard();
                self.session.heard.put(Bytes::copy_from_slice(bytes));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Socket> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(self.carry(cx));
        if let Err(error) = ended {
            log::debug!("client {}: {error}", self.session.client.address);
        }
        Poll::Ready(())
    }
}
