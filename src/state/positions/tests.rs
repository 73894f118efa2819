use super::file::hex;
use super::*;
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, leaf_hash};
use crate::ct::source::Protocol;
use crate::state::{Between, Decision, Ledger, MissingRange, Skip};
use openssl::sha::sha256;
use std::fs;
use std::sync::Arc;

fn url(url: &str) -> LogIdentifier {
    LogIdentifier::Url(url.into())
}

fn position(entries: u64) -> Position {
    let mut tree = CompactTree::new();
    (0..entries).for_each(|i| tree.push(leaf_hash(&i.to_be_bytes())));
    let (root_hash, bytes) = (tree.root(), "a head".into());
    let head = Head { tree_size: entries, timestamp_ms: 1_700_000_000_000, root_hash, signed: true, bytes };
    Position {
        ledger: ledger(entries),
        tree: Some(tree),
        head: Some(head),
        ..Position::at("https://a.example", 0)
    }
}

fn ledger(next: u64) -> Ledger {
    Ledger { next, delivered: next, ..Ledger::from(0) }
}

#[test]
fn missing_entries_are_kept_over_a_restart_with_the_trees_around_them() {
    let dir = tempfile::tempdir().unwrap();
    let between = Between { before: position(5).tree.unwrap(), root_after: [9; 32] };
    let known = MissingRange { start: 5, end_exclusive: 7, between: Some(between) };
    let unverified = MissingRange { start: 8, end_exclusive: 9, between: None };
    let ledger = Ledger { delivered: 6, missing: 3, ..ledger(9) };
    let position = Position { ledger, missing: vec![known, unverified].into(), ..position(9) };
    let save = |position: Position| {
        let positions = Positions::load(dir.path()).unwrap();
        positions.set(&url("u"), position);
        positions.save().unwrap();
    };
    save(position.clone());
    let loaded = Positions::load(dir.path()).unwrap();
    assert_eq!(loaded.get(&url("u")), Some(position.clone()));
    assert_eq!(loaded.missing_ranges(), 2);

    save(Position { missing: Arc::default(), ..position });
    assert!(Positions::load(dir.path()).is_err(), "the account does not add up");
}

#[test]
fn positions_are_there_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let positions = Positions::load(&state).unwrap();
    let bare = Position { ledger: ledger(5), ..Position::at("https://b.example", 0) };
    positions.set(&url("https://a.example"), position(300));
    positions.set(&url("https://b.example"), bare.clone());
    positions.save().unwrap();
    positions.moved(&url("https://a.example"), position(301), 77);
    positions.save().unwrap();

    let again = Positions::load(&state).unwrap();
    assert_eq!(again.get(&url("https://a.example")), Some(position(301)));
    assert_eq!(again.get(&url("https://b.example")), Some(bare));
    assert_eq!(again.get(&url("https://c.example")), None);
    assert_eq!(again.journal_seq(), 77);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing is left lying about");
}

