//! Opens the journal, and takes the positions over from it.

use crate::clock;
use crate::config::JournalConfig;
use crate::journal::{LastStop, OpenError, Store, StoreLimits, Writer, block, split};
use crate::state::{Positions, parse_position};
use std::io;
use std::sync::Arc;

/// After a crash, clients that come back without a cursor begin this much earlier, in microseconds: what was sent last may
/// not have reached them.
const BEFORE_CRASH_US: u64 = 1_000_000;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be opened.
    #[error(
        "the journal cannot be opened: {0}; choose another folder with journal.dir, or keep it in memory with \"\""
    )]
    Open(String),
    /// A thread cannot be started.
    #[error("a thread for the journal cannot be started: {0}")]
    Thread(io::Error),
}

impl From<OpenError> for JournalError {
    fn from(error: OpenError) -> Self {
        JournalError::Open(error.to_string())
    }
}

/// The journal after it was opened.
pub(super) struct OpenJournal {
    pub(super) store: Arc<Store>,
    /// The number behind the last entry of the last run.
    pub(super) before_start: u64,
    last_stop: LastStop,
}

impl OpenJournal {
    /// Opens the journal, and moves `positions` to where its newest blocks have moved them.
    pub(super) fn open(config: JournalConfig, positions: &Positions) -> Result<Self, JournalError> {
        let limits = StoreLimits { max_bytes: config.max_bytes, max_age: config.max_age };
        let opened = match Store::open(config.dir.as_deref(), limits, clock::unix_us()) {
            Err(OpenError::Io(error)) => {
                log::error!("{error}; the journal is kept in memory alone, and a restart loses it");
                Store::open(None, limits, clock::unix_us())?
            }
            opened => opened?,
        };
        for problem in &opened.problems {
            log::warn!("journal: {problem}");
        }
        let journal =
            OpenJournal { store: opened.store, before_start: opened.end_seq, last_stop: opened.last_stop };
        journal.take_over(positions);
        Ok(journal)
    }

    /// Applies the blocks that were appended after the positions were saved.
    fn take_over(&self, positions: &Positions) {
        let mut reader = self.store.reader(positions.journal_seq());
        let mut count = 0;
        loop {
            let stored = match reader.next_block() {
                Ok(Some(stored)) => stored,
                Ok(None) => break,
                Err(error) => {
                    log::error!(
                        "the journal cannot be read: {error}; the logs' positions are those saved before"
                    );
                    break;
                }
            };
            if stored.first_seq < positions.journal_seq() {
                continue;
            }
            let read =
                split(&stored.payload).map_err(Into::into).and_then(|(_, block)| block::position(&block));
            match read.map(|(source, position)| (source, parse_position(&position))) {
                Ok((source, Some(mut position))) => {
                    let log = source.identity();
                    // It was made after the last run.
                    position.decision = positions.get(&log).and_then(|saved| saved.decision);
                    positions.moved(&log, position, stored.end_seq());
                    count += 1;
                }
                Ok((source, None)) => log::error!("journal: the position of {} is invalid", source.url()),
                Err(error) => log::error!("journal: a block cannot be read: {error}"),
            }
        }
        if count > 0 {
            log::info!("{count} blocks of the journal are newer than the saved positions");
        }
    }

    /// Starts the thread that appends blocks.
    pub(super) fn writer(&self, syncs_each: bool) -> Result<Writer, JournalError> {
        Writer::start(self.store.clone(), self.before_start, syncs_each).map_err(JournalError::Thread)
    }

    /// Where a client begins that comes back without a cursor. `None` if there was no last run.
    pub(super) fn start_of_grace(&self) -> Option<u64> {
        match self.last_stop {
            LastStop::None => None,
            LastStop::Orderly => Some(self.before_start),
            LastStop::Unclean => {
                let newest_us = self.store.figures().newest_time_us.unwrap_or_default();
                Some(self.store.seq_at(newest_us.saturating_sub(BEFORE_CRASH_US)).min(self.before_start))
            }
        }
    }
}
