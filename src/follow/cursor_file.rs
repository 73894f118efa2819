//! The file that keeps the cursor, so that another run resumes where this one ended.
//!
//! It is replaced as a whole and synced, so it is always complete. It names the stream that the cursor belongs to: with
//! another stream or filter, what the cursor says would be wrong. A second file beside it, which stays empty, is locked
//! while the program runs.

use super::position::{Position, Progress};
use super::target::Target;
use crate::system::{Durability, read_file, replace_file};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The least time between two writes.
const INTERVAL: Duration = Duration::from_millis(250);
/// Maximum size of the file, in bytes. A URL with a filter has a few kilobytes at most.
const MAX_BYTES: usize = 256 * 1024;
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// The stream's URL without its query string.
    url: String,
    /// The parameters that select messages.
    selection: String,
    /// The newest number that was handed on. `null` before the first one.
    seq: Option<u64>,
}

/// The file of one stream, locked.
#[derive(Debug)]
pub(crate) struct CursorFile {
    path: PathBuf,
    content: Content,
    position: Position,
    written: Instant,
    has_failed: bool,
    _lock: File,
}

/// Why a cursor file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub(crate) struct CursorFileError {
    file: String,
    problem: String,
}

impl CursorFile {
    /// Opens the file at `path` for `target`, and writes it, so that a file that cannot be written is noticed at once. A
    /// missing one is created.
    ///
    /// # Errors
    /// If another program uses it, it belongs to another stream, or it cannot be read or written.
    pub(crate) fn open(path: &Path, target: &Target) -> Result<Self, CursorFileError> {
        let error = |problem: String| CursorFileError { file: path.display().to_string(), problem };
        // The folder of a path without one would be empty.
        let full = std::path::absolute(path).map_err(|e| error(e.to_string()))?;
        if full.is_dir() {
            return Err(error("is a folder; name a file".into()));
        }
        let lock = lock(&full).map_err(error)?;
        let own = Content { version: VERSION, url: target.shown(), selection: target.selection(), seq: None };
        let content = match read_file(&full, MAX_BYTES) {
            Ok(text) => checked(&text, &own).map_err(error)?,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => own,
            Err(unreadable) => return Err(error(format!("cannot be read: {unreadable}"))),
        };
        let position = Position::at(content.seq);
        let file = CursorFile {
            path: full,
            content,
            position,
            written: Instant::now(),
            has_failed: false,
            _lock: lock,
        };
        file.write().map_err(|e| error(format!("cannot be written: {e}")))?;
        Ok(file)
    }

    /// The number to resume after.
    pub(super) fn seq(&self) -> Option<u64> {
        self.position.seq()
    }

    /// Moves the cursor, after what leads there was handed on.
    pub(super) fn advance(&mut self, progress: Progress) {
        self.position.advance(progress);
    }

    /// Whether the cursor has moved, and the file has not been written for a quarter of a second.
    pub(super) fn is_due(&self) -> bool {
        self.is_behind() && self.written.elapsed() >= INTERVAL
    }

    fn is_behind(&self) -> bool {
        self.has_failed || self.position.seq() != self.content.seq
    }

    /// Writes the file now, if the cursor has moved. A failure is reported the first time, and tried again: it loses
    /// nothing, but repeats more.
    ///
    /// # Errors
    /// The problem, if it is a new one.
    pub(super) fn save(&mut self) -> Result<(), String> {
        if !self.is_behind() {
            return Ok(());
        }
        self.content.seq = self.position.seq();
        self.written = Instant::now();
        let result = self.write();
        let is_new = !std::mem::replace(&mut self.has_failed, result.is_err());
        match result {
            Err(error) if is_new => Err(format!("{}: cannot be written: {error}", self.path.display())),
            _ => Ok(()),
        }
    }

    /// Whether the file is older than the cursor because it could not be written.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.content)?;
        text.push(b'\n');
        replace_file(&self.path, &text, Durability::Synced)
    }
}

