//! Reads the journal for clients behind the tail, on a thread of its own, one block after another.

use super::broker::{Broker, Join};
use super::reader::{Reader, Unit};
use super::replay_queue::ReplayQueue;
use crate::journal::{History, ReadBlock};
use crate::rate::{Rate, TokenBucket};
use actix::Addr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Delay after the disk could not be read.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Microseconds of work that may be done at once after a rest. A sleep takes longer than asked for; this is how that is made
/// up for.
const BURST_US: u32 = 5_000;

/// Reads the journal for clients; see the module documentation.
pub(crate) struct Replayer {
    /// The journal.
    pub(crate) history: History,
    /// The numbers from the first to the second one were never given: those between the last run and this one.
    pub(crate) not_given: Range<u64>,
    /// The Broker.
    pub(crate) broker: Addr<Broker>,
    /// The fraction of one core that it may use.
    pub(crate) share: f64,
}

impl Replayer {
    /// Starts the thread, which serves `readers` until their sender is gone.
    ///
    /// # Errors
    /// If the operating system does not start a thread.
    pub(crate) fn start(mut self, readers: Receiver<Arc<Reader>>) -> std::io::Result<()> {
        let run = move || {
            let mut queue = ReplayQueue::default();
            let per_second = (self.share * 1e6) as u32;
            let mut microseconds = TokenBucket::new(Rate { per_second, burst: BURST_US }, Instant::now());
            loop {
                if queue.is_empty() {
                    let Ok(reader) = readers.recv() else { return };
                    queue.push(reader);
                }
                readers.try_iter().for_each(|reader| queue.push(reader));
                let begin = Instant::now();
                queue.next(|reader| reader.reads_from()).iter().for_each(|reader| self.serve(reader));
                let now = Instant::now();
                let worked_us = (now - begin).as_micros() as u64;
                // What was worked has refilled the bucket meanwhile, so a share of 1 never rests.
                let rest = microseconds.take(worked_us, now);
                if !rest.is_zero() {
                    sleep(rest);
                }
            }
        };
        std::thread::Builder::new().name("replay".into()).spawn(run).map(drop)
    }

    /// Gives `reader` its next block.
    fn serve(&mut self, reader: &Arc<Reader>) {
        let Some((from, feed)) = reader.reads_from().zip(reader.feed()) else { return };
        let end_seq = self.history.store().next_seq();
        match self.history.read(from) {
            Ok(Some(ReadBlock { first_seq, end_seq, after, batch })) => {
                // Numbers from `after` on were never given.
                if from < after.min(first_seq) {
                    reader.skip_to(first_seq);
                }
                match batch {
                    Some(batch) => {
                        let shared = Arc::new(feed.messages_of(&batch).into());
                        reader.deliver(Unit { shared, end_seq });
                    }
                    None => {
                        reader.skip_to(end_seq);
                        reader.retry();
                    }
                }
            }
            Ok(None) => self.at_end(reader, from, end_seq),
            Err(error) => {
                log::error!("failed to read the journal: {error}; trying again in {DISK_PAUSE:?}");
                sleep(DISK_PAUSE);
                reader.retry();
            }
        }
    }

    /// Nothing is kept from `from` on. `end_seq` is the number that the next entry would have got before that was found out.
    fn at_end(&self, reader: &Arc<Reader>, from: u64, end_seq: u64) {
        if from < self.not_given.start {
            reader.skip_to(self.not_given.end);
        } else if self.not_given.contains(&from) {
            reader.advance_to(self.not_given.end);
        }
        self.broker.do_send(Join { reader: reader.clone(), end_seq });
    }
}
