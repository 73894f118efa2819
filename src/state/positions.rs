//! The position in each log, so that a restart continues there. They are in the file `positions.json` in the
//! state folder.
//!
//! A position belongs to the log id, or to the URL of a log whose key is not known. The file is
//! replaced as a whole: a new file is written next to it, synced and renamed, and the folder is synced. After
//! a crash there is therefore either the old file or the new one. A damaged file is an error and is not
//! changed: starting at the heads instead would lose the entries in between.

mod file;

#[cfg(feature = "cluster")]
pub(crate) use file::log_identifier;
#[cfg(test)]
pub(crate) use file::{MAX_HEAD_BYTES, MAX_SAVED_HEADS};
pub(crate) use file::{encode_position, parse_position};

use super::Position;
use crate::ct::source::{LogIdentifier, Source};
use crate::system::{Durability, read_file, replace_file};
use file::{Content, encode, parse};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = "positions.json";
/// Maximum number of logs whose positions are saved. A list that names other logs each hour must not fill the
/// disk. Logs above the limit start anew after a restart. About 250 logs have existed so far.
pub(crate) const MAX_POSITIONS: usize = 10_000;

/// Largest file that is read, bytes. A log takes about 500, and [`MAX_POSITIONS`] logs with [`MAX_MISSING_RANGES`] and the
/// largest number of heads always fit.
const MAX_FILE_BYTES: usize = 128 * 1024 * 1024;
/// Maximum number of missing ranges of all logs. Each takes up to 3 KB.
pub(crate) const MAX_MISSING_RANGES: usize = 10_000;

/// Why positions cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// The file exists but cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Read {
        /// The file's path.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The content of the file is not valid.
    #[error(
        "{}: {problem}; restore it from a backup, or move it away to begin at the logs' heads (what was logged since \
         it was written is then not sent)",
        path.display()
    )]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// The error.
        problem: String,
    },
}

/// The positions of all logs, and the file in which they are saved.
#[derive(Debug)]
pub struct Positions {
    /// `None` if they are not saved.
    dir: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_log: BTreeMap<LogIdentifier, Position>,
    /// The blocks of the journal before this number are included.
    journal_seq: u64,
    /// Whether a position was set since positions were last saved.
    changed: bool,
    /// The error of the last save, if it failed.
    error: Option<String>,
    /// The last time that everything was saved.
    saved_at: Option<Instant>,
}

