//! The WebSocketSession actor, one per WebSocket client.
//!
//! The client's [`Connection`](super::connection::Connection) polls the actor, and only while the socket accepts bytes.
//! The actor therefore handles only answers: pong and close frames. Messages and the server's pings are framed in the
//! client's [`Reader`](super::reader::Reader), which the connection polls after the actor. The actor has no
//! timers: a timer would wake a stalled connection and make it look active.

use super::broker::{Broker, Subscribe};
use super::client::Client;
use super::client_messages::{ClientMessages, ReadBuffer};
use super::subscription::Subscription;
use crate::counters::Ending;
use crate::message::{Violation, Wire};
use actix::prelude::*;
use actix_web::Error;
use actix_web_actors::ws::{self, CloseCode, CloseReason, ProtocolError, WebsocketContext};
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Handles the control frames of one client.
pub(crate) struct WebSocketSession {
    client: Arc<Client>,
    heard: ReadBuffer,
}

/// The actor of a client, as its connection polls it.
pub(crate) struct WebSocketControl {
    pub(super) client: Arc<Client>,
    pub(super) heard: ReadBuffer,
    answers: Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>>,
    /// An actor without an address stops.
    _address: Addr<WebSocketSession>,
    /// Ends with the connection, not with the actor: a client that has sent a close frame may not read the answer, and
    /// the Broker supervises it until its connection ends.
    _subscription: Subscription,
}

impl WebSocketControl {
    /// Subscribes `client` and starts its actor.
    pub(crate) fn new(client: Arc<Client>, broker: Addr<Broker>) -> Self {
        let heard = ReadBuffer::default();
        let client_messages = ClientMessages::new(heard.clone(), client.reader.wire == Wire::Deflate);
        // Subscribed before the handshake is answered, so that the Broker supervises its queue from then on.
        broker.do_send(Subscribe(client.clone()));
        let subscription = Subscription::new(broker, &client);
        let actor = WebSocketSession { client: client.clone(), heard: heard.clone() };
        let (address, answers) = WebsocketContext::create_with_addr(actor, client_messages);
        let answers = Box::pin(answers);
        WebSocketControl { client, heard, answers, _address: address, _subscription: subscription }
    }

    /// Lets the actor process the received bytes. Returns its answer; `None` when it has ended.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.answers.as_mut().poll_next(cx).map(|answer| answer.and_then(Result::ok))
    }
}

impl WebSocketSession {
    /// Answers the client's close frame, unless that frame is itself the answer to the server's (RFC 6455 section
    /// 5.5.1).
    fn client_closed(&self, reason: Option<CloseReason>, ctx: &mut WebsocketContext<Self>) {
        if !self.client.reader.has_closed() {
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
                    self.client.reader.ended(Ending::Flooding);
                }
                let code = self.heard.violation().map_or(CloseCode::Protocol, |v| v.close_code().into());
                self.client_closed(Some(code.into()), ctx);
            }
        }
    }
}