#[test]
fn the_first_version_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let id = |byte: u8| base64_simd::STANDARD.encode_to_string([byte; 32]);
    let log = |log_id: &str, next: u64| {
        format!(
            r#"{{"log_id":{log_id},"ledger":{{"first":0,"next":{next},"delivered":{next},"undecodable":0,"skipped":0}},"tree":null,"head":null}}"#
        )
    };
    let with_id = |byte, next| log(&format!("\"{}\"", id(byte)), next);
    let line = format!(
        r#"{{"version":1,"clients":3,"logs":{{"https://a":{},"https://b":{},"https://b2":{},"https://c":{}}}}}"#,
        with_id(1, 5),
        with_id(2, 7),
        with_id(2, 6),
        log("null", 8)
    );
    fs::write(dir.path().join(FILE), format!("{line}\n{}\n", hex(&sha256(line.as_bytes())))).unwrap();
    let at = |url: &str, next| Position { ledger: ledger(next), ..Position::at(url, 0) };
    let expected = BTreeMap::from([
        (LogIdentifier::LogId([1; 32]), at("https://a", 5)),
        (LogIdentifier::LogId([2; 32]), at("https://b", 7)),
        (url("https://c"), at("https://c", 8)),
    ]);
    let positions = Positions::load(dir.path()).unwrap();
    assert_eq!((positions.all(), positions.journal_seq()), (expected.clone(), 0));
    positions.set(&url("https://c"), at("https://c", 9));
    positions.save().unwrap();
    assert!(fs::read_to_string(dir.path().join(FILE)).unwrap().starts_with(r#"{"version":3,"#));
    let expected = BTreeMap::from_iter(expected.into_iter().chain([(url("https://c"), at("https://c", 9))]));
    assert_eq!(Positions::load(dir.path()).unwrap().all(), expected);
}

#[test]
fn decisions_and_heads_are_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let skip = Skip { start: 1, end_exclusive: 4, entries: 2, because: "it is lost".into(), at_ms: 7 };
    let whole = Position {
        skips: vec![skip].into(),
        decision: Some(Decision { resume_from: 9, because: "a proof is wrong".into() }),
        unreconciled: vec![position(3).head.unwrap(), position(4).head.unwrap()].into(),
        ..position(5)
    };
    let positions = Positions::load(dir.path()).unwrap();
    positions.set(&LogIdentifier::LogId([3; 32]), whole.clone());
    positions.save().unwrap();
    assert_eq!(Positions::load(dir.path()).unwrap().get(&LogIdentifier::LogId([3; 32])), Some(whole));
}

#[test]
fn the_heads_in_the_file_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let positions = Positions::load(dir.path()).unwrap();
    let heads = Arc::new(vec![position(3).head.unwrap(); 64]);
    for log in 0..=u8::MAX {
        let unreconciled = heads.clone();
        positions.set(&LogIdentifier::LogId([log; 32]), Position { unreconciled, ..Position::at("u", 5) });
    }
    positions.save().unwrap();
    let saved = Positions::load(dir.path()).unwrap().all();
    let count: usize = saved.values().map(|position| position.unreconciled.len()).sum();
    assert_eq!((saved.len(), count), (256, MAX_SAVED_HEADS));
}

#[test]
fn a_position_belongs_to_the_log_id_and_to_the_url_without_one() {
    let source = |url: &str, id: Option<u8>| {
        Source::new(url, "A log", "", id.map(|byte| [byte; 32]), Protocol::Rfc6962)
    };
    let positions = Positions::in_memory();
    positions.set(&LogIdentifier::LogId([1; 32]), Position::at("https://a", 5));
    assert_eq!(positions.resume(&source("https://moved", Some(1))), Some(Position::at("https://a", 5)));
    assert_eq!(positions.resume(&source("https://a", Some(2))), None, "another key is another log");
    assert_eq!(positions.at_url("https://a"), Some(LogIdentifier::LogId([1; 32])));
    assert_eq!(positions.resume(&source("https://b", None)), None);

    assert_eq!(positions.resume(&source("https://a", None)), Some(Position::at("https://a", 5)));
    assert_eq!(
        positions.all().into_keys().collect::<Vec<_>>(),
        [url("https://a")],
        "the key is no longer known"
    );
    assert_eq!(positions.resume(&source("https://a", Some(7))), Some(Position::at("https://a", 5)));
    assert_eq!(
        positions.all().into_keys().collect::<Vec<_>>(),
        [LogIdentifier::LogId([7; 32])],
        "it is known now"
    );
}

#[test]
fn the_journal_is_synced_before_the_positions_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let positions = Positions::load(dir.path()).unwrap();
    let on_disk = || Positions::load(dir.path()).unwrap().get(&url("u")).map(|position| position.ledger.next);
    let mut synced = 0;
    for (entries, written) in [(1, None), (2, Some(1)), (2, Some(2))] {
        positions.moved(&url("u"), position(entries), entries);
        assert_eq!(positions.save_after(|| Err("the disk is broken")).unwrap_err(), "the disk is broken");
        assert_eq!(on_disk(), written, "nothing may be ahead of the journal");
        let sync = || {
            synced += 1;
            assert_eq!(on_disk(), written);
            // It is in the next file.
            positions.set(&url("u"), position(9));
            Ok::<_, ()>(())
        };
        positions.save_after(sync).unwrap().unwrap();
        assert_eq!(on_disk(), Some(entries));
    }
    positions.save().unwrap();
    assert_eq!((on_disk(), synced), (Some(9), 3));
    positions.save_after(|| Err("the disk is broken")).expect_err("the journal may have changed alone");
}

