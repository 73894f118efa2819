//! The thread that appends blocks. It gives the entries their numbers, so they are published in the order of the numbers.

use super::interface::{Append, AppendBlocks, Appended};
use super::link::Link;
use super::store::Store;
use crate::clock;
use crate::ct::source::LogIdentifier;
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Number of blocks that wait for the thread. Then the watchers wait: their logs are slowed down, nothing is lost.
pub(crate) const MAX_WAITING: usize = 64;
/// Time without a failure after which writing is said to work again. On a full disk, small blocks may still fit.
const CALM: Duration = Duration::from_secs(10);

/// Sends blocks to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    blocks: mpsc::Sender<Append>,
}

impl Writer {
    /// Starts the thread, which ends when the last `Writer` is dropped. The last run ended before the number `after`. With
    /// `syncs_each`, entries are published only when they are on disk.
    ///
    /// # Errors
    /// If the operating system does not start a thread.
    pub(crate) fn start(store: Arc<Store>, after: u64, syncs_each: bool) -> std::io::Result<Self> {
        let (blocks, received) = mpsc::channel(MAX_WAITING);
        let link = Link { after, has_unwritten: false };
        let appender = Appender { store, link, syncs_each, failed_at: None };
        std::thread::Builder::new().name("journal".into()).spawn(move || appender.run(received))?;
        Ok(Writer { blocks })
    }
}

impl AppendBlocks for Writer {
    /// The thread runs as long as this does.
    fn append(&self, block: Append) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let _ = self.blocks.send(block).await;
        })
    }

    /// Nobody else appends blocks.
    fn position(&self, _: &LogIdentifier) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(ready(None))
    }

    fn has_issuers(&self) -> bool {
        true
    }

    /// Positions are saved in a file.
    fn moved(&self, _: &LogIdentifier, _: &dyn Fn() -> Vec<u8>) {}
}

struct Appender {
    store: Arc<Store>,
    /// What the next block is linked to: the last one, or the last one of the last run.
    link: Link,
    syncs_each: bool,
    /// When a block could not be written, until none has failed for a while.
    failed_at: Option<Instant>,
}

impl Appender {
    fn run(mut self, mut received: mpsc::Receiver<Append>) {
        let mut group = Vec::new();
        while let Some(first) = received.blocking_recv() {
            group.push(first);
            while group.len() < MAX_WAITING
                && let Ok(next) = received.try_recv()
            {
                group.push(next);
            }
            let numbers: Vec<_> = group.iter().map(|append| self.append(append)).collect();
            if self.syncs_each {
                self.sync();
            }
            for (Append { publish, done, .. }, (first_seq, is_kept)) in group.drain(..).zip(numbers) {
                publish(first_seq, is_kept);
                // A watcher that was stopped does not wait any more.
                let _ = done.send(if is_kept { Appended::Kept } else { Appended::NotKept });
            }
        }
    }

    /// Appends one block. Returns the number of its first entry, and whether it succeeded. If not, its entries get numbers all the same:
    /// clients at the tail receive them, and a gap is announced to those that read the journal.
    fn append(&mut self, append: &Append) -> (u64, bool) {
        let link = self.link.encode();
        match self.store.append(append.count, clock::unix_us(), &[&link, &append.block]) {
            Ok(first_seq) => {
                self.link = Link { after: first_seq + u64::from(append.count), has_unwritten: false };
                if self.failed_at.is_some_and(|at| at.elapsed() >= CALM) {
                    self.failed_at = None;
                    log::info!("the journal is written again");
                }
                (first_seq, true)
            }
            Err(error) => {
                self.link.has_unwritten = true;
                if self.failed_at.replace(Instant::now()).is_none() {
                    log::error!(
                        "failed to write the journal: {error}; messages are sent, but they cannot be repeated to \
                         clients that fall behind or come back"
                    );
                }
                (self.store.give_numbers(append.count), false)
            }
        }
    }

    fn sync(&mut self) {
        if let Err(error) = self.store.sync() {
            log::error!("failed to sync the journal: {error}");
        }
    }
}
