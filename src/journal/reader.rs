//! Reads blocks in order.

use super::error::FileError;
use super::list::{Listed, SegmentList};
use super::record::{Kind, RECORD_HEADER, RecordHeader};
use super::scan;
use super::segment::Segment;
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Maximum size of a payload that is read together with its header.
const MAX_GUESS: usize = 256 << 10;
const MIN_GUESS: usize = 4 << 10;

/// A block that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBlock {
    /// The number of its first entry. If it has none, this is the number of the next entry.
    pub(crate) first_seq: u64,
    /// Number of entries.
    pub(crate) count: u32,
    /// When it was appended, in unix microseconds.
    pub(crate) time_us: u64,
    /// Its content.
    pub(crate) payload: Bytes,
}

impl StoredBlock {
    /// The number behind its last one.
    pub(crate) fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count.into())
    }
}

/// Where a reader is.
#[derive(Debug)]
struct Place {
    listed: Listed,
    offset: u64,
}

/// Reads blocks in order, each with one call of the operating system, or with two if it is much larger than the one
/// before.
///
/// The segment that is being read remains on disk until the reader has left it, even if it has been deleted.
#[derive(Debug)]
pub(crate) struct Reader {
    list: Arc<SegmentList>,
    /// `None` before the first block was found.
    place: Option<Place>,
    /// Only blocks that reach this number are returned.
    seq: u64,
    /// The next payload is expected to have this size.
    guess: usize,
}

/// A result of reading one record.
enum Step {
    Block(RecordHeader, Vec<u8>),
    /// Nothing to return, but there may be more.
    Skipped,
}

impl Reader {
    /// A reader of the block that contains `seq`, or the first one behind it, and of all that follow. A block without
    /// entries is read if its `first_seq` is at least `seq`.
    pub(super) fn new(list: Arc<SegmentList>, seq: u64) -> Self {
        Reader { list, place: None, seq, guess: 0 }
    }

    /// The next block, or `None` at the end, until another one is appended. Damaged and deleted blocks are skipped: the
    /// caller notices by `first_seq`.
    ///
    /// # Errors
    /// The operating system's error. The next call tries the same place again.
    pub(crate) fn next_block(&mut self) -> Result<Option<StoredBlock>, FileError> {
        loop {
            let Some(mut place) = self.find_place() else { return Ok(None) };
            let step = self.step(&mut place);
            let segment = Arc::clone(&place.listed.segment);
            self.place = Some(place);
            if let Step::Block(header, record) = step.map_err(FileError::at(segment.name()))? {
                return Ok(Some(self.block(&header, record)));
            }
        }
    }

    /// The segment that is being read, and the offset behind what was read of it. `None` in memory, or if nothing was read.
    pub(crate) fn place(&self) -> Option<(PathBuf, u64)> {
        let place = self.place.as_ref()?;
        Some((place.listed.segment.path()?.to_owned(), place.offset))
    }

    fn block(&mut self, header: &RecordHeader, record: Vec<u8>) -> StoredBlock {
        self.seq = header.end_seq();
        self.guess = (header.len as usize).clamp(MIN_GUESS, MAX_GUESS);
        let payload = if record.len() < record.capacity() / 2 {
            Bytes::copy_from_slice(record.get(RECORD_HEADER..).unwrap_or_default())
        } else {
            Bytes::from(record).split_off(RECORD_HEADER)
        };
        StoredBlock { first_seq: header.first_seq, count: header.count, time_us: header.time_us, payload }
    }

    /// The place of the next record, or `None` if there is none.
    fn find_place(&mut self) -> Option<Place> {
        let (listed, offset) = match self.place.take() {
            None => self.list.locate(self.seq)?,
            Some(place) if place.offset < place.listed.segment.end() => return Some(place),
            Some(Place { listed, offset }) => match self.list.go_on(&listed, offset) {
                Some(next) => next,
                None => {
                    self.place = Some(Place { listed, offset });
                    return None;
                }
            },
        };
        Some(Place { listed, offset })
    }

    /// Reads the record at `place`, or the first one behind it, and moves `place` behind it.
    fn step(&self, place: &mut Place) -> io::Result<Step> {
        let segment = Arc::clone(&place.listed.segment);
        let end = segment.end();
        match self.read(&segment, place, end) {
            // The file is shorter than it was: another program has cut it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.skip_damage(place, end);
                Ok(Step::Skipped)
            }
            result => result,
        }
    }

    fn read(&self, segment: &Segment, place: &mut Place, end: u64) -> io::Result<Step> {
        let mut record = segment.read_up_to(place.offset, RECORD_HEADER + self.guess, end)?;
        let header = match segment.decode(&record, place.offset, end) {
            Some(header) => header,
            None => {
                let found = scan::find_record(segment, place.offset, end, 0)?;
                self.skip_damage(place, found.map_or(end, |(offset, _)| offset));
                return Ok(Step::Skipped);
            }
        };
        let behind = place.offset + header.total();
        if header.kind == Kind::Block && header.reaches(self.seq) {
            if segment.complete(&mut record, &header, place.offset)? {
                place.offset = behind;
                return Ok(Step::Block(header, record));
            }
            self.skip_damage(place, behind);
        }
        place.offset = behind;
        Ok(Step::Skipped)
    }

    fn skip_damage(&self, place: &mut Place, behind: u64) {
        self.list.damage_skipped.fetch_add(1, Ordering::Relaxed);
        place.offset = behind;
    }
}
