//! Publishes what arrives from the stream of a cluster, on a thread of its own.

use super::broker::{Alert, Missed};
use super::outlet::Outlet;
use crate::cluster::Arrived;
use crate::journal::{KnownIssuers, PlacedBlock, entries};
use crate::message::{EntryBatch, gap};
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Publishes what arrives; see the module documentation.
pub(crate) struct Follower {
    /// Where entries go.
    pub(crate) outlet: Outlet,
    /// The issuers of all logs.
    pub(crate) issuers: Arc<KnownIssuers>,
}

impl Follower {
    /// Starts the thread, which ends when the sender of `arrived` is gone.
    ///
    /// # Errors
    /// If the operating system does not start a thread.
    pub(crate) fn start(self, arrived: mpsc::Receiver<Arrived>) -> io::Result<()> {
        std::thread::Builder::new().name("follow".into()).spawn(move || self.run(arrived)).map(drop)
    }

    fn run(self, mut arrived: mpsc::Receiver<Arrived>) {
        while let Some(arrived) = arrived.blocking_recv() {
            match arrived {
                Arrived::Block(placed) => self.publish(placed),
                Arrived::Missed { next_seq } => self.outlet.broker.do_send(Missed { next_seq }),
                // It concerns what all clients have received, wherever they read now.
                Arrived::Unread { from_seq, to_seq } => {
                    self.outlet.broker.do_send(Alert(gap(from_seq, to_seq)))
                }
                // Clients are told of the next one. A busy Broker has more urgent things to do.
                Arrived::Alert(text) => drop(self.outlet.broker.try_send(Alert(text))),
            }
        }
    }

    fn publish(&self, PlacedBlock { first_seq, end_seq, block, .. }: PlacedBlock) {
        match entries(&block, first_seq, &self.issuers) {
            Ok(entries) => {
                let batch = EntryBatch::new(entries);
                self.outlet.prepare(&batch);
                self.outlet.record(&batch);
                self.outlet.publish(batch, end_seq);
            }
            Err(error) => {
                log::error!("cluster: the entries from {first_seq} on cannot be read: {error}");
                self.outlet.broker.do_send(Missed { next_seq: end_seq });
            }
        }
    }
}
