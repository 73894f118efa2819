pub(super) mod disk;
mod disk_trouble;
mod format;
mod property;
mod recovery;
mod retention;

use super::error::FileError;
use super::list::SegmentList;
use super::reader::StoredBlock;
use super::record::{Kind, MAX_PAYLOAD, RecordHeader};
use super::recovery::Problem;
use super::segment::Segment;
use super::store::{AppendError, Opened};
use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A time in unix microseconds.
const NOW: u64 = 1_800_000_000_000_000;
const SECOND: u64 = 1_000_000;
const MIB: usize = 1 << 20;
/// Segments of 1 MiB.
const LIMITS: StoreLimits = StoreLimits { max_bytes: 8 << 20, max_age: Duration::from_secs(1600) };

fn open_at(dir: &Path, now_us: u64) -> Opened {
    Store::open(Some(dir), LIMITS, now_us).unwrap()
}

fn new_store(dir: &Path) -> Arc<Store> {
    open_at(dir, NOW).store
}

fn append_times(n: usize, store: &Store, payload: &[u8]) {
    for _ in 0..n {
        store.append(1, NOW, &[payload]).unwrap();
    }
}

fn read_all(store: &Store) -> Vec<StoredBlock> {
    let mut reader = store.reader(0);
    std::iter::from_fn(|| reader.next_block().unwrap()).collect()
}

fn seqs(store: &Store) -> Vec<u64> {
    read_all(store).iter().map(|block| block.first_seq).collect()
}

/// The segments of a folder, from the oldest on.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// A copy of a folder: what a power failure leaves if everything was durable.
fn copy(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(dir) {
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn blocks_are_read_as_they_were_appended_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    assert_eq!((store.floor(), store.next_seq(), store.read(0).unwrap()), (NOW, NOW, None));
    let mut expected = Vec::new();
    for i in 0..40_u32 {
        let payload = vec![i as u8; i as usize * 5000];
        let (a, b) = payload.split_at(payload.len() / 3);
        let time_us = NOW + u64::from(i);
        let first_seq = store.append(i % 4, time_us, &[a, b"", b]).unwrap();
        expected.push(StoredBlock { first_seq, count: i % 4, time_us, payload: payload.into() });
    }
    assert!(files(dir.path()).len() >= 4);
    assert_eq!(read_all(&store), expected);
    assert_eq!(store.next_seq(), NOW + 60);
    assert_eq!(store.floor(), NOW);
    for (before, block) in expected.iter().zip(&expected[1..]) {
        assert_eq!(block.first_seq, before.end_seq());
        for seq in block.first_seq..block.end_seq() {
            assert_eq!(store.read(seq).unwrap().unwrap(), *block);
        }
    }
    assert_eq!(store.read(5).unwrap().unwrap(), expected[1], "from below the floor");
    assert_eq!(store.read(NOW + 60).unwrap(), None);
    assert_eq!(store.read(u64::MAX).unwrap(), None);
}

#[test]
fn a_block_without_entries_takes_no_number_and_is_only_seen_by_readers() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    assert_eq!(store.append(0, NOW, &[b"a"]).unwrap(), NOW);
    assert_eq!(store.append(2, NOW, &[b"b"]).unwrap(), NOW);
    assert_eq!(store.append(0, NOW, &[b"c"]).unwrap(), NOW + 2);
    assert_eq!(store.append(0, NOW, &[]).unwrap(), NOW + 2);
    assert_eq!(seqs(&store), [NOW, NOW, NOW + 2, NOW + 2]);
    let mut reader = store.reader(NOW + 2);
    let counts = [(); 4].map(|()| reader.next_block().unwrap().map(|block| block.count));
    assert_eq!(counts, [Some(0), Some(0), None, None], "each is read once");
    assert_eq!(store.read(NOW).unwrap().unwrap().payload, "b");
    assert_eq!(store.read(NOW + 2).unwrap(), None);
    assert_eq!(store.reader(NOW + 2).next_block().unwrap().unwrap().payload, "c");
    assert_eq!(store.reader(NOW + 1).next_block().unwrap().unwrap().payload, "b");
}

#[test]
fn a_reader_at_the_end_goes_on_when_more_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let mut reader = store.reader(NOW + 1);
    for i in 0..30 {
        assert_eq!(reader.next_block().unwrap(), None);
        let first_seq = store.append(1, NOW, &[&[i; MIB / 5]]).unwrap();
        if i > 0 {
            assert_eq!(reader.next_block().unwrap().unwrap().first_seq, first_seq);
        }
    }
}

