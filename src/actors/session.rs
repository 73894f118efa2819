//! A client's session, as its [`Connection`](super::connection::Connection) uses it. The clients of plain HTTP cannot say
//! anything; what a WebSocket client says is parsed here and answered by its [`WebSocketSession`].

use super::broker::{Broker, Subscribe, Unsubscribe};
use super::client::Client;
use super::reader::Reader;
use super::websocket_session::WebSocketSession;
use crate::message::{ClientEnd, ClientFrames, Heard, Violation, Wire};
use crate::rate::{Rate, TokenBucket};
use actix::Addr;
use actix::dev::Request;
use bytes::Bytes;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Rate limit for control frames (ping, pong, close) from a client. Clients ping every few seconds at most.
pub(crate) const CONTROL_FRAMES: Rate = Rate { per_second: 10, burst: 100 };
/// Rate limit for frames of any kind, since short frames cost more to process than their bytes suggest. Reading slows
/// down above it.
pub(crate) const FRAMES: Rate = Rate { per_second: 1000, burst: 2000 };

/// Keeps a client subscribed until it is dropped. It is stored in the extensions of the HTTP response until its
/// connection is created, and ends with that connection, not with the client's messages: a client that has sent a close
/// frame may not read the answer, and the Broker supervises it until its connection ends.
pub(crate) struct Session {
    client: Arc<Client>,
    broker: Addr<Broker>,
    /// `None` for a client of plain HTTP.
    input: Option<Input>,
    /// Whether the response uses chunked transfer coding (RFC 9112 section 7.1), which HTTP/1.0 does not support.
    in_chunks: bool,
}

/// What a WebSocket client says.
struct Input {
    frames: ClientFrames,
    control_budget: TokenBucket,
    budget: TokenBucket,
    /// An actor without an address stops.
    actor: Addr<WebSocketSession>,
    /// What the actor has not handled yet. Nothing is read meanwhile, so its mailbox does not grow.
    unanswered: Option<Pin<Box<Request<WebSocketSession, Heard>>>>,
}

impl Session {
    /// Subscribes `client`, and starts its actor if it is a WebSocket client. `in_chunks` selects chunked transfer
    /// coding.
    pub(crate) fn start(client: Arc<Client>, broker: Addr<Broker>, in_chunks: bool) -> Self {
        // Subscribed before the request is answered, so that the Broker supervises its queue from then on.
        broker.do_send(Subscribe(client.clone()));
        let input = client.reader.wire.is_web_socket().then(|| Input::new(&client));
        Session { client, broker, input, in_chunks }
    }

    pub(super) fn reader(&self) -> &Arc<Reader> {
        &self.client.reader
    }

    pub(super) fn address(&self) -> IpAddr {
        self.client.address
    }

    /// Takes bytes received from the client. Returns the delay before the next read.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Duration {
        let Some(input) = &mut self.input else { return Duration::ZERO };
        self.client.heard();
        input.receive(bytes)
    }

    /// Ready when everything received has been answered.
    pub(super) fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(input) = &mut self.input
            && let Some(unanswered) = &mut input.unanswered
        {
            let answered = ready!(unanswered.as_mut().poll(cx));
            input.unanswered = None;
            if answered.is_err() {
                // The actor is gone, and nobody answers this client any more.
                self.client.reader.end(Bytes::new());
            }
        }
        Poll::Ready(())
    }

    /// Whether the response uses chunked transfer coding.
    pub(crate) fn is_in_chunks(&self) -> bool {
        self.in_chunks
    }

    /// Whether the connection cannot carry another request after the session.
    pub(crate) fn ends_connection(&self) -> bool {
        self.input.is_none()
    }
}

/// Runs however the connection ends.
impl Drop for Session {
    fn drop(&mut self) {
        self.broker.do_send(Unsubscribe(self.client.id));
    }
}

impl Input {
    fn new(client: &Arc<Client>) -> Self {
        let now = Instant::now();
        Input {
            frames: ClientFrames::new(client.reader.wire == Wire::Deflate),
            control_budget: TokenBucket::new(CONTROL_FRAMES, now),
            budget: TokenBucket::new(FRAMES, now),
            actor: WebSocketSession::start(client.clone()),
            unanswered: None,
        }
    }

