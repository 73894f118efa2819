//! The Heartbeat actor: triggers the heartbeats of the clients.

use super::broker::{Broker, Tick};
use actix::prelude::*;
use std::time::Duration;

/// Sends the Broker a [`Tick`] every `interval`.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    broker: Recipient<Tick>,
    interval: Duration,
}

impl Heartbeat {
    /// Creates a Heartbeat. It ticks once it is started.
    pub(crate) fn new(broker: &Addr<Broker>, interval: Duration) -> Self {
        Heartbeat { broker: broker.clone().recipient(), interval }
    }
}

impl Actor for Heartbeat {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.interval, |heartbeat, _| {
            // If the Broker's mailbox is full, the Broker is busy sending messages, and clients need no heartbeat.
            if heartbeat.broker.try_send(Tick).is_err() {
                log::debug!("skipped a heartbeat: the Broker is busy");
            }
        });
    }
}
