//! Reads the journal for clients behind the tail, on a thread of its own, one block after another.

use super::broker::{Broker, Join};
use super::reader::{FilteredFeeds, Reader, SharedFrames, Unit};
use super::replay_queue::ReplayQueue;
use crate::filter::FilterId;
use crate::journal::{History, ReadBlock};
use crate::message::EntryBatch;
use crate::rate::{Rate, TokenBucket};
use crate::unique::Uniques;
use actix::Addr;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Delay after the disk could not be read.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Microseconds of work that may be done at once after a rest. A sleep takes longer than asked for; this is how that is made
/// up for.
const BURST_US: u32 = 5_000;

/// A filter by which nobody has read for so long is no longer matched.
const FILTER_KEPT: Duration = Duration::from_secs(10);

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
    /// What was seen, for subscribers who want each certificate once.
    pub(crate) uniques: Arc<Uniques>,
}

/// The Replayer's thread.
struct Replaying {
    replayer: Replayer,
    queue: ReplayQueue<Arc<Reader>>,
    /// The feeds with a filter that are read.
    filtered: FilteredFeeds,
    /// When each of them was last read.
    read_at: HashMap<FilterId, Instant>,
}

impl Replayer {
    /// Starts the thread, which serves `readers` until their sender is gone.
    ///
    /// # Errors
    /// If the operating system does not start a thread.
    pub(crate) fn start(self, readers: Receiver<Arc<Reader>>) -> std::io::Result<()> {
        let (queue, read_at) = (ReplayQueue::default(), HashMap::new());
        let filtered = FilteredFeeds::new(self.uniques.clone());
        let run = move || Replaying { replayer: self, queue, filtered, read_at }.run(&readers);
        std::thread::Builder::new().name("replay".into()).spawn(run).map(drop)
    }
}

impl Replaying {
    fn run(mut self, readers: &Receiver<Arc<Reader>>) {
        let per_second = (self.replayer.share * 1e6) as u32;
        let mut microseconds = TokenBucket::new(Rate { per_second, burst: BURST_US }, Instant::now());
        let mut forgot_at = Instant::now();
        loop {
            if self.queue.is_empty() {
                match readers.recv_timeout(FILTER_KEPT) {
                    Ok(reader) => self.queue.push(reader),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            readers.try_iter().for_each(|reader| self.queue.push(reader));
            let begin = Instant::now();
            if begin.duration_since(forgot_at) >= FILTER_KEPT {
                self.forget_filters(begin);
                forgot_at = begin;
            }
            let group = self.queue.next(|reader| reader.reads_from());
            self.serve(group, begin);
            let now = Instant::now();
            let worked_us = (now - begin).as_micros() as u64;
            // What was worked has refilled the bucket meanwhile, so a share of 1 never rests.
            let rest = microseconds.take(worked_us, now);
            if !rest.is_zero() {
                sleep(rest);
            }
        }
    }

    /// Gives readers at the same place the block that begins there.
    fn serve(&mut self, readers: Vec<Arc<Reader>>, now: Instant) {
        let Some(from) = readers.first().and_then(|reader| reader.reads_from()) else { return };
        let end_seq = self.replayer.history.next_seq();
        match self.replayer.history.read(from) {
            Ok(Some(block)) => self.give(readers, from, block, now),
            Ok(None) => readers.into_iter().for_each(|reader| self.replayer.at_end(reader, from, end_seq)),
            Err(error) => {
                log::error!("failed to read the journal: {error}; trying again in {DISK_PAUSE:?}");
                sleep(DISK_PAUSE);
                readers.iter().for_each(Reader::retry);
            }
        }
    }

    fn give(&mut self, readers: Vec<Arc<Reader>>, from: u64, block: ReadBlock, now: Instant) {
        let ReadBlock { first_seq, end_seq, after, batch } = block;
        // Numbers from `after` on were never given.
        if from < after.min(first_seq) {
            readers.iter().for_each(|reader| reader.skip_to(first_seq));
        }
        let Some(batch) = batch else {
            readers.iter().for_each(|reader| {
                reader.skip_to(end_seq);
                reader.retry();
            });
            return;
        };
        let messages = self.messages(&readers, &batch, now);
        for reader in readers {
            let shared = reader.feed().and_then(|feed| messages.get(&feed.id)).cloned().unwrap_or_default();
            if reader.deliver(Unit { shared, end_seq }, now) {
                self.queue.push(reader);
            }
        }
    }

    /// What the feed of each reader gets of `batch`; those that get nothing may be left out.
    fn messages(
        &mut self,
        readers: &[Arc<Reader>],
        batch: &EntryBatch,
        now: Instant,
    ) -> HashMap<FilterId, Arc<SharedFrames>> {
        let mut messages = HashMap::new();
        let mut asked = HashSet::new();
        for feed in readers.iter().filter_map(|reader| reader.feed()) {
            if !feed.is_filtered() {
                let made = || Arc::new(batch.on_wire(feed.asked.stream, feed.asked.wire).into());
                messages.entry(feed.id).or_insert_with(made);
            } else if asked.insert(feed.id) {
                self.read_at.insert(feed.id, now);
                self.filtered.add(feed);
            }
        }
        if !asked.is_empty() {
            self.filtered.refresh();
            self.merge_filters();
            let filtered = self.filtered.messages(batch, |feed| asked.contains(&feed));
            messages.extend(filtered.into_iter().map(|(feed, frames)| (feed.id, Arc::new(frames.into()))));
        }
        messages
    }

    fn merge_filters(&mut self) {
        while let Some(merge) = self.filtered.begin_merge() {
            let merged = merge.run().ok();
            let is_merged = merged.is_some();
            self.filtered.end_merge(merged);
            if !is_merged {
                return;
            }
        }
    }

    /// Drops the filters by which nobody reads any more.
    fn forget_filters(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= FILTER_KEPT;
        for (id, _) in self.read_at.extract_if(|_, at| is_old(at)) {
            self.filtered.remove(id);
        }
    }
}

impl Replayer {
    /// Nothing is kept from `from` on. `end_seq` is the number that the next entry would have got before that was found out.
    fn at_end(&self, reader: Arc<Reader>, from: u64, end_seq: u64) {
        if from < self.not_given.start {
            reader.skip_to(self.not_given.end);
        } else if self.not_given.contains(&from) {
            reader.advance_to(self.not_given.end);
        }
        self.broker.do_send(Join { reader, end_seq });
    }
}
