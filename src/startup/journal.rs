//! Opens the journal, and takes the positions over from it.

use crate::clock;
use crate::config::JournalConfig;
use crate::journal::{
    FileError, LastStop, Link, OpenError, Opened, Store, StoreLimits, Writer, block, cut_behind,
};
use crate::state::{Positions, parse_position};
use crate::unique::{UniqueLimits, Uniques};
use std::io;
use std::path::{Path, PathBuf};
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
    pub(super) fn open(config: &JournalConfig, positions: &Positions) -> Result<Self, JournalError> {
        let journal = Self::new(open(config)?);
        match journal.take_over(positions) {
            Some((path, offset)) => {
                drop(journal);
                let dir = config.dir.as_deref().unwrap_or(Path::new(""));
                Ok(Self::new(match cut_behind(dir, &path, offset) {
                    Ok(()) => open(config)?,
                    Err(error) => in_memory(config, &error)?,
                }))
            }
            None => Ok(journal),
        }
    }

    fn new(opened: Opened) -> Self {
        OpenJournal { store: opened.store, before_start: opened.end_seq, last_stop: opened.last_stop }
    }

    /// Applies the blocks that were appended after the positions were saved. They may not have been synced. If one is lost,
    /// what follows it must not be applied, or its entries would not be fetched again: returns the place where to end.
    fn take_over(&self, positions: &Positions) -> Option<(PathBuf, u64)> {
        let saved_seq = positions.journal_seq();
        // The block before is read too, to know the place behind it.
        let mut reader = self.store.reader(saved_seq.saturating_sub(1));
        let (mut count, mut end) = (0, self.store.beginning().filter(|_| saved_seq == 0));
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
            let read = Link::split(&stored.payload);
            if let (Some((seq, place)), Ok((link, _))) = (end.take(), &read)
                && link.after > seq
            {
                log::warn!(
                    "the journal is damaged at entry {seq}, which was not synced yet; it and what follows are fetched \
                     from the logs again"
                );
                return Some(place);
            }
            end = reader.place().map(|place| (stored.end_seq(), place));
            if stored.first_seq < saved_seq {
                continue;
            }
            let read = read.map_err(Into::into).and_then(|(_, block)| block::position(&block));
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
        None
    }

    /// Starts the thread that appends blocks.
    pub(super) fn writer(&self, syncs_each: bool) -> Result<Writer, JournalError> {
        Writer::start(self.store.clone(), self.before_start, syncs_each).map_err(JournalError::Thread)
    }

    /// What earlier runs have seen. It is kept where the journal is: in `state_dir`, or in memory alone.
    pub(super) fn uniques(&self, journal: &JournalConfig, state_dir: &Path, limits: UniqueLimits) -> Uniques {
        let dir = journal.dir.as_ref().map(|_| state_dir.join("unique"));
        let end_seq = Some(self.before_start).filter(|_| self.last_stop != LastStop::None);
        Uniques::open(dir, limits, end_seq, clock::unix_us())
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

/// Opens the journal in its folder, or in memory if the folder cannot be used.
fn open(config: &JournalConfig) -> Result<Opened, JournalError> {
    let opened = match Store::open(config.dir.as_deref(), limits(config), clock::unix_us()) {
        Err(OpenError::Io(error)) => in_memory(config, &error)?,
        opened => opened?,
    };
    for problem in &opened.problems {
        log::warn!("journal: {problem}");
    }
    Ok(opened)
}

/// Opens a journal in memory, because its folder cannot be used.
fn in_memory(config: &JournalConfig, error: &FileError) -> Result<Opened, OpenError> {
    log::error!("{error}; the journal is kept in memory alone, and a restart loses it");
    Store::open(None, limits(config), clock::unix_us())
}

fn limits(config: &JournalConfig) -> StoreLimits {
    StoreLimits { max_bytes: config.max_bytes, max_age: config.max_age }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::entry::Content;
    use crate::ct::names_tile::NamesEntry;
    use crate::ct::source::{Protocol, Source};
    use crate::message::CertEntry;
    use crate::state::{Position, encode_position};
    use std::time::Duration;

    const URL: &str = "https://log.example";

    fn config(dir: &Path) -> JournalConfig {
        JournalConfig {
            dir: Some(dir.into()),
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(3600),
            sync_interval: Duration::from_secs(1),
        }
    }

    fn source() -> Arc<Source> {
        Arc::new(Source::new(URL, "log.example", "", None, Protocol::Rfc6962))
    }

    /// Appends the entries `first..end` of the log as the Writer does.
    fn append(store: &Store, first: u64, end: u64, link: Link) -> u64 {
        let names = |index| NamesEntry { timestamp_ms: 1, names: vec![format!("{index}.example")] };
        let entry = |index| CertEntry::new(source(), index, 1, Content::Names(names(index)));
        let entries: Vec<_> = (first..end).map(entry).collect();
        let position = encode_position(&Position::at(URL, end));
        let block = block::encode(&source(), &position, &entries, |_| false);
        store.append(entries.len() as u32, clock::unix_us(), &[&link.encode(), &block]).unwrap()
    }

    /// Appends blocks of ten entries each. Returns the number of each block's first entry.
    fn append_blocks(store: &Store, count: u64, begin: u64) -> Vec<u64> {
        let mut after = store.next_seq();
        let mut append_next = |i| {
            let (first, link) = (10 * (begin + i), Link { after, has_unwritten: false });
            let first_seq = append(store, first, first + 10, link);
            after = first_seq + 10;
            first_seq
        };
        (0..count).map(&mut append_next).collect()
    }

    fn next_index(positions: &Positions) -> Option<u64> {
        positions.get(&source().identity()).map(|position| position.ledger.next)
    }

    fn segment(dir: &Path) -> PathBuf {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).max().unwrap()
    }

    /// Changes a byte of the names in the block that holds the entry `index`.
    fn damage(dir: &Path, index: u64) {
        let path = segment(dir);
        let mut bytes = std::fs::read(&path).unwrap();
        let name = format!("{index}.example");
        let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
        bytes[at + name.len() - 1] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    #[test]
    fn blocks_behind_the_saved_positions_move_them() {
        let dir = tempfile::tempdir().unwrap();
        let positions = Positions::in_memory();
        let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
        assert_eq!((next_index(&positions), journal.start_of_grace()), (None, None));
        let seqs = append_blocks(&journal.store, 5, 0);
        drop(journal);
        let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
        assert_eq!((next_index(&positions), positions.journal_seq()), (Some(50), seqs[4] + 10));
        assert_eq!(journal.before_start, seqs[4] + 10);
        assert!(journal.store.next_seq() > seqs[4] + 10, "numbers may have been given behind what is kept");
    }

    /// After a power failure, any part of what was not synced can be missing. Entries behind a lost block are fetched again
    /// together with it, instead of counting as delivered.
    #[test]
    fn what_follows_a_lost_block_is_forgotten() {
        for lost in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let positions = Positions::in_memory();
            let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
            let synced = append_blocks(&journal.store, 3, 0);
            positions.moved(&source().identity(), Position::at(URL, 30), synced[2] + 10);
            let unsynced = append_blocks(&journal.store, 5, 3);
            drop(journal);
            damage(dir.path(), 30 + 10 * lost);
            let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
            assert_eq!(next_index(&positions), Some(30 + 10 * lost));
            let end = unsynced[0] + 10 * lost;
            assert_eq!((journal.before_start, positions.journal_seq()), (end, end));
            assert!(journal.store.next_seq() > unsynced[4] + 10, "no number is given twice");
            assert!(journal.store.read(end).unwrap().is_none(), "what follows would be sent twice");
            assert_eq!(journal.store.read(end - 1).unwrap().map(|block| block.end_seq()), Some(end));
            // The next run finds it in order.
            append(&journal.store, 30, 40, Link { after: end, has_unwritten: false });
            drop(journal);
            OpenJournal::open(&config(dir.path()), &positions).unwrap();
            assert_eq!(next_index(&positions), Some(40));
        }
    }

    #[test]
    fn so_it_is_if_no_position_was_saved_yet() {
        let dir = tempfile::tempdir().unwrap();
        let journal = OpenJournal::open(&config(dir.path()), &Positions::in_memory()).unwrap();
        let begin = journal.before_start;
        append_blocks(&journal.store, 3, 0);
        drop(journal);
        damage(dir.path(), 5);
        let positions = Positions::in_memory();
        let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
        assert_eq!((next_index(&positions), journal.before_start), (None, begin));
        assert!(journal.store.read(0).unwrap().is_none());
    }

    /// Damage to what was synced is no reason to forget what follows: clients are told what is missing.
    #[test]
    fn entries_that_could_not_be_written_and_old_damage_do_not_end_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let positions = Positions::in_memory();
        let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
        let seqs = append_blocks(&journal.store, 3, 0);
        positions.moved(&source().identity(), Position::at(URL, 30), seqs[2] + 10);
        journal.store.give_numbers(10);
        append(&journal.store, 40, 50, Link { after: seqs[2] + 10, has_unwritten: true });
        drop(journal);
        damage(dir.path(), 10);
        let journal = OpenJournal::open(&config(dir.path()), &positions).unwrap();
        assert_eq!((next_index(&positions), journal.before_start), (Some(50), seqs[2] + 30));
        assert_eq!(journal.store.read(seqs[1]).unwrap().unwrap().first_seq, seqs[2]);
    }
}
