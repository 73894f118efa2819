//! Where outputs deliver messages: files, URLs, Kafka, NATS and the standard output. What they deliver, and when, is decided in
//! `actors`.
//!
//! - `batch` has the messages that are delivered together;
//! - `file`, `webhook`, `kafka`, `nats` and `stdout` deliver them, and return when they are safe there;
//! - `dead_letters` has those that a target refuses for good;
//! - `status` is what is told of an output.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod batch;
mod dead_letters;
mod error;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod status;
mod stdout;
mod webhook;

pub(crate) use batch::{Batch, Inbox};
pub(crate) use error::DeliveryError;
pub(crate) use status::{OutputFigures, OutputStatus};
pub(crate) use webhook::WebhookSettings;

use crate::clock;
use crate::config::{OutputConfig, TargetConfig};
use crate::state::FilePlace;
use file::FileTarget;
#[cfg(feature = "kafka")]
use kafka::KafkaTarget;
#[cfg(feature = "nats")]
use nats::NatsTarget;
use stdout::StdoutTarget;
use webhook::Webhook;

/// Where an output delivers to.
pub(crate) enum Target {
    /// Files with one message a line.
    File(Box<FileTarget>),
    /// Requests to a URL.
    Webhook(Box<Webhook>),
    /// A topic of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaTarget>),
    /// A stream of NATS JetStream.
    #[cfg(feature = "nats")]
    Nats(Box<NatsTarget>),
    /// Lines on the standard output.
    Stdout(StdoutTarget),
}

/// Checks what only the target knows of the settings of `output`.
///
/// # Errors
/// What is wrong.
pub(crate) fn check(output: &OutputConfig) -> Result<(), String> {
    match &output.target {
        #[cfg(feature = "kafka")]
        TargetConfig::Kafka(kafka) => kafka::check(kafka),
        _ => Ok(()),
    }
}

impl Target {
    /// Opens the target of `config`, which goes on at `place`.
    ///
    /// # Errors
    /// If it cannot be used now.
    pub(crate) async fn open(
        config: &OutputConfig,
        place: Option<&FilePlace>,
        webhooks: &WebhookSettings,
        status: &OutputStatus,
    ) -> Result<Self, DeliveryError> {
        match &config.target {
            TargetConfig::File(file) => {
                Ok(Target::File(Box::new(FileTarget::open(&config.name, file, place)?)))
            }
            TargetConfig::Webhook(webhook) => {
                let webhook = Webhook::new(&config.name, webhook, webhooks, status.dead_letters())?;
                Ok(Target::Webhook(Box::new(webhook)))
            }
            #[cfg(feature = "kafka")]
            TargetConfig::Kafka(kafka) => {
                Ok(Target::Kafka(Box::new(KafkaTarget::open(&config.name, kafka, status.dead_letters())?)))
            }
            #[cfg(not(feature = "kafka"))]
            TargetConfig::Kafka(_) => Err(DeliveryError::new("this program was built without Kafka")),
            #[cfg(feature = "nats")]
            TargetConfig::Nats(nats) => {
                let target = NatsTarget::open(&config.name, nats, config.stream, status.dead_letters());
                Ok(Target::Nats(Box::new(target.await?)))
            }
            #[cfg(not(feature = "nats"))]
            TargetConfig::Nats(_) => Err(DeliveryError::new("this program was built without NATS")),
            TargetConfig::Stdout => Ok(Target::Stdout(StdoutTarget)),
        }
    }

    /// Makes room for the batch, which may have no messages, and whose first entry has the number `next_seq` or a larger
    /// one. Everything before has to be delivered. It may block the thread.
    ///
    /// # Errors
    /// If nothing can be delivered now.
    pub(crate) fn prepare(&mut self, batch: &Batch, next_seq: u64) -> Result<(), DeliveryError> {
        match self {
            Target::File(file) => file.prepare(batch, next_seq, clock::unix_us()),
            _ => Ok(()),
        }
    }

    /// Delivers the batch: it is safe at the target when this returns. It may block the thread. A target that does not give
    /// up by itself calls `stalled` with what is wrong.
    ///
    /// # Errors
    /// If it was not delivered, or not all of it.
    pub(crate) async fn deliver(
        &mut self,
        batch: &Batch,
        stalled: &dyn Fn(&str),
    ) -> Result<(), DeliveryError> {
        // Kafka and NATS need it, which may not be there.
        let _ = stalled;
        match self {
            Target::File(file) => file.deliver(batch),
            Target::Webhook(webhook) => webhook.deliver(batch).await,
            #[cfg(feature = "kafka")]
            Target::Kafka(kafka) => kafka.deliver(batch, stalled).await,
            #[cfg(feature = "nats")]
            Target::Nats(nats) => nats.deliver(batch, stalled).await,
            Target::Stdout(stdout) => stdout.deliver(batch),
        }
    }

    /// Ends what nobody goes on with. It may block the thread.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub(crate) fn finish(&mut self) -> Result<(), DeliveryError> {
        match self {
            Target::File(file) => file.finish(),
            _ => Ok(()),
        }
    }

    /// Whether it need not be opened again after a failure.
    pub(crate) fn outlasts_failures(&self) -> bool {
        matches!(self, Target::Webhook(_))
    }

    /// The end of what was delivered to a file.
    pub(crate) fn place(&self) -> Option<FilePlace> {
        match self {
            Target::File(file) => file.place().cloned(),
            _ => None,
        }
    }
}
