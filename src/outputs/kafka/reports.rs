//! What librdkafka tells of the messages of a batch: those that were not delivered, and trouble with brokers.

use crate::outputs::error::shown;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode;
use std::sync::Arc;

/// librdkafka says no more if a broker ends connections without an answer.
const NO_BROKER: &str = "no broker can be reached, or they all end the connection; check brokers, tls, sasl, username and password";

/// What has become of the messages of a batch.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// The messages that were not delivered, by their place in the batch.
    pub(super) failed: Vec<(usize, RDKafkaErrorCode)>,
    /// What went wrong last with the connections.
    pub(super) trouble: Option<String>,
}

/// Collects the reports.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports(Arc<Mutex<Fates>>);

impl Reports {
    /// Looks at, or changes, what is known.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Fates) -> T) -> T {
        look(&mut self.0.lock())
    }
}

/// Without what is another number each time: `... (after 3ms in state CONNECT, 5 identical error(s) suppressed)`.
fn without_times(reason: &str) -> &str {
    reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason)
}

impl ClientContext for Reports {
    /// What matters of it is in the errors of the output.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        log::debug!("librdkafka: {facility}: {text}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("librdkafka: {error}: {reason}");
        // The reason comes before; without one, it counts the brokers.
        let is_known = error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown);
        self.with(|fates| {
            if is_known {
                fates.trouble = Some(shown(without_times(reason)));
            } else if fates.trouble.is_none() {
                fates.trouble = Some(NO_BROKER.into());
            }
        });
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        self.with(|fates| {
            if let Err((error, _)) = result {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                fates.failed.push((index, code));
            }
        });
    }
}
