use super::*;
use std::io;
use std::sync::mpsc::channel;

/// The error of an append, which must be that of a full disk and name a file of `dir`.
fn expect_full(store: &Store, dir: &Path) {
    match store.append(1, NOW, &[b"does not ", b"fit"]) {
        Err(AppendError::Io(FileError { path, source })) => {
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
            assert!(path.starts_with(dir));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_disk_that_was_full_is_used_again_without_a_trace() {
    for room in 0..47 {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        store.append(1, NOW, &[b"before"]).unwrap();
        let bytes = store.figures().bytes;
        disk::set_room(Some(room));
        expect_full(&store, dir.path());
        expect_full(&store, dir.path());
        assert_eq!(files(dir.path())[0].metadata().unwrap().len(), bytes, "{room}");
        assert_eq!(seqs(&store), [NOW]);
        disk::set_room(None);
        assert_eq!(store.append(1, NOW, &[b"after"]).unwrap(), NOW + 1);
        assert_eq!((seqs(&store), store.figures().failed_appends), (vec![NOW, NOW + 1], 2));
        store.close().unwrap();
        drop(store);
        let opened = open_at(dir.path(), NOW);
        assert_eq!((seqs(&opened.store), opened.problems), (vec![NOW, NOW + 1], vec![]));
        assert_eq!(opened.last_stop, LastStop::Orderly);
    }
}

#[test]
fn a_new_segment_is_begun_if_an_incomplete_block_cannot_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    store.append(1, NOW, &[b"before"]).unwrap();
    disk::set_room(Some(20));
    disk::refuse_cuts(true);
    expect_full(&store, dir.path());
    disk::set_room(None);
    disk::refuse_cuts(false);
    store.append(1, NOW, &[b"after"]).unwrap();
    assert_eq!((seqs(&store), files(dir.path()).len()), (vec![NOW, NOW + 1], 2));
    drop(store);
    let opened = open_at(dir.path(), NOW);
    let path = files(dir.path())[0].clone();
    let problem = Problem::Damaged { path, bytes: 20, missing: NOW + 1..NOW + 1 };
    assert_eq!((seqs(&opened.store), opened.problems), (vec![NOW, NOW + 1], vec![problem]));
}

#[test]
fn a_disk_that_is_full_when_a_segment_begins_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    store.append(1, NOW, &[&vec![1; MIB]]).unwrap();
    for room in 0..32 {
        disk::set_room(Some(room));
        expect_full(&store, dir.path());
        assert_eq!(files(dir.path()).len(), 1);
    }
    // The new segment has been created, the block does not fit into it.
    disk::set_room(Some(40));
    expect_full(&store, dir.path());
    expect_full(&store, dir.path());
    disk::set_room(None);
    store.append(1, NOW, &[b"after"]).unwrap();
    assert_eq!((seqs(&store), files(dir.path()).len()), (vec![NOW, NOW + 1], 2));
}

#[test]
fn a_disk_that_is_full_at_the_start_or_the_end_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    disk::set_room(Some(0));
    let error = Store::open(Some(dir.path()), LIMITS, NOW).unwrap_err();
    assert!(error.to_string().starts_with(&dir.path().display().to_string()), "{error}");
    disk::set_room(None);
    let store = new_store(dir.path());
    disk::set_room(Some(10));
    assert!(store.close().is_err());
    disk::set_room(None);
    store.append(1, NOW, &[]).unwrap();
    store.close().unwrap();
    drop(store);
    assert_eq!(open_at(dir.path(), NOW).last_stop, LastStop::Orderly);
}

/// Syncing can take seconds on a busy disk.
#[test]
fn neither_appending_nor_reading_waits_for_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let before = store.append(1, NOW, &[b"before"]).unwrap();
    let (finish, results) = channel();
    let syncing = std::thread::spawn({
        let store = store.clone();
        move || {
            disk::wait_at_sync(results);
            store.sync().map_err(|error| error.to_string())
        }
    });
    let behind = store.append(1, NOW, &[b"behind"]).unwrap();
    assert_eq!(seqs(&store), [before, behind]);
    assert!(!syncing.is_finished());
    finish.send(Ok(())).unwrap();
    assert_eq!(syncing.join().unwrap(), Ok(()));
}

/// Once a sync has failed, another one would report success without having written anything.
#[test]
fn after_a_sync_that_failed_a_new_segment_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let first = store.append(1, NOW, &[b"perhaps lost"]).unwrap();
    let (finish, results) = channel();
    disk::wait_at_sync(results);
    finish.send(Err(io::Error::other("broken"))).unwrap();
    assert!(store.sync().unwrap_err().to_string().ends_with(": broken"));
    let second = store.append(1, NOW, &[b"kept"]).unwrap();
    finish.send(Ok(())).unwrap();
    store.sync().unwrap();
    assert_eq!((seqs(&store), files(dir.path()).len()), (vec![first, second], 2));
}

#[test]
fn a_folder_that_was_deleted_is_noticed_at_the_next_sync_and_created_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let store = new_store(&dir);
    store.append(1, NOW, &[b"old"]).unwrap();
    store.sync().unwrap();
    fs::remove_dir_all(&dir).unwrap();
    let unlinked = store.append(1, NOW, &[b"lost"]).unwrap();
    let error = store.sync().unwrap_err();
    assert!(error.to_string().starts_with(&dir.display().to_string()), "{error}");
    let seq = store.append(1, NOW, &[b"new"]).unwrap();
    store.sync().unwrap();
    // What was deleted can still be read as long as the server runs.
    assert_eq!(seqs(&store), [NOW, unlinked, seq]);
    let after = copy(&dir);
    assert_eq!(seqs(&open_at(after.path(), NOW).store), [seq]);
    store.expire(NOW + 9999 * SECOND).unwrap();
    assert_eq!(files(&dir).len(), 1);
}

#[test]
fn a_folder_that_was_moved_is_left_alone_and_created_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let store = new_store(&dir);
    store.append(0, NOW, &[b"position"]).unwrap();
    fs::rename(&dir, parent.path().join("moved")).unwrap();
    assert!(store.sync().is_err());
    store.append(1, NOW + 2000 * SECOND, &[b"new"]).unwrap();
    assert_eq!((seqs(&store), files(&dir).len()), (vec![NOW], 1));
    assert_eq!(files(&parent.path().join("moved")).len(), 1);
    store.sync().unwrap();
}

#[test]
fn a_segment_that_was_cut_by_another_program_ends_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    append_times(5, &store, &[1; 1000]);
    let file = fs::File::options().write(true).open(&files(dir.path())[0]).unwrap();
    file.set_len(2500).unwrap();
    assert_eq!(seqs(&store), [NOW, NOW + 1]);
    let mut reader = store.reader(NOW + 1);
    reader.next_block().unwrap();
    assert_eq!(reader.next_block().unwrap(), None);
    store.append(1, NOW, &[b"after"]).unwrap();
    assert_eq!(reader.next_block().unwrap().unwrap().first_seq, NOW + 5);
    assert_eq!(seqs(&store), [NOW, NOW + 1, NOW + 5]);
}

#[test]
fn a_place_that_is_no_folder_is_an_error_with_its_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Store::open(Some(file.path()), LIMITS, NOW).unwrap_err();
    assert!(error.to_string().starts_with(&file.path().display().to_string()), "{error}");
}
