//! The connection of a client of a stream, after its request was answered: what is queued for it goes to the socket by
//! reference, and what it says goes to its session.

use super::send_queue::{Chunk, Next};
use super::session::Session;
use super::socket::{Linger, READ, Socket};
use arrayvec::ArrayVec;
use bytes::Bytes;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep};

/// How long a client has to answer our close frame before the connection is ended.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that the kernel may take at once. Of more, each 64 KiB would leave a rest that is sent as a segment of its own:
/// on the machine itself, where segments are large, these were one of eight, and in the worst case two of five.
const SEGMENTS: usize = 64 * 1024;

/// What ends a chunk (RFC 9112 section 7.1), and the last one.
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Up to so many bytes are copied, to be sent together with what is around them.
const JOINED: usize = 16 * 1024;

/// Ends when the connection does; dropped, it ends it.
pub struct Connection<T> {
    socket: T,
    session: Session,
    /// What the socket has not taken yet.
    writing: Chunk,
    /// What comes right after it.
    behind: ArrayVec<Chunk, 2>,
    /// Less than a whole segment is held back, since more comes.
    holding: bool,
    /// Set once our close frame is sent: when to stop waiting for the client's.
    closing: Option<Pin<Box<Sleep>>>,
    /// Set while the client has sent more frames than it may: when to read on.
    pause: Option<Pin<Box<Sleep>>>,
    /// Nothing more is to be written.
    done: bool,
    /// Set once our side ends.
    lingering: Option<Linger>,
}

impl<T: Socket> Connection<T> {
    /// Connects `session` with `socket`, from which `read` was read already.
    pub fn new(socket: T, session: Session, read: &[u8]) -> Self {
        session.receive(read);
        socket.bound_unsent(session.client().send_queue.wire);
        Connection {
            socket,
            session,
            writing: Chunk::default(),
            behind: ArrayVec::new(),
            holding: false,
            closing: None,
            pause: None,
            done: false,
            lingering: None,
        }
    }

    /// Carries what there is, until the connection ends.
    fn carry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.session.client().send_queue.poll_cut(cx).is_ready() {
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
            if let Some(next) = self.behind.pop_at(0) {
                self.writing = next;
                continue;
            }
            if self.done {
                let linger = self.lingering.get_or_insert_with(Linger::new);
                return linger.poll(&mut self.socket, cx).map(Ok);
            }
            // What was sent is kept for nobody while this one waits.
            self.writing = Chunk::default();
            match self.poll_next(cx)? {
                Poll::Ready(Some(chunk)) => {
                    let is_long = chunk.bytes().len() > SEGMENTS;
                    self.writing = chunk;
                    if self.session.is_in_chunks() {
                        self.wrap_in_chunk();
                    }
                    if is_long || !self.behind.is_empty() {
                        self.hold_rest(true);
                    }
                }
                Poll::Ready(None) => {
                    self.done = true;
                    if self.session.is_in_chunks() {
                        self.writing = Bytes::from_static(LAST_CHUNK).into();
                    }
                    self.hold_rest(false);
                }
                Poll::Pending => {
                    ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
                    self.hold_rest(false);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Makes one chunk of what is to be written.
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

    /// What to write next: the session's answers first, then the client's messages; `None` at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        loop {
            let had_room = self.session.has_room();
            let read = self.poll_read(cx)?;
            if let Poll::Ready(true) = read {
                return Poll::Ready(Ok(None));
            }
            if let Poll::Ready(answer) = self.session.poll_answer(cx) {
                return Poll::Ready(Ok(answer.map(Chunk::from)));
            }
            // Where there was no room before, nobody waits for more to be read yet.
            if read.is_pending() && (had_room || !self.session.has_room()) {
                break;
            }
        }
        if self.closing.is_none() {
            match ready!(self.session.client().send_queue.poll_next(cx)) {
                Next::Frames(frames) => return Poll::Ready(Ok(Some(frames))),
                // Clients of events come back by themselves.
                Next::Close(_) if !self.session.has_close_frames() => return Poll::Ready(Ok(None)),
                Next::Close(frame) => {
                    self.closing = Some(Box::pin(sleep(CLOSE_TIMEOUT)));
                    return Poll::Ready(Ok(Some(frame.into())));
                }
            }
        }
        if let Some(deadline) = &mut self.closing {
            ready!(deadline.as_mut().poll(cx));
        }
        Poll::Ready(Ok(None))
    }

    /// Reads for the session, if it has dealt with what was read before. Whether the session ends with that.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.session.has_room() {
            return Poll::Pending;
        }
        let pause = self.session.take_pause();
        if !pause.is_zero() {
            self.pause = Some(Box::pin(sleep(pause)));
            self.socket.set_paused(true);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
            self.socket.set_paused(false);
        }
        let mut buffer = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut buffer);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(match buffer.filled() {
            [] => self.session.end(),
            bytes => {
                self.session.receive(bytes);
                false
            }
        }))
    }
}

