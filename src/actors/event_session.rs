//! A client of Server-Sent Events: what there is of it beside its [`Connection`](super::connection::Connection).

use super::broker::{Broker, Subscribe, Unsubscribe};
use super::client::Client;
use actix::Addr;
use std::sync::Arc;

/// Keeps `client` subscribed for as long as it exists.
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
