//! A client of Server-Sent Events: the body of its answer, which is all that there is of it.

use super::broker::{Broker, Subscribe, Unsubscribe};
use super::client::Client;
use super::outbox::Next;
use actix::Addr;
use actix_web::Error;
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Carries the events of `client` for as long as it is there.
pub struct EventSession {
    client: Arc<Client>,
    broker: Addr<Broker>,
}

impl EventSession {
    /// Subscribes `client`.
    pub fn start(client: Arc<Client>, broker: Addr<Broker>) -> Self {
        broker.do_send(Subscribe(client.clone()));
        EventSession { client, broker }
    }
}

/// However the connection ended.
impl Drop for EventSession {
    fn drop(&mut self) {
        self.broker.do_send(Unsubscribe(self.client.id));
    }
}

impl Stream for EventSession {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.client.outbox.poll_next(cx)) {
            Next::Frames(events) => Some(Ok(events.bytes().clone())),
            // Clients of events come back by themselves.
            Next::Close(_) => None,
        })
    }
}
