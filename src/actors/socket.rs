//! Writes chunks to the network.

use super::reader::Chunk;
#[cfg(target_os = "linux")]
use super::splice;
use crate::message::Wire;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Size of the kernel's send buffer for a client that has not read much yet. The kernel allows twice this size,
/// including its bookkeeping, and this is all that a client that never reads can make it hold.
pub(crate) const FIRST_SEND_BUFFER: usize = 128 * 1024;
/// Bytes after which the buffer is enlarged to [`SEND_BUFFER`]. The first buffer holds at most half of them, so the
/// client has received the other half.
pub(crate) const ENLARGE_AFTER: usize = 4 * FIRST_SEND_BUFFER;
/// Size of the kernel's send buffer for a client that reads; the kernel allows twice this size. The kernel's automatic sizing takes 4 MB, and with several hundred clients the system runs out of TCP memory: it drops
/// received segments, and those clients get nothing for seconds. With a round-trip time of 100 ms this size carries 5
/// MB/s, more than the full stream needs.
pub(crate) const SEND_BUFFER: usize = 512 * 1024;

/// Limit of unsent bytes in the send buffer of an SSE client. Bytes in flight do not count, so a distant client is not
/// slowed down. A client that does not read holds this amount plus one segment, instead of all of [`SEND_BUFFER`].
/// WebSocket clients have no such limit: the additional wake-ups would cost a tenth more.
pub(crate) const EVENTS_UNSENT: u32 = 192 * 1024;

/// The socket of a connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Sends a part of `chunk`. Returns the number of bytes sent.
    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &Chunk) -> Poll<io::Result<usize>>;

    /// Bounds the memory that the kernel holds for a new client on `wire` outside the server's own accounting.
    fn bound_unsent(&self, wire: Wire);

    /// Raises this bound for a client that reads.
    fn enlarge_send_buffer(&self);

    /// Sets whether the kernel holds back partial segments until more bytes follow.
    fn hold_rest(&self, hold: bool);

    /// Makes the kernel discard unsent bytes when the connection is dropped.
    fn forget_unsent(&self);

    /// Bytes of kernel memory for data that is unsent or unacknowledged.
    fn unsent(&self) -> usize;

    /// Records that the client has received everything. A connection that is dropped without this leaves nothing behind.
    fn set_delivered(&mut self) {}

    /// Records whether reading is paused, which means that the kernel holds incoming bytes.
    fn set_paused(&self, _paused: bool) {}
}

/// Bytes per read. The buffer exists only during the read, so idle clients use no memory for it.
pub(crate) const READ: usize = 4096;

