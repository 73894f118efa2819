use super::*;
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

/// The content of all files, in the order of their names, whether they are whole or not.
fn content(dir: &Path) -> String {
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let is_compressed = path.to_str().unwrap().contains(".zst");
        String::from_utf8(if is_compressed { zstd::decode_all(&bytes[..]).unwrap() } else { bytes }).unwrap()
    };
    paths.iter().map(read).collect()
}

fn lines(seqs: std::ops::Range<u64>) -> String {
    seqs.map(line).collect()
}

/// Each crash comes after a batch was written and before its position was saved.
#[test]
fn what_was_not_acknowledged_is_cut_off_and_written_again() {
    for compress in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), compress);
        let mut place = None;
        for round in 0..5 {
            let mut target = FileTarget::open("a", &config, place.as_ref()).unwrap();
            target.deliver(&batch(round * 10..round * 10 + 5)).unwrap();
            target.deliver(&batch(round * 10 + 5..round * 10 + 10)).unwrap();
            place = target.place().cloned();
            target.deliver(&batch(round * 10 + 10..round * 10 + 17)).unwrap();
        }
        drop(FileTarget::open("a", &config, place.as_ref()).unwrap());
        assert_eq!(content(dir.path()), lines(0..50), "compressed: {compress}");
    }
}

#[test]
fn a_file_that_a_crash_left_before_it_was_acknowledged_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), false);
    FileTarget::open("a", &config, None).unwrap().deliver(&batch(0..9)).unwrap();
    let name = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().file_name();
    let place = FilePlace { name: "a-20260101T000000Z-5.ndjson".into(), bytes: 0 };
    let mut target = FileTarget::open("a", &config, Some(&place)).unwrap();
    let left = name.to_str().unwrap().trim_end_matches(".partial");
    assert!(dir.path().join(left).exists(), "nothing is deleted that another run has written");
    target.deliver(&batch(0..3)).unwrap();
    assert_eq!(target.place().unwrap().bytes, lines(0..3).len() as u64);
}

#[test]
fn a_file_that_is_large_or_old_is_renamed_and_the_next_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let config = FileConfig { rotate_bytes: 200, ..config(dir.path(), false) };
    let mut target = FileTarget::open("a", &config, None).unwrap();
    for seq in 0..20 {
        target.deliver(&batch(seq..seq + 1)).unwrap();
    }
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let partial = names.iter().filter(|name| name.ends_with(".partial")).count();
    assert!(names.len() > 4 && partial == 1, "{names:?}");
    assert_eq!(content(dir.path()), lines(0..20));
    target.rotate_if_due(clock::unix_us() + 3600 * 1_000_000).unwrap();
    assert_eq!(target.place(), None);
    let partial = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".partial"));
    assert_eq!(partial.count(), 0);
}

#[test]
fn switching_compression_ends_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = FileTarget::open("a", &config(dir.path(), false), None).unwrap();
    target.deliver(&batch(0..5)).unwrap();
    let place = target.place().cloned();
    target.deliver(&batch(5..7)).unwrap();
    let mut target = FileTarget::open("a", &config(dir.path(), true), place.as_ref()).unwrap();
    target.deliver(&batch(5..9)).unwrap();
    assert!(target.place().unwrap().name.ends_with(".zst"));
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
