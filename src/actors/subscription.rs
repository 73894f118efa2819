//! What ends a client's subscription.

use super::broker::{Broker, Unsubscribe};
use super::client::Client;
use actix::Addr;

/// A client stays subscribed for as long as this exists. It belongs to whatever ends with the client's connection.
#[derive(Debug)]
pub struct Subscription {
    broker: Addr<Broker>,
    id: u64,
}

impl Subscription {
    /// Of `client`, which has subscribed or will.
    pub fn new(broker: Addr<Broker>, client: &Client) -> Self {
        Subscription { broker, id: client.id }
    }
}

/// However the connection ended.
impl Drop for Subscription {
    fn drop(&mut self) {
        self.broker.do_send(Unsubscribe(self.id));
    }
}
