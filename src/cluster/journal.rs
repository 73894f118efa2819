//! The stream as the journal of a server: what has arrived here, and what is read again.

use super::archive::{Archive, StoredMessage};
use super::engine::Engine;
use super::error::ClusterError;
use super::names::{first_seq, sequence_of};
use crate::clock;
use crate::journal::{EntriesPerSecond, FileError, Journal, PlacedBlock, StoreFigures};
use async_nats::jetstream::stream::State;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Interval at which the state of the stream is requested.
const REFRESH: Duration = Duration::from_secs(1);
/// Time that a client waits for a number that this server has not read yet.
const REACH_TIMEOUT: Duration = Duration::from_secs(10);
const REACH_PAUSE: Duration = Duration::from_millis(50);
/// Memory of messages that were read ahead for readers of the past, in bytes.
const MAX_AHEAD: usize = 16 << 20;

/// The journal of one server of the cluster; see the module documentation.
#[derive(Debug)]
pub(crate) struct StreamJournal {
    engine: Arc<Engine>,
    archive: Archive,
    /// The sequence of the message that arrives next.
    next: AtomicU64,
    state: Mutex<Known>,
    per_second: Mutex<EntriesPerSecond>,
    ahead: Mutex<Ahead>,
}

/// What is known of the stream.
#[derive(Debug, Clone)]
struct Known {
    state: State,
    at: Instant,
    /// When the message arrived that was read last, and when it had been appended, in unix microseconds.
    newest_us: Option<u64>,
}

/// Messages that were read ahead. The oldest make room.
#[derive(Debug, Default)]
struct Ahead {
    messages: BTreeMap<u64, StoredMessage>,
    bytes: usize,
}

impl Ahead {
    fn take(&mut self, sequence: u64) -> Option<StoredMessage> {
        let message = self.messages.remove(&sequence)?;
        self.bytes -= message.payload.len();
        Some(message)
    }

    fn add(&mut self, messages: impl IntoIterator<Item = StoredMessage>) {
        for message in messages {
            self.bytes += message.payload.len();
            if let Some(before) = self.messages.insert(message.sequence, message) {
                self.bytes -= before.payload.len();
            }
        }
        while self.bytes > MAX_AHEAD
            && let Some((_, oldest)) = self.messages.pop_first()
        {
            self.bytes -= oldest.payload.len();
        }
    }
}

impl StreamJournal {
    /// The journal of a server that has read everything before the message `next`.
    pub(super) fn new(engine: Arc<Engine>, archive: Archive, state: State, next: u64) -> Self {
        StreamJournal {
            engine,
            archive,
            next: AtomicU64::new(next),
            state: Mutex::new(Known { state, at: Instant::now(), newest_us: None }),
            per_second: Mutex::new(EntriesPerSecond::new(clock::unix_us())),
            ahead: Mutex::default(),
        }
    }

    /// The sequence of the message that arrives next.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// The stream.
    pub(super) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Records that a message has arrived, with `count` entries, and was appended at `time_us`.
    pub(super) fn arrived(&self, sequence: u64, count: u64, time_us: u64) {
        self.per_second.lock().add(time_us, count);
        self.state.lock().newest_us = Some(time_us);
        self.next.fetch_max(sequence + 1, Ordering::AcqRel);
    }

    /// Goes on with the message `next`, because those before it are gone.
    pub(super) fn go_on_at(&self, next: u64) {
        self.next.fetch_max(next, Ordering::AcqRel);
    }

    /// Keeps the state of the stream fresh. With `all_arrive`, everything in it counts as arrived.
    pub(super) async fn keep_fresh(self: Arc<Self>, all_arrive: bool) {
        loop {
            sleep(REFRESH).await;
            if let Ok(info) = self.archive.stream().get_info().await {
                self.note(info.state, all_arrive);
            }
        }
    }

    /// Records the state of the stream.
    pub(super) fn note(&self, state: State, all_arrive: bool) {
        if all_arrive {
            self.go_on_at(state.last_sequence + 1);
        }
        let mut known = self.state.lock();
        (known.state, known.at) = (state, Instant::now());
    }

    /// Number of messages that were not read yet, and how long ago the engine said so.
    pub(crate) fn lag(&self) -> (u64, Duration) {
        let known = self.state.lock();
        ((known.state.last_sequence + 1).saturating_sub(self.next()), known.at.elapsed())
    }

