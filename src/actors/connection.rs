//! The connection of a stream client after its request was answered. It writes the client's queue to the socket without
//! copying, and passes received bytes to the session. Its [`Reader`](super::reader::Reader) decides when it ends, and how.

use super::linger::Linger;
use super::reader::{CLOSE_TIMEOUT, Chunk, Next};
use super::session::Session;
use super::socket::{ENLARGE_AFTER, READ, Socket};
use arrayvec::ArrayVec;
use bytes::Bytes;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep};

/// Bytes above which the socket is corked. The kernel takes at most 64 KiB at once, and each part would end in a
/// partial segment: on loopback, where segments are large, these were one in eight segments, and two in five in the
/// worst case.
const SEGMENTS: usize = 64 * 1024;

/// The end of a chunk and the last chunk (RFC 9112 section 7.1).
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Chunks of up to this many bytes are copied, so that they are sent together with their size line and their end.
const JOINED: usize = 16 * 1024;

/// A future that completes when the connection ends. Dropping it ends the connection.
pub(crate) struct Connection<T> {
    socket: T,
    session: Session,
    /// Bytes that the socket has not accepted yet.
    writing: Chunk,
    /// Chunks that follow `writing` directly.
    behind: ArrayVec<Chunk, 2>,
    /// Bytes that the client has to accept before its send buffer is enlarged; 0 once it is.
    before_enlarged: usize,
    /// Whether the socket is corked: partial segments are held back because more bytes follow.
    holding: bool,
    /// Delay before the next read; set while the client exceeds its frame rate.
    pause: Option<Pin<Box<Sleep>>>,
    /// Until when the client has to answer the close frame that was sent.
    close_deadline: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
}

impl<T: Socket> Connection<T> {
    /// Connects `session` with `socket`. The bytes in `read` were received already.
    pub(crate) fn new(socket: T, session: Session, read: &[u8]) -> Self {
        socket.bound_unsent(session.reader().wire);
        let mut connection = Connection {
            socket,
            session,
            writing: Chunk::default(),
            behind: ArrayVec::new(),
            before_enlarged: ENLARGE_AFTER,
            holding: false,
            pause: None,
            close_deadline: None,
            linger: None,
        };
        connection.receive(read);
        connection
    }

    /// Drives the connection until it ends.
    fn carry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.session.reader().poll_cut(cx).is_ready() {
            self.socket.forget_unsent();
            return Poll::Ready(Ok(()));
        }
        loop {
            while !self.writing.bytes().is_empty() {
                match ready!(self.socket.poll_send(cx, &self.writing))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => {
                        self.writing.advance(written);
                        self.count_accepted(written);
                    }
                }
            }
            if let Some(next) = self.behind.pop_at(0) {
                self.writing = next;
                continue;
            }
            if let Some(linger) = &mut self.linger {
                return linger.poll(&mut self.socket, cx).map(Ok);
            }
            // The chunk was sent: its memory is released while the connection waits for the next one.
            self.writing = Chunk::default();
            match self.poll_next(cx)? {
                Poll::Ready(Next::Frames(chunk)) => {
                    let is_long = chunk.bytes().len() > SEGMENTS;
                    self.writing = chunk;
                    if self.session.is_in_chunks() {
                        self.wrap_in_chunk();
                    }
                    if is_long || !self.behind.is_empty() {
                        self.hold_rest(true);
                    }
                }
                Poll::Ready(Next::Close(frame)) => {
                    self.close_deadline = Some(Box::pin(sleep(CLOSE_TIMEOUT)));
                    self.writing = frame.into();
                }
                Poll::Ready(Next::Last(bytes)) => {
                    let is_in_chunks = self.session.is_in_chunks();
                    let bytes = if is_in_chunks { Bytes::from_static(LAST_CHUNK) } else { bytes };
                    self.writing = bytes.into();
                    self.hold_rest(false);
                }
                Poll::Ready(Next::Linger) => self.linger = Some(Linger::new()),
                Poll::Pending => {
                    ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
                    self.hold_rest(false);
                    return Poll::Pending;
                }
            }
        }
    }

    fn count_accepted(&mut self, bytes: usize) {
        if self.before_enlarged > 0 {
            self.before_enlarged = self.before_enlarged.saturating_sub(bytes);
            if self.before_enlarged == 0 {
                self.socket.enlarge_send_buffer();
            }
        }
    }

    /// Wraps the bytes to be written in one chunk (RFC 9112 section 7.1).
    fn wrap_in_chunk(&mut self) {
        let chunk = std::mem::take(&mut self.writing);
        let head = format!("{:x}\r\n", chunk.bytes().len());
        if chunk.bytes().len() <= JOINED {
            self.writing = Bytes::from([head.as_bytes(), chunk.bytes(), CHUNK_END].concat()).into();
            return;
        }
        self.writing = Bytes::from(head).into();
        self.behind = ArrayVec::from([chunk, Bytes::from_static(CHUNK_END).into()]);
    }

    fn hold_rest(&mut self, hold: bool) {
        if self.holding != hold {
            self.holding = hold;
            self.socket.hold_rest(hold);
        }
    }

    /// The next bytes to write, after hearing what the client says.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        let _ = self.poll_read(cx)?;
        if let Some(deadline) = &mut self.close_deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.close_deadline = None;
            self.session.reader().end(Bytes::new());
        }
        self.session.reader().poll_next(cx).map(Ok)
    }

    /// Reads for the session, as long as there is something to read and the session has answered. Ready when the client
    /// has closed its side.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.session.poll_answered(cx));
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
                self.socket.set_paused(false);
            }
            let mut buffer = [MaybeUninit::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut buffer);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
            match buffer.filled() {
                [] => {
                    self.session.reader().end(Bytes::new());
                    return Poll::Ready(Ok(()));
                }
                bytes => self.receive(bytes),
            }
        }
    }

    /// Passes bytes to the session, and pauses reading if they were too many frames.
    fn receive(&mut self, bytes: &[u8]) {
        let pause = self.session.receive(bytes);
        if !pause.is_zero() {
            self.pause = Some(Box::pin(sleep(pause)));
            self.socket.set_paused(true);
        }
    }
}

