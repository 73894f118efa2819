//! HTTP/1.1 over one client's connection (RFC 9112). Each request is read and answered, and the answer must be
//! received, before the next one is read. If the answer is a session, the connection leaves HTTP and carries that
//! session.
//!
//! ```text
//! ┌─► read a head ─► App (routes) ─► send the answer ─► rate ─┐        within handshake_timeout, 16 KiB
//! └───────────────────────────────────────────────────────────┘        the answer: progress every stall_timeout
//!                        └─► session ─► Connection, until it ends
//! ```
//!
//! The HTTP server of actix decodes everything that has arrived, and queues thousands of requests for a client that
//! sends them without reading answers. Here a client has one request and one answer at a time. A body is read only while
//! a route of POST asks for it.

mod body;

use crate::actors::connection::Connection;
use crate::actors::linger::Linger;
use crate::actors::session::Session;
use crate::actors::socket::{READ, Socket};
use crate::counters::{Counters, Ending};
use crate::live_config::LiveConfig;
use crate::rate::{Rate, TokenBucket};
use crate::transport::{Connections, Phase, Transport};
use actix_codec::{Decoder, Encoder};
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::{
    ConnectionType, KeepAlive, Request, Response, ServiceConfig, ServiceConfigBuilder, StatusCode,
};
use actix_service::{Service, ServiceFactory};
use actix_web::body::{BodySize, MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{Error, HttpResponse};
use body::BodyFeed;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::{Either, LocalBoxFuture, select};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep, timeout};

/// Largest request head, in bytes.
pub(crate) const MAX_REQUEST_HEAD: usize = 16 * 1024;
/// Rate limit of requests per connection. Above it, the next request is read later.
pub(crate) const REQUESTS: Rate = Rate { per_second: 100, burst: 500 };
/// Time that a client has to send the body of a request: 4 MiB take two minutes at the rate that clients may send over TLS.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(180);
/// Tells a client to send the body (RFC 9110 section 10.1.1).
const CONTINUE: Bytes = Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n");
/// Bodies of up to this many bytes are sent together with their head.
const JOINED: usize = 16 * 1024;

/// The dependencies that all connections share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) live: Arc<LiveConfig>,
    pub(super) counters: Arc<Counters>,
    pub(super) connections: Arc<Connections>,
    /// Time that a client has to send the head of a request.
    pub(super) patience: Duration,
}

/// Serves connections with the service `app`.
pub(super) struct Http<S> {
    pub(super) app: S,
    pub(super) settings: Settings,
}

/// The service of one worker thread.
pub(super) struct HttpService<S> {
    app: Rc<S>,
    settings: Settings,
    config: ServiceConfig,
}

/// A connection that carries a session.
type SessionConnection = Box<Connection<Transport>>;

/// The state of a connection: it starts with HTTP, and may then carry a session.
pub(super) enum Serving {
    Http(LocalBoxFuture<'static, Option<SessionConnection>>),
    Session(SessionConnection),
}

impl<S> ServiceFactory<(Transport, SocketAddr)> for Http<S>
where
    S: ServiceFactory<Request, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
    S::Service: 'static,
    S::Future: 'static,
{
    type Response = ();
    type Error = ();
    type Config = ();
    type Service = HttpService<S::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (app, settings) = (self.app.new_service(()), self.settings.clone());
        Box::pin(async move {
            let config = ServiceConfigBuilder::new().keep_alive(KeepAlive::Os).build();
            Ok(HttpService { app: Rc::new(app.await?), settings, config })
        })
    }
}

impl<S> Service<(Transport, SocketAddr)> for HttpService<S>
where
    S: Service<Request, Response = ServiceResponse, Error = Error> + 'static,
{
    type Response = ();
    type Error = ();
    type Future = Serving;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.app.poll_ready(cx).map_err(|error| log::error!("the HTTP service failed: {error}"))
    }

    fn call(&self, (io, peer): (Transport, SocketAddr)) -> Self::Future {
        let (app, settings) = (self.app.clone(), self.settings.clone());
        let conversation =
            Conversation { io, peer, reader: RequestReader::new(self.config.clone()), settings };
        Serving::Http(Box::pin(conversation.run(app)))
    }
}

