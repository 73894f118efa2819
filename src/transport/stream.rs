//! A client's connection: TCP, with or without TLS, and the resources that it holds.

use super::connections::{Record, Registration};
use super::tcp::Tcp;
use crate::access::ConnectionPermit;
use crate::actors::send_queue::Chunk;
use crate::actors::socket::Socket;
use crate::message::Wire;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

/// A client's connection. Its resources are released when it is dropped.
pub(crate) struct Transport {
    io: Io,
    _claim: Claim,
}

/// The resources that a connection holds from the moment it is accepted.
pub(crate) struct Claim {
    pub(crate) _slots: Vec<ConnectionPermit>,
    pub(crate) _registration: Registration,
}

pub(crate) enum Io {
    Clear(Tcp),
    Tls(Box<SslStream<Tcp>>),
}

impl Transport {
    pub(crate) fn new(io: Io, claim: Claim) -> Self {
        Transport { io, _claim: claim }
    }

    fn tcp(&self) -> &Tcp {
        match &self.io {
            Io::Clear(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref(),
        }
    }

    /// The state of the connection.
    pub(crate) fn record(&self) -> &Arc<Record> {
        self.tcp().record()
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

impl Socket for Transport {
    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &Chunk) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Clear(tcp) => tcp.poll_send(cx, chunk),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, chunk.bytes()),
        }
    }

    fn bound_unsent(&self, wire: Wire) {
        self.tcp().bound_unsent(wire);
    }

    fn hold_rest(&self, hold: bool) {
        self.tcp().hold_rest(hold);
    }

    fn forget_unsent(&self) {
        self.tcp().forget_unsent();
    }

    fn unsent(&self) -> usize {
        self.tcp().unsent()
    }

    fn set_paused(&self, paused: bool) {
        self.tcp().set_paused(paused);
    }
}
