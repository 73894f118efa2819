//! Finds the records of a segment, also behind damage.

use super::record::{FILE_HEADER, Kind, RECORD_HEADER, RecordHeader};
use super::segment::Segment;
use std::io;
use std::ops::Range;

/// A search reads this much at once.
const CHUNK: usize = 64 << 10;

/// Finds the first valid record header at or behind `from` whose record ends before `limit` and whose numbers are at
/// least `min_seq`.
pub(super) fn find_record(
    segment: &Segment,
    from: u64,
    limit: u64,
    min_seq: u64,
) -> io::Result<Option<(u64, RecordHeader)>> {
    let start = segment.read_up_to(from, RECORD_HEADER, limit)?;
    match segment.decode(&start, from, limit) {
        Some(header) if header.first_seq >= min_seq => Ok(Some((from, header))),
        _ => search(segment, from.saturating_add(1), limit, min_seq),
    }
}

fn search(segment: &Segment, from: u64, limit: u64, min_seq: u64) -> io::Result<Option<(u64, RecordHeader)>> {
    let mut base = from;
    while base.saturating_add(RECORD_HEADER as u64) <= limit {
        let chunk = segment.read_up_to(base, CHUNK, limit)?;
        if chunk.len() < RECORD_HEADER {
            break;
        }
        let found = chunk.windows(RECORD_HEADER).zip(base..).find_map(|(bytes, offset)| {
            let header = segment.decode(bytes, offset, limit)?;
            (header.first_seq >= min_seq).then_some((offset, header))
        });
        if found.is_some() {
            return Ok(found);
        }
        // The last bytes may be the beginning of a header, and are read again with the next chunk.
        base += (chunk.len() - (RECORD_HEADER - 1)) as u64;
    }
    Ok(None)
}

/// The headers of the records from `offset` on. They end where the segment cannot be read.
pub(super) fn headers(segment: &Segment, mut offset: u64) -> impl Iterator<Item = RecordHeader> {
    let end = segment.end();
    std::iter::from_fn(move || {
        let (found, header) = find_record(segment, offset, end, 0).ok()??;
        offset = found + header.total();
        Some(header)
    })
}

/// How much of a segment is checked when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Headers,
    /// Payloads too. This reads the whole segment.
    Everything,
}

/// Damage between two records of a segment, or before the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) bytes: u64,
    /// The numbers that it may have contained.
    pub(super) missing: Range<u64>,
}

/// What is in a segment.
#[derive(Debug)]
pub(super) struct Walk {
    /// End of the last valid block.
    pub(super) end: u64,
    /// Whether an end marker is the last record and the end of the file.
    pub(super) has_end: bool,
    /// Number of bytes behind the last valid record.
    pub(super) tail: u64,
    /// The number behind the last one of a valid record.
    pub(super) next_seq: u64,
    /// The number behind the last one that was given, also to blocks that are incomplete or damaged.
    pub(super) given: u64,
    pub(super) damage: Vec<Damage>,
}

/// Finds all records of `segment`, whose numbers are at least `min_seq`, and adds its blocks to its index.
pub(super) fn walk(segment: &Segment, min_seq: u64, check: Check) -> io::Result<Walk> {
    let size = segment.size();
    let end = FILE_HEADER as u64;
    let (next_seq, given) = (min_seq, min_seq);
    let mut walk = Walk { end, has_end: false, tail: 0, next_seq, given, damage: Vec::new() };
    let mut behind_valid = end;
    let mut position = end;
    while let Some((offset, header)) = find_record(segment, position, size, walk.next_seq)? {
        position = offset + header.total();
        walk.given = walk.given.max(header.end_seq());
        if check == Check::Everything && !segment.complete(&mut Vec::new(), &header, offset)? {
            continue;
        }
        if offset > behind_valid {
            let missing = walk.next_seq..header.first_seq;
            walk.damage.push(Damage { bytes: offset - behind_valid, missing });
        }
        behind_valid = position;
        walk.next_seq = header.end_seq();
        walk.has_end = header.kind == Kind::End;
        if header.kind == Kind::Block {
            segment.add_existing(&header, offset);
            walk.end = position;
        }
    }
    let torn = segment.read_up_to(position, RECORD_HEADER, size)?;
    if let Some(header) = segment.decode(&torn, position, u64::MAX) {
        walk.given = walk.given.max(header.end_seq());
    }
    walk.tail = size.saturating_sub(behind_valid);
    walk.has_end &= walk.tail == 0;
    Ok(walk)
}
