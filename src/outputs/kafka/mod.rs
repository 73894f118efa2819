//! Delivers messages to a topic of Kafka, by librdkafka's idempotent producer: a batch is delivered when all replicas in sync
//! have its messages (`acks=all`).
//!
//! The producer sends again what was not acknowledged, without end, in the same order and without doubles. So while the
//! brokers cannot be reached, [`KafkaTarget::deliver`] does not return; it tells what is wrong meanwhile.

mod reports;
mod settings;

use super::batch::{Batch, Message};
use super::dead_letters::{DeadLetter, DeadLetters};
use super::error::{DeliveryError, shown};
use crate::config::{KafkaConfig, RecordKey};
use crate::message::{log_id_of, log_url_of, tbs_sha256_of};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use reports::{Fates, Reports};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio::time::sleep;

/// Interval at which it is asked for acknowledgements. A batch is mostly acknowledged in one.
const POLL: Duration = Duration::from_millis(20);
/// Time in which nothing is acknowledged after which the output counts as failing.
const STALLED: Duration = Duration::from_secs(10);
/// Time for the answer to how many partitions a topic has.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
/// The header with the number of the entry.
const SEQ: &str = "seq";

/// A topic; see the module documentation.
pub(crate) struct KafkaTarget {
    config: KafkaConfig,
    producer: BaseProducer<Reports>,
    reports: Reports,
    dead_letters: DeadLetters,
}

/// Checks the files of `config`, and what only librdkafka knows: the names and values of its properties.
///
/// # Errors
/// What is wrong.
pub(super) fn check(config: &KafkaConfig) -> Result<(), String> {
    let (certificate, key) = config.tls_identity.clone().unzip();
    for (name, path) in [("tls_ca", &config.tls_ca), ("tls_certificate", &certificate), ("tls_key", &key)] {
        // librdkafka does not say which file it cannot read.
        if let Some(path) = path
            && let Err(error) = std::fs::File::open(path)
        {
            return Err(format!("{name}: {}: {error}", path.display()));
        }
    }
    settings::of(config)
        .create_with_context::<_, BaseProducer<Reports>>(Reports::default())
        .map(drop)
        .map_err(|error| told(&error))
}

impl KafkaTarget {
    /// Starts a producer for the output `name`. Messages that are too large are counted in `dead`.
    ///
    /// # Errors
    /// If the settings cannot be used.
    pub(super) fn open(
        name: &str,
        config: &KafkaConfig,
        dead: Arc<AtomicU64>,
    ) -> Result<Self, DeliveryError> {
        let reports = Reports::default();
        let producer = settings::of(config).create_with_context(reports.clone());
        Ok(KafkaTarget {
            producer: producer.map_err(|error| DeliveryError::new(told(&error)))?,
            reports,
            dead_letters: DeadLetters::new(name, config.dead_letters.clone(), dead),
            config: config.clone(),
        })
    }

