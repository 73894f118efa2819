//! The thread that appends blocks. It gives the entries their numbers, so they are published in the order of the numbers.

use super::link::Link;
use super::store::Store;
use crate::clock;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Number of blocks that wait for the thread. Then the watchers wait: their logs are slowed down, nothing is lost.
pub(crate) const MAX_WAITING: usize = 64;
/// Time without a failure after which writing is said to work again. On a full disk, small blocks may still fit.
const CALM: Duration = Duration::from_secs(10);

/// A block to append.
pub(crate) struct Append {
    /// The encoded block.
    pub(crate) block: Vec<u8>,
    /// Number of its entries, at least 1.
    pub(crate) count: u32,
    /// Called with the number of the first entry, and whether the block is in the journal. Publishes the entries.
    pub(crate) publish: Box<dyn FnOnce(u64, bool) + Send>,
    /// Resolves after that; says whether the block is in the journal.
    pub(crate) done: oneshot::Sender<bool>,
}

/// Sends blocks to the thread.
#[derive(Clone)]
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

    /// Appends a block; waits while too many others wait. The thread runs as long as this does.
    pub(crate) async fn append(&self, append: Append) {
        let _ = self.blocks.send(append).await;
    }
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
                let _ = done.send(is_kept);
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
