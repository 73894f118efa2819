//! The store: gives entries their numbers, and decides when segments begin and end.
//!
//! The numbers of a new journal begin with the time in microseconds, and each entry adds one. The clock is therefore
//! ahead of all numbers given so far. After an unclean stop the numbers go on from the clock.

use super::error::FileError;
use super::figures::StoreFigures;
use super::interface::{Journal, PlacedBlock};
use super::limits::{StoreLimits, microseconds};
use super::link::Link;
use super::list::SegmentList;
use super::per_second::{EntriesPerSecond, SECONDS};
use super::reader::{Reader, StoredBlock};
use super::record::{FILE_HEADER, Kind, MAX_PAYLOAD, RecordHeader};
use super::recovery::{self, LastStop, OpenError, Problem, Recovered, parse_path, segment_path};
use super::segment::Segment;
use crate::clock;
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use parking_lot::{Mutex, MutexGuard};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NEVER: u64 = u64::MAX;

/// Why a block was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The payload is too large.
    #[error("its payload is too large: {0} bytes")]
    TooLarge(usize),
    /// The journal has been closed.
    #[error("the journal is closed")]
    Closed,
    /// There are no more numbers.
    #[error("there are no numbers left behind {0}")]
    NoNumbers(u64),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// A journal that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The journal.
    pub(crate) store: Arc<Store>,
    /// How the last run ended.
    pub(crate) last_stop: LastStop,
    /// The number behind the last entry of the last run.
    pub(crate) end_seq: u64,
    /// What was wrong.
    pub(crate) problems: Vec<Problem>,
}

#[derive(Debug, Default)]
struct Counters {
    appended_blocks: AtomicU64,
    appended_bytes: AtomicU64,
    append_us: AtomicU64,
    failed_appends: AtomicU64,
    failed_deletions: AtomicU64,
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Held while something is written.
#[derive(Debug)]
struct Writer {
    is_closed: bool,
}

/// What is not yet durable.
#[derive(Debug, Default)]
struct Unsynced {
    segments: Vec<Arc<Segment>>,
    /// Whether a file was created, whose name is stored in the folder.
    has_new_file: bool,
}

/// A durable sequence of blocks, of limited size and age. Any number of threads can read it.
#[derive(Debug)]
pub(crate) struct Store {
    /// `None` keeps the journal in memory.
    dir: Option<PathBuf>,
    limits: StoreLimits,
    list: Arc<SegmentList>,
    next_seq: AtomicU64,
    writer: Mutex<Writer>,
    /// Whether the newest segment must not be appended to.
    must_replace: AtomicBool,
    unsynced: Mutex<Unsynced>,
    /// Held during a sync.
    syncing: Mutex<()>,
    /// How long the last sync took, or [`NEVER`].
    last_sync_us: AtomicU64,
    counters: Counters,
    per_second: Mutex<EntriesPerSecond>,
}

impl Store {
    /// Opens the journal in `dir`, or creates it. `None` keeps it in memory, where it has at most
    /// [`MAX_IN_MEMORY`](super::limits::MAX_IN_MEMORY) bytes. `now_us` is the time in unix microseconds.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open(dir: Option<&Path>, limits: StoreLimits, now_us: u64) -> Result<Opened, OpenError> {
        let Recovered { segments, next_seq, end_seq, last_stop, can_go_on, problems } = match dir {
            Some(dir) => recovery::recover(dir, now_us)?,
            None => Recovered::empty(now_us),
        };
        let limits = if dir.is_some() { limits } else { limits.in_memory() };
        let store = Store {
            dir: dir.map(Path::to_owned),
            limits,
            list: Arc::default(),
            next_seq: AtomicU64::new(next_seq),
            writer: Mutex::new(Writer { is_closed: false }),
            must_replace: AtomicBool::new(!can_go_on),
            unsynced: Mutex::default(),
            syncing: Mutex::default(),
            last_sync_us: AtomicU64::new(NEVER),
            counters: Counters::default(),
            per_second: Mutex::new(EntriesPerSecond::new(now_us)),
        };
        segments.into_iter().for_each(|segment| store.list.push(segment));
        store.count_recent(now_us);
        if !can_go_on {
            store.begin_segment()?;
        }
        Ok(Opened { store: Arc::new(store), last_stop, end_seq, problems })
    }

