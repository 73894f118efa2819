//! Appends blocks to the stream. Each is published with the sequence of the log's newest message, which must not have changed:
//! the engine refuses the block if another server has appended one. So a block is in the stream exactly once, and behind
//! the one that it follows, however many servers fetch the log and whatever fails.
//!
//! After any failure, the log's newest message says what is true: it is the block itself, the one before, or one of
//! another server. If the engine has lost messages and gives a block one of their numbers, the block is taken back and appended
//! again, with a new number.

use super::engine::Engine;
use super::error::ClusterError;
use super::fences::Fences;
use super::journal::StreamJournal;
use super::lost_numbers;
use super::message::{COUNT, FIRST, NEXT, NODE, PREVIOUS, compress, position};
use super::names::first_seq;
use super::positions::{self, Positions};
use super::stream;
use crate::config::ClusterConfig;
use crate::ct::source::LogIdentifier;
use crate::journal::{Append, AppendBlocks, Appended};
use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// Maximum number of blocks that are being appended. Then the watchers wait: their logs are slowed down, nothing is lost.
const MAX_WAITING: usize = 64;
/// Delay after a failure.
const RETRY: Duration = Duration::from_millis(250);
/// The same when nothing is expected to have changed.
const LONG_RETRY: Duration = Duration::from_secs(5);
/// Time after which a block that waits for the engine is mentioned in the log file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Appends blocks; see the module documentation.
#[derive(Debug)]
pub(crate) struct Appender {
    engine: Arc<Engine>,
    fences: Mutex<Fences>,
    positions: Arc<Positions>,
    config: ClusterConfig,
    /// Is told of each block that was appended.
    journal: Option<Arc<StreamJournal>>,
    slots: Arc<Semaphore>,
    trouble: Trouble,
    /// Number of blocks that were appended, and how often another server was first.
    appended: AtomicU64,
    superseded: AtomicU64,
}

/// What has become of a block that was published.
enum Attempt {
    /// It is the message with this sequence.
    Appended(u64),
    /// It is not in the stream, and may be published again after the pause.
    Failed { pause: Duration },
    /// Another server was first.
    Superseded,
}

/// What has been said of failures in the log file.
#[derive(Debug, Default)]
struct Trouble {
    since: Mutex<Option<(Instant, bool)>>,
}

impl Trouble {
    /// Notes a failure. Says so once it has lasted.
    fn failed(&self, what: &str, error: &dyn fmt::Display) {
        let mut since = self.since.lock();
        let (begin, told) = since.get_or_insert((Instant::now(), false));
        if begin.elapsed() >= PATIENCE && !std::mem::replace(told, true) {
            log::error!(
                "cluster: {what}: {error}; the logs wait until the engine answers, and nothing is lost"
            );
        }
        log::debug!("cluster: {what}: {error}");
    }

    fn succeeded(&self) {
        if let Some((begin, true)) = self.since.lock().take() {
            log::info!("cluster: blocks are appended again, after {:.1?}", begin.elapsed());
        }
    }
}

impl Appender {
    /// Appends to the stream of `engine`. Positions go to `positions` as well.
    pub(super) fn new(engine: Arc<Engine>, positions: Arc<Positions>, config: ClusterConfig) -> Self {
        Appender {
            engine,
            fences: Mutex::default(),
            positions,
            config,
            journal: None,
            slots: Arc::new(Semaphore::new(MAX_WAITING)),
            trouble: Trouble::default(),
            appended: AtomicU64::new(0),
            superseded: AtomicU64::new(0),
        }
    }

    /// Tells `journal` of each block that is appended.
    pub(super) fn noting(self, journal: Arc<StreamJournal>) -> Self {
        Appender { journal: Some(journal), ..self }
    }

    /// Waits until the blocks that are being appended now are.
    pub(super) async fn settle(&self) {
        let _ = self.slots.acquire_many(MAX_WAITING as u32).await;
    }