    fn first(&self) -> u64 {
        self.state.lock().state.first_sequence.min(self.next())
    }

    fn error(&self, error: &ClusterError) -> FileError {
        let path = format!("stream {}", self.engine.names.stream()).into();
        FileError { path, source: io::Error::other(error.to_string()) }
    }
}

impl Journal for StreamJournal {
    fn next_seq(&self) -> u64 {
        first_seq(self.next())
    }

    fn floor(&self) -> u64 {
        first_seq(self.first())
    }

    fn read(&self, seq: u64) -> Result<Option<PlacedBlock>, FileError> {
        let sequence = sequence_of(seq);
        if let Some(message) = self.ahead.lock().take(sequence) {
            return Ok(Some(message.placed()));
        }
        let (archive, next) = (self.archive.clone(), self.next());
        let read = self.engine.wait(async move { archive.read(sequence).await });
        let mut messages = read.map_err(|error| self.error(&error))?.into_iter();
        match messages.next() {
            Some(first) => {
                self.ahead.lock().add(messages);
                Ok(Some(first.placed()))
            }
            None if sequence < next => {
                let why = ClusterError::engine("its leader does not have what it had before");
                Err(self.error(&why))
            }
            None => Ok(None),
        }
    }

    fn seq_at(&self, time_us: u64) -> BoxFuture<'_, Result<u64, FileError>> {
        Box::pin(async move {
            let found = self.archive.seq_at(time_us).await.map_err(|error| self.error(&error))?;
            Ok(found.unwrap_or_else(|| self.next_seq()).min(self.next_seq()))
        })
    }

    fn start_of_last(&self, count: u64, end: u64) -> BoxFuture<'_, Result<u64, FileError>> {
        Box::pin(async move {
            let end = end.min(self.next_seq());
            self.archive.start_of_last(count, self.first(), end).await.map_err(|error| self.error(&error))
        })
    }

    fn reach(&self, seq: u64) -> BoxFuture<'_, Result<(), FileError>> {
        Box::pin(async move {
            if seq < self.next_seq() {
                return Ok(());
            }
            let info = self.archive.stream().get_info().await;
            let info = info.map_err(|error| self.error(&ClusterError::engine(error)))?;
            if info.state.last_sequence < sequence_of(seq) {
                return Ok(());
            }
            let deadline = Instant::now() + REACH_TIMEOUT;
            while seq >= self.next_seq() {
                if Instant::now() >= deadline {
                    return Err(self.error(&ClusterError::engine("this server is behind it")));
                }
                sleep(REACH_PAUSE).await;
            }
            Ok(())
        })
    }

    fn entries_per_second(&self, now_us: u64) -> (u64, Vec<u64>) {
        self.per_second.lock().before(now_us)
    }

    /// What only the embedded journal has is 0.
    fn figures(&self) -> StoreFigures {
        let known = self.state.lock().clone();
        let has_any = known.state.messages > 0;
        let time_us = |time: chrono::DateTime<chrono::Utc>| {
            u64::try_from(time.timestamp_micros()).ok().filter(|_| has_any)
        };
        StoreFigures {
            bytes: known.state.bytes,
            floor: self.floor(),
            next_seq: self.next_seq(),
            oldest_time_us: time_us(known.state.first_timestamp),
            newest_time_us: known.newest_us.or(time_us(known.state.last_timestamp)),
            ..StoreFigures::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn what_was_read_ahead_is_bounded_and_the_oldest_makes_room() {
        let message = |sequence| StoredMessage {
            sequence,
            headers: Default::default(),
            payload: Bytes::from(vec![0; MAX_AHEAD / 4]),
        };
        let mut ahead = Ahead::default();
        ahead.add((1..=3).map(message));
        ahead.add([message(3)]);
        assert_eq!(ahead.bytes, MAX_AHEAD / 4 * 3, "each once");
        ahead.add((4..=6).map(message));
        assert!(ahead.take(2).is_none() && ahead.bytes <= MAX_AHEAD);
        assert_eq!(ahead.take(6).map(|message| message.sequence), Some(6));
        assert!(ahead.take(6).is_none());
        (3..6).for_each(|sequence| drop(ahead.take(sequence)));
        assert_eq!((ahead.bytes, ahead.messages.len()), (0, 0));
    }
}