    /// Appends a block of `count` entries with the payload `parts`, and deletes what is too old at `time_us`. Returns
    /// the number of the first entry. If there is none, this is the number of the next entry.
    ///
    /// # Errors
    /// See [`AppendError`]. The journal is unchanged then, and later blocks can be appended.
    pub(crate) fn append(&self, count: u32, time_us: u64, parts: &[&[u8]]) -> Result<u64, AppendError> {
        let len = parts.iter().map(|part| part.len()).sum();
        if len > MAX_PAYLOAD {
            return Err(AppendError::TooLarge(len));
        }
        let mut writer = self.open_writer()?;
        let first_seq = self.next_seq();
        let header =
            RecordHeader { kind: Kind::Block, len: len as u32, first_seq, count, time_us, payload_crc: 0 };
        if first_seq.checked_add(count.into()).is_none() {
            return Err(AppendError::NoNumbers(first_seq));
        }
        let begin = Instant::now();
        self.write(&mut writer, header, parts).inspect_err(|_| add(&self.counters.failed_appends, 1))?;
        add(&self.counters.append_us, microseconds(begin.elapsed()));
        self.next_seq.store(header.end_seq(), Ordering::Release);
        drop(writer);
        add(&self.counters.appended_blocks, 1);
        add(&self.counters.appended_bytes, header.total());
        self.per_second.lock().add(time_us, count.into());
        self.delete_old(time_us);
        Ok(first_seq)
    }

    /// Gives numbers to `count` entries that are not in the journal. Returns the first one.
    pub(crate) fn give_numbers(&self, count: u32) -> u64 {
        self.per_second.lock().add(clock::unix_us(), count.into());
        let _writer = self.writer.lock();
        self.next_seq.fetch_add(count.into(), Ordering::AcqRel)
    }

    /// Counts the entries of the last minutes that earlier runs appended.
    fn count_recent(&self, now_us: u64) {
        let since_us = now_us.saturating_sub(microseconds(Duration::from_secs(SECONDS)));
        let mut per_second = self.per_second.lock();
        self.list.headers_since(since_us, |header| {
            // A time that has not come yet is of a clock that was set back since.
            if (since_us..=now_us).contains(&header.time_us) {
                per_second.add(header.time_us, header.count.into());
            }
        });
    }

