//! Delivers messages to a stream of NATS JetStream, in atomic batches (ADR-50): of each, the stream stores all messages in
//! order, or none.
//!
//! Single messages, each with an acknowledgement, would be stored out of order when the leader of the stream changes.

mod subject;

use super::batch::Batch;
use super::dead_letters::{DeadLetter, DeadLetters};
use super::error::{DeliveryError, shown};
use crate::config::NatsOutputConfig;
use crate::message::Stream;
use crate::nats;
use async_nats::header::{HeaderMap, HeaderName, HeaderValue, NATS_EXPECTED_STREAM};
use async_nats::{Client, Request, RequestErrorKind, Subject};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use subject::SubjectTemplate;

/// Time for a connection to one server, and for the answer to a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A server that does not answer pings for two of these intervals is left.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Most messages that a server takes in one batch, unless it is configured otherwise.
const MAX_BATCH: usize = 1000;
/// Bytes of a message's headers, at most: they count as a part of it.
const HEADERS_BYTES: usize = 512;

const BATCH_ID: HeaderName = HeaderName::from_static("Nats-Batch-Id");
const BATCH_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Batch-Sequence");
const BATCH_COMMIT: HeaderName = HeaderName::from_static("Nats-Batch-Commit");
/// The header with the number of the entry.
const SEQ: HeaderName = HeaderName::from_static("Certstream-Seq");
/// Bytes between two messages of a batch.
const LINE_END: usize = 1;

/// A stream of JetStream; see the module documentation.
pub(crate) struct NatsTarget {
    client: Client,
    jetstream: String,
    subject: SubjectTemplate,
    dead_letters: DeadLetters,
    /// The memory of the batches, which is used again once their messages are sent.
    buffer: BytesMut,
}

/// One message as it is published.
struct Publication {
    /// The place of the message in the batch of the output.
    index: usize,
    subject: Subject,
    /// The number of the message's entry.
    seq: Option<u64>,
    payload: Bytes,
}

impl NatsTarget {
    /// Connects the output `name`, which delivers `stream`. Messages that are too large are counted in `dead`.
    ///
    /// # Errors
    /// If no server can be reached, or the stream of JetStream is not as needed.
    pub(super) async fn open(
        name: &str,
        config: &NatsOutputConfig,
        stream: Stream,
        dead: Arc<AtomicU64>,
    ) -> Result<Self, DeliveryError> {
        let client_name = format!("{} output {name}", env!("CARGO_PKG_NAME"));
        let options = nats::options(&config.server, &client_name).await;
        let options = options
            .map_err(|error| DeliveryError::new(error.to_string()))?
            .connection_timeout(TIMEOUT)
            .request_timeout(Some(TIMEOUT))
            .ping_interval(PING_INTERVAL)
            // What follows from them is told by the output.
            .event_callback(|event| async move { log::debug!("NATS: {event}") });
        let urls = nats::shown_urls(&config.server);
        let client = options.connect(config.server.url.clone()).await;
        let unreachable = |error| DeliveryError::told(&format!("NATS cannot be reached at {urls}"), error);
        let target = NatsTarget {
            client: client.map_err(unreachable)?,
            jetstream: config.jetstream.clone(),
            subject: SubjectTemplate::new(&config.subject, stream),
            dead_letters: DeadLetters::new(name, config.dead_letters.clone(), dead),
            buffer: BytesMut::new(),
        };
        target.check().await?;
        Ok(target)
    }

