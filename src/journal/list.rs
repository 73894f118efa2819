//! The segments that are kept, from the oldest to the newest.

use super::record::{FILE_HEADER, RecordHeader};
use super::scan;
use super::segment::Segment;
use parking_lot::RwLock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Maximum number of segments. There are only so many if most of them ended early because of trouble with the disk.
pub(crate) const MAX_SEGMENTS: usize = 1000;

/// A segment and its place among all of this run, which does not change when older ones are deleted.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) order: u64,
    pub(super) segment: Arc<Segment>,
}

/// Shared by the store and its readers. The last segment is the one that is written to. It is never deleted.
#[derive(Debug, Default)]
pub(super) struct SegmentList {
    segments: RwLock<VecDeque<Listed>>,
    /// How often a reader skipped damage.
    pub(super) damage_skipped: AtomicU64,
}

impl SegmentList {
    pub(super) fn push(&self, segment: Arc<Segment>) {
        let mut segments = self.segments.write();
        let order = segments.back().map_or(0, |last| last.order + 1);
        segments.push_back(Listed { order, segment });
    }

    pub(super) fn oldest(&self) -> Option<Arc<Segment>> {
        self.segments.read().front().map(|oldest| Arc::clone(&oldest.segment))
    }

    /// The segment that is written to.
    pub(super) fn newest(&self) -> Option<Arc<Segment>> {
        self.segments.read().back().map(|last| Arc::clone(&last.segment))
    }

    /// The segment behind the one with this `order`.
    pub(super) fn after(&self, order: u64) -> Option<Listed> {
        let segments = self.segments.read();
        segments.get(segments.partition_point(|listed| listed.order <= order)).cloned()
    }

    /// The segment with the first block that reaches `seq`, and an offset at or before that block.
    pub(super) fn locate(&self, seq: u64) -> Option<(Listed, u64)> {
        let reaches =
            |listed: &&Listed| listed.segment.blocks().is_some_and(|blocks| blocks.last.reaches(seq));
        let listed = self.segments.read().iter().find(reaches)?.clone();
        let offset = listed.segment.offset_of_seq(seq);
        Some((listed, offset))
    }

    /// The first number of the first block with a time of at least `time_us`.
    pub(super) fn seq_at(&self, time_us: u64) -> Option<u64> {
        let reaches =
            |listed: &&Listed| listed.segment.blocks().is_some_and(|blocks| blocks.max_time_us >= time_us);
        let Listed { segment, .. } = self.segments.read().iter().find(reaches)?.clone();
        let mut seq = segment.header.first_seq;
        for header in scan::headers(&segment, segment.offset_of_time(time_us)) {
            if header.time_us >= time_us {
                return Some(header.first_seq);
            }
            seq = header.end_seq();
        }
        Some(seq)
    }

    /// The number of the first of the last `count` entries before the number `end`, or of the oldest one if there are
    /// fewer. Numbers that were never given do not count, nor do blocks that cannot be found because of damage. If a
    /// whole interval of the index is damaged, only what is behind it counts.
    pub(super) fn start_of_last(&self, mut count: u64, mut end: u64) -> Option<u64> {
        let mut start = None;
        for segment in self.segments().iter().rev() {
            let floor = segment.blocks().and_then(|blocks| blocks.floor);
            if floor.is_none_or(|floor| floor >= end) {
                continue;
            }
            loop {
                // If numbers are missing before `end`, this is fewer than `count` entries away, and is tried again.
                let offset = segment.offset_of_seq(end.saturating_sub(count));
                let headers: Vec<_> =
                    scan::headers(segment, offset).take_while(|header| header.first_seq < end).collect();
                let is_begin = offset == FILE_HEADER as u64;
                if headers.is_empty() && !is_begin {
                    return start;
                }
                for header in headers.iter().rev() {
                    let behind = header.end_seq().min(end);
                    let entries = behind.saturating_sub(header.first_seq);
                    if entries >= count {
                        return Some(behind - count);
                    }
                    (count, end) = (count - entries, header.first_seq);
                    if entries > 0 {
                        start = Some(end);
                    }
                }
                if is_begin {
                    break;
                }
            }
        }
        start
    }

    /// The headers of all records with a time of at least `time_us`, and of a few before it.
    pub(super) fn headers_since(&self, time_us: u64, mut each: impl FnMut(&RecordHeader)) {
        for segment in self.segments() {
            if segment.blocks().is_some_and(|blocks| blocks.max_time_us >= time_us) {
                scan::headers(&segment, segment.offset_of_time(time_us)).for_each(|header| each(&header));
            }
        }
    }

    /// All segments, from the oldest on.
    fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().iter().map(|listed| Arc::clone(&listed.segment)).collect()
    }

    /// The oldest number kept.
    pub(super) fn floor(&self) -> Option<u64> {
        self.segments.read().iter().find_map(|listed| listed.segment.blocks()?.floor)
    }

    /// The time of the newest block.
    pub(super) fn newest_time_us(&self) -> Option<u64> {
        self.segments.read().iter().rev().find_map(|listed| Some(listed.segment.blocks()?.max_time_us))
    }

    /// The time of the oldest block.
    pub(super) fn oldest_time_us(&self) -> Option<u64> {
        self.segments.read().iter().find_map(|listed| Some(listed.segment.blocks()?.first_time_us))
    }

    /// Number of segments and their total size.
    pub(super) fn usage(&self) -> (usize, u64) {
        let segments = self.segments.read();
        (segments.len(), segments.iter().map(|listed| listed.segment.size()).sum())
    }

    /// Removes segments from the oldest on: while all are larger than `max_bytes` or too many, and those whose last
    /// block is older than `oldest_us`.
    pub(super) fn remove_old(&self, max_bytes: u64, oldest_us: u64) -> Vec<Arc<Segment>> {
        let mut removed = Vec::new();
        let mut segments = self.segments.write();
        let mut bytes: u64 = segments.iter().map(|listed| listed.segment.size()).sum();
        while segments.len() > 1 {
            let last_us = segments
                .front()
                .and_then(|oldest| oldest.segment.blocks())
                .map_or(0, |blocks| blocks.last.time_us);
            if bytes <= max_bytes && segments.len() <= MAX_SEGMENTS && last_us >= oldest_us {
                break;
            }
            if let Some(Listed { segment, .. }) = segments.pop_front() {
                bytes -= segment.size();
                removed.push(segment);
            }
        }
        removed
    }

    /// Where a reader goes on behind `listed`, of which it has read everything up to `offset`.
    pub(super) fn go_on(&self, listed: &Listed, offset: u64) -> Option<(Listed, u64)> {
        let next = self.after(listed.order);
        // Looked up in this order, because blocks may have been appended before the next segment began.
        if listed.segment.end() > offset {
            return Some((listed.clone(), offset));
        }
        next.map(|next| (next, FILE_HEADER as u64))
    }
}