    fn open_writer(&self) -> Result<MutexGuard<'_, Writer>, AppendError> {
        let writer = self.writer.lock();
        if writer.is_closed { Err(AppendError::Closed) } else { Ok(writer) }
    }

    /// Writes a record to the newest segment, or to a new one.
    fn write(&self, _: &mut Writer, mut header: RecordHeader, parts: &[&[u8]]) -> Result<(), FileError> {
        let segment = match self.list.newest() {
            Some(segment) if !self.must_be_replaced(&segment, &header) => segment,
            _ => self.begin_segment()?,
        };
        header.payload_crc = segment.header.salt.checksum(parts);
        segment.append(&header, parts).map_err(|error| {
            if !error.is_undone {
                self.must_replace.store(true, Ordering::Relaxed);
            }
            FileError { path: segment.name().into(), source: error.source }
        })?;
        let mut unsynced = self.unsynced.lock();
        if unsynced.segments.last().is_none_or(|last| !Arc::ptr_eq(last, &segment)) {
            unsynced.segments.push(segment);
        }
        Ok(())
    }

    fn must_be_replaced(&self, segment: &Segment, next: &RecordHeader) -> bool {
        if self.must_replace.load(Ordering::Relaxed) {
            return true;
        }
        // An end marker belongs behind the last block, however large the segment is.
        next.kind == Kind::Block
            && segment.blocks().is_some_and(|blocks| {
                next.time_us.saturating_sub(blocks.first_time_us) > self.limits.segment_age_us()
                    || segment.end() + next.total() > self.limits.segment_bytes()
            })
    }

    /// Begins a new segment. The caller has the writer's lock.
    fn begin_segment(&self) -> Result<Arc<Segment>, FileError> {
        let first_seq = self.next_seq();
        let segment = Arc::new(match &self.dir {
            None => Segment::in_memory(first_seq, self.limits.segment_bytes() as usize),
            Some(dir) => {
                let newest = self.list.newest();
                let newest = newest.as_ref().and_then(|segment| segment.path());
                let create = || create_file(dir, first_seq, newest);
                match create() {
                    // The folder has been removed.
                    Err(FileError { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                        fs::create_dir_all(dir).map_err(FileError::at(dir))?;
                        create()
                    }
                    result => result,
                }?
            }
        });
        {
            let mut unsynced = self.unsynced.lock();
            unsynced.has_new_file = self.dir.is_some();
            unsynced.segments.push(Arc::clone(&segment));
        }
        self.list.push(Arc::clone(&segment));
        self.must_replace.store(false, Ordering::Relaxed);
        Ok(segment)
    }

    /// Makes everything appended so far durable. Neither appending nor reading waits for it.
    ///
    /// # Errors
    /// The operating system's error, or that the newest segment has been removed. The next block begins a new segment
    /// then.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        let Some(dir) = &self.dir else {
            self.unsynced.lock().segments.clear();
            return Ok(());
        };
        let _one_at_a_time = self.syncing.lock();
        let begin = Instant::now();
        let Unsynced { segments, has_new_file } = std::mem::take(&mut *self.unsynced.lock());
        let has_work = has_new_file || !segments.is_empty();
        let mut result = Ok(());
        for segment in segments {
            // A second attempt would succeed without having written anything, so the segment is left alone.
            result = result.and(segment.sync().map_err(FileError::at(segment.name())));
        }
        if has_new_file && let Err(error) = sync_folder(dir) {
            self.unsynced.lock().has_new_file = true;
            result = result.and(Err(error));
        }
        result = result.and(self.check_in_place());
        if result.is_err() {
            self.must_replace.store(true, Ordering::Relaxed);
        }
        if has_work {
            self.last_sync_us.store(microseconds(begin.elapsed()), Ordering::Relaxed);
        }
        result
    }

    /// Whether what is appended is still in a file of the folder.
    fn check_in_place(&self) -> Result<(), FileError> {
        match self.list.newest() {
            Some(segment) if !segment.is_in_place() => {
                let source = io::Error::new(io::ErrorKind::NotFound, "it has been removed");
                Err(FileError { path: segment.name().into(), source })
            }
            _ => Ok(()),
        }
    }

    /// Deletes what is too old, also if nothing is appended.
    ///
    /// # Errors
    /// If no new segment could be created for later blocks. Only the newest segment is not deleted then.
    pub(crate) fn expire(&self, now_us: u64) -> Result<(), AppendError> {
        let writer = self.open_writer()?;
        let is_old =
            self.list.newest().and_then(|segment| segment.blocks()).is_some_and(|blocks| {
                now_us.saturating_sub(blocks.first_time_us) > self.limits.segment_age_us()
            });
        let result = if is_old { self.begin_segment().map(drop) } else { Ok(()) };
        drop(writer);
        self.delete_old(now_us);
        Ok(result?)
    }

    fn delete_old(&self, now_us: u64) {
        let oldest_us = now_us.saturating_sub(microseconds(self.limits.max_age));
        for segment in self.list.remove_old(self.limits.max_bytes, oldest_us) {
            self.unsynced.lock().segments.retain(|unsynced| !Arc::ptr_eq(unsynced, &segment));
            let Some(path) = segment.path() else { continue };
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    add(&self.counters.failed_deletions, 1);
                }
                _ => {}
            }
        }
    }

    /// Ends the journal in an orderly way: nothing can be appended any more, and everything is durable.
    ///
    /// # Errors
    /// The operating system's error. The next start finds an unclean stop then.
    pub(crate) fn close(&self) -> Result<(), FileError> {
        let mut writer = self.writer.lock();
        if !writer.is_closed {
            let (kind, first_seq) = (Kind::End, self.next_seq());
            let end = RecordHeader { kind, len: 0, first_seq, count: 0, time_us: 0, payload_crc: 0 };
            self.write(&mut writer, end, &[])?;
            writer.is_closed = true;
        }
        drop(writer);
        self.sync()
    }

    /// The number that the next entry will get.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Acquire)
    }

    /// The oldest number kept, or `next_seq` if there is none.
    pub(crate) fn floor(&self) -> u64 {
        self.list.floor().unwrap_or_else(|| self.next_seq())
    }

    /// The first number whose block was appended at `time_us` or later, or `next_seq` if there is none. If that block
    /// cannot be read, this is the first number that is missing.
    pub(crate) fn seq_at(&self, time_us: u64) -> u64 {
        self.list.seq_at(time_us).unwrap_or_else(|| self.next_seq())
    }

    /// The number of the first of the last `count` entries before the number `end`, or of the oldest one if there are
    /// fewer; `end` if there is none. Entries that are damaged may not count.
    pub(crate) fn start_of_last(&self, count: u64, end: u64) -> u64 {
        self.list.start_of_last(count, end).unwrap_or(end)
    }

    /// The block that contains `seq`, or the first one with entries behind it. `None` at the end.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn read(&self, seq: u64) -> Result<Option<StoredBlock>, FileError> {
        let mut reader = self.reader(seq);
        loop {
            match reader.next_block()? {
                Some(block) if block.count == 0 => {}
                block => return Ok(block),
            }
        }
    }

    /// The number with which the oldest segment begins, and the place of its first record: a file and an offset. `None` in
    /// memory.
    pub(crate) fn beginning(&self) -> Option<(u64, (PathBuf, u64))> {
        let oldest = self.list.oldest()?;
        Some((oldest.header.first_seq, (oldest.path()?.to_owned(), FILE_HEADER as u64)))
    }

    /// A reader of the block that contains `seq`, or the first one behind it, and of all that follow, including those
    /// without entries.
    pub(crate) fn reader(&self, seq: u64) -> Reader {
        Reader::new(Arc::clone(&self.list), seq)
    }

    /// The state of the journal.
    pub(crate) fn figures(&self) -> StoreFigures {
        let (segments, bytes) = self.list.usage();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let last_sync_us = read(&self.last_sync_us);
        StoreFigures {
            bytes,
            segments,
            floor: self.floor(),
            next_seq: self.next_seq(),
            oldest_time_us: self.list.oldest_time_us(),
            newest_time_us: self.list.newest_time_us(),
            appended_blocks: read(&self.counters.appended_blocks),
            appended_bytes: read(&self.counters.appended_bytes),
            append_time: Duration::from_micros(read(&self.counters.append_us)),
            failed_appends: read(&self.counters.failed_appends),
            failed_deletions: read(&self.counters.failed_deletions),
            damage_skipped: read(&self.list.damage_skipped),
            last_sync: (last_sync_us != NEVER).then(|| Duration::from_micros(last_sync_us)),
        }
    }
}