    /// Number of blocks that this server has appended, and how often another server was first.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.appended.load(Ordering::Relaxed), self.superseded.load(Ordering::Relaxed))
    }

    /// Appends a block behind the message `previous`, in as many attempts as necessary. Returns its sequence; `None` if another
    /// server was first.
    async fn append_block(&self, block: &Append, previous: u64) -> Option<u64> {
        let (subject, payload) = (self.engine.names.subject(&block.log), self.compressed(block).await);
        let newest = self.newest_known();
        loop {
            match self.attempt(&subject, block, &payload, previous).await {
                Attempt::Appended(sequence) if sequence > newest => return Some(sequence),
                // Readers that know the lost message of this number would not read this one.
                Attempt::Appended(sequence) => self.skip_lost_numbers(sequence, newest).await,
                Attempt::Failed { pause } => sleep(pause).await,
                Attempt::Superseded => return None,
            }
        }
    }

    /// Publishes a block. After a failure, finds out what has become of it.
    async fn attempt(&self, subject: &str, block: &Append, payload: &Bytes, previous: u64) -> Attempt {
        let error = match self.publish(subject, block, payload.clone(), previous).await {
            Ok(sequence) => return Attempt::Appended(sequence),
            Err(error) => error,
        };
        self.trouble.failed("a block cannot be appended", &error);
        if error.is_timeout {
            self.engine.reconnect().await;
        }
        if error.is_without_stream
            && let Err(error) = stream::open(&self.engine, &self.config).await
        {
            self.trouble.failed("the stream cannot be made anew", &error);
        }
        let pause = if error.is_lasting { LONG_RETRY } else { RETRY };
        match self.newest_message(&block.log).await {
            Some(message) if message.sequence == previous => Attempt::Failed { pause },
            Some(message) if message.payload == payload => Attempt::Appended(message.sequence),
            None if previous == 0 => Attempt::Failed { pause },
            _ => Attempt::Superseded,
        }
    }

    /// The newest message that is known of the stream; 0 if none is.
    fn newest_known(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.next().saturating_sub(1))
    }

    /// Removes the message `given`, whose number was given a second time, and makes the stream go on above `newest`.
    async fn skip_lost_numbers(&self, given: u64, newest: u64) {
        log::error!(
            "cluster: the engine has lost the messages {given} to {newest}, which it had acknowledged; their entries are fetched \
             again, and clients may receive them twice; is sync_interval \"always\" in its configuration?"
        );
        while let Err(error) = lost_numbers::skip(&self.engine, given, newest).await {
            self.trouble.failed("the numbers of lost messages cannot be skipped", &error);
            sleep(LONG_RETRY).await;
        }
    }

    /// The payload of a block. zstd fails only without memory, which is waited for.
    async fn compressed(&self, block: &Append) -> Bytes {
        loop {
            match compress(&block.block) {
                Ok(payload) => return payload,
                Err(error) => self.trouble.failed("a block cannot be compressed", &error),
            }
            sleep(LONG_RETRY).await;
        }
    }

    async fn publish(
        &self,
        subject: &str,
        block: &Append,
        payload: Bytes,
        previous: u64,
    ) -> Result<u64, PublishFailure> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, previous.to_string().as_str());
        for (name, value) in [
            (PREVIOUS, previous),
            (FIRST, block.first_index),
            (NEXT, block.next_index),
            (COUNT, block.count.into()),
        ] {
            headers.insert(name, value.to_string().as_str());
        }
        headers.insert(NATS_EXPECTED_STREAM, self.engine.names.stream());
        headers.insert(NODE, self.engine.node.as_str());
        let sent = self.engine.context.publish_with_headers(subject.to_string(), headers, payload).await;
        let acknowledged = sent.map_err(PublishFailure::new)?.await.map_err(PublishFailure::new)?;
        Ok(acknowledged.sequence)
    }

    /// The newest message of a log, from the stream's leader. Waits until it is known.
    async fn newest_message(&self, log: &LogIdentifier) -> Option<StreamMessage> {
        let subject = self.engine.names.subject(log);
        loop {
            let stream = self.engine.context.get_stream_no_info(self.engine.names.stream()).await;
            let error = match stream {
                Ok(stream) => match stream.get_last_raw_message_by_subject(&subject).await {
                    Ok(message) => return Some(message),
                    Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return None,
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            self.trouble.failed("the newest block of a log cannot be read", &error);
            self.engine.reconnect().await;
            sleep(RETRY).await;
        }
    }

    /// The last sequence of the stream. One that does not exist is made first.
    async fn last_sequence(&self) -> Result<u64, ClusterError> {
        let stream = match stream::find(&self.engine).await? {
            Some(stream) => stream,
            None => stream::open(&self.engine, &self.config).await?,
        };
        Ok(stream.cached_info().state.last_sequence)
    }

    /// The position of a log, and the sequence of its newest message.
    async fn newest_position(&self, log: &LogIdentifier) -> Result<(u64, Option<Bytes>), ClusterError> {
        let newest = self.newest_message(log).await;
        let sequence = newest.as_ref().map_or(0, |message| message.sequence);
        // A position behind a message that is gone is believed if all messages of the log are, unless the stream ends before it:
        // if the engine has lost the newest ones, their entries are appended again, which is a repeat and no hole.
        let last = if sequence > 0 { sequence } else { self.last_sequence().await? };
        let is_of = |after| after == sequence || sequence == 0 && after <= last;
        let kept = positions::read(&self.engine, log).await?.filter(|kept| is_of(kept.after));
        // Positions are written from time to time. One that lost messages led to is only better than none.
        let own = self.fences.lock().newest(log);
        let is_newer = sequence == 0
            && (own.sequence <= last || kept.is_none())
            && own.sequence > kept.as_ref().map_or(0, |kept| kept.after);
        let position = match (kept, newest) {
            _ if is_newer && own.position.is_some() => {
                own.position.iter().for_each(|own_position| {
                    self.positions.note(log, own.sequence, own_position.clone());
                });
                self.positions.write(&self.engine).await?;
                own.position
            }
            (Some(kept), _) => Some(Bytes::from(kept.position.to_string())),
            (None, Some(message)) => Some(position(&message.payload).map_err(|error| {
                ClusterError::Engine(format!("the message {sequence} of the stream cannot be read: {error}"))
            })?),
            (None, None) => None,
        };
        Ok((sequence, position))
    }
}

impl AppendBlocks for Arc<Appender> {
    fn append(&self, block: Append) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // Its semaphore is never closed.
            let slot = self.slots.clone().acquire_owned().await;
            let (appender, before) = (self.clone(), self.fences.lock().newest(&block.log));
            // The watcher may be stopped meanwhile, and must not leave half of it.
            let task = async move {
                let appended = match appender.append_block(&block, before.sequence).await {
                    Some(sequence) => {
                        appender.trouble.succeeded();
                        appender.appended.fetch_add(1, Ordering::Relaxed);
                        let position = crate::journal::block::position(&block.block.into());
                        let position = position.ok().map(|(_, position)| position);
                        let kept = position.clone();
                        appender.fences.lock().appended(&block.log, &before, sequence, kept);
                        appender.journal.iter().for_each(|journal| journal.go_on_at(sequence + 1));
                        if let Some(position) = position {
                            appender.positions.note(&block.log, sequence, position);
                        }
                        (block.publish)(first_seq(sequence), true);
                        Appended::Kept
                    }
                    None => {
                        appender.superseded.fetch_add(1, Ordering::Relaxed);
                        Appended::Superseded
                    }
                };
                // A watcher that was stopped does not wait any more.
                let _ = block.done.send(appended);
                drop(slot);
            };
            self.engine.runtime.spawn(task);
        })
    }

    fn position(&self, log: &LogIdentifier) -> BoxFuture<'_, Option<Bytes>> {
        let log = log.clone();
        Box::pin(async move {
            loop {
                match self.newest_position(&log).await {
                    Ok((sequence, position)) => {
                        self.trouble.succeeded();
                        self.fences.lock().begin(log, sequence);
                        return position;
                    }
                    Err(error) => self.trouble.failed("the position of a log cannot be read", &error),
                }
                sleep(LONG_RETRY).await;
            }
        })
    }

    /// Edges have no issuers but those in the blocks.
    fn has_issuers(&self) -> bool {
        false
    }

    fn moved(&self, log: &LogIdentifier, position: &dyn Fn() -> Vec<u8>) {
        let newest = self.fences.lock().newest(log).sequence;
        self.positions.note(log, newest, position().into());
    }
}

/// Why a block was not acknowledged.
#[derive(Debug)]
struct PublishFailure {
    text: String,
    /// Whether the stream does not exist any more.
    is_without_stream: bool,
    /// Whether no answer came.
    is_timeout: bool,
    /// Whether trying again at once makes no sense.
    is_lasting: bool,
}

impl PublishFailure {
    fn new(error: async_nats::jetstream::context::PublishError) -> Self {
        use async_nats::jetstream::context::PublishErrorKind::{
            BrokenPipe, MaxPayloadExceeded, StreamNotFound, TimedOut,
        };
        let kind = error.kind();
        let is_lasting = kind == MaxPayloadExceeded;
        let text = match is_lasting {
            true => format!("{error}; raise max_payload in the engine's configuration"),
            false => error.to_string(),
        };
        let is_without_stream = kind == StreamNotFound;
        PublishFailure {
            text,
            is_without_stream,
            is_timeout: matches!(kind, TimedOut | BrokenPipe),
            is_lasting,
        }
    }
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