/// The content in `text`, if it is that of the same stream as `own`.
fn checked(text: &[u8], own: &Content) -> Result<Content, String> {
    let content: Content = serde_json::from_slice(text).map_err(|error| {
        format!("is not a cursor file ({error}); name another file, or delete this one to begin anew")
    })?;
    let of = |content: &Content| match content.selection.as_str() {
        "" => content.url.clone(),
        selection => format!("{}?{selection}", content.url),
    };
    if content.version != VERSION {
        return Err(format!("has version {}, and this program knows {VERSION}", content.version));
    }
    if (&content.url, &content.selection) != (&own.url, &own.selection) {
        return Err(format!(
            "belongs to another stream or filter, {}, and not to {}; name another file, or delete this one to begin anew",
            of(&content),
            of(own)
        ));
    }
    Ok(content)
}

/// Locks the file at `path` until the program ends. The lock is on a file of its own, because the other one is replaced.
fn lock(path: &Path) -> Result<File, String> {
    let mut name = OsString::from(path);
    name.push(".lock");
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| format!("its folder cannot be created: {e}"))?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|e| format!("cannot be locked: {}: {e}", name.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err("is in use by another process; each needs a file of its own".into())
        }
        Err(TryLockError::Error(error)) => Err(format!("cannot be locked: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::new(url, None, []).unwrap()
    }

    fn problem(path: &Path, url: &str) -> String {
        CursorFile::open(path, &target(url)).unwrap_err().to_string()
    }

    #[test]
    fn the_cursor_survives_and_belongs_to_one_stream() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/cursor.json");
        let url = "ws://h/lite-stream?domain=a.example&token=secret";
        let mut file = CursorFile::open(&path, &target(url)).unwrap();
        assert_eq!(file.seq(), None);
        file.advance(Progress::UpTo(7));
        file.save().unwrap();
        assert!(problem(&path, url).contains("in use by another process"));
        drop(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = r#"{"version":1,"url":"ws://h/lite-stream","selection":"domain=a.example","seq":7}"#;
        assert_eq!(text.trim_end(), expected);
        assert_eq!(CursorFile::open(&path, &target(url)).unwrap().seq(), Some(7));
        for other in
            ["ws://h/lite-stream", "ws://other/lite-stream?domain=a.example", "ws://h/?domain=a.example"]
        {
            let problem = problem(&path, other);
            assert!(problem.contains("belongs to another stream") && problem.contains("delete"), "{problem}");
        }
    }

    #[test]
    fn it_is_due_once_per_interval() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let mut file = CursorFile::open(&path, &target("ws://h")).unwrap();
        file.advance(Progress::UpTo(9));
        assert!(!file.is_due(), "it has just been written");
        file.written -= INTERVAL;
        assert!(file.is_due());
        file.save().unwrap();
        file.written -= INTERVAL;
        assert!(!file.is_due(), "the cursor has not moved");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(problem(dir.path(), "ws://h").contains("is a folder"));
        let path = dir.path().join("other");
        for text in ["", "7", r#"{"version":1,"url":"ws://h/","selection":"","seq":"x"}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(problem(&path, "ws://h").contains("is not a cursor file"), "{text}");
        }
        std::fs::write(&path, r#"{"version":2,"url":"ws://h/","selection":"","seq":1}"#).unwrap();
        assert!(problem(&path, "ws://h").contains("has version 2"));
    }

    #[test]
    fn a_failure_is_told_once_and_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let mut file = CursorFile::open(&path, &target("ws://h")).unwrap();
        // A folder in the place of the unfinished file.
        let obstacle = dir.path().join("cursor.new");
        std::fs::create_dir(&obstacle).unwrap();
        file.advance(Progress::UpTo(3));
        assert!(file.save().unwrap_err().contains("cannot be written"));
        assert!(file.save().is_ok() && file.has_failed());
        std::fs::remove_dir(&obstacle).unwrap();
        file.save().unwrap();
        assert!(!file.has_failed() && std::fs::read_to_string(&path).unwrap().contains("\"seq\":3"));
    }
}
