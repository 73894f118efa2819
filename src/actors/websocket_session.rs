//! The WebSocketSession actor, one per client.
//!
//! All that depends on `actix-web-actors` is in this file. The actor is run by its client's
//! [`Connection`](super::connection::Connection) and only while the socket takes bytes, so it has the answering side
//! alone: pongs, close. Messages and our own pings come ready framed from the client's
//! [`Outbox`](super::outbox::Outbox), which the connection polls after it. It has no timers: they would run a stalled
//! connection, and make it look as if it went on.

use super::broker::{Broker, Subscribe};
use super::client::Client;
use super::incoming::{Heard, Incoming};
use super::session::Session;
use super::subscription::Subscription;
use crate::message::{Violation, Wire, accept_deflate};
use crate::tally::Ending;
use actix::prelude::*;
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{Error, HttpRequest, HttpResponse};
use actix_web_actors::ws::{self, CloseCode, CloseReason, ProtocolError, WebsocketContext};
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The version of RFC 6455, the only one that is spoken.
const VERSION: &str = "13";
/// Bytes of a handshake's key (section 4.1).
const KEY_LENGTH: usize = 16;

/// The control side of one client's connection.
pub struct WebSocketSession {
    client: Arc<Client>,
    heard: Heard,
}

/// The actor of a client, as its connection runs it.
pub struct WebSocketControl {
    pub(super) client: Arc<Client>,
    pub(super) heard: Heard,
    answers: Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>>,
    /// Without an address an actor stops.
    _address: Addr<WebSocketSession>,
    /// Ends with the connection rather than with the actor: one that has said goodbye may not take our answer, and is
    /// looked after until it is gone.
    _subscription: Subscription,
}

impl WebSocketControl {
    pub(super) fn new(client: Arc<Client>, broker: Addr<Broker>) -> Self {
        let heard = Heard::default();
        let incoming = Incoming::new(heard.clone(), client.outbox.wire == Wire::Deflate);
        // Before its handshake is answered: what waits for it is looked after from then on.
        broker.do_send(Subscribe(client.clone()));
        let subscription = Subscription::new(broker, &client);
        let actor = WebSocketSession { client: client.clone(), heard: heard.clone() };
        let (address, answers) = WebsocketContext::create_with_addr(actor, incoming);
        let answers = Box::pin(answers);
        WebSocketControl { client, heard, answers, _address: address, _subscription: subscription }
    }

    /// Lets the actor hear what was heard. What it answers; `None` when it has ended.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.answers.as_mut().poll_next(cx).map(|answer| answer.and_then(Result::ok))
    }
}

/// Answers the handshake in `req` with a session for `client`.
///
/// What is no proper handshake (RFC 6455 section 4.2.1) is answered with what is missing.
pub fn start(req: &HttpRequest, client: Arc<Client>, broker: Addr<Broker>) -> HttpResponse {
    let mut response = match check(req).and_then(|()| ws::handshake(req).map_err(|error| error.to_string())) {
        Ok(response) => response,
        Err(error) => return refused(&error),
    };
    if client.outbox.wire == Wire::Deflate
        && let Some(extension) = deflate_offer(req)
    {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, extension));
    }
    let mut response = response.finish();
    response.extensions_mut().insert(Session::WebSocket(WebSocketControl::new(client, broker)));
    response
}

/// Checks what [`ws::handshake`] does not (RFC 6455 section 4.2.1).
fn check(req: &HttpRequest) -> Result<(), String> {
    if req.version() != Version::HTTP_11 {
        return Err("a WebSocket handshake is a request of HTTP/1.1".into());
    }
    let has_length = req.headers().get_all(header::CONTENT_LENGTH).any(|length| length != "0");
    if has_length || req.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err("a WebSocket handshake has no body".into());
    }
    let mut versions = req.headers().get_all(header::SEC_WEBSOCKET_VERSION);
    if versions.next().is_none_or(|version| version != VERSION) || versions.next().is_some() {
        return Err("Sec-WebSocket-Version has to be 13".into());
    }
    let mut keys = req.headers().get_all(header::SEC_WEBSOCKET_KEY);
    let is_key = |key: &HeaderValue| {
        base64_simd::STANDARD.decode_to_vec(key.as_bytes()).is_ok_and(|key| key.len() == KEY_LENGTH)
    };
    if !keys.next().is_some_and(is_key) || keys.next().is_some() {
        return Err("Sec-WebSocket-Key has to be the base64 of 16 bytes".into());
    }
    Ok(())
}

/// What to answer to an offer of permessage-deflate (RFC 7692) in `req`, if it can be taken. Offers may be spread over
/// several headers.
pub fn deflate_offer(req: &HttpRequest) -> Option<&'static str> {
    let offers = req.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    offers.filter_map(|offer| offer.to_str().ok()).find_map(accept_deflate)
}

fn refused(error: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .insert_header((header::SEC_WEBSOCKET_VERSION, VERSION))
        .json(serde_json::json!({ "error": error }))
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
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for WebSocketSession {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(ws::Message::Ping(payload)) => ctx.pong(&payload),
            Ok(ws::Message::Close(reason)) => self.client_closed(reason, ctx),
            Ok(_) => {}
            Err(error) => {
                log::debug!("client {}: {error}", self.client.address);
                if self.heard.violation() == Some(Violation::Flood) {
                    self.client.outbox.ended(Ending::Flooding);
                }
                let code = self.heard.violation().map_or(CloseCode::Protocol, |v| v.close_code().into());
                self.client_closed(Some(code.into()), ctx);
            }
        }
    }
}
