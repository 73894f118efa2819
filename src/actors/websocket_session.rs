//! The WebSocketSession actor, one per WebSocket client.
//!
//! It decides what the server answers to what the client says: pong and close frames. The client's
//! [`Session`](super::session::Session) sends it everything that was heard in one read, and waits until it is handled.
//! Its answers, like the messages and the server's pings, go to the client's [`Reader`](super::reader::Reader), which the
//! connection takes from while the socket accepts bytes.

use super::client::Client;
use crate::counters::Ending;
use crate::message::{ClientEnd, Heard, Violation, close_frame, plain_close_frame, pong_frame};
use actix::prelude::*;
use actix_web_actors::ws::{CloseCode, CloseReason};
use bytes::Bytes;
use std::sync::Arc;

/// Answers one client.
pub(super) struct WebSocketSession {
    client: Arc<Client>,
}

impl WebSocketSession {
    /// Starts the actor of `client` on this thread. It stops when its address is dropped.
    pub(super) fn start(client: Arc<Client>) -> Addr<Self> {
        Actor::start(WebSocketSession { client })
    }

    /// Sends the last answer to the client.
    fn end(&self, end: ClientEnd) {
        let reader = &self.client.reader;
        match end {
            // A close frame is answered with the same reason (RFC 6455 section 5.5.1).
            ClientEnd::Close(given) => {
                let reason =
                    given.map(|given| CloseReason { code: given.code.into(), description: Some(given.text) });
                reader.end(frame(reason));
            }
            ClientEnd::Violation(violation) => {
                log::debug!("client {}: {violation}", self.client.address);
                let reason = CloseCode::from(violation.close_code()).into();
                if reader.end(frame(Some(reason))) && violation == Violation::Flood {
                    reader.ended(Ending::Flooding);
                }
            }
        }
    }
}

impl Actor for WebSocketSession {
    type Context = Context<Self>;
}

impl Message for Heard {
    type Result = ();
}

impl Handler<Heard> for WebSocketSession {
    type Result = ();

    fn handle(&mut self, Heard { ping, end, .. }: Heard, _: &mut Self::Context) {
        if let Some(payload) = ping {
            self.client.reader.pong(pong_frame(&payload));
        }
        if let Some(end) = end {
            self.end(end);
        }
    }
}

fn frame(reason: Option<CloseReason>) -> Bytes {
    reason.map_or_else(plain_close_frame, |CloseReason { code, description }| {
        close_frame(code.into(), description.as_deref().unwrap_or_default())
    })
}
