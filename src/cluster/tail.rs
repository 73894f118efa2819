//! The edge's reading of the newest blocks, in order and without a gap, and the notices about logs.
//!
//! It reads through a consumer that is thrown away at the first irregularity. Every message is checked: it follows the one
//! before in the stream, and in its log. What is missing is announced.

use super::archive::StoredMessage;
use super::chains::{Chains, Link};
use super::engine::Engine;
use super::error::ClusterError;
use super::journal::StreamJournal;
use super::message::{PREVIOUS, number};
use super::names::first_seq;
use crate::journal::PlacedBlock;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Bytes that the engine sends ahead. If it cuts this server off for being slow before anything arrives, the next size is
/// tried, in turn, because a message may be larger than the smaller ones.
const PULL_BYTES: [usize; 3] = [4 << 20, 1 << 20, 256 << 10];
/// A pull is renewed after this time.
const PULL_EXPIRY: Duration = Duration::from_secs(5);
/// The engine says at this interval that it is there. Without two of them, the consumer is made anew.
const IDLE_HEARTBEAT: Duration = Duration::from_secs(1);
/// The engine forgets a consumer that nobody pulls from.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// Delay before a consumer is made anew.
const RETRY: Duration = Duration::from_millis(250);
/// Time after which trouble is mentioned in the log file.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an edge receives.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A block, in the order of the stream.
    Block(PlacedBlock),
    /// Blocks are missing before this number. Clients that have not read them look for them in the stream.
    Missed {
        /// The number of the first entry behind them.
        next_seq: u64,
    },
    /// The entries with these numbers were not read, because others had them before.
    Unread {
        /// The first number.
        from_seq: u64,
        /// The last one.
        to_seq: u64,
    },
    /// A notice about a log.
    Alert(String),
}

/// Reads the tail; see the module documentation.
pub(super) struct Tail {
    journal: Arc<StreamJournal>,
    arrived: mpsc::Sender<Arrived>,
    /// What was read of each log.
    chains: Chains,
    /// The sequence before which a message was found missing. It is believed the second time.
    doubted: Option<u64>,
}

/// Why reading ends.
enum End {
    /// Nobody receives any more.
    Closed,
    /// The consumer is made anew.
    Again(ClusterError),
}

impl From<ClusterError> for End {
    fn from(error: ClusterError) -> Self {
        End::Again(error)
    }
}

impl Tail {
    /// Reads what `journal` has not read. Sends it to `arrived`, and waits while that is full.
    pub(super) fn new(journal: Arc<StreamJournal>, arrived: mpsc::Sender<Arrived>) -> Self {
        Tail { journal, arrived, chains: Chains::default(), doubted: None }
    }

    /// Reads until nobody receives any more.
    pub(super) async fn run(mut self) {
        let mut trouble: Option<(Instant, bool)> = None;
        let (mut pull_bytes, mut others) = (PULL_BYTES[0], PULL_BYTES.into_iter().cycle().skip(1));
        loop {
            let before = self.journal.next();
            let (end, has_pulled) = match self.consumer().await {
                Ok(consumer) => (self.read(&consumer, pull_bytes).await, true),
                Err(end) => (end, false),
            };
            let error = match end {
                End::Closed => return,
                End::Again(error) => error,
            };
            log::debug!("cluster: reading the stream again: {error}");
            if self.journal.next() > before {
                if let Some((begin, true)) = trouble {
                    log::info!("cluster: the stream is read again, after {:.1?}", begin.elapsed());
                }
                trouble = None;
            } else if has_pulled {
                pull_bytes = others.next().unwrap_or(pull_bytes);
            }
            let (begin, told) = trouble.get_or_insert((Instant::now(), false));
            if begin.elapsed() >= PATIENCE && !std::mem::replace(told, true) {
                log::error!("cluster: the stream cannot be read: {error}; clients wait, and lose nothing");
            }
            sleep(RETRY).await;
        }
    }