impl<T: Socket> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(self.carry(cx));
        if let Err(error) = ended {
            log::debug!("client {}: {error}", self.session.address());
        }
        Poll::Ready(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::actors::broker::{Broker, Clients, DisconnectClients};
    use crate::actors::client::{Client, ClientOrigin};
    use crate::actors::reader::{Reader, SharedFrames};
    use crate::actors::socket::{FIRST_SEND_BUFFER, SEND_BUFFER};
    use crate::config::ClientLimits;
    use crate::message::{Frames, Wire};
    use actix::Actor;
    use socket2::SockRef;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const LARGE: usize = 5_000_000;

    /// Returns the peer's socket, the client and the connection.
    async fn connection() -> (TcpStream, Arc<Client>, Connection<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (other, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let origin = ClientOrigin { address: address.ip(), identity: None, slots: Vec::new() };
        let client = Arc::new(Client::new(origin, Reader::of_pushed(Wire::WebSocket), None));
        let broker =
            Broker::new(Arc::default(), Arc::default(), Arc::default(), 0, ClientLimits::unlimited(), 1)
                .start();
        let session = Session::start(client.clone(), broker, false);
        (other.expect("a client"), client, Connection::new(accepted.expect("its connection").0, session, b""))
    }

    /// Polls the connection once. Returns whether it holds back partial segments.
    async fn holds(connection: &mut Connection<TcpStream>) -> bool {
        poll_fn(|cx| {
            assert!(Pin::new(&mut *connection).poll(cx).is_pending(), "it goes on");
            Poll::Ready(())
        })
        .await;
        SockRef::from(&connection.socket).tcp_cork().expect("an option")
    }

    /// If they were held back for longer, each single message would be delayed.
    #[actix_web::test]
    async fn rests_of_segments_are_held_back_only_while_more_is_to_be_sent() {
        let (mut other, client, mut connection) = connection().await;
        let push = |length: usize| {
            let shared: Arc<SharedFrames> = Arc::new(Frames::single(&vec![b'x'; length]).into());
            client.reader.push(&shared);
        };
        push(1000);
        assert!(!holds(&mut connection).await, "one message alone");
        push(LARGE);
        assert!(holds(&mut connection).await, "it did not wait for the client");
        let mut received = vec![0; 4 + 1000 + 10 + LARGE];
        let mut reading = Box::pin(other.read_exact(&mut received));
        let read = poll_fn(|cx| {
            assert!(Pin::new(&mut connection).poll(cx).is_pending(), "it goes on");
            reading.as_mut().poll(cx)
        });
        read.await.expect("both messages");
        assert!(!holds(&mut connection).await, "nothing more is to be sent");
    }

    /// A client that never reads must not make the kernel hold a large buffer.
    #[actix_web::test]
    async fn only_a_client_that_reads_gets_a_large_send_buffer() {
        // Linux reports twice the size that was set.
        let buffer = |connection: &Connection<TcpStream>| {
            SockRef::from(&connection.socket).send_buffer_size().expect("an option") / 2
        };
        let (mut other, client, mut connection) = connection().await;
        SockRef::from(&other).set_recv_buffer_size(4096).expect("a small buffer");
        let shared: Arc<SharedFrames> = Arc::new(Frames::single(&vec![b'x'; LARGE]).into());
        client.reader.push(&shared);
        assert!(holds(&mut connection).await);
        assert_eq!(buffer(&connection), FIRST_SEND_BUFFER, "it has read nothing");
        let mut received = vec![0; ENLARGE_AFTER + SEND_BUFFER];
        let mut reading = Box::pin(other.read_exact(&mut received));
        let read = poll_fn(|cx| {
            assert!(Pin::new(&mut connection).poll(cx).is_pending(), "it goes on");
            reading.as_mut().poll(cx)
        });
        read.await.expect("a part");
        assert_eq!(buffer(&connection), SEND_BUFFER);
    }

    /// Bytes received with the handshake are processed before the first read. If the connection did not register for
    /// reading afterwards, it would not be woken by the bytes that follow.
    #[actix_web::test]
    async fn what_comes_after_words_behind_the_handshake_is_heard() {
        let (mut other, _client, connection) = connection().await;
        let Connection { socket, session, .. } = connection;
        let text = [0x81, 0x81, 0, 0, 0, 0, b'x'];
        // A separate task, polled only when one of its wakers fires.
        let connected = actix_web::rt::spawn(Connection::new(socket, session, &text));
        sleep(Duration::from_millis(50)).await;
        let speaking = async {
            other.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.expect("a close frame");
            let mut answer = [0; 2];
            other.read_exact(&mut answer).await.expect("an answer");
            drop(other);
            answer
        };
        let spoken = tokio::time::timeout(Duration::from_secs(30), speaking);
        assert_eq!(spoken.await.expect("an answer in time"), [0x88, 0]);
        connected.await.expect("the end");
    }

    /// A client that has sent something and accepts no bytes.
    struct Stuck(Vec<u8>);

    impl tokio::io::AsyncRead for Stuck {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            buffer.put_slice(&std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl tokio::io::AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl Socket for Stuck {
        fn poll_send(&mut self, _: &mut Context<'_>, _: &Chunk) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn bound_unsent(&self, _: Wire) {}

        fn enlarge_send_buffer(&self) {}

        fn hold_rest(&self, _: bool) {}

        fn forget_unsent(&self) {}

        fn unsent(&self) -> usize {
            1
        }
    }

    /// The session has ended, but the server's answer does not leave. Without a subscription the Broker could not end
    /// it any more.
    #[actix_web::test]
    async fn a_client_that_has_said_goodbye_is_looked_after_until_it_is_gone() {
        let origin = ClientOrigin { address: [127, 0, 0, 1].into(), identity: None, slots: Vec::new() };
        let client = Arc::new(Client::new(origin, Reader::of_pushed(Wire::WebSocket), None));
        let broker =
            Broker::new(Arc::default(), Arc::default(), Arc::default(), 0, ClientLimits::unlimited(), 1)
                .start();
        let session = Session::start(client, broker.clone(), false);
        let goodbye = Stuck(vec![0x88, 0x80, 0, 0, 0, 0]);
        let connected = actix_web::rt::spawn(Connection::new(goodbye, session, b""));
        for _ in 0..10 {
            sleep(Duration::from_millis(10)).await;
            assert_eq!(broker.send(Clients).await.expect("a Broker").len(), 1);
        }
        broker.send(DisconnectClients).await.expect("a Broker");
        connected.await.expect("the end");
        assert_eq!(broker.send(Clients).await.expect("a Broker").len(), 0);
    }
}
