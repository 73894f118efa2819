use super::*;
use crate::clock;
use crate::config::BatchLimits;
use crate::outputs::batch::Inbox;
use std::path::Path;

const FIRST: u64 = 1_795_460_507_000_000;

fn config(dir: &Path, compress: bool) -> FileConfig {
    FileConfig {
        dir: dir.into(),
        compress,
        rotate_bytes: 1 << 20,
        rotate_after: Duration::from_secs(3600),
        keep_for: None,
        keep_bytes: None,
    }
}

fn line(seq: u64) -> String {
    format!("{{\"text\":\"{seq} certificate certificate\",\"seq\":{}}}\n", FIRST + seq)
}

fn batch(seqs: std::ops::Range<u64>) -> Batch {
    let (mut inbox, mut batch) = (Inbox::default(), Batch::default());
    let limits = BatchLimits { messages: 1000, bytes: 1 << 30, wait: Duration::ZERO };
    inbox.add(lines(seqs.clone()).as_bytes(), FIRST + seqs.end, &mut batch, limits);
    batch
}

/// The names of all files, in order, but for the lock.
fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// The content of all files, in the order of their names, whether they are whole or not.
fn content(dir: &Path) -> String {
    let read = |name: &String| {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        String::from_utf8(if name.contains(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes })
            .unwrap()
    };
    names(dir).iter().map(read).collect()
}

fn lines(seqs: std::ops::Range<u64>) -> String {
    seqs.map(line).collect()
}

/// Opens the output `a`.
fn open(config: &FileConfig, place: Option<&FilePlace>) -> FileTarget {
    FileTarget::open("a", config, place).unwrap()
}

/// Delivers entries. Returns the place that is saved before they are written, and the one after.
fn deliver(target: &mut FileTarget, seqs: std::ops::Range<u64>) -> [Option<FilePlace>; 2] {
    target.prepare(&batch(seqs.clone()), FIRST + seqs.start, clock::unix_us()).unwrap();
    let before = target.place().cloned();
    target.deliver(&batch(seqs)).unwrap();
    [before, target.place().cloned()]
}

/// Each crash comes after a batch was written and before its position was saved.
#[test]
fn what_was_not_acknowledged_is_cut_off_and_written_again() {
    for compress in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), compress);
        let [mut place, _] = deliver(&mut open(&config, None), 0..9);
        for round in 0..5 {
            let mut target = open(&config, place.as_ref());
            deliver(&mut target, round * 10..round * 10 + 5);
            [_, place] = deliver(&mut target, round * 10 + 5..round * 10 + 10);
            deliver(&mut target, round * 10 + 10..round * 10 + 17);
        }
        drop(open(&config, place.as_ref()));
        assert_eq!(content(dir.path()), lines(0..50), "compressed: {compress}");
        assert_eq!(names(dir.path()).len(), 1);
    }
}

#[test]
fn a_file_that_is_not_in_the_position_is_kept_unless_it_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), false);
    deliver(&mut open(&config, None), 0..9);
    let name = names(dir.path()).remove(0);
    std::fs::write(dir.path().join(open(&config, None).folder.name(5, 1) + ".partial"), "").unwrap();
    let mut target = open(&config, None);
    assert_eq!(names(dir.path()), [name.trim_end_matches(".partial")], "another run has written it");
    deliver(&mut target, 9..12);
    assert_eq!(content(dir.path()), lines(0..12));
}

#[test]
fn a_file_that_is_large_or_old_is_renamed_and_the_next_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let config = FileConfig { rotate_bytes: 200, ..config(dir.path(), false) };
    let mut target = open(&config, None);
    let begin_us = clock::unix_us();
    (0..19).for_each(|seq| drop(deliver(&mut target, seq..seq + 1)));
    let end_us = clock::unix_us();
    let partial = || names(dir.path()).iter().filter(|name| name.ends_with(".partial")).count();
    assert!(names(dir.path()).len() > 4 && partial() == 1, "{:?}", names(dir.path()));
    assert_eq!(content(dir.path()), lines(0..19));
    let mut prepare =
        |now_us| target.prepare(&Batch::default(), FIRST + 19, now_us).map(|()| target.place().is_some());
    assert!(prepare(begin_us + 3599 * 1_000_000).unwrap());
    assert!(!prepare(end_us + 3601 * 1_000_000).unwrap());
    assert_eq!(partial(), 0);
}

#[test]
fn a_clock_that_is_set_back_ends_the_file_and_keeps_the_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = open(&config(dir.path(), false), None);
    let hour_us = 3600 * 1_000_000;
    for (seq, now_us) in [(0, 9 * hour_us), (1, 9 * hour_us - 30_000_000), (2, 5 * hour_us)] {
        target.prepare(&batch(seq..seq + 1), FIRST + seq, now_us).unwrap();
        target.deliver(&batch(seq..seq + 1)).unwrap();
    }
    assert_eq!(names(dir.path()).len(), 2);
    assert_eq!(content(dir.path()), lines(0..3));
}

#[test]
fn a_file_that_was_moved_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), false);
    let mut target = open(&config, None);
    let [_, place] = deliver(&mut target, 0..5);
    let moved = dir.path().join("moved");
    std::fs::rename(dir.path().join(names(dir.path()).remove(0)), &moved).unwrap();
    target.prepare(&batch(5..7), FIRST + 5, clock::unix_us()).unwrap();
    let error = target.deliver(&batch(5..7)).unwrap_err().to_string();
    assert!(error.contains("something else has moved or removed it"), "{error}");
    drop(target);
    let mut target = open(&config, place.as_ref());
    deliver(&mut target, 5..9);
    assert_eq!(std::fs::read_to_string(moved).unwrap(), lines(0..5));
    assert_eq!(std::fs::read_to_string(dir.path().join(names(dir.path()).remove(0))).unwrap(), lines(5..9));
}

#[test]
fn a_file_that_was_shortened_ends_there_so_that_what_follows_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), true);
    let [_, place] = deliver(&mut open(&config, None), 0..100);
    let first = dir.path().join(names(dir.path()).remove(0));
    std::fs::File::options().write(true).open(first).unwrap().set_len(50).unwrap();
    deliver(&mut open(&config, place.as_ref()), 100..200);
    let second = std::fs::read(dir.path().join(names(dir.path()).remove(1))).unwrap();
    assert_eq!(zstd::decode_all(&second[..]).unwrap(), lines(100..200).as_bytes());
}

#[test]
fn only_one_server_writes_the_files_of_an_output() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), false);
    let target = open(&config, None);
    let error = FileTarget::open("a", &config, None).err().expect("it is in use").to_string();
    assert!(error.contains("another server writes the files of an output a here"), "{error}");
    assert!(FileTarget::open("b", &config, None).is_ok());
    drop(target);
    assert!(FileTarget::open("a", &config, None).is_ok());
}

#[test]
fn switching_compression_ends_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = open(&config(dir.path(), false), None);
    let [_, place] = deliver(&mut target, 0..5);
    deliver(&mut target, 5..7);
    drop(target);
    let [_, place] = deliver(&mut open(&config(dir.path(), true), place.as_ref()), 5..9);
    assert!(place.unwrap().name.ends_with(".zst"));
    assert_eq!(content(dir.path()), lines(0..9));
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = FileTarget::open("a", &config(&file.join("below"), false), None).err().expect("no folder");
    assert!(error.to_string().contains("file/below: "), "{error}");
}
