//! Why a connection to NATS cannot be prepared.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}{}: {why}", path.as_ref().map(|path| format!(": {}", path.display())).unwrap_or_default())]
pub(crate) struct NatsFileError {
    /// The key that names it.
    pub(super) key: &'static str,
    /// Its path.
    pub(super) path: Option<PathBuf>,
    /// What is wrong.
    pub(super) why: String,
}

impl NatsFileError {
    pub(super) fn new(key: &'static str, path: &Path, why: impl fmt::Display) -> Self {
        NatsFileError { key, path: Some(path.into()), why: why.to_string() }
    }
}
