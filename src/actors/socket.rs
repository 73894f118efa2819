//! How bytes get from a piece to the network.

use super::outbox::Piece;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes that the kernel may hold for one client, half of what it then takes with its own accounts. Left to itself it
/// takes 4 MB, and with some hundred clients its memory for TCP runs out: it drops what it had taken, and those clients
/// hear nothing for seconds. At 100 ms to the client and back this carries 5 MB/s, more than the full stream.
const SEND_BUFFER: usize = 512 * 1024;

/// What carries the bytes of a connection.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Sends some of `piece`. How many bytes that were.
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &Piece) -> Poll<io::Result<usize>>;

    /// Bounds what the kernel holds for the client beyond our counting.
    fn bound_unsent(&self);

    /// Whether the kernel is to wait for more before it sends less than a whole segment.
    fn hold_rest(&self, hold: bool);

    /// Makes that nothing is kept of the connection when it is dropped, not even what was not sent yet.
    fn forget_unsent(&self);
}

impl Socket for TcpStream {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &Piece) -> Poll<io::Result<usize>> {
        #[cfg(target_os = "linux")]
        if let Some((file, offset)) = piece.file() {
            return poll_send_file(self, cx, file, offset, piece.bytes().len());
        }
        Pin::new(self).poll_write(cx, piece.bytes())
    }

    fn bound_unsent(&self) {
        // One that cannot be told so takes more, which does no harm to this client.
        let _ = SockRef::from(self).set_send_buffer_size(SEND_BUFFER);
    }

    fn hold_rest(&self, hold: bool) {
        // One that cannot be told so sends more segments.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_cork(self, hold);
        #[cfg(not(target_os = "linux"))]
        let _ = hold;
    }

    fn forget_unsent(&self) {
        // A socket that cannot be told so is closed nonetheless.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

/// Sends from a file, whose pages the kernel takes as they are.
#[cfg(target_os = "linux")]
fn poll_send_file(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    file: &std::fs::File,
    offset: u64,
    length: usize,
) -> Poll<io::Result<usize>> {
    loop {
        std::task::ready!(socket.poll_write_ready(cx))?;
        let mut offset = offset;
        let send = || Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), length)?);
        match socket.try_io(tokio::io::Interest::WRITABLE, send) {
            // It was not ready after all, and is waited for again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}
