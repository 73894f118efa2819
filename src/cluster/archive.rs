//! The stream as clients read it: by number, and by time.

use super::engine::Engine;
use super::error::ClusterError;
use super::message::{COUNT, decompress, number};
use super::names::{PER_MESSAGE, first_seq, sequence_of};
use crate::journal::PlacedBlock;
use async_nats::HeaderMap;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// Messages that one request returns at most.
const BATCH: u64 = 64;
/// Their bytes. After a request without a complete answer, the next one asks for the other number: the engine cuts off servers
/// that do not take in fast enough what they have asked for.
const BATCH_BYTES: [usize; 2] = [1 << 20, 128 << 10];
/// Time for each message of an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Header of the engine: the sequence of a message.
const SEQUENCE: &str = "Nats-Sequence";
/// Statuses of the engine.
const END_OF_BATCH: u16 = 204;
const NOT_FOUND: u16 = 404;

/// A message of the stream.
#[derive(Debug, Clone)]
pub(super) struct StoredMessage {
    pub(super) sequence: u64,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

impl StoredMessage {
    /// Its block, with its place. A message that is no block has an empty one, which its reader finds out.
    pub(super) fn placed(&self) -> PlacedBlock {
        let block = decompress(&self.payload).unwrap_or_else(|error| {
            log::error!("cluster: the message {} of the stream: {error}", self.sequence);
            Bytes::new()
        });
        let (begin, end_seq) = (first_seq(self.sequence), first_seq(self.sequence + 1));
        PlacedBlock { first_seq: begin, end_seq, after: begin, block }
    }

    /// Number of its entries, as the header has it.
    pub(super) fn count(&self) -> u64 {
        number(&self.headers, COUNT).unwrap_or(1)
    }
}

/// Where a request begins.
enum From {
    Sequence(u64),
    /// Unix microseconds.
    Time(u64),
}

/// Reads the stream; see the module documentation.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    engine: Arc<Engine>,
    stream: Arc<Stream>,
    /// Number of requests without a complete answer.
    failures: Arc<AtomicUsize>,
}

impl Archive {
    /// Reads `stream` of `engine`.
    pub(super) fn new(engine: Arc<Engine>, stream: Stream) -> Self {
        Archive { engine, stream: Arc::new(stream), failures: Arc::default() }
    }

