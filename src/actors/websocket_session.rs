//! The WebSocketSession actor, one per client.
//!
//! The actor is run by its client's
//! [`Connection`](super::connection::Connection) and only while the socket takes bytes, so it has the answering side
//! alone: pongs, close. Messages and our own pings come ready framed from the client's
//! [`SendQueue`](super::send_queue::SendQueue), which the connection polls after it. It has no timers: they would run a stalled
//! connection, and make it look as if it went on.

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

/// The control side of one client's connection.
pub struct WebSocketSession {
    client: Arc<Client>,
    heard: ReadBuffer,
}

/// The actor of a client, as its connection runs it.
pub struct WebSocketControl {
    pub(super) client: Arc<Client>,
    pub(super) heard: ReadBuffer,
    answers: Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>>,
    /// Without an address an actor stops.
    _address: Addr<WebSocketSession>,
    /// Ends with the connection rather than with the actor: one that has said goodbye may not take our answer, and is
    /// looked after until it is gone.
    _subscription: Subscription,
}

impl WebSocketControl {
    /// Subscribes `client`, and starts its actor.
    pub fn new(client: Arc<Client>, broker: Addr<Broker>) -> Self {
        let heard = ReadBuffer::default();
        let client_messages = ClientMessages::new(heard.clone(), client.send_queue.wire == Wire::Deflate);
        // Before its handshake is answered: what waits for it is looked after from then on.
        broker.do_send(Subscribe(client.clone()));
        let subscription = Subscription::new(broker, &client);
        let actor = WebSocketSession { client: client.clone(), heard: heard.clone() };
        let (address, answers) = WebsocketContext::create_with_addr(actor, client_messages);
        let answers = Box::pin(answers);
        WebSocketControl { client, heard, answers, _address: address, _subscription: subscription }
    }

    /// Lets the actor hear what was heard. What it answers; `None` when it has ended.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.answers.as_mut().poll_next(cx).map(|answer| answer.and_then(Result::ok))
    }
}

impl WebSocketSession {
    /// Answers the client's close frame, unless it is itself the answer to ours.
    fn client_closed(&self, reason: Option<CloseReason>, ctx: &mut WebsocketContext<Self>) {
        if !self.client.send_queue.has_closed() {
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
                    self.client.send_queue.ended(Ending::Flooding);
                }
                let code = self.heard.violation().map_or(CloseCode::Protocol, |v| v.close_code().into());
                self.client_closed(Some(code.into()), ctx);
            }
        }
    }
}