impl Future for Serving {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Serving::Http(conversation) = &mut *self {
            match ready!(conversation.as_mut().poll(cx)) {
                Some(connection) => *self = Serving::Session(connection),
                None => return Poll::Ready(Ok(())),
            }
        }
        match &mut *self {
            Serving::Session(connection) => Pin::new(connection.as_mut()).poll(cx).map(Ok),
            Serving::Http(_) => Poll::Pending,
        }
    }
}

/// A connection that uses HTTP.
struct Conversation {
    io: Transport,
    peer: SocketAddr,
    reader: RequestReader,
    settings: Settings,
}

impl Conversation {
    /// Answers requests until the connection ends, or returns the connection of a session.
    async fn run<S>(mut self, app: Rc<S>) -> Option<SessionConnection>
    where
        S: Service<Request, Response = ServiceResponse, Error = Error>,
    {
        let mut requests = TokenBucket::new(REQUESTS, Instant::now());
        while let Some(mut request) = self.next_request().await {
            self.io.record().enter(Phase::Answering);
            request.head_mut().peer_addr = Some(self.peer);
            let is_head = request.method() == Method::HEAD;
            let answer = self.call(&*app, request).await;
            let mut answer = answer.map_or_else(|error| error.error_response(), HttpResponse::from);
            let session = answer.extensions_mut().remove::<Session>();
            if let Some(session) = session {
                return self.into_session(session, answer).await;
            }
            let goes_on = self.answer(answer, is_head).await?;
            if !goes_on {
                self.finish().await;
                return None;
            }
            let wait = requests.take(1, Instant::now());
            if !wait.is_zero() {
                sleep(wait).await;
            }
        }
        None
    }

    /// Reads the next request; `None` at the end of the connection.
    async fn next_request(&mut self) -> Option<Request> {
        let record = self.io.record();
        record.enter(Phase::Asking);
        // Checked after entering the phase: either `stop` sees this phase, or this check sees that the server is
        // stopping.
        if self.settings.connections.are_stopping() {
            return None;
        }
        let request = timeout(self.settings.patience, self.reader.next(&mut self.io)).await;
        let status = match request {
            Ok(Ok(Some(request))) => return Some(request),
            Ok(Err(RequestError::Io(_))) => return None,
            // The previous answer may still be in transit.
            Ok(Ok(None)) => {
                self.finish().await;
                return None;
            }
            Ok(Err(RequestError::TooLarge)) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Ok(Err(RequestError::Malformed(error))) => {
                log::debug!("client {}: malformed request: {error}", self.peer.ip());
                StatusCode::BAD_REQUEST
            }
            Err(_) if self.reader.is_empty() => {
                self.finish().await;
                return None;
            }
            Err(_) => StatusCode::REQUEST_TIMEOUT,
        };
        self.settings.counters.ended(Ending::BadRequest);
        let mut answer = HttpResponse::new(status);
        answer.head_mut().set_connection_type(ConnectionType::Close);
        self.answer(answer, false).await?;
        self.finish().await;
        None
    }

