//! Where outputs deliver messages: files, URLs and the standard output. What they deliver, and when, is decided in `actors`.
//!
//! - `batch` has the messages that are delivered together;
//! - `file`, `webhook` and `stdout` deliver them, and return when they are safe there;
//! - `status` is what is told of an output.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod batch;
mod error;
mod file;
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
use stdout::StdoutTarget;
use webhook::Webhook;

/// Where an output delivers to.
pub(crate) enum Target {
    /// Files with one message a line.
    File(Box<FileTarget>),
    /// Requests to a URL.
    Webhook(Box<Webhook>),
    /// Lines on the standard output.
    Stdout(StdoutTarget),
}

impl Target {
    /// Opens the target of `config`, which goes on at `place`.
    ///
    /// # Errors
    /// If it cannot be used now.
    pub(crate) fn open(
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
            Target::Webhook(_) | Target::Stdout(_) => Ok(()),
        }
    }

    /// Delivers the batch: it is safe at the target when this returns. It may block the thread.
    ///
    /// # Errors
    /// If it was not delivered, or not all of it.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        match self {
            Target::File(file) => file.deliver(batch),
            Target::Webhook(webhook) => webhook.deliver(batch).await,
            Target::Stdout(stdout) => stdout.deliver(batch),
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
            Target::Webhook(_) | Target::Stdout(_) => None,
        }
    }
}