    /// Sends the batch. What is too large is in the dead-letter file when this returns. It calls `stalled` with what is
    /// wrong while nothing is acknowledged.
    ///
    /// # Errors
    /// If the topic does not take it. The error says how many messages were delivered before the first that was not.
    pub(super) async fn deliver(
        &mut self,
        batch: &Batch,
        stalled: &dyn Fn(&str),
    ) -> Result<(), DeliveryError> {
        let messages: Vec<_> = batch.messages().collect();
        // Before anything is sent that would be sent again if the answer fails.
        let has_gap = messages.iter().any(|message| message.seq.is_none());
        let partitions = if has_gap { self.partitions()? } else { 0 };
        let failed = self.send(messages.iter().copied().enumerate(), partitions, stalled).await?;
        let mut refused = Vec::new();
        for (index, code) in failed {
            let Some(message) = messages.get(index).copied() else { continue };
            let code = match code {
                // A broker refuses all messages that were sent together, because one of them is too large.
                RDKafkaErrorCode::MessageSizeTooLarge => self
                    .send(std::iter::once((index, message)), partitions, stalled)
                    .await?
                    .first()
                    .map(|(_, code)| *code),
                code => Some(code),
            };
            match code {
                None => {}
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    let why = "it is larger than message.max.bytes of the output or its topic";
                    refused.push(DeadLetter { message: message.text, why: why.into() });
                }
                Some(code) => {
                    // What comes before counts as delivered.
                    self.dead_letters.append_all(&refused, stalled).await;
                    return Err(self.refused(code, index));
                }
            }
        }
        self.dead_letters.append_all(&refused, stalled).await;
        Ok(())
    }

    /// Sends messages, and waits until it is known what has become of each. Returns those that were not delivered, in order. A
    /// gap goes to all of the topic's `partitions`.
    async fn send<'m>(
        &self,
        messages: impl Iterator<Item = (usize, Message<'m>)>,
        partitions: i32,
        stalled: &dyn Fn(&str),
    ) -> Result<Vec<(usize, RDKafkaErrorCode)>, DeliveryError> {
        self.reports.with(|fates| *fates = Fates::default());
        let mut waiting = Waiting::new(self, stalled);
        for (index, message) in messages {
            if message.seq.is_some() {
                self.enqueue(index, message, None, &mut waiting).await?;
                continue;
            }
            // Whoever reads one partition has to know of a gap.
            for partition in 0..partitions {
                self.enqueue(index, message, Some(partition), &mut waiting).await?;
            }
        }
        // Only failures are reported. What is not on its way any more has been delivered, or has failed.
        while self.producer.in_flight_count() > 0 {
            waiting.wait().await;
        }
        let mut failed = self.reports.with(|fates| std::mem::take(&mut fates.failed));
        failed.sort_unstable_by_key(|(index, _)| *index);
        failed.dedup_by_key(|(index, _)| *index);
        Ok(failed)
    }

    /// Hands a message to the producer.
    async fn enqueue(
        &self,
        index: usize,
        message: Message<'_>,
        partition: Option<i32>,
        waiting: &mut Waiting<'_>,
    ) -> Result<(), DeliveryError> {
        let mut record =
            BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.config.topic, index).payload(message.text);
        if let Some(key) = self.key(message.text) {
            record = record.key(key);
        }
        if let Some(partition) = partition {
            record = record.partition(partition);
        }
        record = record.headers(self.headers(message.seq));
        loop {
            let Err((error, same)) = self.producer.send(record) else { break };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => waiting.wait().await,
                Some(code @ RDKafkaErrorCode::MessageSizeTooLarge) => {
                    self.reports.with(|fates| fates.failed.push((index, code)));
                    return Ok(());
                }
                _ => return Err(DeliveryError::new(told(&error))),
            }
            record = same;
        }
        // There was room for it: nothing stands still.
        waiting.least = i32::MAX;
        Ok(())
    }

    fn key<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        match self.config.key {
            RecordKey::Log => log_id_of(message).or_else(|| log_url_of(message)),
            RecordKey::TbsSha256 => tbs_sha256_of(message),
            RecordKey::None => None,
        }
    }

    fn headers(&self, seq: Option<u64>) -> OwnedHeaders {
        let number = seq.map(|seq| seq.to_string());
        let mut headers = OwnedHeaders::new_with_capacity(self.config.headers.len() + 1);
        if let Some(number) = &number {
            headers = headers.insert(Header { key: SEQ, value: Some(number) });
        }
        for (name, value) in &self.config.headers {
            headers = headers.insert(Header { key: name, value: Some(value.reveal()) });
        }
        headers
    }

    /// The number of partitions of the topic. Blocks.
    fn partitions(&self) -> Result<i32, DeliveryError> {
        let metadata = self.producer.client().fetch_metadata(Some(&self.config.topic), METADATA_TIMEOUT);
        let metadata = metadata.map_err(|error| DeliveryError::new(told(&error)))?;
        let topic = metadata.topics().first().filter(|topic| topic.error().is_none());
        let partitions =
            topic.and_then(|topic| i32::try_from(topic.partitions().len()).ok()).filter(|count| *count > 0);
        partitions.ok_or_else(|| DeliveryError::new(format!("topic {} has no partitions", self.config.topic)))
    }

    fn refused(&self, code: RDKafkaErrorCode, delivered: usize) -> DeliveryError {
        let topic = &self.config.topic;
        let text = match code {
            RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
                format!("there is no topic {topic}; create it, or let the brokers create topics")
            }
            RDKafkaErrorCode::TopicAuthorizationFailed => {
                format!("the output may not write to topic {topic}; allow it to (operation Write)")
            }
            code => match self.producer.client().fatal_error() {
                Some((_, fatal)) => format!("the producer has to begin anew: {}", shown(fatal)),
                None => format!("topic {topic} does not take messages: {code}"),
            },
        };
        DeliveryError { delivered, ..DeliveryError::new(text) }
    }
}

/// Waits for acknowledgements, and tells if there are none for long.
struct Waiting<'t> {
    target: &'t KafkaTarget,
    stalled: &'t dyn Fn(&str),
    /// Number of messages on their way, together with the events that have not been polled.
    on_their_way: i32,
    /// The smallest number of them so far, and since when it has not been smaller.
    least: i32,
    since: Instant,
}

impl<'t> Waiting<'t> {
    fn new(target: &'t KafkaTarget, stalled: &'t dyn Fn(&str)) -> Self {
        Waiting { target, stalled, on_their_way: 0, least: i32::MAX, since: Instant::now() }
    }

    async fn wait(&mut self) {
        // One event. With a time to wait, it would spin for the last millisecond of it, and come back no sooner for an event.
        self.target.producer.poll(Duration::ZERO);
        let on_their_way = self.target.producer.in_flight_count();
        // Errors of connections are events: while they come and go, nothing may be acknowledged.
        if on_their_way < self.least {
            (self.least, self.since) = (on_their_way, Instant::now());
        }
        if on_their_way != self.on_their_way {
            self.on_their_way = on_their_way;
            // There may be more events.
            return yield_now().await;
        }
        if self.since.elapsed() >= STALLED {
            self.since = Instant::now();
            let trouble = self.target.reports.with(|fates| fates.trouble.clone());
            (self.stalled)(trouble.as_deref().unwrap_or("no broker acknowledges messages"));
        }
        sleep(POLL).await;
    }
}

/// What is wrong, without what every error of librdkafka begins with, and without the values of properties.
fn told(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, what, name, _) => shown(format_args!("{name}: {what}")),
        KafkaError::ClientCreation(why) => shown(why),
        error => shown(error),
    }
}
