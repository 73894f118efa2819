//! Why an output could not deliver.

#[cfg(any(feature = "kafka", feature = "nats"))]
use crate::printable;
use std::io;
use std::time::Duration;

/// Why messages were not delivered. They are delivered again later.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct DeliveryError {
    /// The reason, for people.
    pub(crate) text: String,
    /// The delay that the target asks for.
    pub(crate) retry_after: Option<Duration>,
    /// Whether nothing can be delivered any more, because whoever read it has gone.
    pub(crate) is_final: bool,
    /// Number of messages at the beginning of the batch that were delivered.
    pub(crate) delivered: usize,
}

impl DeliveryError {
    /// Without a delay that the target asks for.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        DeliveryError { text: text.into(), retry_after: None, is_final: false, delivered: 0 }
    }

    /// With a text that comes from outside, which is escaped and cut.
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub(super) fn told(what: &str, from_outside: impl std::fmt::Display) -> Self {
        DeliveryError::new(format!("{what}: {}", shown(from_outside)))
    }

    /// What went wrong with the file or folder `path`.
    pub(super) fn of_path(path: &std::path::Path, error: &io::Error) -> Self {
        DeliveryError::new(format!("{}: {error}", path.display()))
    }
}

/// A text from outside, escaped and cut.
#[cfg(any(feature = "kafka", feature = "nats"))]
pub(super) fn shown(from_outside: impl std::fmt::Display) -> String {
    printable::escaped(&from_outside.to_string(), printable::MAX_CHARS).into_owned()
}
