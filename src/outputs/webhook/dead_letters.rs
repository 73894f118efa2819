//! The file for messages that a receiver refuses.

use crate::clock;
use crate::outputs::error::DeliveryError;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Largest file, in bytes. When it is reached, messages are sent again until they are accepted or the file is moved away.
const MAX_BYTES: u64 = 256 << 20;

/// The file; see the module documentation.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
}

impl DeadLetters {
    /// The file at `path`, which is created when it is needed.
    pub(super) fn new(path: PathBuf) -> Self {
        DeadLetters { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line for each of `messages`, on disk when this returns. Blocks.
    ///
    /// # Errors
    /// If the file is full, or cannot be written.
    pub(super) fn append(&self, messages: &[&[u8]], why: &str) -> Result<(), DeliveryError> {
        let before = format!(r#"{{"time":{},"why":{},"message":"#, clock::unix_us() as f64 / 1e6, json!(why));
        let lines: Vec<_> =
            messages.iter().map(|message| [before.as_bytes(), message, b"}\n"].concat()).collect();
        let lines = lines.concat();
        let of_path = |error: io::Error| DeliveryError::of_path(&self.path, &error);
        if self.path.metadata().map_or(0, |metadata| metadata.len()) + lines.len() as u64 > MAX_BYTES {
            let text = format!("{why}; {} is full: look at it and move it away", self.path.display());
            return Err(DeliveryError::new(text));
        }
        self.write(&lines).map_err(of_path)
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(lines)?;
        file.sync_all()
    }
}