impl Positions {
    /// Loads the positions from the file in `dir`. Empty if there is no file.
    ///
    /// # Errors
    /// See [`PositionsError`].
    pub fn load(dir: &Path) -> Result<Self, PositionsError> {
        let path = dir.join(FILE);
        let state = match read_file(&path, MAX_FILE_BYTES) {
            Ok(bytes) => {
                let Content { by_log, journal_seq } =
                    parse(&bytes).map_err(|problem| PositionsError::Damaged { path, problem })?;
                State { by_log, journal_seq, ..State::default() }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(PositionsError::Read { path, error }),
        };
        Ok(Positions { dir: Some(dir.into()), state: Mutex::new(state) })
    }

    /// Whether positions have been saved, by this program or by an earlier run.
    pub fn has_file(&self) -> bool {
        self.dir.as_ref().is_some_and(|dir| dir.join(FILE).exists())
    }

    /// Creates positions that are not saved.
    pub fn in_memory() -> Self {
        Positions { dir: None, state: Mutex::default() }
    }

    /// The position in `log`.
    pub fn get(&self, log: &LogIdentifier) -> Option<Position> {
        self.lock().by_log.get(log).cloned()
    }

    /// The log whose position was saved last at `url`, if there is one.
    pub fn at_url(&self, url: &str) -> Option<LogIdentifier> {
        let state = self.lock();
        let at_url = state.by_log.iter().find(|(_, position)| position.url == url);
        at_url.map(|(log, _)| log.clone())
    }

    /// The position in the log of `source`. If its key was not known when the position was saved, or is no longer known, the
    /// position at its URL becomes that of the log.
    pub fn resume(&self, source: &Source) -> Option<Position> {
        let log = source.identity();
        if let Some(known) = self.get(&log) {
            return Some(known);
        }
        let at_url = self.at_url(source.url())?;
        // Another key means another log.
        if matches!((&log, &at_url), (LogIdentifier::LogId(_), LogIdentifier::LogId(_))) {
            return None;
        }
        let mut state = self.lock();
        let position = state.by_log.remove(&at_url)?;
        state.by_log.insert(log, position.clone());
        state.changed = true;
        Some(position)
    }

    /// Sets the position in `log`, to which a block of the journal has moved it. `end_seq` is the number behind the block.
    pub fn moved(&self, log: &LogIdentifier, position: Position, end_seq: u64) {
        let mut state = self.lock();
        state.journal_seq = end_seq;
        state.set(log, position);
    }

    /// The blocks of the journal before this number are included in the positions.
    pub fn journal_seq(&self) -> u64 {
        self.lock().journal_seq
    }

    /// Sets the position in `log`.
    pub fn set(&self, log: &LogIdentifier, position: Position) {
        self.lock().set(log, position);
    }

    /// All positions.
    pub fn all(&self) -> BTreeMap<LogIdentifier, Position> {
        self.lock().by_log.clone()
    }

    /// Number of missing ranges of all logs.
    pub fn missing_ranges(&self) -> usize {
        self.lock().by_log.values().map(|position| position.missing.len()).sum()
    }

    /// The error of the last save, if it failed.
    pub fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Time since everything that was due was saved. `None` if nothing has been saved yet, or if positions
    /// are not saved.
    pub fn saved_ago(&self) -> Option<Duration> {
        self.lock().saved_at.map(|at| at.elapsed())
    }

    /// Replaces the file with the current positions if they have changed.
    ///
    /// # Errors
    /// See [`save_after`](Self::save_after).
    pub fn save(&self) -> io::Result<()> {
        self.save_after(|| Ok::<_, Infallible>(())).unwrap_or_else(|never| match never {})
    }

    /// First calls `sync_journal`, and only if that succeeds replaces the file with the positions from before, if they have
    /// changed: the file must not be ahead of the journal, or a power failure would lose what was between. Blocks until
    /// everything is on disk. Returns the operating system's error as the inner result; the next save tries again.
    ///
    /// # Errors
    /// That of `sync_journal`. The old file then still exists, and the next save tries again.
    pub fn save_after<E>(&self, sync_journal: impl FnOnce() -> Result<(), E>) -> Result<io::Result<()>, E> {
        let changed = {
            let mut state = self.lock();
            std::mem::take(&mut state.changed).then(|| (state.by_log.clone(), state.journal_seq))
        };
        if let Err(error) = sync_journal() {
            self.lock().changed |= changed.is_some();
            return Err(error);
        }
        let written = match (&self.dir, &changed) {
            (Some(dir), Some((by_log, journal_seq))) => {
                let text = encode(by_log, *journal_seq);
                replace_file(&dir.join(FILE), text.as_bytes(), Durability::Synced)
            }
            _ => Ok(()),
        };
        let mut state = self.lock();
        state.error = written.as_ref().err().map(io::Error::to_string);
        match written {
            Ok(()) => state.saved_at = self.dir.as_ref().map(|_| Instant::now()),
            Err(_) => state.changed |= changed.is_some(),
        }
        Ok(written)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn set(&mut self, log: &LogIdentifier, position: Position) {
        let has_room = self.by_log.len() < MAX_POSITIONS;
        match self.by_log.get_mut(log) {
            Some(known) => *known = position,
            None if has_room => drop(self.by_log.insert(log.clone(), position)),
            None => {
                return log::warn!(
                    "{}: its position is not saved: the limit of {MAX_POSITIONS} logs is reached",
                    position.url
                );
            }
        }
        self.changed = true;
    }
}

#[cfg(test)]
mod tests;