#[test]
fn a_file_with_any_byte_changed_or_cut_off_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let positions = Positions::load(dir.path()).unwrap();
    positions.set(&url("https://a.example"), position(5));
    positions.save().unwrap();
    let path = dir.path().join(FILE);
    let sound = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Positions::load(dir.path()).unwrap_err().to_string();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert!(error.contains("positions.json") && error.contains("backup"), "{error}");
    };
    for place in 0..sound.len() - 1 {
        let mut damaged = sound.clone();
        damaged[place] ^= 1;
        refused(&damaged);
        refused(&sound[..place]);
    }
}

#[test]
fn a_file_that_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let log = |next: u64, tree: &str| {
        format!(
            r#"{{"version":1,"clients":0,"logs":{{"u":{{"log_id":null,"ledger":{{"first":0,"next":{next},"delivered":5,"undecodable":0,"skipped":0}},"tree":{tree},"head":null}}}}}}"#
        )
    };
    for (line, problem) in [
        (r#"{"version":4,"logs":{}}"#.to_string(), "version 4"),
        (r#"{"version":0,"clients":0,"logs":{}}"#.to_string(), "version 0"),
        (log(5, "null").replace(r#""version":1"#, r#""version":2"#), "position of u is invalid"),
        (r#"{"version":1,"clients":0,"logs":{},"more":1}"#.to_string(), "unknown field"),
        (log(6, "null"), "position of u is invalid"),
        (log(5, r#""AAAA""#), "position of u is invalid"),
        (log(5, r#""""#), "position of u is invalid"),
    ] {
        fs::write(&path, format!("{line}\n{}\n", hex(&sha256(line.as_bytes())))).unwrap();
        let error = Positions::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn what_cannot_be_saved_is_saved_later() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::write(&state, "a file where the folder should be").unwrap();
    let positions = Positions { dir: Some(state.clone()), state: Mutex::default() };
    positions.set(&url("https://a.example"), position(5));
    positions.save().unwrap_err();
    assert!(!positions.has_file());
    fs::remove_file(&state).unwrap();
    positions.save().unwrap();
    assert!(positions.has_file());
    assert_eq!(Positions::load(&state).unwrap().get(&url("https://a.example")), Some(position(5)));
}

#[test]
fn positions_are_bounded_and_those_that_are_known_go_on() {
    let positions = Positions::in_memory();
    let at = |next| {
        let ledger = Ledger { skipped: next, next, ..Ledger::from(0) };
        Position { ledger, ..Position::at("u", 0) }
    };
    (0..MAX_POSITIONS + 5).for_each(|i| positions.set(&url(&format!("https://{i}.example")), at(1)));
    assert_eq!(positions.lock().by_log.len(), MAX_POSITIONS);
    positions.set(&url("https://7.example"), at(2));
    assert_eq!(positions.get(&url("https://7.example")), Some(at(2)));
    assert_eq!(positions.get(&url(&format!("https://{MAX_POSITIONS}.example"))), None);
}

#[test]
fn a_tree_head_that_is_too_large_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    for (bytes, is_kept) in [(MAX_HEAD_BYTES, true), (MAX_HEAD_BYTES + 1, false)] {
        let positions = Positions::load(dir.path()).unwrap();
        let head = Head {
            tree_size: 9,
            timestamp_ms: 1,
            root_hash: [1; 32],
            signed: true,
            bytes: vec![b'x'; bytes].into(),
        };
        let position = Position { head: Some(head), ..Position::at("https://log.example", 9) };
        positions.set(&url("https://log.example"), position);
        positions.save().unwrap();
        let known = Positions::load(dir.path()).unwrap().get(&url("https://log.example")).unwrap();
        assert_eq!((known.ledger.next, known.head.is_some()), (9, is_kept));
    }
}
