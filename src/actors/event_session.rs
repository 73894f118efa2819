//! The session of a client of Server-Sent Events.

use super::broker::{Broker, Subscribe};
use super::client::Client;
use super::subscription::Subscription;
use actix::Addr;
use std::sync::Arc;

/// Keeps `client` subscribed until it is dropped.
pub(crate) struct EventSession {
    pub(super) client: Arc<Client>,
    /// Whether the response uses chunked transfer coding (RFC 9112 section 7.1), which HTTP/1.0 does not support.
    pub(super) in_chunks: bool,
    _subscription: Subscription,
}

impl EventSession {
    /// Subscribes `client`. `in_chunks` selects chunked transfer coding.
    pub(crate) fn start(client: Arc<Client>, broker: Addr<Broker>, in_chunks: bool) -> Self {
        broker.do_send(Subscribe(client.clone()));
        EventSession { in_chunks, _subscription: Subscription::new(broker, &client), client }
    }
}