#[test]
fn a_reader_leaves_no_segment_to_which_more_was_appended_before_it_was_closed() {
    let list = SegmentList::default();
    let first = Arc::new(Segment::in_memory(0, 64));
    list.push(Arc::clone(&first));
    list.push(Arc::new(Segment::in_memory(1, 64)));
    let listed = list.after(0).unwrap();
    assert_eq!((listed.order, list.after(1).is_none()), (1, true));
    let (kind, payload_crc) = (Kind::Block, first.header.salt.checksum(&[]));
    let header = RecordHeader { kind, len: 0, first_seq: 0, count: 1, time_us: NOW, payload_crc };
    first.append(&header, &[]).unwrap();
    let (listed, offset) = list.locate(0).unwrap();
    assert_eq!((listed.order, offset), (0, 32));
    let next = |offset| list.go_on(&listed, offset).map(|(next, offset)| (next.order, offset));
    assert_eq!([next(32), next(first.end())], [Some((0, 32)), Some((1, 32))]);
}

#[test]
fn small_and_large_blocks_are_read_in_turn() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits { max_bytes: 64 << 20, ..LIMITS };
    let store = Store::open(Some(dir.path()), limits, NOW).unwrap().store;
    let sizes = [0, 10, 300 << 10, 5, MAX_PAYLOAD, 1, 100 << 10, 200 << 10];
    for size in sizes {
        store.append(1, NOW, &[&vec![7; size]]).unwrap();
    }
    let read: Vec<_> = read_all(&store).iter().map(|block| block.payload.len()).collect();
    assert_eq!(read, sizes);
    let too_large = store.append(1, NOW, &[&vec![7; MAX_PAYLOAD], &[1]]);
    assert!(matches!(too_large, Err(AppendError::TooLarge(bytes)) if bytes == MAX_PAYLOAD + 1));
}

#[test]
fn the_number_at_a_time_is_found_even_if_the_clock_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let times = [10, 20, 20, 15, 30, 5, 40].map(|time| NOW + time);
    for time_us in times {
        store.append(3, time_us, &[&[0; MIB / 3]]).unwrap();
    }
    for time_us in NOW..NOW + 45 {
        let index = times.iter().position(|time| *time >= time_us).unwrap_or(times.len());
        assert_eq!(store.seq_at(time_us), NOW + 3 * index as u64, "{time_us}");
    }
}

#[test]
fn the_last_entries_are_counted_over_segments_and_missing_numbers() {
    for dir in [None, Some(tempfile::tempdir().unwrap())] {
        let store = Store::open(dir.as_ref().map(|dir| dir.path()), LIMITS, NOW).unwrap().store;
        assert_eq!(store.start_of_last(5, NOW), NOW, "there is nothing");
        let mut given = Vec::new();
        for i in 0..60_u32 {
            let first_seq = store.append(i % 4, NOW, &[&[0; MIB / 10]]).unwrap();
            given.extend(first_seq..store.next_seq());
            if i % 7 == 0 {
                store.give_numbers(1_000_000);
            }
        }
        assert!(store.figures().segments > 4);
        for (i, end) in given.iter().enumerate().skip(1) {
            for count in [1, 2, 3, 10, 1000] {
                let start = given[i.saturating_sub(count)];
                assert_eq!(store.start_of_last(count as u64, *end), start, "{count} before {end}");
            }
        }
        let behind = store.next_seq();
        assert_eq!(store.start_of_last(1, behind), *given.last().unwrap());
        assert_eq!(store.start_of_last(1, NOW), NOW, "nothing is before the oldest");
    }
}

#[test]
fn the_last_entries_do_not_include_damaged_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    append_times(100, &store, &[0; 10_000]);
    let file = files(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle - 40_000..middle].fill(0);
    fs::write(&file, &bytes).unwrap();
    assert_eq!(store.start_of_last(20, NOW + 100), NOW + 80);
    let start = store.start_of_last(90, NOW + 100);
    let mut reader = store.reader(start);
    let read = std::iter::from_fn(|| reader.next_block().unwrap()).count();
    assert_eq!((read, start), (90, NOW + 7));
}

