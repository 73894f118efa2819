//! Ends a client's subscription when its connection ends.

use super::broker::{Broker, Unsubscribe};
use super::client::Client;
use actix::Addr;

/// Keeps a client subscribed until it is dropped. Its owner lives as long as the client's connection.
#[derive(Debug)]
pub(super) struct Subscription {
    broker: Addr<Broker>,
    id: u64,
}

impl Subscription {
    /// Creates the subscription of `client`. The caller sends the `Subscribe` message.
    pub(super) fn new(broker: Addr<Broker>, client: &Client) -> Self {
        Subscription { broker, id: client.id }
    }
}

/// Runs however the connection ends.
impl Drop for Subscription {
    fn drop(&mut self) {
        self.broker.do_send(Unsubscribe(self.id));
    }
}
