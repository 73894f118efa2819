//! The file for messages that a target refuses.

use super::error::DeliveryError;
use crate::clock;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(any(feature = "kafka", feature = "nats"))]
use std::time::Duration;

/// Largest file, in bytes. When it is reached, messages are sent again until they are accepted or the file is moved away.
const MAX_BYTES: u64 = 256 << 20;

/// Delay before the file is tried again.
#[cfg(any(feature = "kafka", feature = "nats"))]
const RETRY: Duration = Duration::from_secs(1);

/// The file; see the module documentation.
#[derive(Debug)]
pub(super) struct DeadLetters {
    /// The name of the output.
    output: String,
    path: PathBuf,
    /// Number of messages that went there since the start.
    count: Arc<AtomicU64>,
}

/// A message that was refused.
#[derive(Debug)]
pub(super) struct DeadLetter<'m> {
    pub(super) message: &'m [u8],
    pub(super) why: Arc<str>,
}

impl DeadLetters {
    /// The file at `path` of `output`, which is created when it is needed. Messages are counted in `count`.
    pub(super) fn new(output: &str, path: PathBuf, count: Arc<AtomicU64>) -> Self {
        DeadLetters { output: output.into(), path, count }
    }

    /// The same as [`append`](Self::append), but waits for as long as that fails, and calls `stalled` with the reason: what was
    /// delivered beside `letters` is not delivered again meanwhile.
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub(super) async fn append_all(&self, letters: &[DeadLetter<'_>], stalled: &dyn Fn(&str)) {
        while let Err(error) = self.append(letters) {
            stalled(&error.text);
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Appends a line for each of `letters`, on disk when this returns. Blocks.
    ///
    /// # Errors
    /// If the file is full, or cannot be written.
    pub(super) fn append(&self, letters: &[DeadLetter<'_>]) -> Result<(), DeliveryError> {
        let Some(last) = letters.last() else { return Ok(()) };
        let path = self.path.display();
        let time = clock::unix_us() as f64 / 1e6;
        let line = |letter: &DeadLetter<'_>| {
            let before = format!(r#"{{"time":{time},"why":{},"message":"#, json!(&*letter.why));
            [before.as_bytes(), letter.message, b"}\n"].concat()
        };
        let lines = letters.iter().map(line).collect::<Vec<_>>().concat();
        if self.path.metadata().map_or(0, |metadata| metadata.len()) + lines.len() as u64 > MAX_BYTES {
            return Err(DeliveryError::new(format!(
                "{path} is full: look at what was refused, and move it away"
            )));
        }
        self.write(&lines).map_err(|error| DeliveryError::of_path(&self.path, &error))?;
        let count = letters.len();
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        log::error!("output {}: {}; {count} messages were written to {path}", self.output, last.why);
        Ok(())
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(lines)?;
        file.sync_all()
    }
}
