//! An error with the path of its file.

use std::io;
use std::path::{Path, PathBuf};

/// The operating system refused an operation on a file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub(crate) struct FileError {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// The operating system's error.
    pub(crate) source: io::Error,
}

impl FileError {
    /// For `map_err`.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| FileError { path: path.into(), source }
    }
}