/// Writes a part of `bytes`.
pub(crate) fn poll_write(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_write(bytes) {
            // The readiness was stale; wait again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}

/// Sends a part of `chunk`, without copying where that is possible and worthwhile.
pub(crate) fn poll_send(stream: &TcpStream, cx: &mut Context<'_>, chunk: &Chunk) -> Poll<io::Result<usize>> {
    #[cfg(target_os = "linux")]
    if chunk.in_own_pages().is_some()
        && let Some(sent) = ready!(poll_send_pages(stream, cx, chunk))?
    {
        return Poll::Ready(Ok(sent));
    }
    poll_write(stream, cx, chunk.bytes())
}

pub(crate) fn bound_unsent(stream: &TcpStream, wire: Wire) {
    let socket = SockRef::from(stream);
    // If the option cannot be set, the kernel buffers more; the budget of all connections bounds it.
    let _ = socket.set_send_buffer_size(FIRST_SEND_BUFFER);
    // Zero removes the limit that the listener sets for HTTP answers.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(if wire.is_web_socket() { 0 } else { EVENTS_UNSENT });
    #[cfg(not(target_os = "linux"))]
    let _ = wire;
}

pub(crate) fn enlarge_send_buffer(stream: &TcpStream) {
    // If the option cannot be set, the client gets its messages in smaller parts.
    let _ = SockRef::from(stream).set_send_buffer_size(SEND_BUFFER);
}

pub(crate) fn hold_rest(stream: &TcpStream, hold: bool) {
    // If the option cannot be set, more segments are sent.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_cork(hold);
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, hold);
}

pub(crate) fn forget_unsent(stream: &TcpStream) {
    // If the option cannot be set, the socket is closed anyway.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Sends a part of `chunk` without copying; `None` if that is not possible.
#[cfg(target_os = "linux")]
fn poll_send_pages(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    chunk: &Chunk,
) -> Poll<io::Result<Option<usize>>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(tokio::io::Interest::WRITABLE, || splice::send(stream, chunk)) {
            // The readiness was stale; wait again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::reader::tests::chunk;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    impl Socket for TcpStream {
        fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &Chunk) -> Poll<io::Result<usize>> {
            super::poll_send(self, cx, chunk)
        }

        fn bound_unsent(&self, wire: Wire) {
            super::bound_unsent(self, wire);
        }

        fn enlarge_send_buffer(&self) {
            super::enlarge_send_buffer(self);
        }

        fn hold_rest(&self, hold: bool) {
            super::hold_rest(self, hold);
        }

        fn forget_unsent(&self) {
            super::forget_unsent(self);
        }

        fn unsent(&self) -> usize {
            0
        }
    }

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        let (client, server) = tokio::join!(client, listener.accept());
        (client.expect("a client"), server.expect("its connection").0)
    }

    async fn send_all(socket: &mut TcpStream, mut chunk: Chunk) -> usize {
        let mut parts = 0;
        while !chunk.bytes().is_empty() {
            let sent = poll_fn(|cx| socket.poll_send(cx, &chunk)).await.expect("a client that reads");
            chunk.advance(sent);
            parts += 1;
        }
        parts
    }

    async fn receive(client: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut received = vec![0; 10 + length];
        client.read_exact(&mut received).await.expect("a frame");
        received.split_off(10)
    }

    /// Parts of two messages alternate in the same pipe, and neither socket accepts everything at once.
    #[actix_web::test]
    async fn what_is_sent_to_two_clients_at_once_arrives_at_each_as_it_was() {
        const LARGE: usize = 3_000_000;
        let ((mut one, mut to_one), (mut two, mut to_two)) = (connected().await, connected().await);
        for socket in [&to_one, &to_two] {
            SockRef::from(socket).set_send_buffer_size(50_000).expect("a small buffer");
        }
        let (first, second) = (chunk(b'1', LARGE, 8), chunk(b'2', LARGE, 8));
        let sending = async { tokio::join!(send_all(&mut to_one, first), send_all(&mut to_two, second)) };
        let receiving = async { tokio::join!(receive(&mut one, LARGE), receive(&mut two, LARGE)) };
        let (parts, received) = tokio::join!(sending, receiving);
        assert!(parts.0 > 1 && parts.1 > 1, "{parts:?}");
        assert!(received.0.iter().all(|byte| *byte == b'1') && received.1.iter().all(|byte| *byte == b'2'));
    }

    /// The kernel still references their pages, which must not be reused. The length is one for which an allocator
    /// would reuse memory.
    #[actix_web::test]
    async fn messages_that_are_gone_when_they_are_read_arrive_as_they_were() {
        const LENGTH: usize = 100_000;
        let (mut client, mut socket) = connected().await;
        socket.bound_unsent(Wire::WebSocket);
        assert_eq!(send_all(&mut socket, chunk(b'1', LENGTH, 8)).await, 1, "more than one part");
        let others: Vec<_> = (0..100).map(|_| (chunk(b'2', LENGTH, 8), vec![b'3'; LENGTH])).collect();
        let received = receive(&mut client, LENGTH).await;
        assert!(received.iter().all(|byte| *byte == b'1'), "written by one of {}", others.len());
    }
}
