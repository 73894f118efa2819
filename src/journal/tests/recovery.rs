use super::*;
use std::collections::BTreeSet;

#[test]
fn numbers_go_on_after_an_orderly_stop_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(open_at(dir.path(), NOW).last_stop, LastStop::None);
    fs::remove_dir_all(dir.path()).unwrap();
    let mut next = NOW;
    for clock in [NOW, NOW + 1000, NOW - 1000] {
        let opened = open_at(dir.path(), clock);
        assert_eq!(opened.problems, []);
        assert_eq!(opened.store.append(3, clock, &[b"block"]).unwrap(), next);
        next += 3;
        opened.store.close().unwrap();
        opened.store.close().unwrap();
        assert_eq!(opened.store.read(next).unwrap(), None);
        drop(opened);
    }
    let opened = open_at(dir.path(), NOW);
    assert_eq!((opened.last_stop, opened.store.next_seq()), (LastStop::Orderly, next));
    assert_eq!(seqs(&opened.store), [NOW, NOW + 3, NOW + 6]);
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn numbers_go_on_from_the_clock_after_an_unclean_stop() {
    let dir = tempfile::tempdir().unwrap();
    new_store(dir.path()).append(3, NOW, &[b"block"]).unwrap();
    let opened = open_at(dir.path(), NOW + 1000);
    assert_eq!((opened.last_stop, opened.store.next_seq()), (LastStop::Unclean, NOW + 1000));
    assert_eq!(opened.problems, []);
    // An orderly stop keeps the number, although nothing was appended with it.
    opened.store.close().unwrap();
    drop(opened);
    let opened = open_at(dir.path(), NOW);
    assert_eq!((opened.last_stop, opened.store.next_seq()), (LastStop::Orderly, NOW + 1000));
    opened.store.append(1, NOW, &[b"next"]).unwrap();
    drop(opened);
    // The clock was set back.
    let opened = open_at(dir.path(), NOW);
    assert_eq!((opened.last_stop, opened.store.next_seq()), (LastStop::Unclean, NOW + 1001));
    assert_eq!(seqs(&opened.store), [NOW, NOW + 1000]);
    assert_eq!(opened.store.read(NOW + 3).unwrap().unwrap().first_seq, NOW + 1000);
}

#[test]
fn a_power_failure_after_an_orderly_start_is_an_unclean_stop_even_if_all_new_blocks_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    store.append(1, NOW, &[b"block"]).unwrap();
    store.close().unwrap();
    let again = open_at(dir.path(), NOW + 50).store;
    let lost = copy(dir.path());
    again.append(1, NOW, &[b"lost"]).unwrap();
    let opened = open_at(lost.path(), NOW + 100);
    assert_eq!((opened.last_stop, opened.store.next_seq()), (LastStop::Unclean, NOW + 100));
}

/// A journal of one segment with blocks of different sizes, and where each of them ends.
fn small_journal() -> (tempfile::TempDir, Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let end = |i: u8| {
        store.append(2, NOW, &[&vec![i; usize::from(i) * 7]]).unwrap();
        store.figures().bytes
    };
    let ends = (0..5).map(end).collect();
    (dir, ends)
}

#[test]
fn exactly_the_whole_blocks_survive_a_cut_at_any_byte() {
    let (dir, ends) = small_journal();
    let name = files(dir.path())[0].file_name().unwrap().to_owned();
    let content = fs::read(dir.path().join(&name)).unwrap();
    assert_eq!(content.len() as u64, ends[4]);
    for len in 0..=content.len() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(&name);
        fs::write(&path, &content[..len]).unwrap();
        let opened = open_at(dir.path(), NOW - 1);
        let whole = ends.iter().filter(|end| **end <= len as u64).count() as u64;
        let mut expected: Vec<_> = (0..whole).map(|i| NOW + 2 * i).collect();
        assert_eq!(opened.last_stop, LastStop::Unclean);
        assert_eq!(seqs(&opened.store), expected, "{len}");
        let is_whole = len == 0 || len == 32 || ends.contains(&(len as u64));
        let bytes = len as u64 - [0, 32].iter().chain(&ends).filter(|end| **end <= len as u64).max().unwrap();
        match &opened.problems[..] {
            [] => assert!(is_whole, "{len}"),
            [Problem::Truncated { bytes: reported, .. }] => assert_eq!((*reported, is_whole), (bytes, false)),
            other => panic!("{len}: {other:?}"),
        }
        // A new segment is only begun if the end was not valid.
        let is_new = !is_whole || len == 0;
        assert_eq!(files(dir.path()).len(), 1 + usize::from(is_new), "{len}");
        expected.push(opened.store.append(1, NOW, &[b"after"]).unwrap());
        // Numbers are not given again if they can be read in what was cut off.
        let has_torn_header = bytes >= 36;
        let given = whole + u64::from(has_torn_header);
        assert_eq!(expected.last(), Some(&(NOW + 2 * given)), "{len}");
        assert_eq!(seqs(&opened.store), expected);
        drop(opened);
        let again = open_at(dir.path(), NOW - 1);
        assert_eq!((seqs(&again.store), again.problems), (expected, vec![]), "{len}");
    }
}