    /// The answer of `app`. The request's body is read while it asks for it.
    async fn call<S>(&mut self, app: &S, request: Request) -> Result<ServiceResponse, Error>
    where
        S: Service<Request, Response = ServiceResponse, Error = Error>,
    {
        if request.method() != Method::POST || !self.reader.has_body() {
            return app.call(request).await;
        }
        let is_to_be_told = request.head().expect();
        let (feed, payload) = body::body();
        let (request, _) = request.replace_payload(payload);
        let (answering, feeding) = (pin!(app.call(request)), pin!(self.feed(feed, is_to_be_told)));
        match select(answering, feeding).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), answering)) => answering.await,
        }
    }

    /// Reads the request's body for its route. If the client takes too long, or sends something else, the route sees an
    /// incomplete one. `is_to_be_told` is whether the client waits until it is told to send it.
    async fn feed(&mut self, mut feed: BodyFeed, mut is_to_be_told: bool) {
        let deadline = Instant::now() + BODY_TIME;
        while feed.is_wanted().await {
            if std::mem::take(&mut is_to_be_told) && self.send(CONTINUE, 0).await.is_err() {
                return;
            }
            let patience = self.settings.patience.min(deadline.saturating_duration_since(Instant::now()));
            match timeout(patience, self.reader.next_of_body(&mut self.io)).await {
                Ok(Ok(Some(bytes))) => feed.give(bytes).await,
                Ok(Ok(None)) => return feed.end().await,
                Ok(Err(error)) => return log::debug!("client {}: {error}", self.peer.ip()),
                Err(_) => return,
            }
        }
    }

    /// Sends `answer`. Returns whether the connection stays open; `None` if it has ended.
    async fn answer(&mut self, mut answer: HttpResponse, is_head: bool) -> Option<bool> {
        if !self.reader.can_go_on() || self.settings.connections.are_stopping() {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let (head, body) = answer.into_parts();
        let size = body.size();
        let body = match body.try_into_bytes() {
            Ok(body) => body,
            // No route streams a response other than sessions.
            Err(body) => to_bytes(body).await.ok()?,
        };
        let mut bytes = self.reader.encode(head, size).ok()?;
        let body = if is_head { Bytes::new() } else { body };
        let sent = if body.len() <= JOINED {
            bytes.extend_from_slice(&body);
            self.send(bytes.freeze(), 0).await
        } else {
            match self.send(bytes.freeze(), body.len()).await {
                Ok(()) => self.send(body, 0).await,
                error => error,
            }
        };
        self.unless_failed(sent)?;
        Some(self.reader.codec.keep_alive())
    }

    /// Discards unsent bytes if sending failed, and counts a stalled client.
    fn unless_failed(&self, sent: io::Result<()>) -> Option<()> {
        let error = match sent {
            Ok(()) => return Some(()),
            Err(error) => error,
        };
        log::debug!("client {}: {error}", self.peer.ip());
        if error.kind() == io::ErrorKind::TimedOut {
            self.settings.counters.ended(Ending::Stalled);
        }
        self.io.forget_unsent();
        None
    }

    /// Sends `bytes`. The client has to accept some of them within each stall timeout. `behind` is the number of
    /// further bytes of the answer.
    async fn send(&mut self, mut bytes: Bytes, behind: usize) -> io::Result<()> {
        let stall_timeout = self.settings.live.settings().clients.stall_timeout;
        while !bytes.is_empty() {
            self.io.record().has_left(bytes.len() + behind);
            let writing = poll_fn(|cx| Pin::new(&mut self.io).poll_write(cx, &bytes));
            match timeout(stall_timeout, writing).await?? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => drop(bytes.split_to(written)),
            }
        }
        self.io.record().has_left(behind);
        timeout(stall_timeout, self.io.flush()).await?
    }

    /// Sends the head of `answer` and returns the connection of the session.
    async fn into_session(mut self, session: Session, mut answer: HttpResponse) -> Option<SessionConnection> {
        if session.ends_connection() {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let (head, _) = answer.into_parts();
        // A response without a length ends with the connection, unless it uses chunked transfer coding (RFC 9112
        // section 6.3).
        let size = if session.is_in_chunks() { BodySize::Stream } else { BodySize::None };
        let head = self.reader.encode(head, size).ok()?;
        let sent = self.send(head.freeze(), 0).await;
        self.unless_failed(sent)?;
        self.io.record().enter(Phase::Streaming);
        Some(Box::new(Connection::new(self.io, session, &self.reader.buffer)))
    }

    /// Ends the connection in a way that lets the client receive everything that was sent.
    async fn finish(&mut self) {
        let mut linger = Linger::new();
        poll_fn(|cx| linger.poll(&mut self.io, cx)).await;
    }
}