#[test]
fn the_entries_of_each_second_are_known_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    for (seconds, count) in [(0, 9), (400, 1), (401, 2), (401, 3), (402, 4)] {
        store.append(count, NOW + seconds * SECOND, &[b"block"]).unwrap();
    }
    let counts = |store: &Store, seconds| {
        let (end, counts) = store.entries_per_second(NOW + seconds * SECOND);
        assert_eq!((end, counts.len()), (NOW / SECOND + seconds, 300));
        counts
    };
    let expected = [&[0; 295][..], &[1, 5, 4, 0, 0]].concat();
    assert_eq!(counts(&store, 405), expected);
    drop(store);
    let again = open_at(dir.path(), NOW + 405 * SECOND).store;
    assert_eq!(counts(&again, 405), expected);
    again.append(7, NOW + 405 * SECOND, &[]).unwrap();
    assert_eq!(counts(&again, 406)[295..], [5, 4, 0, 0, 7]);
}

#[test]
fn entries_that_could_not_be_written_are_counted_when_they_are_sent() {
    let now_us = crate::clock::unix_us();
    let store = Store::open(None, LIMITS, now_us).unwrap().store;
    store.give_numbers(5);
    let (_, counts) = store.entries_per_second(now_us + 2 * SECOND);
    assert_eq!(counts[298..].iter().sum::<u64>(), 5);
}

#[test]
fn the_numbers_end() {
    let store = Store::open(None, LIMITS, u64::MAX - 2).unwrap().store;
    store.append(2, NOW, &[]).unwrap();
    assert!(matches!(store.append(1, NOW, &[]), Err(AppendError::NoNumbers(u64::MAX))));
    assert!(store.append(0, NOW, &[]).is_ok());
}

#[test]
fn memory_has_the_same_limits_and_no_files() {
    let Opened { store, last_stop, problems, .. } = Store::open(None, LIMITS, NOW).unwrap();
    assert_eq!((last_stop, problems), (LastStop::None, vec![]));
    for i in 0..100_u8 {
        store.append(2, NOW, &[&[i; 100 << 10], &[i; 60 << 10]]).unwrap();
    }
    let figures = store.figures();
    assert!((7 << 20..=8 << 20).contains(&figures.bytes), "{figures:?}");
    let blocks = read_all(&store);
    assert_eq!(blocks[0].first_seq, store.floor());
    assert_eq!(blocks.last().unwrap().end_seq(), NOW + 200);
    assert!(blocks.iter().all(|block| block.payload == vec![((block.first_seq - NOW) / 2) as u8; 160 << 10]));
    store.sync().unwrap();
    store.expire(NOW + 2000 * SECOND).unwrap();
    assert_eq!((store.floor(), read_all(&store).len()), (NOW + 200, 0));
    store.close().unwrap();
    assert!(matches!(store.append(1, NOW, &[]), Err(AppendError::Closed)));
}

#[test]
fn memory_does_not_take_what_a_disk_would_hold() {
    let limits = StoreLimits { max_bytes: 2 << 30, ..LIMITS };
    let store = Store::open(None, limits, NOW).unwrap().store;
    let block = vec![0; 16 << 20];
    for _ in 0..20 {
        store.append(1, NOW, &[&block]).unwrap();
    }
    let figures = store.figures();
    let least = super::MAX_IN_MEMORY / 2;
    assert!((least..=super::MAX_IN_MEMORY).contains(&figures.bytes), "{figures:?}");
}

#[test]
fn concurrent_readers_see_every_block_once_and_in_order() {
    const BLOCKS: u64 = 2000;
    for dir in [None, Some(tempfile::tempdir().unwrap())] {
        let limits = StoreLimits { max_bytes: 1 << 30, ..LIMITS };
        let store = Store::open(dir.as_ref().map(|dir| dir.path()), limits, NOW).unwrap().store;
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut reader = store.reader(NOW);
                    for i in 0..BLOCKS {
                        let block = loop {
                            match reader.next_block().unwrap() {
                                Some(block) => break block,
                                None => thread::yield_now(),
                            }
                        };
                        assert_eq!((block.first_seq, block.time_us), (NOW + i, NOW + i * 100_000));
                        assert_eq!(block.payload, i.to_le_bytes().repeat(i as usize % 200));
                    }
                });
            }
            scope.spawn(|| (0..50).for_each(|_| store.sync().unwrap()));
            for i in 0..BLOCKS {
                let payload = i.to_le_bytes().repeat(i as usize % 200);
                store.append(1, NOW + i * 100_000, &[&payload]).unwrap();
            }
        });
        assert!(store.figures().segments > 1);
    }
}