    /// A consumer of what was not read yet.
    async fn consumer(&mut self) -> Result<PullConsumer, End> {
        let info = self.journal.archive().stream().get_info().await.map_err(ClusterError::engine)?;
        let first = info.state.first_sequence;
        self.journal.note(info.state, false);
        if first > self.journal.next() {
            self.missed(first).await?;
        }
        let wanted = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.journal.next() },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: FORGOTTEN_AFTER,
            ..pull::Config::default()
        };
        let stream = self.journal.archive().stream();
        Ok(stream.create_consumer(wanted).await.map_err(ClusterError::engine)?)
    }

    /// Reads until something is wrong.
    async fn read(&mut self, consumer: &PullConsumer, pull_bytes: usize) -> End {
        match self.try_read(consumer, pull_bytes).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn try_read(&mut self, consumer: &PullConsumer, pull_bytes: usize) -> Result<End, End> {
        let messages = consumer
            .stream()
            .max_bytes_per_batch(pull_bytes)
            .expires(PULL_EXPIRY)
            .heartbeat(IDLE_HEARTBEAT)
            .messages();
        let mut messages = messages.await.map_err(ClusterError::engine)?;
        while let Some(message) = messages.next().await {
            self.take(&message.map_err(ClusterError::engine)?).await?;
        }
        Ok(End::Again(ClusterError::engine("the consumer has ended")))
    }

    /// Passes a message on.
    async fn take(&mut self, message: &Message) -> Result<(), End> {
        let info = message.info().map_err(ClusterError::engine)?;
        let (sequence, next) = (info.stream_sequence, self.journal.next());
        if sequence < next {
            return Ok(());
        }
        if sequence > next {
            if self.doubted.replace(next) != Some(next) {
                return Err(ClusterError::Engine(format!("{next} was expected, and {sequence} came")).into());
            }
            self.missed(sequence).await?;
        }
        let time_us = u64::try_from(info.published.timestamp_micros()).unwrap_or_default();
        let stored = StoredMessage {
            sequence,
            headers: message.headers.clone().unwrap_or_default(),
            payload: message.payload.clone(),
        };
        self.check_chain(message.subject.as_str(), &stored).await?;
        let (placed, count) = (stored.placed(), stored.count());
        self.send(Arrived::Block(placed)).await?;
        self.journal.arrived(sequence, count, time_us);
        Ok(())
    }

    /// Says so if a message does not follow the one of its log that was read before it, and tells clients if they may miss
    /// something.
    async fn check_chain(&mut self, subject: &str, message: &StoredMessage) -> Result<(), End> {
        let Some(previous) = number(&message.headers, PREVIOUS) else { return Ok(()) };
        let sequence = message.sequence;
        match self.chains.add(subject, sequence, previous) {
            Link::Next => {}
            Link::Again(lost) => log::error!(
                "cluster: the engine has lost messages of {subject} from {lost} on, which it had acknowledged; their entries come \
                 again from {sequence} on; is sync_interval \"always\" in its configuration?"
            ),
            Link::Unread(unread) => {
                let (first, last) = unread.into_inner();
                log::error!(
                    "cluster: the engine has lost messages of {subject}, which it had acknowledged, and has given the numbers \
                     {first} to {last} a second time; clients are told that they may have missed them; is sync_interval \
                     \"always\" in its configuration?"
                );
                let (from_seq, to_seq) = (first_seq(first), first_seq(last + 1) - 1);
                self.send(Arrived::Unread { from_seq, to_seq }).await?;
            }
        }
        Ok(())
    }

    /// Goes on with the message `next`: those before it are gone.
    async fn missed(&mut self, next: u64) -> Result<(), End> {
        log::error!(
            "cluster: the messages {} to {} of the stream are missing; clients are told so",
            self.journal.next(),
            next - 1
        );
        self.send(Arrived::Missed { next_seq: first_seq(next) }).await?;
        self.journal.go_on_at(next);
        // Among them may be the one before of any log.
        self.chains.clear();
        Ok(())
    }

    async fn send(&self, arrived: Arrived) -> Result<(), End> {
        self.arrived.send(arrived).await.map_err(|_| End::Closed)
    }
}

/// Passes notices about logs on, until nobody receives them any more.
pub(super) async fn pass_alerts(engine: Arc<Engine>, arrived: mpsc::Sender<Arrived>) {
    loop {
        if let Ok(mut alerts) = engine.client.subscribe(engine.names.alerts()).await {
            while let Some(alert) = alerts.next().await {
                let Ok(text) = String::from_utf8(alert.payload.into()) else { continue };
                if arrived.send(Arrived::Alert(text)).await.is_err() {
                    return;
                }
            }
        }
        sleep(RETRY).await;
    }
}
