//! How far this edge had read the stream, in a file: clients that give no cursor go on there after a restart.

use super::journal::StreamJournal;
use crate::journal::Journal;
use crate::system::{Durability, read_file, replace_file};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

/// The file's name.
const NAME: &str = "edge";
/// Maximum size of the file, in bytes: a number has at most 20 digits.
const MAX_BYTES: usize = 32;
/// Interval at which it is written.
const INTERVAL: Duration = Duration::from_secs(1);
/// After a longer absence, clients have gone to other edges.
const MAX_ABSENCE: Duration = Duration::from_secs(10 * 60);

/// The file; see the module documentation.
#[derive(Debug)]
pub(super) struct EdgeFile {
    path: PathBuf,
}

impl EdgeFile {
    /// The file in `state_dir`.
    pub(super) fn new(state_dir: &std::path::Path) -> Self {
        EdgeFile { path: state_dir.join(NAME) }
    }

    /// The number behind what had been read when this edge ended. `None` if it never ran, or ended too long ago.
    pub(super) fn read(&self) -> Option<u64> {
        let written = std::fs::metadata(&self.path).and_then(|meta| meta.modified()).ok()?;
        if SystemTime::now().duration_since(written).is_ok_and(|absence| absence > MAX_ABSENCE) {
            return None;
        }
        let text = read_file(&self.path, MAX_BYTES).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    /// Writes how far `journal` has been read. Without it, clients without a cursor miss what came during a restart.
    pub(super) fn write(&self, journal: &StreamJournal) {
        let text = format!("{}\n", journal.next_seq());
        if let Err(error) = replace_file(&self.path, text.as_bytes(), Durability::Unsynced) {
            log::debug!("{}: {error}", self.path.display());
        }
    }

    /// Writes it from time to time.
    pub(super) async fn keep_writing(self: Arc<Self>, journal: Arc<StreamJournal>) {
        loop {
            sleep(INTERVAL).await;
            self.write(&journal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_too_old_is_not_gone_by() {
        let dir = tempfile::tempdir().unwrap();
        let file = EdgeFile::new(dir.path());
        assert_eq!(file.read(), None);
        std::fs::write(&file.path, "1795460507875404\n").unwrap();
        assert_eq!(file.read(), Some(1_795_460_507_875_404));
        for text in ["", "x", "-1", &"1".repeat(100)] {
            std::fs::write(&file.path, text).unwrap();
            assert_eq!(file.read(), None, "{text}");
        }
        std::fs::write(&file.path, "17").unwrap();
        let long_ago = SystemTime::now() - 2 * MAX_ABSENCE;
        std::fs::File::options().write(true).open(&file.path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(file.read(), None);
    }
}