    /// The stream.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Consecutive messages from `sequence` on. If there is none at `sequence`, those behind it. Empty at the end.
    ///
    /// Any server that has a copy answers. It may not have the newest messages yet, so that a message is missing is only
    /// believed of the leader.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub(super) async fn read(&self, sequence: u64) -> Result<Vec<StoredMessage>, ClusterError> {
        let mut messages = self.batch(From::Sequence(sequence), BATCH).await?;
        if messages.first().is_none_or(|first| first.sequence != sequence) {
            return Ok(self.asked_of_leader(sequence).await?.into_iter().collect());
        }
        let consecutive =
            (sequence..).zip(&messages).take_while(|(next, message)| message.sequence == *next).count();
        messages.truncate(consecutive);
        Ok(messages)
    }

    /// The first message whose sequence is `sequence` or larger.
    async fn asked_of_leader(&self, sequence: u64) -> Result<Option<StoredMessage>, ClusterError> {
        let request = self.stream.raw_message_builder().sequence(sequence);
        match request.next_by_subject(self.engine.names.subjects()).send().await {
            Ok(message) => Ok(Some(StoredMessage {
                sequence: message.sequence,
                headers: message.headers,
                payload: message.payload,
            })),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(ClusterError::engine(error)),
        }
    }

    /// The number of the first entry of the first message that was appended at `time_us`, in unix microseconds, or later.
    /// `None` if there is none.
    ///
    /// # Errors
    /// If the engine does not answer, or the server that answers does not have the newest messages.
    pub(super) async fn seq_at(&self, time_us: u64) -> Result<Option<u64>, ClusterError> {
        if let Some(first) = self.batch(From::Time(time_us), 1).await?.first() {
            return Ok(Some(first_seq(first.sequence)));
        }
        let state = self.stream.get_info().await.map_err(ClusterError::engine)?.state;
        if state.messages > 0
            && state.last_timestamp.timestamp_micros() >= i64::try_from(time_us).unwrap_or(i64::MAX)
        {
            return Err(ClusterError::Engine("a server of it does not have the newest messages yet".into()));
        }
        Ok(None)
    }

    /// The number of the first of the last `count` entries before the number `end`, but not before the message `first`.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub(super) async fn start_of_last(&self, count: u64, first: u64, end: u64) -> Result<u64, ClusterError> {
        // The last message may end in the middle.
        let (mut left, mut behind) = (count, sequence_of(end.saturating_add(PER_MESSAGE - 1)));
        while behind > first && left > 0 {
            let from = behind.saturating_sub(BATCH / 2).max(first);
            for (begin, count) in self.counts(from, behind).await?.into_iter().rev() {
                let count = count.min(end.saturating_sub(begin));
                if count >= left {
                    return Ok(begin + count - left);
                }
                left -= count;
            }
            behind = from;
        }
        Ok(first_seq(behind).min(end))
    }

    /// The number of the first entry of each message from `from` on and before `behind`, and how many it has.
    async fn counts(&self, from: u64, behind: u64) -> Result<Vec<(u64, u64)>, ClusterError> {
        let (mut counts, mut next) = (Vec::new(), from);
        while next < behind {
            let messages = self.read(next).await?;
            let Some(last) = messages.last() else { break };
            next = last.sequence + 1;
            let inside = messages.iter().filter(|message| message.sequence < behind);
            counts.extend(inside.map(|message| (first_seq(message.sequence), message.count())));
        }
        Ok(counts)
    }

    /// One request to any server that has a copy.
    async fn batch(&self, from: From, count: u64) -> Result<Vec<StoredMessage>, ClusterError> {
        let (begin, value) = match from {
            From::Sequence(sequence) => ("seq", sequence.into()),
            From::Time(time_us) => {
                let time = DateTime::from_timestamp_micros(i64::try_from(time_us).unwrap_or(i64::MAX));
                let time = time.unwrap_or(DateTime::UNIX_EPOCH);
                ("start_time", Value::from(time.to_rfc3339_opts(SecondsFormat::Micros, true)))
            }
        };
        let [bytes, fewer_bytes] = BATCH_BYTES;
        let is_even = self.failures.load(Ordering::Relaxed).is_multiple_of(2);
        let request = json!({ begin: value, "batch": count, "max_bytes": if is_even { bytes } else { fewer_bytes },
            "next_by_subj": self.engine.names.subjects() });
        let answer = direct_get(&self.engine, self.engine.names.stream(), &request).await;
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

/// The messages of `stream` that `request` asks for, from any server that has a copy (NATS ADR-31).
///
/// # Errors
/// If the engine does not answer, or refuses the request.
pub(super) async fn direct_get(
    engine: &Engine,
    stream: &str,
    request: &Value,
) -> Result<Vec<StoredMessage>, ClusterError> {
    let (client, inbox) = (&engine.client, engine.client.new_inbox());
    let mut answer = client.subscribe(inbox.clone()).await.map_err(ClusterError::engine)?;
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    let request = Bytes::from(request.to_string());
    client.publish_with_reply(subject, inbox, request).await.map_err(ClusterError::engine)?;
    let mut messages = Vec::new();
    loop {
        let message =
            timeout(PATIENCE, answer.next()).await.map_err(|_| ClusterError::engine("no answer"))?;
        let message = message.ok_or_else(|| ClusterError::engine("the connection was closed"))?;
        match message.status.map(|status| status.as_u16()) {
            None | Some(200) => {}
            // The end of the batch, or nothing is there.
            Some(END_OF_BATCH | NOT_FOUND) => return Ok(messages),
            Some(status) => {
                let why = message.description.unwrap_or_default();
                return Err(ClusterError::Engine(format!("{status} {why}")));
            }
        }
        let headers = message.headers.unwrap_or_default();
        let sequence = number(&headers, SEQUENCE);
        let sequence = sequence.ok_or_else(|| ClusterError::engine("a message without a sequence"))?;
        messages.push(StoredMessage { sequence, headers, payload: message.payload });
    }
}