#[test]
fn a_flipped_byte_costs_only_its_block() {
    let (dir, ends) = small_journal();
    let content = fs::read(&files(dir.path())[0]).unwrap();
    for offset in ends[1]..ends[2] {
        let running = copy(dir.path());
        let store = open_at(running.path(), NOW).store;
        let mut damaged = content.clone();
        damaged[offset as usize] ^= 1;
        let expected = [NOW, NOW + 2, NOW + 6, NOW + 8];
        // While the server runs, and the file is damaged in place:
        fs::write(&files(running.path())[0], &damaged).unwrap();
        assert_eq!(seqs(&store), expected, "{offset}");
        assert_eq!(store.figures().damage_skipped, 1);
        assert_eq!(store.read(NOW + 4).unwrap().unwrap().first_seq, NOW + 6);
        drop(store);
        // When it starts, in the newest segment:
        let opened = open_at(running.path(), NOW);
        let path = files(running.path())[0].clone();
        let bytes = ends[2] - ends[1];
        let problem = Problem::Damaged { path, bytes, missing: NOW + 4..NOW + 6 };
        assert_eq!(opened.problems, [problem]);
        assert_eq!((seqs(&opened.store), opened.store.next_seq()), (expected.into(), NOW + 10));
        // In an older one, of which only the headers are read:
        opened.store.expire(NOW + 500 * SECOND).unwrap();
        drop(opened);
        let opened = open_at(running.path(), NOW);
        assert_eq!(opened.problems.len(), usize::from(offset < ends[1] + 36), "{offset}");
        assert_eq!((seqs(&opened.store), opened.store.next_seq()), (expected.into(), NOW + 10));
    }
}

#[test]
fn a_damaged_last_block_is_removed_but_its_numbers_are_not_given_again() {
    let (dir, ends) = small_journal();
    let path = files(dir.path())[0].clone();
    let mut content = fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&path, &content).unwrap();
    let opened = open_at(dir.path(), NOW);
    assert_eq!(opened.problems, [Problem::Truncated { path, bytes: ends[4] - ends[3] }]);
    assert_eq!(seqs(&opened.store), [NOW, NOW + 2, NOW + 4, NOW + 6]);
    assert_eq!(opened.store.next_seq(), NOW + 10);
}

#[test]
fn damage_larger_than_a_search_reads_at_once_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    append_times(5, &store, &[3; 150_000]);
    let path = files(dir.path())[0].clone();
    let mut content = fs::read(&path).unwrap();
    content[150_080..400_000].fill(0xff);
    fs::write(&path, content).unwrap();
    let expected = [NOW, NOW + 3, NOW + 4];
    assert_eq!(seqs(&store), expected);
    let opened = open_at(dir.path(), NOW);
    let problem = Problem::Damaged { path, bytes: 300_072, missing: NOW + 1..NOW + 3 };
    assert_eq!((seqs(&opened.store), opened.problems), (expected.into(), vec![problem]));
}

#[test]
fn a_record_is_found_wherever_a_search_reads_its_header() {
    for before in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        store.append(1, NOW, &[&vec![3; (64 << 10) - 35 - before]]).unwrap();
        store.append(1, NOW, &[b"found"]).unwrap();
        let path = files(dir.path())[0].clone();
        let mut content = fs::read(&path).unwrap();
        content[40] ^= 1;
        fs::write(&path, content).unwrap();
        assert_eq!(seqs(&store), [NOW + 1], "{before}");
    }
}

#[test]
fn blocks_that_are_there_twice_are_read_once() {
    let (dir, _) = small_journal();
    let path = files(dir.path())[0].clone();
    let expected = seqs(&open_at(dir.path(), NOW).store);
    let mut content = fs::read(&path).unwrap();
    let bytes = content.len() - 32;
    content.extend_from_within(32..);
    fs::write(&path, &content).unwrap();
    let opened = open_at(dir.path(), NOW);
    assert_eq!(opened.problems, [Problem::Truncated { path, bytes: bytes as u64 }]);
    assert_eq!((seqs(&opened.store), opened.store.next_seq()), (expected, NOW + 10));
}