impl Journal for Store {
    fn next_seq(&self) -> u64 {
        self.next_seq()
    }

    fn floor(&self) -> u64 {
        self.floor()
    }

    fn read(&self, seq: u64) -> Result<Option<PlacedBlock>, FileError> {
        Ok(self.read(seq)?.map(|stored| {
            let (first_seq, end_seq) = (stored.first_seq, stored.end_seq());
            // What is too short for a link is no block either, which its reader finds out.
            let (after, block) = match Link::split(&stored.payload) {
                Ok((link, block)) => (link.ungiven_from(first_seq), block),
                Err(_) => (first_seq, Bytes::new()),
            };
            PlacedBlock { first_seq, end_seq, after, block }
        }))
    }

    fn seq_at(&self, time_us: u64) -> BoxFuture<'_, Result<u64, FileError>> {
        Box::pin(ready(Ok(self.seq_at(time_us))))
    }

    fn start_of_last(&self, count: u64, end: u64) -> BoxFuture<'_, Result<u64, FileError>> {
        Box::pin(ready(Ok(self.start_of_last(count, end))))
    }

    fn entries_per_second(&self, now_us: u64) -> (u64, Vec<u64>) {
        self.per_second.lock().before(now_us)
    }

    fn figures(&self) -> StoreFigures {
        self.figures()
    }
}

/// Creates a segment that is sorted behind `newest`.
fn create_file(dir: &Path, first_seq: u64, newest: Option<&Path>) -> Result<Segment, FileError> {
    let mut copy = match newest.and_then(|path| parse_path(dir, path)) {
        Some((seq, copy)) if seq == first_seq => copy.saturating_add(1),
        _ => 0,
    };
    loop {
        let path = segment_path(dir, first_seq, copy);
        match Segment::create(path.clone(), first_seq) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && copy < u32::MAX => copy += 1,
            result => return result.map_err(FileError::at(&path)),
        }
    }
}

/// Makes the names in `dir` durable, and the name of `dir` itself.
fn sync_folder(dir: &Path) -> Result<(), FileError> {
    let sync = |folder: &Path| File::open(folder)?.sync_all();
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The server may not be allowed to read it, and nearly always it did not change.
    let _ = sync(parent);
    sync(dir).map_err(FileError::at(dir))
}