impl<T: Socket> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(self.carry(cx));
        if let Err(error) = ended {
            log::debug!("client {}: {error}", self.session.client().address);
        }
        Poll::Ready(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::actors::broker::{Broker, Clients, DisconnectClients};
    use crate::actors::client::{Client, ClientOrigin};
    use crate::actors::send_queue::{SendQueue, SharedFrames};
    use crate::actors::websocket_session::WebSocketControl;
    use crate::config::ClientLimits;
    use crate::config::{QueueLimits, WhenFull};
    use crate::message::{Frames, Stream, Wire};
    use actix::Actor;
    use socket2::SockRef;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const LARGE: usize = 5_000_000;

    fn limits() -> ClientLimits {
        let queue = QueueLimits { bytes: usize::MAX, age: Duration::MAX, when_full: WhenFull::Drop };
        ClientLimits {
            flush_interval: Duration::ZERO,
            queue,
            all_queues_bytes: usize::MAX,
            all_unsent_bytes: usize::MAX,
            deflate: false,
            stall_timeout: Duration::MAX,
            ping_interval: Duration::MAX,
            pong_timeout: Duration::MAX,
        }
    }

    /// Its other end, the client whose it is, and itself.
    async fn connection() -> (TcpStream, Arc<Client>, Connection<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (other, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let send_queue = SendQueue::new(QueueLimits::NONE, Wire::WebSocket, false);
        let origin = ClientOrigin { address: address.ip(), identity: None, slots: Vec::new() };
        let client = Arc::new(Client::new(origin, None, send_queue));
        let broker = Broker::new(Arc::default(), Arc::default(), 0, limits()).start();
        let session = Session::WebSocket(WebSocketControl::new(client.clone(), broker));
        (other.expect("a client"), client, Connection::new(accepted.expect("its connection").0, session, b""))
    }

    /// Polls it once; whether it holds rests of segments back then.
    async fn holds(connection: &mut Connection<TcpStream>) -> bool {
        poll_fn(|cx| {
            assert!(Pin::new(&mut *connection).poll(cx).is_pending(), "it goes on");
            Poll::Ready(())
        })
        .await;
        SockRef::from(&connection.socket).tcp_cork().expect("an option")
    }

    /// Held back for longer, each message that comes alone would be late.
    #[actix_web::test]
    async fn rests_of_segments_are_held_back_only_while_more_is_to_be_sent() {
        let (mut other, client, mut connection) = connection().await;
        let push = |length: usize| {
            let shared: Arc<SharedFrames> = Arc::new(Frames::single(&vec![b'x'; length]).into());
            assert!(client.send_queue.push(&shared, 0, Instant::now()));
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

    /// What came with the handshake is dealt with before anything is read; nobody would be woken by what comes after it.
    #[actix_web::test]
    async fn what_comes_after_words_behind_the_handshake_is_heard() {
        let (mut other, _client, connection) = connection().await;
        let Connection { socket, session, .. } = connection;
        let text = [0x81, 0x81, 0, 0, 0, 0, b'x'];
        // A task of its own, which is polled for nothing but what it waits for.
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

    /// A client that has said something, and takes nothing.
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

        fn hold_rest(&self, _: bool) {}

        fn forget_unsent(&self) {}

        fn unsent(&self) -> usize {
            1
        }
    }

    /// Its session has ended, but our answer does not leave. Whoever forgot it then could not end it any more.
    #[actix_web::test]
    async fn a_client_that_has_said_goodbye_is_looked_after_until_it_is_gone() {
        let send_queue = SendQueue::new(QueueLimits::NONE, Wire::WebSocket, false);
        let origin = ClientOrigin { address: [127, 0, 0, 1].into(), identity: None, slots: Vec::new() };
        let client = Arc::new(Client::new(origin, Some(Stream::Lite), send_queue));
        let broker = Broker::new(Arc::default(), Arc::default(), 0, limits()).start();
        let session = Session::WebSocket(WebSocketControl::new(client, broker.clone()));
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