/// Reads some bytes. Returns their number, 0 at the end of input.
fn poll_read<T: AsyncRead + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let mut read = [MaybeUninit::uninit(); READ];
    let mut read = ReadBuf::uninit(&mut read);
    ready!(Pin::new(io).poll_read(cx, &mut read))?;
    buffer.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("the request head is too long")]
    TooLarge,
    #[error(transparent)]
    Malformed(actix_http::error::ParseError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the heads of requests one at a time, and encodes the heads of their answers.
struct RequestReader {
    codec: Codec,
    /// Bytes of an incomplete head, or bytes that follow a head.
    buffer: BytesMut,
}

impl RequestReader {
    fn new(config: ServiceConfig) -> Self {
        RequestReader { codec: Codec::new(config), buffer: BytesMut::new() }
    }

    /// Whether no byte of the next request has been received.
    fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether the request that was read has a body, of which the end was not read.
    fn has_body(&self) -> bool {
        self.codec.message_type() != MessageType::None
    }

    /// Whether another request can follow: not after a request with a body that was not read, nor after a request for a
    /// protocol upgrade.
    fn can_go_on(&self) -> bool {
        !self.has_body() && !self.codec.upgrade()
    }

    /// Reads the next part of the request's body; `None` at its end.
    async fn next_of_body<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
    ) -> Result<Option<Bytes>, RequestError> {
        loop {
            match self.codec.decode(&mut self.buffer).map_err(RequestError::Malformed)? {
                Some(Message::Chunk(bytes)) => return Ok(bytes),
                Some(Message::Item(_)) => return Ok(None),
                None => {}
            }
            if poll_fn(|cx| poll_read(io, cx, &mut self.buffer)).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Reads the next request; `None` if the client has closed the connection.
    async fn next<T: AsyncRead + Unpin>(&mut self, io: &mut T) -> Result<Option<Request>, RequestError> {
        let (mut searched, mut parse_at) = (0, 1);
        self.skip_empty_lines();
        loop {
            // Parsing is attempted only at an empty line, or when the buffer has doubled: a head that arrives byte by
            // byte would otherwise be parsed thousands of times.
            if ends_a_head(&self.buffer, searched) || self.buffer.len() >= parse_at {
                let before = self.buffer.len();
                if let Some(message) = self.codec.decode(&mut self.buffer).map_err(RequestError::Malformed)? {
                    if before - self.buffer.len() > MAX_REQUEST_HEAD {
                        return Err(RequestError::TooLarge);
                    }
                    if self.buffer.is_empty() {
                        // The buffer's memory is released while the connection is idle.
                        self.buffer = BytesMut::new();
                    }
                    return Ok(match message {
                        Message::Item(request) => Some(request),
                        // No request is read after one whose body was not, so this does not occur.
                        Message::Chunk(_) => None,
                    });
                }
                parse_at = self.buffer.len() * 2;
            }
            if self.buffer.len() > MAX_REQUEST_HEAD {
                return Err(RequestError::TooLarge);
            }
            searched = self.buffer.len();
            if poll_fn(|cx| poll_read(io, cx, &mut self.buffer)).await? == 0 {
                return Ok(None);
            }
            self.skip_empty_lines();
        }
    }

    /// Empty lines before a request are ignored (RFC 9112 section 2.2).
    fn skip_empty_lines(&mut self) {
        let empty = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.buffer.advance(empty);
    }

    fn encode(&mut self, head: HttpResponse<()>, size: BodySize) -> io::Result<BytesMut> {
        let mut bytes = BytesMut::new();
        self.codec.encode(Message::Item((Response::from(head), size)), &mut bytes)?;
        Ok(bytes)
    }
}

/// Whether an empty line, which ends every head, ends in `bytes` after the first `searched` bytes.
fn ends_a_head(bytes: &[u8], searched: usize) -> bool {
    let news = bytes.get(searched.saturating_sub(2)..).unwrap_or_default();
    news.windows(2).any(|pair| pair == b"\n\n") || news.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests;
