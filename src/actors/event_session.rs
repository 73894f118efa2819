//! A client of Server-Sent Events: what there is of it beside its [`Connection`](super::connection::Connection).

use super::broker::{Broker, Subscribe, Unsubscribe};
use super::client::Client;
use actix::Addr;
use std::sync::Arc;

/// Keeps `client` subscribed for as long as it exists.
pub struct EventSession {
    client: Arc<Client>,
    broker: Addr<Broker>,
    /// Whether what is sent is in chunks (RFC 9112 section 7.1), of which HTTP/1.0 knows nothing.
    pub(super) in_chunks: bool,
}

impl EventSession {
    /// Subscribes `client`, to which events go in chunks or as they are.
    pub fn start(client: Arc<Client>, broker: Addr<Broker>, in_chunks: bool) -> Self {
        broker.do_send(Subscribe(client.clone()));
        EventSession { client, broker, in_chunks }
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

/// However the connection ended.
impl Drop for EventSession {
    fn drop(&mut self) {
        self.broker.do_send(Unsubscribe(self.client.id));
    }
}
