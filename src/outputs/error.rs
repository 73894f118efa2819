//! Why an output could not deliver.

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

    /// What went wrong with the file or folder `path`.
    pub(super) fn of_path(path: &std::path::Path, error: &io::Error) -> Self {
        DeliveryError::new(format!("{}: {error}", path.display()))
    }
}