    /// Checks that the stream exists and takes batches.
    async fn check(&self) -> Result<(), DeliveryError> {
        let name = &self.jetstream;
        let answer = self.client.request(format!("$JS.API.STREAM.INFO.{name}"), Bytes::new()).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => {
                DeliveryError::new("the server of NATS has no JetStream; enable it")
            }
            _ => DeliveryError::told("the stream cannot be looked at", error),
        })?;
        let info: Value = serde_json::from_slice(&answer.payload)
            .map_err(|error| DeliveryError::told("the stream cannot be looked at", error))?;
        let wrong = match (info.get("error"), info.pointer("/config/allow_atomic")) {
            (Some(error), _) => format!(
                "the stream {name} cannot be used: {}; docs/outputs.md shows how to make it",
                shown(error.get("description").and_then(Value::as_str).unwrap_or("unknown error"))
            ),
            (None, Some(Value::Bool(true))) => return Ok(()),
            (None, _) => format!(
                "the stream {name} does not take atomic batches; set allow_atomic to true in its configuration (NATS 2.12 or later)"
            ),
        };
        Err(DeliveryError::new(wrong))
    }

    /// Publishes the batch. What is too large is in the dead-letter file when this returns. It calls `stalled` with what is
    /// wrong while that file cannot be written.
    ///
    /// # Errors
    /// If it was not stored. The error says how many messages were stored before.
    pub(super) async fn deliver(
        &mut self,
        batch: &Batch,
        stalled: &dyn Fn(&str),
    ) -> Result<(), DeliveryError> {
        let (publications, mut refused) = self.publications(batch);
        let mut result = Ok(());
        for chunk in publications.chunks(MAX_BATCH) {
            if let Err(error) = self.publish(chunk).await {
                let delivered = chunk.first().map_or(0, |first| first.index);
                refused.retain(|(index, _)| *index < delivered);
                result = Err(DeliveryError { delivered, ..error });
                break;
            }
        }
        let refused: Vec<_> = refused.into_iter().map(|(_, letter)| letter).collect();
        self.dead_letters.append_all(&refused, stalled).await;
        result
    }

    /// The messages as they are published, and those that are too large, with their places.
    fn publications<'b>(&mut self, batch: &'b Batch) -> (Vec<Publication>, Vec<(usize, DeadLetter<'b>)>) {
        let most = self.client.server_info().max_payload.saturating_sub(HEADERS_BYTES);
        let (mut publications, mut refused) = (Vec::with_capacity(batch.len()), Vec::new());
        // One copy for all of them.
        self.buffer.extend_from_slice(batch.bytes());
        let (bytes, mut at) = (self.buffer.split().freeze(), 0);
        for (index, message) in batch.messages().enumerate() {
            let payload = bytes.slice(at..at + message.text.len());
            at += message.text.len() + LINE_END;
            if message.text.len() > most {
                let why =
                    format!("it is larger than max_payload of the server of NATS allows ({most} bytes)");
                refused.push((index, DeadLetter { message: message.text, why: why.into() }));
                continue;
            }
            self.subject.each(message.text, |subject| {
                publications.push(Publication { index, subject, seq: message.seq, payload: payload.clone() });
            });
        }
        (publications, refused)
    }

    /// Publishes messages, at most [`MAX_BATCH`], as one batch, and waits until it is stored.
    async fn publish(&self, messages: &[Publication]) -> Result<(), DeliveryError> {
        let Some((last, before)) = messages.split_last() else { return Ok(()) };
        let id = HeaderValue::from(format!("{:016x}", rand::random::<u64>()));
        for (sequence, publication) in (1_usize..).zip(before) {
            let headers = headers(&id, sequence, publication.seq);
            let (subject, payload) = (publication.subject.clone(), publication.payload.clone());
            let published = self.client.publish_with_headers(subject, headers, payload).await;
            published.map_err(|error| DeliveryError::told("messages cannot be published", error))?;
        }
        let mut headers = headers(&id, messages.len(), last.seq);
        headers.insert(NATS_EXPECTED_STREAM, self.jetstream.as_str());
        headers.insert(BATCH_COMMIT, "1");
        let request = Request::new().headers(headers).payload(last.payload.clone());
        let answer = self.client.send_request(last.subject.clone(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => DeliveryError::new(format!(
                "no stream takes the subject {}; add it to the subjects of {}",
                last.subject, self.jetstream
            )),
            _ => DeliveryError::told("a batch is not acknowledged", error),
        })?;
        stored(&answer.payload, messages.len())
    }
}

/// The headers of the message that is the one with `sequence` in the batch `id`.
fn headers(id: &HeaderValue, sequence: usize, seq: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(BATCH_ID, id.clone());
    headers.insert(BATCH_SEQUENCE, HeaderValue::from(sequence));
    if let Some(seq) = seq {
        headers.insert(SEQ, HeaderValue::from(seq));
    }
    headers
}

/// The answer to a batch.
#[derive(Debug, Deserialize)]
struct Stored {
    error: Option<Refusal>,
    /// Number of messages of the batch.
    count: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    description: Option<String>,
}

/// Whether `answer` says that a batch of `count` messages was stored.
fn stored(answer: &[u8], count: usize) -> Result<(), DeliveryError> {
    let answer: Stored = serde_json::from_slice(answer)
        .map_err(|error| DeliveryError::told("the answer to a batch is invalid", error))?;
    match answer {
        Stored { error: None, count: Some(stored) } if stored == count => Ok(()),
        Stored { error: None, count: stored } => Err(DeliveryError::new(format!(
            "of a batch of {count} messages, {} were stored",
            stored.unwrap_or_default()
        ))),
        Stored { error: Some(refusal), .. } => {
            let why = refusal.description.unwrap_or_else(|| "unknown error".into());
            Err(DeliveryError::told("the stream does not take a batch", why))
        }
    }
}
