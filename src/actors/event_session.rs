//! A client of Server-Sent Events: what there is of it beside its [`Connection`](super::connection::Connection).

use super::broker::{Broker, Subscribe};
use super::client::Client;
use super::subscription::Subscription;
use actix::Addr;
use std::sync::Arc;

/// Keeps `client` subscribed for as long as it exists.
pub struct EventSession {
    pub(super) client: Arc<Client>,
    /// Whether what is sent is in chunks (RFC 9112 section 7.1), of which HTTP/1.0 knows nothing.
    pub(super) in_chunks: bool,
    _subscription: Subscription,
}

impl EventSession {
    /// Subscribes `client`, to which events go in chunks or as they are.
    pub fn start(client: Arc<Client>, broker: Addr<Broker>, in_chunks: bool) -> Self {
        broker.do_send(Subscribe(client.clone()));
        EventSession { in_chunks, _subscription: Subscription::new(broker, &client), client }
    }
}
