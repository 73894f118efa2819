//! The Heartbeat actor: the clock of the clients.

use super::broker::{Broker, Tick};
use actix::prelude::*;
use std::time::Duration;

/// Sends the Broker a [`Tick`] every `interval`.
#[derive(Debug)]
pub struct Heartbeat {
    broker: Recipient<Tick>,
    interval: Duration,
}

impl Heartbeat {
    /// Begins to tick when it is started.
    pub fn new(broker: &Addr<Broker>, interval: Duration) -> Self {
        Heartbeat { broker: broker.clone().recipient(), interval }
    }
}

impl Actor for Heartbeat {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.interval, |heartbeat, _| {
            // A Broker whose mailbox is full is busy sending: it can go without this one.
            if heartbeat.broker.try_send(Tick).is_err() {
                log::debug!("heartbeat skipped: the broker is busy");
            }
        });
    }
}
