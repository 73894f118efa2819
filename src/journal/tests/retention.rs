use super::*;

fn block_count(store: &Store) -> usize {
    read_all(store).len()
}

#[test]
fn the_size_is_limited_by_deleting_the_oldest_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    for i in 0..200 {
        store.append(1, NOW, &[&[1; 100 << 10]]).unwrap();
        let on_disk: u64 = files(dir.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
        assert_eq!(store.figures().bytes, on_disk);
        assert!(on_disk <= LIMITS.max_bytes, "{on_disk}");
        // No more is deleted than must be.
        assert!(i < 80 || on_disk > LIMITS.max_bytes - MIB as u64, "{on_disk}");
        assert!(files(dir.path()).iter().all(|file| file.metadata().unwrap().len() <= MIB as u64));
    }
    assert_eq!(store.next_seq(), NOW + 200);
    assert_eq!(seqs(&store), (store.floor()..NOW + 200).collect::<Vec<_>>());
}

#[test]
fn the_segment_that_is_written_to_is_kept_even_if_it_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits { max_bytes: 1000, ..LIMITS };
    let store = Store::open(Some(dir.path()), limits, NOW).unwrap().store;
    for _ in 0..3 {
        store.append(1, NOW, &[&vec![1; 2 * MIB]]).unwrap();
        assert_eq!((block_count(&store), files(dir.path()).len()), (1, 1));
    }
}

#[test]
fn segments_are_deleted_when_their_newest_block_is_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    // A segment is closed after 100 seconds.
    for i in 0..100 {
        let now_us = NOW + i * 50 * SECOND;
        store.append(1, now_us, &[b"block"]).unwrap();
        let blocks = read_all(&store);
        let kept_us = now_us - blocks[0].time_us;
        assert!(kept_us <= 1700 * SECOND, "{i}: {kept_us}");
        assert!(i < 34 || kept_us >= 1600 * SECOND, "{i}: {kept_us}");
        assert_eq!(store.figures().oldest_time_us, Some(blocks[0].time_us));
    }
    assert!(store.figures().segments < 20);
}

#[test]
fn blocks_expire_even_if_nothing_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    store.append(2, NOW, &[b"block"]).unwrap();
    store.expire(NOW + 100 * SECOND).unwrap();
    assert_eq!(files(dir.path()).len(), 1, "the segment is not old enough");
    store.expire(NOW + 101 * SECOND).unwrap();
    store.expire(NOW + 1600 * SECOND).unwrap();
    assert_eq!((block_count(&store), files(dir.path()).len()), (1, 2));
    store.expire(NOW + 1601 * SECOND).unwrap();
    store.expire(NOW + 9999 * SECOND).unwrap();
    assert_eq!((block_count(&store), files(dir.path()).len()), (0, 1));
    assert_eq!((store.floor(), store.next_seq()), (NOW + 2, NOW + 2));
    // The numbers go on, although no block is left and the clock was set back.
    store.close().unwrap();
    drop(store);
    let again = open_at(dir.path(), NOW - SECOND).store;
    assert_eq!(again.append(1, NOW, &[]).unwrap(), NOW + 2);
}

#[test]
fn a_reader_goes_on_while_its_segment_is_deleted_and_after_it() {
    for dir in [None, Some(tempfile::tempdir().unwrap())] {
        let store = Store::open(dir.as_ref().map(|dir| dir.path()), LIMITS, NOW).unwrap().store;
        let append = |n| append_times(n, &store, &[1; 300 << 10]);
        append(3);
        let mut reader = store.reader(NOW);
        assert_eq!(reader.next_block().unwrap().unwrap().first_seq, NOW);
        append(60);
        assert!(store.floor() > NOW + 10);
        let mut next = || reader.next_block().unwrap().unwrap().first_seq;
        assert_eq!([next(), next()], [NOW + 1, NOW + 2]);
        assert_eq!(next(), store.floor(), "the hole is visible");
    }
}

#[test]
fn a_segment_without_entries_is_also_replaced_when_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    for _ in 0..30 {
        assert_eq!(store.append(0, NOW, &[&[1; 400 << 10]]).unwrap(), NOW);
    }
    assert!(store.figures().bytes <= LIMITS.max_bytes);
    let count = block_count(&store);
    store.append(1, NOW, &[b"entry"]).unwrap();
    drop(store);
    let opened = open_at(dir.path(), NOW);
    assert_eq!((block_count(&opened.store), opened.problems), (count + 1, vec![]));
}

#[test]
fn the_number_of_segments_is_limited() {
    let list = SegmentList::default();
    (0..1010).for_each(|i| list.push(Arc::new(Segment::in_memory(i, 64))));
    let removed: Vec<_> =
        list.remove_old(u64::MAX, 0).iter().map(|segment| segment.header.first_seq).collect();
    assert_eq!((removed, list.usage().0), ((0..10).collect(), 1000));
}

#[cfg(target_os = "linux")]
#[test]
fn deleted_segments_are_closed_even_if_nothing_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    append_times(60, &store, &[1; 300 << 10]);
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    assert_eq!(open.filter(|path| path.starts_with(dir.path())).count(), store.figures().segments);
}
