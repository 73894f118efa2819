//! The WebSocketSession actor, one per client, and the body that carries its frames to the socket.
//!
//! All that depends on `actix-web-actors` is in this file. The actor runs *inside* the response body
//! and only while the socket takes bytes, so it has the answering side alone: pongs, close. Messages
//! and our own pings come ready framed from the client's [`Outbox`](super::outbox::Outbox), which the
//! body polls after it. It has no timers: they would run a stalled connection, and make it look as if
//! it went on.

use super::broker::{Broker, Subscribe, Unsubscribe};
use super::client::Client;
use super::incoming::Incoming;
use super::outbox::Next;
use crate::message::{Wire, accept_deflate};
use actix::prelude::*;
use actix_web::http::header;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, CloseCode, CloseReason, HandshakeError, ProtocolError, WebsocketContext};
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a client has to answer our close frame before the connection is ended.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// The control side of one client's connection.
pub struct WebSocketSession {
    client: Arc<Client>,
    broker: Addr<Broker>,
}

/// Answers the handshake in `req` and starts the session of `client`.
///
/// What is no proper handshake (RFC 6455 section 4.2.1) is answered with what is missing.
pub fn start(
    req: &HttpRequest,
    payload: web::Payload,
    client: Arc<Client>,
    broker: Addr<Broker>,
) -> HttpResponse {
    let mut response = match ws::handshake(req) {
        Ok(response) => response,
        Err(error) => return refused(&error),
    };
    let compressed = client.outbox.wire == Wire::Deflate;
    if compressed && let Some(extension) = deflate_offer(req) {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, extension));
    }
    let session = WebSocketSession { client: client.clone(), broker };
    let incoming = Incoming::new(payload, compressed);
    let (session, control) = WebsocketContext::create_with_addr(session, incoming);
    response.streaming(SessionBody { control, client, closing: None, _session: session })
}

/// What to answer to an offer of permessage-deflate (RFC 7692) in `req`, if it can be taken. Offers may be spread over
/// several headers.
pub fn deflate_offer(req: &HttpRequest) -> Option<&'static str> {
    let offers = req.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    offers.filter_map(|offer| offer.to_str().ok()).find_map(accept_deflate)
}

fn refused(error: &HandshakeError) -> HttpResponse {
    HttpResponse::BadRequest()
        .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
        .json(serde_json::json!({ "error": error.to_string() }))
}

impl WebSocketSession {
    /// Answers the client's close frame, unless it is itself the answer to ours.
    fn client_closed(&self, reason: Option<CloseReason>, ctx: &mut WebsocketContext<Self>) {
        if !self.client.outbox.has_closed() {
            ctx.close(reason);
        }
        ctx.stop();
    }
}

impl Actor for WebSocketSession {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.broker.do_send(Subscribe(self.client.clone()));
    }

    /// Runs however the connection ended, also when the body was dropped.
    fn stopped(&mut self, _: &mut Self::Context) {
        self.broker.do_send(Unsubscribe(self.client.id));
    }
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for WebSocketSession {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        self.client.heard();
        match message {
            Ok(ws::Message::Ping(payload)) => ctx.pong(&payload),
            Ok(ws::Message::Close(reason)) => self.client_closed(reason, ctx),
            // What clients say is not asked for; that they say something shows that they are there.
            Ok(_) => {}
            Err(error) => {
                log::debug!("client {}: {error}", self.client.address);
                self.client_closed(Some(CloseCode::Protocol.into()), ctx);
            }
        }
    }
}

/// The body of the handshake's answer: control frames first, then the client's messages.
struct SessionBody<C> {
    control: C,
    client: Arc<Client>,
    /// Set once our close frame is sent: when to stop waiting for the client's.
    closing: Option<Pin<Box<Sleep>>>,
    /// Without an address an actor stops.
    _session: Addr<WebSocketSession>,
}

impl<C: Stream<Item = Result<Bytes, Error>> + Unpin> Stream for SessionBody<C> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(control) = Pin::new(&mut self.control).poll_next(cx) {
            return Poll::Ready(control);
        }
        if self.closing.is_none() {
            match ready!(self.client.outbox.poll_next(cx)) {
                Next::Frames(frames) => return Poll::Ready(Some(Ok(frames))),
                Next::Close(frame) => {
                    self.closing = Some(Box::pin(sleep(CLOSE_GRACE)));
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
        }
        if let Some(deadline) = &mut self.closing {
            ready!(deadline.as_mut().poll(cx));
        }
        Poll::Ready(None)
    }
}
