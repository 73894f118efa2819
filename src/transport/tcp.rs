//! The TCP socket of a client's connection, below TLS: the rate limit for received bytes, and the connection's state.

use super::connections::Record;
use crate::actors::reader::Chunk;
use crate::actors::socket::{self, Socket};
use crate::message::Wire;
use crate::rate::{Rate, TokenBucket};
use crate::system::tcp_memory;
use actix_web::rt::net::TcpStream;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Rate limit of bytes received from a client, in any protocol. Above it the server reads more slowly, and TCP flow
/// control slows the client. Clients send little: a handshake and control frames.
pub(crate) const RECEIVE_RATE: Rate = Rate { per_second: 256 * 1024, burst: 1024 * 1024 };

/// The same under TLS, where 27 bytes can make OpenSSL derive new keys (RFC 8446 section 4.6.3).
pub(crate) const TLS_RECEIVE_RATE: Rate = Rate { per_second: 32 * 1024, burst: 512 * 1024 };

/// Largest TLS handshake of a client, in bytes. OpenSSL would buffer 128 KiB of a ClientHello, which has about 2 KiB
/// even with post-quantum keys.
pub(crate) const MAX_TLS_HANDSHAKE: usize = 32 * 1024;

/// A connected socket. Its record makes its state available to other tasks.
pub(crate) struct Tcp {
    stream: Arc<TcpStream>,
    record: Arc<Record>,
    received: TokenBucket,
    /// Set while the client has exceeded its rate limit.
    pause: Option<Pin<Box<Sleep>>>,
    /// Bytes that the client may still send during the TLS handshake; `None` outside of it.
    handshake_left: Option<usize>,
}

impl Tcp {
    pub(crate) fn new(stream: Arc<TcpStream>, record: Arc<Record>) -> Self {
        let received = TokenBucket::new(RECEIVE_RATE, Instant::now());
        Tcp { stream, record, received, pause: None, handshake_left: None }
    }

    /// Limits received bytes to [`MAX_TLS_HANDSHAKE`] until the handshake is done, and to [`TLS_RECEIVE_RATE`] from now on.
    pub(crate) fn begin_handshake(&mut self) {
        self.handshake_left = Some(MAX_TLS_HANDSHAKE);
        self.received = TokenBucket::new(TLS_RECEIVE_RATE, Instant::now());
    }

    /// Removes the limit of the handshake.
    pub(crate) fn end_handshake(&mut self) {
        self.handshake_left = None;
    }

    /// The socket itself.
    #[cfg(test)]
    pub(crate) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// The state of the connection.
    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Records the result of an attempt to send.
    fn note(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &sent {
            Poll::Ready(Ok(bytes)) => self.record.sent(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.record.is_full(),
        }
        sent
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            let over = pause.as_mut().poll(cx);
            // Another pause, recorded in the same flag, may have ended in the meantime.
            self.record.set_paused(over.is_pending());
            ready!(over);
            self.pause = None;
        }
        if self.handshake_left == Some(0) {
            return Poll::Ready(Err(io::Error::other("the TLS handshake is too long")));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read_buf(buffer) {
                Ok(read) => {
                    if let Some(left) = &mut self.handshake_left {
                        *left = left.saturating_sub(read);
                    }
                    let wait = self.received.take(read as u64, Instant::now());
                    if !wait.is_zero() {
                        self.record.set_paused(true);
                        self.pause = Some(Box::pin(sleep(wait)));
                    }
                    return Poll::Ready(Ok(()));
                }
                // The readiness was stale; wait again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.note(socket::poll_write(&self.stream, cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Writes are not buffered here.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = socket2::SockRef::from(&*self.stream).shutdown(std::net::Shutdown::Write);
        Poll::Ready(match ended {
            // The client has already closed the connection.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            ended => ended,
        })
    }
}

impl Socket for Tcp {
    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &Chunk) -> Poll<io::Result<usize>> {
        self.note(socket::poll_send(&self.stream, cx, chunk))
    }

    fn bound_unsent(&self, wire: Wire) {
        socket::bound_unsent(&self.stream, wire);
    }

    fn enlarge_send_buffer(&self) {
        socket::enlarge_send_buffer(&self.stream);
    }

    fn hold_rest(&self, hold: bool) {
        socket::hold_rest(&self.stream, hold);
    }

    fn forget_unsent(&self) {
        socket::forget_unsent(&self.stream);
    }

    fn unsent(&self) -> usize {
        // The caller waits for the client to read.
        self.record.is_full();
        tcp_memory::unsent(&self.stream)
    }

    fn set_paused(&self, paused: bool) {
        self.record.set_paused(paused);
    }
}
