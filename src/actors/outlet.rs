//! The way of entries from the journal to the clients of this process.

use super::broker::{Broker, Publish};
use crate::clock;
use crate::message::{Demand, EntryBatch};
use crate::unique::Uniques;
use actix::Addr;
use actix::prelude::SendError;
use std::sync::Arc;
use std::time::Duration;

/// Delay before retrying when the Broker's mailbox is full.
const BROKER_PAUSE: Duration = Duration::from_millis(10);

/// Publishes the entries of all logs, in the order of the journal.
#[derive(Clone)]
pub(crate) struct Outlet {
    /// The Broker.
    pub(crate) broker: Addr<Broker>,
    /// The streams and wire formats that have subscribers.
    pub(crate) demand: Arc<Demand>,
    /// What was seen, for subscribers who want each certificate once.
    pub(crate) uniques: Arc<Uniques>,
}

impl Outlet {
    /// Builds the messages that clients without a filter read.
    pub(crate) fn prepare(&self, batch: &EntryBatch) {
        batch.prepare(&self.demand);
    }

    /// Records what was seen in `batch`, whose entries have their numbers.
    pub(crate) fn record(&self, batch: &EntryBatch) {
        self.uniques.record(batch.entries(), clock::unix_us());
    }

    /// Sends `batch` to the Broker. The next batch begins with the number `end_seq` at least. The journal waits while the
    /// Broker's mailbox is full: this blocks the thread.
    pub(crate) fn publish(&self, batch: EntryBatch, end_seq: u64) {
        let mut message = Publish { batch, end_seq };
        while let Err(SendError::Full(again)) = self.broker.try_send(message) {
            message = again;
            std::thread::sleep(BROKER_PAUSE);
        }
    }
}