#[test]
fn damage_up_to_the_end_of_an_older_segment_is_reported_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    append_times(8, &store, &[3; 300_000]);
    drop(store);
    let path = files(dir.path())[0].clone();
    let len = path.metadata().unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    let opened = open_at(dir.path(), NOW);
    let problem = Problem::Damaged { path: path.clone(), bytes: 300_035, missing: NOW + 2..NOW + 3 };
    let text = format!("{}: 300035 bytes are damaged; missing: {}..{}", path.display(), NOW + 2, NOW + 3);
    assert_eq!(problem.to_string(), text);
    assert_eq!(opened.problems, [problem]);
    assert_eq!(opened.store.read(NOW + 2).unwrap().unwrap().first_seq, NOW + 3);
}

#[test]
fn a_segment_with_a_damaged_header_is_skipped_but_counts_until_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    append_times(8, &store, &[3; 300_000]);
    drop(store);
    for (i, expected) in [(0, 3..8), (2, 3..6)] {
        let path = files(dir.path())[i].clone();
        let mut content = fs::read(&path).unwrap();
        content[25] ^= 1;
        fs::write(&path, &content).unwrap();
        let opened = open_at(dir.path(), NOW);
        assert_eq!(seqs(&opened.store), expected.map(|n| NOW + n).collect::<Vec<_>>());
        let bytes: u64 = files(dir.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
        assert_eq!(opened.store.figures().bytes, bytes);
        let first = opened.problems.iter().find_map(|problem| match problem {
            Problem::Damaged { path: damaged, bytes, missing } if *damaged == path => {
                Some((*bytes, missing.start))
            }
            _ => None,
        });
        assert_eq!(first, Some((content.len() as u64, NOW + 3 * i as u64)));
    }
    assert_eq!(open_at(dir.path(), NOW).store.append(1, NOW, &[]).unwrap(), NOW + 6, "of the file's name");
    let store = open_at(dir.path(), NOW).store;
    append_times(40, &store, &[3; 300_000]);
    assert!(files(dir.path()).iter().map(|file| file.metadata().unwrap().len()).sum::<u64>() <= 8 << 20);
}

#[test]
fn foreign_files_are_reported_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    new_store(dir.path()).append(1, NOW, &[b"block"]).unwrap();
    let numeral = format!("{}.segment", NOW + 1);
    let names = ["x", ".segment", "1.segment.new", &numeral, "00000000000000000007-0.segment", "é.segment"];
    names.iter().for_each(|name| fs::write(dir.path().join(name), b"x").unwrap());
    fs::create_dir(dir.path().join("00000000000000000008.segment")).unwrap();
    let opened = open_at(dir.path(), NOW);
    let mut foreign = BTreeSet::new();
    for problem in opened.problems {
        let Problem::Foreign { path } = problem else { panic!("{problem}") };
        foreign.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    let mut expected: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.insert("00000000000000000008.segment".into());
    assert_eq!(foreign, expected);
    assert_eq!(seqs(&opened.store), [NOW]);
    opened.store.expire(NOW + 9999 * SECOND).unwrap();
    assert_eq!(files(dir.path()).len(), 8);
}

#[test]
fn a_journal_of_a_later_version_is_not_opened_or_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut header = b"ctjournl".to_vec();
    header.extend(2_u32.to_le_bytes());
    header.extend([0; 16]);
    header.extend(crc32fast::hash(&header).to_le_bytes());
    let path = dir.path().join("00000000000000000000.segment");
    fs::write(&path, &header).unwrap();
    let error = Store::open(Some(dir.path()), LIMITS, NOW).unwrap_err().to_string();
    let reason = "it has format version 2, this program can only read version 1";
    assert_eq!(error, format!("{}: {reason}", path.display()));
    assert_eq!((files(dir.path()).len(), fs::read(path).unwrap()), (1, header));
}

#[test]
fn a_run_without_blocks_gives_no_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_at(dir.path(), NOW);
    assert_eq!(first.end_seq, NOW, "the journal is new");
    assert_eq!(first.store.append(3, NOW, &[b"a"]).unwrap(), NOW);
    drop(first);
    for run in 1..4 {
        // Each one is killed before it has appended anything.
        let opened = open_at(dir.path(), NOW + run * SECOND);
        assert_eq!((opened.end_seq, opened.store.next_seq()), (NOW + 3, NOW + run * SECOND));
    }
    let last = open_at(dir.path(), NOW + 9 * SECOND);
    assert_eq!((last.end_seq, last.store.append(1, NOW, &[b"b"]).unwrap()), (NOW + 3, NOW + 9 * SECOND));
    last.store.close().unwrap();
    assert_eq!(open_at(dir.path(), NOW + 10 * SECOND).end_seq, NOW + 9 * SECOND + 1);

    let empty = tempfile::tempdir().unwrap();
    drop(open_at(empty.path(), NOW));
    assert_eq!(open_at(empty.path(), NOW + SECOND).end_seq, NOW, "nothing was ever given");
}