    /// Parses `bytes`, and lets the actor answer them if they need an answer. Returns the delay before the next read:
    /// too many frames delay it, and too many control frames are a violation.
    fn receive(&mut self, bytes: &[u8]) -> Duration {
        let mut heard = self.frames.push(bytes);
        if heard.count.all == 0 && heard.end.is_none() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        if !self.control_budget.take(heard.count.control, now).is_zero() {
            heard.end.get_or_insert(ClientEnd::Violation(Violation::Flood));
        }
        let pause = self.budget.take(heard.count.all, now);
        if heard.ping.is_some() || heard.end.is_some() {
            self.unanswered = Some(Box::pin(self.actor.send(heard)));
        }
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::client::ClientOrigin;
    use crate::actors::reader::Next;
    use crate::config::ClientLimits;
    use actix::Actor;
    use std::future::poll_fn;
    use std::task::Waker;

    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];

    fn session(wire: Wire) -> Session {
        let limits = ClientLimits::unlimited();
        let broker = Broker::new(Arc::default(), Arc::default(), Arc::default(), 0, limits, 1).start();
        let origin = ClientOrigin { address: [127, 0, 0, 1].into(), identity: None, slots: Vec::new() };
        Session::start(Arc::new(Client::new(origin, Reader::of_pushed(wire), None)), broker, false)
    }

    /// Everything that the connection sends now.
    async fn answers(session: &mut Session) -> Vec<u8> {
        poll_fn(|cx| session.poll_answered(cx)).await;
        let mut sent = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(next) = session.reader().poll_next(&mut context) {
            match next {
                Next::Frames(chunk) => sent.extend_from_slice(chunk.bytes()),
                Next::Close(bytes) | Next::Last(bytes) => sent.extend(bytes),
                Next::Linger => break,
            }
        }
        sent
    }

    #[actix_web::test]
    async fn nothing_more_is_read_until_the_actor_has_answered() {
        let mut session = session(Wire::WebSocket);
        let is_answered =
            |session: &mut Session| session.poll_answered(&mut Context::from_waker(Waker::noop())).is_ready();
        let unasked = [0x8a, 0x80, 0, 0, 0, 0, 0x81, 0x81, 0, 0, 0, 0, b'x'];
        assert!(session.receive(&unasked).is_zero() && is_answered(&mut session), "this needs no answer");
        assert!(session.receive(&PING.repeat(3)).is_zero() && !is_answered(&mut session));
        assert_eq!(answers(&mut session).await, [0x8a, 0], "one pong for all");
        assert!(is_answered(&mut session));
    }

    #[actix_web::test]
    async fn a_close_frame_is_answered_with_its_reason() {
        for (payload, answer) in [
            (&b""[..], &b"\x88\0"[..]),
            (b"\x03\xe8", b"\x88\x02\x03\xe8"),
            (b"\x0f\xa0bye", b"\x88\x05\x0f\xa0bye"),
        ] {
            let mut session = session(Wire::Deflate);
            session.receive(&[&PING, &[0x88, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat());
            assert_eq!(answers(&mut session).await, [b"\x8a\0", answer].concat());
        }
    }

    #[actix_web::test]
    async fn too_many_control_frames_end_it_and_too_many_frames_delay_it() {
        let frames = |frame: &[u8], rate: Rate| frame.repeat(rate.burst as usize + 10);
        let mut flooding = session(Wire::WebSocket);
        assert!(flooding.receive(&frames(&PING, CONTROL_FRAMES)).is_zero());
        assert_eq!(answers(&mut flooding).await, b"\x8a\0\x88\x02\x03\xe9", "pong and 1001");
        let mut talking = session(Wire::WebSocket);
        assert!(!talking.receive(&frames(&[0x82, 0x80, 0, 0, 0, 0], FRAMES)).is_zero());
        assert_eq!(answers(&mut talking).await, b"");
    }

    #[actix_web::test]
    async fn clients_of_plain_http_say_nothing() {
        let mut session = session(Wire::Events);
        assert!(session.receive(&PING.repeat(1000)).is_zero());
        assert_eq!(answers(&mut session).await, b"");
        assert!(session.ends_connection());
    }
}
